"""What the tokens know: facets of a layer, PCA as colour, norms, the way through the layers, pictures compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.analysis.attention import attention_rows, layer_of
from vit_demo.model.trace import Trace
from vit_demo.model.vit import VisionTransformer

UMAP_NEIGHBOURS = 15  # umap-learn's own

KNN_TEMPERATURE = 0.07  # facebookresearch/dino eval_knn.py
FACETS = ("token", "key", "query", "value")
LANCZOS_FROM = 64  # smaller matrices are solved whole
PATCHES_AT_ONCE = 256  # bounds what is held of all layers at a time
Label = TypeVar("Label", str, int)


# --------------------------------------------------------------------------------------------------- a layer's patches


def layer_tokens(model: VisionTransformer, trace: Trace, layer: int) -> Tensor:
    """All tokens at a layer's output (from 0) after the model's final norm, (B, N, D); at the last layer these are the
    model's own output. As `get_intermediate_layers(norm=True)` of DINOv2 and timm."""
    return model.norm(layer_of(trace, layer).residual)


def patch_facet(model: VisionTransformer, trace: Trace, layer: int, facet: str) -> Tensor:
    """What a layer (from 0) holds of each patch, (B, Gh·Gw, D) or (B, Gh·Gw, h·d): its "token" after the final norm, or
    its "key", "query" or "value", all heads side by side (Amir et al. 2021, section 3).

    Keys and queries are those that attention got: where the model rotates them (RoPE), they hold the place too.
    ValueError for another facet or layer.
    """
    if facet not in FACETS:
        raise ValueError(f"no facet {facet!r}; there are {', '.join(FACETS)}")
    prefix = trace.grid.num_prefix_tokens
    if facet == "token":
        return layer_tokens(model, trace, layer)[:, prefix:]
    kept = getattr(layer_of(trace, layer), facet[0])  # (B, h, N, d)
    return kept[:, :, prefix:].transpose(1, 2).flatten(2)


# ------------------------------------------------------------------------------------------------------ PCA as colour


class Components(NamedTuple):
    """Principal components of samples (n, D): `mean` (D,), `directions` (k, D) of unit length, the `deviation` of the
    scores along each (k,), and the `share` of all variance that each holds (k,). Float64, on the CPU."""

    mean: Tensor
    directions: Tensor
    deviation: Tensor
    share: Tensor

    def scores(self, samples: Tensor) -> Tensor:
        """Samples (n, D) in these components, (n, k)."""
        return (samples.double().cpu() - self.mean) @ self.directions.T


def principal_components(samples: Tensor, count: int) -> Components:
    """The first `count` principal components of samples (n, D). Each sign is such that the direction's largest entry is
    positive: PCA leaves it open. Directions without variance are zero, and so are those beyond n and D."""
    samples = samples.double().cpu()  # small, and a GPU of Apple's knows no float64
    mean = samples.mean(dim=0)
    centred = samples - mean
    wide = centred.shape[1] > centred.shape[0]
    # The smaller of covariance and Gram matrix: the same components at a fraction of an SVD's time.
    square = (centred @ centred.T if wide else centred.T @ centred).numpy()
    values, vectors = (torch.from_numpy(found) for found in _largest_eigenpairs(square, count))
    values, vectors = values.clamp(min=0), vectors.T  # vectors (k, n) or (k, D)
    directions = F.normalize(vectors @ centred, dim=1) if wide else vectors
    directions = directions * (values > values[:1] * 1e-12)[:, None]
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    total = centred.square().sum().clamp(min=torch.finfo(torch.float64).tiny)
    short = count - len(values)
    directions = F.pad(directions * torch.where(largest < 0, -1.0, 1.0), (0, 0, 0, short))
    deviation = (values / max(1, len(samples) - 1)).sqrt()
    return Components(mean, directions, F.pad(deviation, (0, short)), F.pad(values / total, (0, short)))


