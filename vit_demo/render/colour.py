"""Colour tables: viridis, cividis and grey for amounts, a diverging one for signed values. All safe for colour-blind
eyes; no jet (Nuñez et al. 2018, "Optimizing colormaps with consideration for color vision deficiency")."""

from __future__ import annotations

from functools import cache

import numpy as np

SEQUENTIAL = ("viridis", "cividis", "grey")
DIVERGING = "diverging"
_MATPLOTLIB_NAMES = {"viridis": "viridis", "cividis": "cividis", "grey": "gray", "diverging": "RdBu_r"}


@cache
def colour_table(name: str) -> np.ndarray:
    """(256, 3) uint8, read-only. Raises ValueError for a name outside SEQUENTIAL and DIVERGING."""
    import matplotlib

    if name not in _MATPLOTLIB_NAMES:
        raise ValueError(f"no colour table {name!r}; there are {', '.join(_MATPLOTLIB_NAMES)}")
    colours = matplotlib.colormaps[_MATPLOTLIB_NAMES[name]](np.arange(256))[:, :3]
    table = (colours * 255 + 0.5).astype(np.uint8)
    table.setflags(write=False)
    return table


def colourise(values: np.ndarray, limits: tuple[float, float], table: str = "viridis") -> np.ndarray:
    """Values (…) as colours (…, 3) uint8; what lies outside the limits takes the end colours."""
    low, high = limits
    span = high - low if high > low else 1.0
    scaled = np.clip((np.asarray(values, dtype=np.float64) - low) / span, 0, 1)
    return colour_table(table)[(scaled * 255 + 0.5).astype(np.uint8)]
