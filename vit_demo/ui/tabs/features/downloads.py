"""The downloads of the Features tab: of the open view, a picture, its numbers, and the lines that compute
them again."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from vit_demo.contract import Correspondences
from vit_demo.render.colour import DIVERGING, colourise
from vit_demo.render.overlay import enlarge
from vit_demo.render.paper import Panel, paper_pdf
from vit_demo.ui.kit.download import Download, gif_bytes, npz_bytes, python_lines
from vit_demo.ui.kit.html import png_bytes
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.features.choices import Choices
from vit_demo.ui.tabs.features.figures import SEGMENT_COLOURS, segment_picture

GAP_PX = 8


def download(state: PageState, **controls) -> Download:
    """The open view's files."""
    choices = Choices.of(state, controls)
    views = dict(colours=_colours, segments=_segments, norms=_norms, evolution=_evolution, pairs=_pairs, alike=_alike)
    layer = state.selection.layer_in(state.explainer.details(state.model).depth)
    return views[choices.view](state, choices, layer)


def _colours(state: PageState, choices: Choices, layer: int) -> Download:
    how = dict(layer=layer, facet=choices.facet, method=choices.method)
    how |= dict(foreground=choices.foreground, flip=choices.flip)
    found = state.explainer.pca((state.image, *choices.more), state.model, state.size, **how)
    panels, pairs, numbers, axes = [], [], {"explained": found.explained}, {"explained": "component"}
    for i, (picture, colours) in enumerate(zip(found.pictures, found.colours, strict=True)):
        large = enlarge((colours * 255 + 0.5).astype(np.uint8), *picture.shape[:2])
        pairs.append((picture, large))
        panels.append(np.hstack([picture, np.full((len(picture), GAP_PX, 3), 255, np.uint8), large]))
        numbers |= {f"colours_{i}": colours, f"foreground_{i}": found.foreground[i]}
        axes |= {f"colours_{i}": "row, column, red green blue", f"foreground_{i}": "row, column"}
    return Download(
        files={
            "features-pca.png": png_bytes(_stacked(panels)),
            "features-pca.pdf": paper_pdf([Panel("", panel) for pair in pairs for panel in pair], across=2),
            "features-pca.npz": npz_bytes(numbers, axes),
        },
        code=python_lines(
            state,
            f"found = explainer.pca([picture], model, size, {_arguments(how)})",
            "print(found.colours[0].shape, found.explained)  # (rows, columns, 3), share of each component",
        ),
    )


def _stacked(panels: list[np.ndarray]) -> np.ndarray:
    """Pictures one under the other, on white."""
    width = max(panel.shape[1] for panel in panels)
    parts = []
    for panel in panels:
        wide = np.pad(panel, ((0, GAP_PX), (0, width - panel.shape[1]), (0, 0)), constant_values=255)
        parts.append(wide)
    return np.vstack(parts)[:-GAP_PX]


def _arguments(values: dict) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _segments(state: PageState, choices: Choices, layer: int) -> Download:
    how = dict(layer=layer, facet=choices.facet, method=choices.segmenter)
    how |= dict(count=choices.count, flip=choices.other_side)
    found = state.explainer.segments(*state.picture, **how)
    numbers, axes = {"labels": found.labels}, {"labels": "row, column"}
    if found.cut is not None:
        numbers, axes = numbers | {"cut": found.cut}, axes | {"cut": "row, column"}
    files = {
        "features-segments.png": png_bytes(segment_picture(found)),
        "features-segments.pdf": paper_pdf([Panel("", found.picture), Panel("", segment_picture(found))]),
        "features-segments.npz": npz_bytes(numbers, axes),
    }
    for label in range(found.count) if found.method == "kmeans" else [1]:
        mask = np.repeat((found.labels == label)[..., None] * np.uint8(255), 3, axis=2)
        files[f"features-mask-{label + 1}.png"] = png_bytes(enlarge(mask, *found.picture.shape[:2]))
    code = python_lines(
        state,
        f"found = explainer.segments(picture, model, size, {_arguments(how)})",
        "print(found.labels)  # a segment for each patch",
    )
    return Download(files, code)


def _norms(state: PageState, choices: Choices, layer: int) -> Download:
    how = dict(layer=layer, threshold=choices.threshold)
    found = state.explainer.token_norms(*state.picture, **how)
    at = found.patches[layer]
    large = enlarge(colourise(at, (float(at.min()), float(at.max()))), *found.picture.shape[:2])
    names = ("patches", "prefix", "outliers", "looks", "absorbs")
    axes = ("layer, row, column", "layer, prefix token", "row, column", *["prefix token, row, column"] * 2)
    numbers = {name: getattr(found, name) for name in names}
    return Download(
        files={
            "features-norms.png": png_bytes(np.hstack([found.picture, large])),
            "features-norms.pdf": paper_pdf([Panel("", found.picture), _norms_panel(at)]),
            "features-norms.npz": npz_bytes(numbers, dict(zip(names, axes, strict=True))),
        },
        code=python_lines(
            state,
            f"found = explainer.token_norms(picture, model, size, {_arguments(how)})",
            "print(found.threshold, found.outliers.sum())  # how long is far out, how many patches are",
        ),
    )


