"""程序或终端请求的内容，以及其中的问题。"""

WORDS = {
    "wrong_value": "{name} 的值类型不对。请给出以下之一：{wanted}。",
    "no_file": "没有收到图片文件。请先上传并给出上传返回的内容，或给出 data URL（data:image/jpeg;base64,…）。",
    "labels": "有 {labels} 个标签，却有 {examples} 张图片。请为每张图片给出一个标签。",
    "no_such_target": "没有目标 {name}。请给出 `targets` 列出的名称，或 #1 到 #{count} 的编号。",
    "no_picture": "{name} 只给出数值，没有图片。请为其文件指定一个文件夹，或使用 --json。",
    "equal_names": "有两张图片同名，其结果会写入同一个文件。请分别处理它们。",
}
