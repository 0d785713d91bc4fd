"""Look inside a Vision Transformer.

`import vit_demo` needs neither torch nor a network: the names below load on first use.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOME = {
    "load_model": "vit_demo.checkpoints.load",
    "from_module": "vit_demo.checkpoints.modules",
    "LoadedModel": "vit_demo.checkpoints.load",
    "Trace": "vit_demo.model.trace",
    "Edits": "vit_demo.edits",
    "Cut": "vit_demo.edits",
    "VisionTransformer": "vit_demo.model.vit",
    "ViTConfig": "vit_demo.model.config",
    "attention_rows": "vit_demo.analysis.attention",
    "attention_matrix": "vit_demo.analysis.attention",
    "Explainer": "vit_demo.explain",
    "DemoError": "vit_demo.contract",
    "ModelCard": "vit_demo.contract",
    "PreprocessSpec": "vit_demo.contract",
    "TokenQuery": "vit_demo.contract",
    "Settings": "vit_demo.serve",
    "mount": "vit_demo.serve",
    "explorer_html": "vit_demo.notebook",
    "features_html": "vit_demo.notebook",
    "compare_html": "vit_demo.notebook",
    "show": "vit_demo.notebook",
    "Snapshots": "vit_demo.snapshots",
    "launch": "vit_demo.notebook",
}

__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'vit_demo' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