def _norms_panel(norms: np.ndarray) -> Panel:
    return Panel("", None, norms, (float(norms.min()), float(norms.max())))


def _evolution(state: PageState, choices: Choices, layer: int) -> Download:
    found = state.explainer.evolution(*state.picture)
    frames = [enlarge(colourise(one, (-1, 1), DIVERGING), *found.picture.shape[:2]) for one in found.to_final]
    numbers = {"patches": found.patches, "to_final": found.to_final}
    axes = {"patches": "depth, depth", "to_final": "depth, row, column"}
    if found.cls is not None:
        numbers, axes = numbers | {"cls": found.cls}, axes | {"cls": "depth, depth"}
    if found.lens is not None:
        numbers |= {"lens_picture": found.lens.picture, "lens_patches": found.lens.patches}
        axes |= {"lens_picture": "layer, class", "lens_patches": "layer, class, row, column"}
    return Download(
        files={
            "features-depth.gif": gif_bytes(frames),
            "features-depth.npz": npz_bytes(numbers, axes),
        },
        code=python_lines(
            state,
            "found = explainer.evolution(picture, model, size)",
            "print(found.patches[-1])  # cosine of the patches at each depth with their last state",
        ),
    )


def _pairs(state: PageState, choices: Choices, layer: int) -> Download:
    if not choices.more:
        return Download({}, "# " + state.say("features.need_second"))
    how = dict(layer=layer, facet=choices.facet, surroundings=choices.around)
    found = state.explainer.correspondences(state.image, choices.more[0], state.model, state.size, **how)
    numbers = {"first": found.first, "second": found.second, "cosines": found.cosines}
    axes = {"first": "pair, row and column", "second": "pair, row and column", "cosines": "pair"}
    return Download(
        files={
            "features-pairs.png": png_bytes(drawn_pairs(found)),
            "features-pairs.pdf": paper_pdf([pairs_panel(found)], across=1),
            "features-pairs.npz": npz_bytes(numbers, axes),
        },
        code=python_lines(
            state,
            'second = Image.open("second.jpg")',
            f"found = explainer.correspondences(picture, second, model, size, {_arguments(how)})",
            "print(found.first, found.second, found.cosines)  # (pairs, row and column) of both, cosines",
        ),
    )


def drawn_pairs(found: Correspondences) -> np.ndarray:
    """Both pictures side by side at the first one's height, a line for each pair, (H, W, 3) uint8."""
    panel = pairs_panel(found)
    sheet = Image.fromarray(panel.picture)
    pen = ImageDraw.Draw(sheet)
    for *ends, colour in panel.lines:
        pen.line(ends, fill="white", width=5)
        pen.line(ends, fill=colour, width=3)
        for x, y in ends:
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour, outline="white", width=2)
    return np.asarray(sheet)


def pairs_panel(found: Correspondences) -> Panel:
    """The same as a panel: the pictures, and the lines between the middles of patches."""
    tall = found.pictures[0].shape[0]
    sides = [Image.fromarray(p).resize((round(p.shape[1] * tall / p.shape[0]), tall)) for p in found.pictures]
    gap = np.full((tall, GAP_PX, 3), 255, np.uint8)
    lefts, lines = (0, sides[0].width + GAP_PX), []
    for i in range(len(found.cosines)):
        ends = []
        for places, saliency, side, left in zip(
            (found.first, found.second), found.saliencies, sides, lefts, strict=True
        ):
            rows, cols = saliency.shape
            ends.append((left + side.width * (places[i, 1] + 0.5) / cols, tall * (places[i, 0] + 0.5) / rows))
        red, green, blue = SEGMENT_COLOURS[i % len(SEGMENT_COLOURS)].tolist()
        lines.append((ends[0], ends[1], f"#{red:02x}{green:02x}{blue:02x}"))
    return Panel("", np.hstack([np.asarray(sides[0]), gap, np.asarray(sides[1])]), lines=tuple(lines))


def _alike(state: PageState, choices: Choices, layer: int) -> Download:
    found = state.explainer.alike(state.image, choices.own, state.model, choices.by, choices.plane)
    numbers = {"cosines": found.cosines, "places": found.places}
    numbers |= {} if found.explained is None else {"explained": found.explained}
    numbers["names"] = np.array([name or str(i) for name, i in zip(found.names, found.own, strict=True)])
    axes = {"cosines": "picture", "places": "picture, axis", "explained": "axis", "names": "picture"}
    axes = {name: axes[name] for name in numbers}
    return Download(
        files={"features-alike.npz": npz_bytes(numbers, axes)},
        code=python_lines(
            state,
            "own = []  # " + state.say("features.own_code"),
            f"found = explainer.alike(picture, own, model, by={choices.by!r}, plane={choices.plane!r})",
            "print(found.names, found.cosines)",
        ),
    )
