"""Why a picture is not taken, and what to do."""

from __future__ import annotations

WORDS = {
    "empty": "This file is empty. Choose another file, or save the picture again.",
    "too_many_bytes": (
        "This file has {size} MB; at most {limit} MB are accepted. Make the picture smaller or save it as JPEG, then "
        "try again."
    ),
    "not_a_picture": (
        "This file is not a picture of a kind that can be opened here. Use a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF file."
    ),
    "heic": (
        "This is a HEIC photo, as iPhones take them, and this server cannot open it: the package pillow-heif is not "
        "installed. Save it as JPEG, or take a screenshot of it, then try again."
    ),
    "other_kind": (
        "This file is of kind {kind}, which cannot be opened here. Save the picture as JPEG or PNG, then try again."
    ),
    "too_many_pixels": "This picture has more than {limit:,} pixels. Make it smaller, then try again.",
    "side_too_long": (
        "This picture measures {width} × {height} pixels; no side may be longer than {limit}. Make it smaller or crop "
        "it, then try again."
    ),
    "too_thin": (
        "This picture measures {width} × {height} pixels, which is too long and thin: one side may be at most {limit} "
        "times the other. Crop it, then try again."
    ),
    "damaged": (
        "This picture is damaged or incomplete. Download or copy it once more, or save it again as JPEG or PNG, then "
        "try again."
    ),
    "tiff_floats": (
        "This TIFF holds {bands} band(s) of {bits}-bit floating-point numbers, which cannot be shown without knowing "
        "their range. Save it as 8-bit RGB or grey (PNG or TIFF), then try again."
    ),
    "tiff_complex": (
        "This TIFF holds complex numbers ({bits} bits each), which are not a picture. Save their magnitude as 8-bit "
        "grey (PNG or TIFF), then try again."
    ),
    "tiff_bands": (
        "This TIFF has {bands} bands of {bits} bits, as satellites and microscopes record them; a model sees three. "
        "Choose three bands, save them as RGB (PNG or TIFF), then try again."
    ),
    "tiff_ycbcr": (
        "This TIFF stores its colours as uncompressed YCbCr, which cannot be read here. Save it as RGB (PNG or TIFF), "
        "then try again."
    ),
    "too_slow": (
        "This picture took too long to open, so it was given up. Save it again as a plain JPEG or PNG, then try again."
    ),
    "too_much_memory": "Opening this picture needs too much memory. Make the picture smaller, then try again.",
    "gone": "The picture is no longer here: uploads are deleted within an hour. Choose it again.",
    "busy": "The picture could not be opened, for a reason on this side. Wait a moment, then try again.",
}
