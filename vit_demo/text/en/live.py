"""The live camera in the Attention tab."""

WORDS = {
    "open": "Live camera",
    "note": (
        "Your camera's frames go to the computer that runs this page, one at a time and small, and none is kept. A frame "
        "becomes the page's picture only when you freeze it."
    ),
    "opening": "Asking your browser for the camera …",
    "stop": "Stop",
    "freeze": "Freeze this frame for all views",
    "recolour": "New colours from this frame",
    "camera": "camera",
    "camera_number": "camera {number}",
    "size": "size",
    "size_of": "{side} px, {rows}×{cols} patches",
    "layer": "Layer",
    "token": "Looks from",
    "token_patch": "row {row}, column {col}",
    "opacity": "overlay",
    "stage_label": (
        "The last frame that the model answered to, {rows} rows by {cols} columns of patches. Click a patch, or press "
        "Enter on it, to see where it looks in every frame."
    ),
    "mean": "mean of all heads",
    "scale": "attention on one patch",
    "beside": "outside the patches {share} %",
    "heads_label": "Heads of this layer",
    "colours": (
        "What the last layer makes of the patches: patches of one colour are alike to the model. The three main "
        "directions of the first frame stand for red, green and blue, the same for all frames until you choose new ones."
    ),
    "classes": "The model's best guesses",
    "neighbours": "This model has no classes. The example pictures most like this frame (cosine)",
    "waiting": "Waiting for the first answer …",
    "rate": "{rate} frames a second. {total} ms from the camera to this picture: {compute} computing, {wait} waiting for other visitors, {rest} on the way.",
    "hidden": "The camera was turned off while this view was hidden.",
    "frozen": "That frame is now the picture of every view.",
    "late": "The server has not answered for {seconds} seconds. Trying again …",
    "too_many": "Too many cameras are waiting on this machine. Trying again …",
    "reload": "The server was started anew, or has no camera view. Reload this page.",
    "unexpected": "The server could not answer. Trying again …",
    "no_server": "The server cannot be reached. Trying again …",
    "ended": "The camera has stopped giving pictures.",
    "no_camera_here": (
        "A browser gives its camera only to pages on https or on this computer itself. Open this page that way, or take "
        "a photo and drop it as a picture."
    ),
    "not_allowed": "The browser may not use the camera for this page. Allow it beside the address, then press Live camera again.",
    "no_camera": "No camera was found.",
    "camera_failed": "The camera could not be opened: another program may be using it.",
    "no_frame": "That was no frame of a camera. Press Live camera again.",
    "not_patches": "A frame's sides must be multiples of the patch of {patch} px; this one has {width}×{height} px.",
    "other_basis": "Those colours belong to another model. Choose new colours from a frame.",
}
