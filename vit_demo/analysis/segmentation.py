"""Segmentation without labels: k-means and the normalised cut over a picture's patches. The algorithms are
scikit-learn's and scipy's."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SEED = 0  # the same picture gives the same segments
WEAK_EDGE = 1e-5  # TokenCut's ε: the graph stays connected


def k_means_segments(features: Tensor, count: int) -> Tensor:
    """Segment of each patch, (n,) int64 counted from 0, the largest first: k-means (Lloyd 1982) of unit features (n, D)
    into at most `count` segments."""
    from sklearn.cluster import KMeans

    unit = F.normalize(features.float(), dim=-1).cpu().numpy()
    count = min(count, len(np.unique(unit, axis=0)))  # more clusters than points cannot be filled
    # sklearn carries no types; the checker takes its default "auto" for one.
    found = KMeans(count, n_init=4, random_state=SEED).fit_predict(unit)  # pyright: ignore[reportArgumentType]
    sizes = np.bincount(found, minlength=count)
    place = np.empty(count, np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return torch.from_numpy(place[found])


def normalised_cut(features: Tensor, cosine: float | None = None) -> tuple[Tensor, Tensor]:
    """(foreground (n,) booleans, the cut's vector (n,) float64): the graph of patches, an edge where their features
    (n, D) are alike by more than `cosine`, cut in two parts (Shi & Malik 2000). None: more alike than two patches of
    this picture are on average. TokenCut's 0.2 is for keys of DINO S/16; where all patches share a large common part,
    it joins all of them.

    The vector y solves (D − W)·y = λ·D·y for the second smallest λ. Patches above its mean are one part; the part that
    holds the largest |y| is the foreground (TokenCut: Wang et al. 2022, section 3.2).
    """
    from scipy.sparse.linalg import eigsh

    unit = F.normalize(features.float(), dim=-1)
    cosines = (unit @ unit.T).cpu().numpy()
    weights = np.where(cosines > (cosines.mean() if cosine is None else cosine), 1.0, WEAK_EDGE)
    root = 1 / np.sqrt(weights.sum(axis=1))
    # y = D^(−1/2)·z, where z belongs to the second largest eigenvalue of D^(−1/2)·W·D^(−1/2): a symmetric problem, of
    # which Lanczos finds two vectors without the other n − 2.
    symmetric = root[:, None] * weights * root[None, :]
    start = np.random.default_rng(SEED).standard_normal(len(root))
    if len(root) > 3:
        values, vectors = eigsh(symmetric, k=2, which="LA", v0=start)
        vector = root * vectors[:, np.argmin(values)]
    else:  # Lanczos needs more rows than vectors
        vector = root * np.linalg.eigh(symmetric)[1][:, -2 if len(root) > 1 else -1]
    part = vector > vector.mean()
    seed = np.argmax(np.abs(vector))
    if not part[seed]:
        part, vector = ~part, -vector
    return torch.from_numpy(part), torch.from_numpy(vector)
