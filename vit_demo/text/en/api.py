"""What a program or a terminal asked for, and what is wrong with it."""

WORDS = {
    "wrong_value": "{name} has a value that is none of its kind. Give one of: {wanted}.",
    "no_file": "No picture file was sent. Upload it first and give what the upload returns, or give a data URL "
    "(data:image/jpeg;base64,…).",
    "labels": "There are {labels} labels for {examples} pictures. Give one label for each.",
    "no_such_target": "There is no target {name}. Give a name as `targets` lists it, or a number from #1 to #{count}.",
    "no_picture": "{name} gives numbers and no picture. Name a folder for its files, or take --json.",
    "equal_names": "Two of the pictures have the same name, and their results would be one file. Ask for them one after the other.",
}
