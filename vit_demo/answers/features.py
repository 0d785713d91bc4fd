"""What the tokens know: PCA as colour, similarity, pairs, segments, norms, and the way through the layers."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, get_args

import numpy as np
import torch

from vit_demo.analysis import correspondence, features, segmentation
from vit_demo.answers.attention import checked_layer
from vit_demo.answers.predict import class_names
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import (
    FACETS,
    MAX_PAIRS,
    MAX_PCA_PICTURES,
    MAX_SEGMENTS,
    Correspondences,
    DemoError,
    Evolution,
    Facet,
    Lens,
    PatchFeatures,
    PcaImages,
    PcaMethod,
    RunInfo,
    Segmentation,
    SegmentMethod,
    SizeChoice,
    TokenNorms,
)
from vit_demo.engine import Engine, Run, long_work

Pictures = tuple[np.ndarray, ...]
LENS_CLASSES = 5
FEWEST_SHOWN = 4  # three components need four points


@long_work
def pca(
    engine: Engine,
    images: Pictures,
    model: str,
    size: SizeChoice,
    layer: int,
    facet: Facet,
    method: PcaMethod,
    foreground: bool,
    flip: bool,
) -> PcaImages:
    """Three principal components of the patches as colours, of some pictures on one basis."""
    if not 1 <= len(images) <= MAX_PCA_PICTURES:
        raise DemoError("features.too_many_pictures", count=len(images), most=MAX_PCA_PICTURES)
    _check("facet", facet, FACETS)
    _check("method", method, get_args(PcaMethod))
    layer = checked_layer(layer, engine.load(model).model.config.depth)
    kept = [_kept_patches(engine, image, model, size, layer, facet) for image in images]
    grids = [one.info.grid.shape for one in kept]
    with engine.computing():
        patches = [one.vectors.double() for one in kept]
        shown = [torch.ones(len(f), dtype=torch.bool) for f in patches]
        if foreground:
            shown = [_foreground(f, grid, method, flip) for f, grid in zip(patches, grids, strict=True)]
        if sum(int(s.sum()) for s in shown) < FEWEST_SHOWN:
            raise DemoError("features.no_foreground")
        colours, components = features.pca_colours(patches, shown, method)
    return PcaImages(
        colours=tuple(c.reshape(*grid, 3).numpy() for c, grid in zip(colours, grids, strict=True)),
        foreground=tuple(s.reshape(grid).numpy() for s, grid in zip(shown, grids, strict=True)),
        pictures=tuple(one.picture for one in kept),
        explained=components.share.numpy(),
        method=method,
        facet=facet,
        layer=layer,
        info=kept[0].info,
    )


def _foreground(patches: torch.Tensor, grid: tuple[int, int], method: str, flip: bool) -> torch.Tensor:
    """Foreground (n,) by the first component. DINOv3's notebook smooths its foreground by a 3×3 median; there it comes
    from a classifier trained on nine labelled pictures, which nobody published, so the component stands in for it."""
    score = features.first_component(patches, grid)
    if method == "dinov3":
        from scipy.ndimage import median_filter

        score = torch.from_numpy(median_filter(score.numpy(), size=3, mode="nearest"))
    return ((score < 0) if flip else (score > 0)).flatten()


def _facet(loaded: LoadedModel, run: Run, layer: int, facet: str) -> torch.Tensor:
    """(rows·cols, D) of a run's patches."""
    return features.patch_facet(loaded.model, run.trace, layer, facet)[0]


def patch_features(
    engine: Engine, image: np.ndarray, model: str, size: SizeChoice, layer: int, facet: Facet
) -> PatchFeatures:
    """Unit vectors of all patches, whose dot products are cosines."""
    _check("facet", facet, FACETS)
    layer = checked_layer(layer, engine.load(model).model.config.depth)
    one = _kept_patches(engine, image, model, size, layer, facet)
    with engine.computing():
        unit = torch.nn.functional.normalize(one.vectors, dim=-1).numpy()
    return PatchFeatures(unit, one.info.grid, facet, layer, one.picture, one.info)


class _Patches(NamedTuple):
    """A picture's patches, (rows·cols, D) float32 on the CPU; what the model saw of it, and how they came about."""

    vectors: torch.Tensor
    picture: np.ndarray
    info: RunInfo


def _kept_patches(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, layer: int, facet: str) -> _Patches:
    """One facet of a picture, kept: eight traces of a large grid do not fit into memory together, their patches do."""
    loaded = engine.load(model)
    prepared = engine.prepared(image, loaded, size)

    def make() -> _Patches:
        run = engine.run(image, model, size)
        with engine.computing():
            # A copy: a view would keep all of the layer's tensors alive.
            vectors = _facet(loaded, run, layer, facet).float().cpu().clone()
        return _Patches(vectors, run.prepared.picture, run.info)

    key = ("patches", model, loaded.revision, prepared.digest, layer, facet)
    one, was_kept = engine.kept.get_or_make(key, make, lambda one: one.vectors.nbytes + one.picture.nbytes)
    return one._replace(info=replace(one.info, cached=True)) if was_kept else one


