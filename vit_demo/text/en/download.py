"""Downloading a view: files and code."""

WORDS = {
    "heading": "Download",
    "help": "What this view shows now, as a picture, as raw numbers with named axes (NPZ, for NumPy), and as Python lines that compute the numbers again.",
    "make": "Prepare the files",
    "files": "Files",
    "code": "Python",
    "one_file": "One file: this view, without a server",
    "one_file_size": "about {size} MB",
    "one_file_label": "One HTML file: opens by a double click, also without a network",
    "your_picture": "the picture shown here",
}
