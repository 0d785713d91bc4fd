"""Colour profiles (ICC): a picture's colours brought to sRGB, in which models were trained and screens show them."""

from __future__ import annotations

import io
from contextlib import suppress

from PIL import Image

MAX_PROFILE_BYTES = 4_000_000  # a printer's table has two; others some hundred bytes
MAX_NAME = 40  # letters of a profile's name that are told


def in_srgb(picture: Image.Image, profile: object) -> tuple[Image.Image, str]:
    """A picture of mode L, RGB, RGBA or CMYK whose colours are those of an ICC profile (bytes), in sRGB, and the
    profile's name; the picture as it is, and "", where there is none, where it is sRGB already, or where it does not
    fit: a broken profile does not make a broken picture. ICC.1:2022; lcms2 by PIL.ImageCms."""
    if not isinstance(profile, bytes) or not 128 < len(profile) <= MAX_PROFILE_BYTES:
        return picture, ""
    with suppress(Exception):
        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = name_of(ImageCms.getProfileDescription(source).strip())
        space = source.profile.xcolor_space.strip()
        modes = {"RGB": ("RGB", "RGBA"), "GRAY": ("L",), "CMYK": ("CMYK",)}.get(space, ())
        if "srgb" in name.lower() or picture.mode not in modes:
            return picture, ""
        alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
        colours = picture.convert("RGB") if alpha else picture
        made = ImageCms.profileToProfile(colours, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if made is not None:
            if alpha:
                made.putalpha(alpha)
            return made, name
    return picture, ""


def name_of(text: object) -> str:
    """A profile's name, of letters that can be shown."""
    return "".join(letter for letter in str(text or "") if letter.isprintable())[:MAX_NAME]
