"""下载一个视图：文件和代码。"""

WORDS = {
    "heading": "下载",
    "help": "把这个视图现在的内容存成图片、带轴名的原始数值（NPZ，用 NumPy 打开），以及能重新算出这些数值的 Python 代码。",
    "make": "准备文件",
    "files": "文件",
    "code": "Python 代码",
    "one_file": "存成单个文件：不需要服务器的这个视图",
    "one_file_size": "约 {size} MB",
    "one_file_label": "一个 HTML 文件：双击即可打开，没有网络也行",
    "your_picture": "这里显示的图片",
}
