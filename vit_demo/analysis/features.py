"""What the tokens know: comparing pictures by their class token."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vit_demo.model.trace import Trace
from vit_demo.model.vit import VisionTransformer

KNN_TEMPERATURE = 0.07  # facebookresearch/dino eval_knn.py


def picture_features(model: VisionTransformer, trace: Trace, layer: int) -> Tensor:
    """One unit vector per picture, (B, D): the class token at a layer's output (from 0) after the final norm, or the
    mean of the patches for a model without one. At the last layer this is the model's own output feature."""
    tokens = model.norm(trace.layers[layer].residual)
    feature = tokens[:, 0] if model.config.class_token else tokens.mean(dim=1)
    return F.normalize(feature, dim=-1)


def compare_with_gallery(query: Tensor, gallery: Tensor, centred: bool) -> Tensor:
    """Cosine of a picture (D,) with each of a gallery (n, D), (n,). `centred` takes the gallery's mean off first, which
    brings out differences where all features share a large common part."""
    if centred:
        mean = gallery.mean(dim=0)
        query, gallery = query - mean, gallery - mean
    return F.normalize(gallery, dim=-1) @ F.normalize(query, dim=-1)


def knn_votes(cosines: Tensor, labels: list[str], neighbours: int) -> list[tuple[str, float]]:
    """Weighted k-NN of Caron et al. 2021 (appendix F.1): each of the closest votes exp(cosine/0.07) for its label.

    (label, share of all votes), best first.
    """
    best = cosines.topk(min(neighbours, len(labels)))
    weights = (best.values / KNN_TEMPERATURE).softmax(dim=0)  # softmax: the same shares, without overflow
    votes: dict[str, float] = {}
    for index, weight in zip(best.indices.tolist(), weights.tolist(), strict=True):
        votes[labels[index]] = votes.get(labels[index], 0.0) + weight
    return sorted(votes.items(), key=lambda item: -item[1])