def _largest_eigenpairs(square: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` largest eigenvalues (k,) of a symmetric matrix (n, n), largest first, and their vectors (n, k)."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    if len(square) > LANCZOS_FROM and square.any():
        # Three vectors of hundreds: Lanczos needs a hundredth of the work, and no threads that wait for each other.
        start = np.random.default_rng(0).standard_normal(len(square))
        values, vectors = eigsh(square, k=min(count, len(square) // 4), which="LA", v0=start)
    else:
        values, vectors = eigh(square)
        values, vectors = values[-count:], vectors[:, -count:]
    order = np.argsort(-values, kind="stable")
    return values[order], vectors[:, order]


def first_component(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """Score of each patch (n, D) on the first principal component of its picture, (Gh, Gw) float64; above 0 is
    foreground (Oquab et al. 2023, Fig. 1).

    The sign, which PCA leaves open, is such that the rim of the picture is background on average.
    """
    scores = principal_components(features, 1).scores(features)[:, 0].reshape(grid)
    rim = torch.ones(grid, dtype=torch.bool)
    rim[1:-1, 1:-1] = False
    return -scores if scores[rim].mean() > 0 else scores


def pca_colours(features: list[Tensor], shown: list[Tensor], method: str) -> tuple[list[Tensor], Components]:
    """Three principal components of the patches of several pictures as red, green, blue on one basis.

    `features` (n, D) and `shown` (n,) booleans for each picture: only shown patches make the basis. Colours (n, 3) in
    0…1; what is not shown is black.

    "dinov2": each component from its least to its largest over all shown patches (Oquab et al. 2023, Fig. 1);
    "dinov3": whitened, then sigmoid(2·score) (facebookresearch/dinov3 notebooks/pca.ipynb).
    """
    components = principal_components(torch.cat([f[s] for f, s in zip(features, shown, strict=True)]), 3)
    if method == "dinov3":
        basis = _basis_of(components)
        colours = [colours_on(basis, f.double().cpu()) for f in features]
    elif method == "dinov2":
        scores = [components.scores(f) for f in features]
        seen = torch.cat([one[s] for one, s in zip(scores, shown, strict=True)])
        low, high = seen.amin(dim=0), seen.amax(dim=0)
        span = torch.where(high > low, high - low, 1.0)
        colours = [((one - low) / span).clamp(0, 1) for one in scores]
    else:
        raise ValueError(f"no method {method!r}; there are dinov2, dinov3")
    return [c * s.cpu()[:, None] for c, s in zip(colours, shown, strict=True)], components


def colour_basis(features: Tensor) -> Tensor:
    """What colours patches (n, D) so that later ones can be coloured alike: their mean and their first three principal
    components, each divided by its deviation, (4, D) float32."""
    return _basis_of(principal_components(features, 3)).float()


def _basis_of(components: Components) -> Tensor:
    deviation = torch.where(components.deviation > 0, components.deviation, 1.0)
    return torch.cat([components.mean[None], components.directions / deviation[:, None]])


def colours_on(basis: Tensor, features: Tensor) -> Tensor:
    """Patches (n, D) as red, green, blue (n, 3) in 0…1 on a `colour_basis`: whitened, then sigmoid(2·score)
    (facebookresearch/dinov3 notebooks/pca.ipynb)."""
    basis = basis.to(features)
    return torch.sigmoid(2 * (features - basis[0]) @ basis[1:].T)


# --------------------------------------------------------------------------------------------------- norms, registers


def token_norms(trace: Trace) -> Tensor:
    """Length of every token in the residual stream at each layer's output, (L, B, N), before any norm. Darcet et al.
    2024, Fig. 3."""
    return torch.stack([layer.residual.norm(dim=-1) for layer in trace.layers])


def outlier_threshold(norms: Tensor) -> float:
    """Above which a norm is far out: third quartile + 3 × the quartiles' distance (Tukey 1977), of patch norms (n,).

    A rule that needs no number made for one model: Darcet et al.'s 150 is for DINOv2 giant alone.
    """
    low, high = torch.quantile(norms.double().cpu(), torch.tensor([0.25, 0.75], dtype=torch.float64)).tolist()
    return high + 3 * (high - low)


def prefix_attention(trace: Trace, layer: int) -> tuple[Tensor, Tensor]:
    """(where each prefix token looks, who looks at it), each (B, p, Gh·Gw), mean over heads.

    The first is the prefix token's row over the patches; the second is, for every patch, the share of its attention
    that this token absorbs (Darcet et al. 2024, Fig. 9). A head at a time, so that one N×N matrix is in memory.
    """
    kept, prefix = layer_of(trace, layer), trace.grid.num_prefix_tokens
    q, k = kept.q / math.sqrt(kept.q.shape[-1]), kept.k
    shape = q.shape[0], prefix, q.shape[2] - prefix
    looks, absorbs = torch.zeros(shape, device=q.device), torch.zeros(shape, device=q.device)
    for head in range(q.shape[1]):
        rows = (q[:, head] @ k[:, head].transpose(-2, -1)).softmax(dim=-1)  # (B, N, N)
        looks += rows[:, :prefix, prefix:] / q.shape[1]
        absorbs += rows[:, prefix:, :prefix].transpose(1, 2) / q.shape[1]
    return looks, absorbs


# --------------------------------------------------------------------------------------------------- through the depth


class LayerCosines(NamedTuple):
    """How alike a token is to itself at other depths: 0 is the input to the first block, l the output of layer l.

    `patches` (L+1, L+1) mean over patches, `cls` (L+1, L+1) or None, `to_final` (L+1, Gh·Gw): each patch with its own
    last state."""

    patches: Tensor
    cls: Tensor | None
    to_final: Tensor


def layer_cosines(trace: Trace) -> LayerCosines:
    """Cosines between the residual streams of every two depths, of the trace's first picture. Raghu et al. 2021 compare
    layers by CKA over many pictures; for one picture and token the cosine is exact."""
    states = [trace.embedded[0], *(layer.residual[0] for layer in trace.layers)]  # each (N, D)

    def between(tokens: slice) -> Tensor:
        unit = F.normalize(torch.stack([state[tokens] for state in states]).float(), dim=-1)
        return torch.einsum("ind,jnd->ijn", unit, unit)  # (L+1, L+1, n)

    prefix, N = trace.grid.num_prefix_tokens, len(states[0])
    total, to_final = torch.zeros(len(states), len(states)), []
    for start in range(prefix, N, PATCHES_AT_ONCE):
        some = between(slice(start, min(start + PATCHES_AT_ONCE, N))).cpu()
        total += some.sum(dim=-1)
        to_final.append(some[-1])
    cls = between(slice(0, 1))[..., 0].cpu() if "cls" in trace.grid.prefix_names else None
    return LayerCosines(total / (N - prefix), cls, torch.cat(to_final, dim=-1))


def logit_lens(model: VisionTransformer, trace: Trace, layer: int) -> tuple[Tensor, Tensor]:
    """What the head reads from a layer's output (from 0) as if it were the last: probabilities of the picture
    (classes,), and of each patch put in the place of what the head reads (Gh·Gw, classes). The trace's first picture.

    nostalgebraist 2020, "interpreting GPT: the logit lens"; for ViTs Vilas et al. 2023 (arXiv 2310.18969). ValueError
    for a model without a head.
    """
    if model.head is None:
        raise ValueError("this model has no head to look through")
    tokens = layer_tokens(model, trace, layer)[:1]  # (1, N, D)
    patches = tokens[0, trace.grid.num_prefix_tokens :]
    if model.attention_pool is not None:
        read = model.attention_pool(patches[:, None])
    elif model.config.pool == "token+avg":
        # The class token stays in its half; the patch stands for the mean of all patches.
        read = torch.cat([tokens[:, 0].expand_as(patches), patches], dim=-1)
    else:
        read = patches
    read = model.fc_norm(read)
    logits = model.head(read)
    if model.head_dist is not None:
        logits = (logits + model.head_dist(read)) / 2
    return model.probabilities(model.logits_of(tokens)[0]), model.probabilities(logits)


# ---------------------------------------------------------------------------------------------------- whole pictures


def saliency(trace: Trace) -> Tensor:
    """How much the picture's summary looks at each patch in the last layer, (Gh·Gw,) from 0 to 1 (least to largest).

    Mean over heads of the class token's row, as dino-vit-features does it (which takes heads 0, 2, 4, 5 of DINO S/8:
    chosen for that model). Without a class token, what all patches give on average.
    """
    last, prefix = len(trace.layers) - 1, trace.grid.num_prefix_tokens
    if "cls" in trace.grid.prefix_names:
        row = attention_rows(trace, last, trace.grid.prefix_names.index("cls"))[0].mean(dim=0)[prefix:]
    else:
        kept = trace.layers[last]
        row = torch.zeros(kept.k.shape[2], device=kept.k.device)
        for q, k in zip(kept.q[0], kept.k[0], strict=True):  # a head at a time: one N×N matrix in memory
            row += (q / math.sqrt(q.shape[-1]) @ k.T).softmax(dim=-1)[prefix:].mean(dim=0)
        row = row[prefix:]
    low, high = row.min(), row.max()
    return (row - low) / (high - low) if high > low else torch.zeros_like(row)


def picture_features(model: VisionTransformer, trace: Trace, layer: int, by: str = "cls") -> Tensor:
    """One unit vector per picture, (B, D): the class token at a layer's output (from 0) after the final norm, or the
    mean of the tokens for a model without one. `by="patches"`: the mean of the patches. At the last layer "cls" is the
    model's own output feature."""
    residual = trace.layers[layer].residual
    if by == "patches":
        return F.normalize(model.norm(residual)[:, trace.grid.num_prefix_tokens :].mean(dim=1), dim=-1)
    return picture_feature(model, residual)


def picture_feature(model: VisionTransformer, residual: Tensor) -> Tensor:
    """`picture_features` by "cls" from the residual stream (B, N, D) at a layer's output: unit vectors (B, D)."""
    tokens = model.norm(residual)
    return F.normalize(tokens[:, 0] if model.config.class_token else tokens.mean(dim=1), dim=-1)


def compare_with_gallery(query: Tensor, gallery: Tensor, centred: bool) -> Tensor:
    """Cosine of a picture (D,) with each of a gallery (n, D), (n,). `centred` takes the gallery's mean off first, which
    brings out differences where all features share a large common part."""
    if centred:
        mean = gallery.mean(dim=0)
        query, gallery = query - mean, gallery - mean
    return F.normalize(gallery, dim=-1) @ F.normalize(query, dim=-1)


def umap_places(vectors: Tensor) -> np.ndarray:
    """Unit vectors (n, D) of six pictures or more on a plane, (n, 2): UMAP by cosine (McInnes et al. 2018, arXiv
    1802.03426; umap-learn, which must be installed). The same vectors give the same places."""
    import umap

    made = umap.UMAP(n_neighbors=min(UMAP_NEIGHBOURS, len(vectors) - 1), metric="cosine", random_state=0, n_jobs=1)
    return made.fit_transform(vectors.float().cpu().numpy())


def knn_votes(cosines: Tensor, labels: Sequence[Label], neighbours: int) -> list[tuple[Label, float]]:
    """Weighted k-NN of Caron et al. 2021 (appendix F.1): each of the closest votes exp(cosine/0.07) for its label.

    (label, share of all votes), best first.
    """
    best = cosines.topk(min(neighbours, len(labels)))
    weights = (best.values / KNN_TEMPERATURE).softmax(dim=0)  # softmax: the same shares, without overflow
    votes: dict[Label, float] = {}
    for index, weight in zip(best.indices.tolist(), weights.tolist(), strict=True):
        votes[labels[index]] = votes.get(labels[index], 0.0) + weight
    return sorted(votes.items(), key=lambda item: -item[1])
