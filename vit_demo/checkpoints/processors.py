"""transformers' preprocessor_config.json → PreprocessSpec: every field as its image processors read it, or refused.

What a file leaves out is the default of its processor's class (transformers models/*/image_processing_*.py and
image_processing_backends.py). A null is none: a step with it is not done.
"""

from __future__ import annotations

from typing import Any

from vit_demo.contract import HALF_MEAN, HALF_STD, IMAGENET_MEAN, IMAGENET_STD, PreprocessSpec, ResizeFilter
from vit_demo.preprocess import MAX_PATCHES

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# Numbered as in Pillow.
RESAMPLE_CODES: dict[int, ResizeFilter] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}

NATIVE = 224
SQUARE = {"height": NATIVE, "width": NATIVE}
ALWAYS = dict(do_resize=True, do_rescale=True, do_normalize=True, do_center_crop=False, rescale_factor=1 / 255)
CROPPED = dict(do_center_crop=True, crop_size=SQUARE, resample=3)
HALF = dict(image_mean=HALF_MEAN, image_std=HALF_STD)
OF_CLIP = dict(
    CROPPED, size={"shortest_edge": NATIVE}, default_to_square=False, image_mean=CLIP_MEAN, image_std=CLIP_STD
)
DEFAULTS: dict[str, dict[str, Any]] = {
    "ViT": dict(HALF, size=SQUARE, resample=2),
    "DeiT": dict(HALF, **CROPPED, size={"height": 256, "width": 256}),
    "Bit": OF_CLIP,
    "CLIP": OF_CLIP,
    "Siglip": dict(HALF, size=SQUARE, default_to_square=False, resample=3),
    "DINOv3ViT": dict(size=SQUARE, resample=2, image_mean=IMAGENET_MEAN, image_std=IMAGENET_STD),
}
# The processor that transformers takes for a model whose files name none (models/auto/image_processing_auto.py).
OF_MODEL = {
    "vit": "ViT",
    "deit": "DeiT",
    "dinov2": "Bit",
    "dinov2_with_registers": "Bit",
    "dinov3_vit": "DINOv3ViT",
}
FIXED_SIZE = ("vit", "deit")  # their models refuse other sizes than image_size unless asked to resample positions
SHOWN = ("size", "crop_size", "resample", "image_mean", "image_std")  # whose absence changes what the model gets
# How far transformers' default backend, torchvision, is from Pillow: the most on noise of fourteen sizes, in levels of
# 255 (transformers 5.24, torchvision 0.29); about one pixel in a hundred differs at all.
BY_TORCHVISION = {
    "bilinear": "differs by at most 1 level of 255",
    "bicubic": "differs by at most 2 levels of 255",
    "lanczos": "differs by at most 2 levels of 255",
    "nearest": "takes a pixel beside it here and there",
}


def preprocess_from_transformers(
    preprocessor: dict[str, Any] | None, model_type: str, image_size: tuple[int, int]
) -> tuple[PreprocessSpec, tuple[str, ...]]:
    """(the PreprocessSpec, what people should know of it) from preprocessor_config.json, None where there is none.

    `image_size` is the model's own. Raises ValueError for what cannot be done as transformers does it.
    """
    kind = _kind_of(preprocessor or {}, model_type)
    given = preprocessor or {}
    _refuse_unknown_steps(given)
    settings = {**ALWAYS, **DEFAULTS[kind], **_own_size(given, kind, model_type, image_size), **given}
    source = "preprocessor_config.json" if preprocessor else f"transformers' {kind}ImageProcessor"
    spec = _spec(settings, source, image_size)
    notes = []
    if spec.resize != "none":
        apart = BY_TORCHVISION.get(spec.interpolation, "does not do this")
        notes.append(f"resized by Pillow ({spec.interpolation}), where transformers' default (fast) backend {apart}")
    if spec.crop == "none":
        notes.append(f"pictures keep their shape, with at most {MAX_PATCHES:,} patches")
    missing = [key for key in SHOWN if key not in given and settings.get(key) is not None]
    if not settings["do_center_crop"]:
        missing = [key for key in missing if key != "crop_size"]
    if preprocessor is None:
        notes.append(f"preprocessing: no preprocessor_config.json, so the defaults of {kind}ImageProcessor")
    elif missing:
        notes.append(
            f"preprocessing: {', '.join(missing)} as {kind}ImageProcessor's defaults, the file leaves them out"
        )
    return spec, tuple(notes)


