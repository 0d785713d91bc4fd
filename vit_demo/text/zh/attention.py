"""“注意力”页。"""

WORDS = {
    "tab": "注意力",
    "help": (
        "**您看到的**是一个词元在一层中如何分配注意力：每个头一张图。在图片上指向任意图块并点击，就由那个图块来提问。"
        "**读法**：看刻度；一张图与它下方的份额（类别词元和寄存器）相加为 100 %。"
        "**它不说明**模型是因为这些地方才作出决定：注意力只是漫长计算中的一步，不是解释。"
    ),
    "layer": "层",
    "from": "从哪个词元看",
    "token_cls": "类别词元（CLS）",
    "token_dist": "蒸馏词元",
    "token_reg": "寄存器 {number}",
    "token_patch": "图块：第 {row} 行，第 {col} 列",
    "stage_label": "模型看到的图片，{rows} 行 {cols} 列图块。用方向键移动，按回车提问。",
    "heads_label": "这一层的各个头",
    "head": "头 {number}",
    "mean_of_heads": "所有头的平均",
    "prefix_share": "{names} {share} %",
    "grid": "图块网格",
    "opacity": "叠加",
    "mask": "只显示最强的图块，合计占",
    "mask_of": "的图块注意力",
    "shared": "所有头共用一个刻度",
    "smooth": "平滑",
    "colours": "颜色",
    "more": "更多",
    "viridis": "viridis",
    "cividis": "cividis",
    "grey": "灰度",
    "scale": "单个图块的注意力",
    "readout": "第 {row} 行第 {col} 列：{value} %，在 {count} 个中排第 {rank}",
    "registers": "寄存器",
    "no_such_token": "这个模型没有词元 {name}。它有 {names}，以及图块。",
    "outside_grid": "第 {row} 行第 {col} 列的图块不在 {rows}×{cols} 的网格内。请选择网格内的图块。",
    "no_such_layer": "没有第 {layer} 层。这个模型有 {depth} 层。",
}
