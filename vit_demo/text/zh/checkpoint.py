"""读取检查点：哪里不符，该怎么办。"""

WORDS = {
    "set_twice": "{name} 中的 {key} 以两个名字出现了两次，无法确定用哪一个。请换一个文件。",
    "unknown_keys": (
        "{name} 中有 {count} 个张量不属于它的架构（{keys}）。本程序绝不近似加载：请检查 config.json 是否与权重对应，或换一个模型。"
    ),
    "missing_keys": (
        "{name} 缺少其架构中的 {count} 个张量（{keys}）。本程序绝不用随机数填补：请检查 config.json 是否与权重对应，或重新下载。"
    ),
    "head_missing": (
        "{name} 声明自己是分类器，但文件中没有分类头，而随机的分类头只会给出胡乱的预测。请选择带分类头的检查点，或只打开主干网络。"
    ),
    "wrong_shape": "在 {name} 中，{key} 的形状是 {got}，而架构要求 {wanted}。请检查 config.json 是否与权重对应。",
    "unsupported": "{name} 无法被如实表示：{reason}。请选择普通的 Vision Transformer。",
    "damaged_weights": "{name} 的权重已损坏或不完整。请删除该文件并重新下载。",
    "unsafe_pickle": "{name} 里不只有权重：读取它会运行作者的代码，因此不读取。请索取 safetensors 文件。",
    "adapter": (
        "{name} 是适配器（adapter），不是完整的模型：其中只有加到基础模型上的部分。请用 merge_and_unload() "
        "将它合并到基础模型，保存合并后的模型，再打开。"
    ),
    "quantised": (
        "{name} 的权重经过量化（其 config.json 含有 quantization_config），取整后的数会被误当作权重。"
        "请打开原始模型，或在 dequantize() 之后保存。"
    ),
    "not_numbers": (
        "在 {name} 中，{key} 的类型是 {kind}，本程序不读取：例如整数只有乘上缩放系数才是权重。"
        "请将模型存为浮点类型的稠密张量后再打开。"
    ),
    "not_finite": "{name} 中的 {key} 含有无效数值（NaN 或无穷大）：训练出错或文件被截断。请重新下载该模型，或打开较早的检查点。",
    "chunks_unclear": (
        "{name} 把各层分块保存（blocks.0.0、blocks.0.1 …），但编号有缺漏或重叠，无法确定顺序。请把所有层放在一个列表中保存。"
    ),
    "no_config": "仅凭文件无法得知 {name} 的架构。请把与它对应的 config.json 放在同一文件夹中，然后打开该文件夹。",
    "unknown_format": "{name} 是 {suffix} 文件。请选择 .safetensors、.pth、.pt、.bin 或 .npz。",
    "not_offered": "{name} 不在这里提供的模型之中。请从列表中选择。",
}
