"""Downloading a view: files and code."""

WORDS = {
    "heading": "Download",
    "help": "What this view shows now, as a picture, as raw numbers with named axes (NPZ, for NumPy), and as Python lines that compute the numbers again.",
    "make": "Prepare the files",
    "files": "Files",
    "code": "Python",
    "your_picture": "the picture shown here",
}