@long_work
def correspondences(
    engine: Engine,
    first: np.ndarray,
    second: np.ndarray,
    model: str,
    size: SizeChoice,
    layer: int,
    facet: Facet,
    pairs: int,
    surroundings: bool,
    least_saliency: float,
) -> Correspondences:
    """Patches of two pictures that are each other's most similar, among the salient ones."""
    _check("facet", facet, FACETS)
    loaded, runs = engine.load(model), [engine.run(image, model, size) for image in (first, second)]
    layer = checked_layer(layer, runs[0].info.depth)
    grids = [run.info.grid for run in runs]
    with engine.computing():
        patches = [_facet(loaded, run, layer, facet) for run in runs]
        if surroundings:
            patches = [correspondence.log_bin(f, grid.shape) for f, grid in zip(patches, grids, strict=True)]
        salient = [features.saliency(run.trace) for run in runs]
        count = max(1, min(pairs, MAX_PAIRS))
        both = (patches[0], patches[1]), (salient[0], salient[1])
        matches = correspondence.match_patches(*both, least_saliency, count)
    maps = [s.reshape(grid.shape).cpu().numpy() for s, grid in zip(salient, grids, strict=True)]
    places = [
        np.stack(np.divmod(numbers.numpy(), grid.cols), axis=-1)
        for numbers, grid in zip((matches.first, matches.second), grids, strict=True)
    ]
    return Correspondences(
        *places,
        cosines=matches.cosine.numpy(),
        mutual=matches.mutual,
        saliencies=(maps[0], maps[1]),
        pictures=(runs[0].prepared.picture, runs[1].prepared.picture),
        facet=facet,
        layer=layer,
        info=runs[0].info,
    )


@long_work
def segments(
    engine: Engine,
    image: np.ndarray,
    model: str,
    size: SizeChoice,
    layer: int,
    facet: Facet,
    method: SegmentMethod,
    count: int,
    flip: bool,
) -> Segmentation:
    """A segment for each patch: `count` by k-means, or foreground and background by the normalised cut."""
    _check("facet", facet, FACETS)
    _check("method", method, get_args(SegmentMethod))
    loaded, run = engine.load(model), engine.run(image, model, size)
    layer, shape, cut = checked_layer(layer, run.info.depth), run.info.grid.shape, None
    with engine.computing():
        patches = _facet(loaded, run, layer, facet)
        if method == "ncut":
            part, vector = segmentation.normalised_cut(patches)
            labels, cut = (~part if flip else part).long(), (-vector if flip else vector).reshape(shape).numpy()
            count = 2
        else:
            labels = segmentation.k_means_segments(patches, max(2, min(count, MAX_SEGMENTS)))
            count = int(labels.max()) + 1
    return Segmentation(labels.reshape(shape).numpy(), count, method, facet, layer, cut, run.prepared.picture, run.info)


def token_norms(
    engine: Engine, image: np.ndarray, model: str, size: SizeChoice, layer: int, threshold: float | None
) -> TokenNorms:
    """Lengths of the tokens in every layer, which are far out, and what the prefix tokens absorb."""
    run = engine.run(image, model, size)
    grid, layer = run.info.grid, checked_layer(layer, run.info.depth)
    with engine.computing():
        lengths = features.token_norms(run.trace)[:, 0].float().cpu()  # (L, N)
        looks, absorbs = (a[0].cpu().numpy() for a in features.prefix_attention(run.trace, layer))
    patches = lengths[:, grid.num_prefix_tokens :]
    limit = features.outlier_threshold(patches[layer]) if threshold is None else float(threshold)
    maps = patches.reshape(-1, *grid.shape).numpy()
    return TokenNorms(
        patches=maps,
        prefix=lengths[:, : grid.num_prefix_tokens].numpy(),
        layer=layer,
        threshold=limit,
        given=threshold is not None,
        outliers=maps[layer] > limit,
        looks=looks.reshape(-1, *grid.shape),
        absorbs=absorbs.reshape(-1, *grid.shape),
        picture=run.prepared.picture,
        info=run.info,
    )


def evolution(engine: Engine, image: np.ndarray, model: str, size: SizeChoice) -> Evolution:
    """Cosines between depths, and what the head would read at each of them."""
    run = engine.run(image, model, size)
    shape = run.info.grid.shape
    loaded = engine.load(model)
    with engine.computing():
        cosines = features.layer_cosines(run.trace)
        lens = _lens(loaded, run)
    return Evolution(
        patches=cosines.patches.numpy(),
        cls=None if cosines.cls is None else cosines.cls.numpy(),
        to_final=cosines.to_final.reshape(-1, *shape).numpy(),
        lens=lens,
        picture=run.prepared.picture,
        info=run.info,
    )


def _lens(loaded: LoadedModel, run: Run) -> Lens | None:
    """The logit lens over all layers, or None for a model without a head."""
    if loaded.model.head is None:
        return None
    names, shape, depth = class_names(loaded), run.info.grid.shape, run.info.depth
    final = run.encoded.class_logits[0].topk(min(LENS_CLASSES, len(names))).indices
    picture, patches, best, top = [], [], [], []
    for layer in range(depth):
        whole, each = features.logit_lens(loaded.model, run.trace, layer)
        picture.append(whole[final])
        patches.append(each[:, final].T.reshape(-1, *shape))
        best.append(each.argmax(dim=-1).reshape(shape))
        top.append(whole.argmax())
    best, top = torch.stack(best).cpu().numpy(), torch.stack(top).cpu().numpy()
    occurring, where = np.unique(np.concatenate([best.ravel(), top]), return_inverse=True)
    return Lens(
        labels=tuple(names[i] for i in final.tolist()),
        picture=torch.stack(picture).cpu().numpy(),
        patches=torch.stack(patches).cpu().numpy(),
        best=where[: best.size].reshape(best.shape),
        top=where[best.size :],
        best_labels=tuple(names[i] for i in occurring.tolist()),
    )


def _check(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """ValueError for a choice that the page never offers."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; it can be {', '.join(allowed)}")
