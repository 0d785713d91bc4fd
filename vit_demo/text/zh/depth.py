"""“深度”页。"""

WORDS = {
    "tab": "深度",
    "help": (
        "**您看到的**是每个头逐层的四个数：一个点是一个头，折线是该层的平均。"
        "**读法**：从左到右看；在许多模型中，浅层的头有的只看附近，有的看整张图片，深层则看得远。"
        "**它不说明**看得远的头就看到了更多：虚线是对所有词元一视同仁的头会有的数值。"
    ),
    "renormalised": "距离不计前缀词元的份额（重新归一化）",
    "models": "与其他模型比较",
    "models_info": "本机上已有的模型。像素按各模型自己的输入计算。",
    "run": "对示例图片求平均",
    "stop": "停止",
    "this_picture": "这张图片，{rows}×{cols} 个图块。",
    "so_far": "{title}：示例图片 {done} / {count}",
    "over_examples": "{count} 张示例图片的平均。",
    "distance": "平均注意力距离（像素）",
    "distance_renormalised": "平均注意力距离，重新归一化（像素）",
    "distance_what": "一个图块平均看多远。给前缀词元的注意力不计距离（ViT，附录 D.7）。",
    "distance_renormalised_what": "只算给图块的注意力时，一个图块平均看多远。",
    "entropy": "注意力的熵（比特）",
    "entropy_what": "一个图块把注意力分得多散：只给一个词元时为 0，平均分给所有词元时为词元数的 log2。",
    "prefix": "给前缀词元的注意力（%）",
    "prefix_what": "图块平均给类别词元和寄存器多少注意力。",
    "register": "类别词元给寄存器的注意力（%）",
    "register_what": "类别词元给所有寄存器的注意力之和。",
    "no_prefix": "{title} 没有前缀词元。",
    "no_registers": "{title} 没有同时带有类别词元和寄存器。",
    "layer": "层",
    "dot": "第 {layer} 层，头 {head}：{value}",
    "dot_of": "{title}，第 {layer} 层，头 {head}：{value}",
    "px": "{value} 像素",
    "bits": "{value} 比特，最大值的 {share} %",
    "percent": "{value} %",
    "figure": "{what}。{title} 各层的头的平均，逐层为：{means}。",
    "too_many": "一幅图最多容纳 {most} 个模型。请少选几个。",
}
