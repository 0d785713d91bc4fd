"""scikit-learn's 8×8 digits (UCI, Alpaydin and Kaynak), made to look like MNIST's: no download."""

from __future__ import annotations

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from vit_demo.ink import as_mnist
from vit_demo.training.data import Digits


def upscaled(count: int | None = None, seed: int = 0) -> Digits:
    """`count` of the 1,797 digits, drawn by a fixed seed: smoothed to 80×80, then scaled and centred as MNIST's are."""
    data = load_digits()
    chosen = np.random.default_rng(seed).permutation(len(data.target))[:count]
    pictures = [as_mnist(sharpened(data.images[i].astype(np.float32) / 16)) for i in chosen]
    return Digits(np.stack(pictures), data.target[chosen].astype(np.int64))


def sharpened(small: np.ndarray) -> np.ndarray:
    """An 8×8 digit in 0…1 at ten times its size, its edges made steep as a pen's are."""
    large = np.asarray(Image.fromarray(small).resize((80, 80), Image.Resampling.BICUBIC))
    return np.clip((large - 0.3) / 0.4, 0, 1)