def _kind_of(preprocessor: dict[str, Any], model_type: str) -> str:
    """The processor's name without its endings. Older files call it a feature extractor."""
    name = preprocessor.get("image_processor_type") or preprocessor.get("feature_extractor_type")
    if not name:
        return OF_MODEL[model_type]
    kind = str(name).replace("FeatureExtractor", "ImageProcessor").removesuffix("Pil").removesuffix("Fast")
    kind = kind.removesuffix("ImageProcessor")
    if kind not in DEFAULTS:
        raise ValueError(f"its preprocessing is {name}; {', '.join(DEFAULTS)} are known")
    return kind


def _refuse_unknown_steps(given: dict[str, Any]) -> None:
    known = {"do_resize", "do_rescale", "do_normalize", "do_center_crop", "do_convert_rgb", "do_reduce_labels"}
    for key, value in given.items():
        if key.startswith("do_") and value and key not in known:
            raise ValueError(f"its preprocessing has the step {key}, which is not done here")
    if given.get("auto_map"):
        raise ValueError("its preprocessing is code of its author (auto_map), which is not run here")


def _own_size(
    given: dict[str, Any], kind: str, model_type: str, image_size: tuple[int, int]
) -> dict[str, dict[str, int]]:
    """The sizes of a file that gives none, for a model that takes no other size than its own: the class's defaults are
    for 224 and keep their proportion."""
    if "size" in given or "crop_size" in given or model_type not in FIXED_SIZE:
        return {}
    sizes = {key: DEFAULTS[kind][key] for key in ("size", "crop_size") if key in DEFAULTS[kind]}
    sides = {"height": image_size[0], "width": image_size[1], "shortest_edge": min(image_size)}
    return {key: {edge: round(px * sides[edge] / NATIVE) for edge, px in one.items()} for key, one in sizes.items()}


def _spec(settings: dict[str, Any], source: str, image_size: tuple[int, int]) -> PreprocessSpec:
    """The PreprocessSpec of complete settings."""
    resize = "none"
    to = image_size  # where nothing is resized: what the page offers as the model's own size
    if settings["do_resize"]:
        edges = _edges(settings["size"], bool(settings.get("default_to_square", True)))
        resize, to = ("shortest", (edges[0], edges[0])) if len(edges) == 1 else ("squash", edges)
    if settings["do_center_crop"]:
        size, crop = _edges(settings["crop_size"], True), "floor"
        if len(size) == 1:
            raise ValueError(f"its crop_size is {settings['crop_size']!r}: height and width are needed")
    else:
        size, crop = to, "floor" if resize == "squash" else "none"
    code = settings["resample"]
    if settings["do_resize"] and code not in RESAMPLE_CODES:
        raise ValueError(f"its resample is {code!r}; {', '.join(map(str, RESAMPLE_CODES))} are known")
    if settings["do_rescale"] and not isinstance(settings["rescale_factor"], int | float):
        raise ValueError(f"its rescale_factor is {settings['rescale_factor']!r}: a number is needed")
    mean, std = _statistics(settings)
    return PreprocessSpec(
        size=size,
        resize=resize,
        interpolation=RESAMPLE_CODES.get(code, "bilinear"),
        mean=mean,
        std=std,
        source=source,
        resized=size if resize == "none" else to,
        rescale=float(settings["rescale_factor"]) if settings["do_rescale"] else 1.0,
        crop=crop,
    )


def _edges(value: Any, square: bool) -> tuple[int, int] | tuple[int]:
    """(height, width), or (shortest edge,): what transformers' get_size_dict makes of a size."""
    if isinstance(value, int) and not isinstance(value, bool):
        edges = (value, value) if square else (value,)
    elif isinstance(value, list | tuple) and len(value) == 2:
        edges = value[0], value[1]
    elif isinstance(value, dict) and set(value) == {"height", "width"}:
        edges = (value["height"], value["width"])
    elif isinstance(value, dict) and set(value) == {"shortest_edge"}:
        edges = (value["shortest_edge"],)
    else:
        edges = ()
    if not edges or not all(isinstance(side, int) and side > 0 for side in edges):
        raise ValueError(f"its preprocessing has the size {value!r}: height and width, or shortest_edge, are needed")
    return edges


def _statistics(settings: dict[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel; one number is for every channel."""
    if not settings["do_normalize"]:
        return (0.0,) * 3, (1.0,) * 3
    found = []
    for key in ("image_mean", "image_std"):
        value = settings[key]
        if not isinstance(value, int | float | list | tuple):
            raise ValueError(f"its {key} is {value!r}: a number for each channel is needed")
        values = (float(value),) * 3 if isinstance(value, int | float) else tuple(float(v) for v in value)
        if len(values) not in (1, 3):
            raise ValueError(f"its {key} has {len(values)} numbers; one or three are needed")
        found.append(values)
    if len(found[0]) != len(found[1]):
        raise ValueError("its image_mean and image_std are for different numbers of channels")
    return found[0], found[1]
