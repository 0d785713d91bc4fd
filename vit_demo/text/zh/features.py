"""“特征”页。"""

WORDS = {
    "file_title": "{title} 知道什么，第 {layer} 层",
    "tab": "特征",
    "layer": "层",
    "facet": "取每个图块的",
    "facet_token": "词元",
    "facet_key": "键",
    "facet_query": "查询",
    "facet_value": "值",
    "view_colours": "颜色与相似度",
    "view_segments": "分割",
    "view_norms": "范数与寄存器",
    "view_evolution": "逐层变化",
    "view_pairs": "配对",
    "view_alike": "相似图片",
    "help_colours": (
        "**您看到的**是每个图块与您所指图块有多相似（余弦），旁边是所有图块最强的三个方向（PCA），用红、绿、蓝表示。"
        "**读法**：颜色相同，说明在这一层看来相似；多张图片共用一个基，也可以互相比较。点击可固定一个图块。"
        "**它不说明**某种颜色代表某种东西：方向取决于这些图片，正负号是任意的。"
    ),
    "help_segments": (
        "**您看到的**是只按相似程度分组的图块，没有人给任何东西起名。"
        "**读法**：k 均值按您要的数目分组；归一化割（N-cut）在图块最不相似的地方把图片分成两部分。"
        "**它不说明**模型学过分割：边界只有图块那么精细。"
    ),
    "help_norms": (
        "**您看到的**是每个词元离开某一层时的长度。"
        "**读法**：在一些大模型中，平淡之处的少数图块会变得比其余的长得多；带寄存器的模型把这些内容存放在寄存器里。"
        "**它不说明**每个模型都如此，也不说明带寄存器的模型的图就一定干净；小模型往往两者都没有。"
    ),
    "help_evolution": (
        "**您看到的**是一个词元与自己在其他深度时有多相似；有分类头的模型，还能看到如果分类头读取各层会给出什么答案（logit lens）。"
        "**读法**：从输入（0）到最后一层。"
        "**它不说明**模型很早就知道答案：分类头只在最后一层上训练过。"
    ),
    "help_pairs": (
        "**您看到的**是两张图片中互为最相似的图块，只取类别词元关注的那些。"
        "**读法**：这些是模型视为相同的部位；文献中的做法是取 12 层中第 9 或第 10 层的键。"
        "**它不说明**没有配对的部位就不同：这里只选十对，并让它们散布在图片各处。"
    ),
    "help_alike": (
        "**您看到的**是您自己的图片和示例，按与左侧图片的相似程度排列，并全部放在一个平面上。"
        "**读法**：按 PCA，靠近只说明在最强的两个方向上相似；列表用到全部方向。"
        "**它不说明**模型会把它们叫作同一种东西。"
    ),
    "more": "与示例比较",
    "more_info": "最多再加七张图片，共用一个基；“配对”取第一张",
    "uploads": "或者您自己的图片",
    "method": "上色方式",
    "foreground": "把第一主成分视为背景的部分涂黑",
    "flip": "对调前景与背景",
    "opacity": "相似度叠加",
    "fixed": "刻度从 0 开始",
    "smooth": "平滑",
    "table": "颜色",
    "unpin": "取消固定",
    "scale": "与所选图块的余弦，从最小值到 1",
    "from": "从图片 {number} 第 {row} 行第 {col} 列",
    "to": "到图片 {number} 第 {row} 行第 {col} 列：{value}，在 {count} 个中排第 {rank}",
    "best": "图片 {number} 中最相似的：第 {row} 行第 {col} 列（{value}）",
    "stage_label": "图片 {number}，{rows} 行 {cols} 列图块。方向键移动，回车固定，Esc 取消固定。",
    "like_caption": "图片 {number}：相似度",
    "pca_caption": "图片 {number}：PCA，方差份额 {shares}",
    "way": "分组方法",
    "way_kmeans": "k 均值",
    "way_ncut": "归一化割",
    "count": "组数（k 均值）",
    "saw": "模型看到的图片",
    "foreground_share": "前景：占图块的 {share} %",
    "cut_vector": "用来切分的本征向量（eigenvector）",
    "segment": "第 {number} 组：{share} %",
    "segments_over": "叠加在图片上的 {count} 个组",
    "threshold": "超过多少算离群",
    "threshold_info": "0 表示由四分位数得出；论文对 DINOv2 giant 取 150",
    "other": "与另一个模型比较",
    "other_info": "例如带寄存器的同一模型",
    "threshold_given": "由您设定",
    "threshold_tukey": "第三四分位数 + 3 × 四分位距",
    "outliers": "{total} 个图块中有 {count} 个（{share} %）长于 {threshold}（{rule}）",
    "norm_map": "第 {layer} 层之后的范数；离群图块加框",
    "norms_by_layer": "各层的范数",
    "median_patch": "图块的中位数",
    "largest_patch": "最长的图块",
    "no_prefix": "这个模型没有类别词元，也没有寄存器，因此只有图块能吸收注意力。",
    "absorb_heading": "类别词元和寄存器在这一层吸收了什么（各头平均）",
    "looks": "它们各自看向哪里（百分比，共用一个刻度）。",
    "absorbs": "每个图块的注意力有多少给了它们（百分比，共用一个刻度）。",
    "looks_one": "{name}：{share} % 在图块上",
    "absorbs_one": "{name}：平均得到 {share} %",
    "patches_mean": "图块（平均）",
    "between_patches": "图块：每个深度与其他各深度的余弦，−1 到 1，输入在前",
    "between_cls": "类别词元：每个深度与其他各深度的余弦，−1 到 1，输入在前",
    "to_final": "与自己最后状态的余弦，按深度（0 是输入）",
    "to_final_maps": "每个图块与自己最后状态的余弦，−1 到 1。",
    "depth_name": "深度 {depth}",
    "no_lens": "这个模型没有分类头，因此没有可以提前读出的答案。",
    "lens_class": "图中显示的类别",
    "lens_heading": "logit lens：{label}",
    "lens_note": (
        "如果分类头读取的不是它自己的词元，而是那一层的一个图块，它会给“{label}”多少概率（百分比，共用一个刻度）。"
        "每张图下方：对整张图片最可能的类别，以及“{label}”的份额。"
    ),
    "lens_one": "第 {layer} 层：{best}；{share} %",
    "need_second": "请在“颜色与相似度”中选择第二张图片：一张示例，或您自己的图片。",
    "no_pairs": "没有互为最相似的显著图块。请换一层、改用键而不是词元，或换一张图片。",
    "around": "同时比较每个图块的周围（log-binning）",
    "pairs_label": "{count} 对，从 {mutual} 对互为最相似的图块中选出",
    "pairs_list": "各对的数值",
    "pair": "第 {row} 行第 {col} 列 ↔ 第 {row2} 行第 {col2} 列：余弦 {cosine}",
    "own": "您自己的图片，最多 48 张",
    "own_code": "您自己的图片",
    "own_picture": "您的图片 {number}",
    "this_picture": "这张图片",
    "by": "比较依据",
    "by_cls": "类别词元",
    "by_patches": "图块的平均",
    "alike_how": "第 {layer} 层（共 {depth} 层）之后的余弦，所有图片按 224 像素处理。",
    "alike_centred": "已先减去全部图片的均值。",
    "plane_by": "平面的做法",
    "plane_umap": "用 UMAP 排列的全部图片：靠近的图片相似；远处图片之间的距离和坐标轴没有含义",
    "plane": "全部图片在最强的两个方向上，各占方差的 {first} % 和 {second} %",
    "too_many_pictures": "给出了 {count} 张图片，一次只能比较 1 到 {most} 张。请去掉一些。",
    "no_foreground": "这些图片里几乎没有图块属于前景，因此没有可上色的内容。请同时显示背景，或对调前景与背景。",
    "sources_heading": "公式、论文与局限",
    "sources": (
        "- **词元**：该层的输出经过模型最后的归一化。**键、查询、值**：注意力所得到的，各头并排；如果模型使用旋转（RoPE），键和查询也含有位置。\n"
        "- **DINOv2 的 PCA**（Oquab 等 2023，图 1）：每张图片的第一主成分分开前景和背景，正负号取成让图片边缘属于背景；"
        "再对所有前景图块一起取三个主成分，各自从最小值到最大值上色。\n"
        "- **DINOv3 的 PCA**（其笔记本 pca.ipynb）：得分除以标准差，乘以二再取 sigmoid。那里的前景来自一个没有公布的分类器，"
        "这里用经过 3×3 中值平滑的第一主成分代替。\n"
        "- **相似度**：两个图块的余弦。向量以 8 位整数传送，误差约 0.01。\n"
        "- **k 均值**（Lloyd 1982）作用于单位向量，由 scikit-learn 计算。**归一化割**（Shi 与 Malik 2000）按 TokenCut（Wang 等 2022）的做法，"
        "由 scipy 计算；比这张图片的平均更相似的图块才连边，而 TokenCut 固定取 0.2。\n"
        "- **范数**（Darcet 等 2024，“Vision Transformers Need Registers”）：残差流中的长度。离群的标准是 Tukey 的规则，不是论文的；"
        "论文的 150 只适合一个模型。并非每个系列都有这样的词元（arXiv 2603.25803），带寄存器的大模型也可能误导（arXiv 2505.05892）。\n"
        "- **Logit lens**（nostalgebraist 2020；用于 ViT：Vilas 等 2023）：把最后的归一化和分类头用在较早的层上。\n"
        "- **配对**（Amir 等 2021，dino-vit-features）：互为最近邻，且两边图块的类别词元注意力（从最小到最大）都超过 0.05；"
        "k 均值分成十组，每组显示最显著的一对。\n"
        "- **相似图片**：类别词元的余弦，或图块平均的余弦；平面是它们的 PCA，装有 umap-learn 时也可以是 UMAP（McInnes 等 2018，arXiv 1802.03426）：它只保留邻近关系。"
    ),
}
