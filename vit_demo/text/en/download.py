"""Taking a view away: files and code."""

WORDS = {
    "heading": "Take it away",
    "help": "What this view shows now, as a picture, as raw numbers with named axes (NPZ, for NumPy), and as Python lines that compute the numbers again.",
    "make": "Make the files",
    "files": "Files",
    "code": "Python",
    "your_picture": "the picture shown here",
}
