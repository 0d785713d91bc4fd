"""The questions: one method each, by topic. Pictures and numpy in, dataclasses of the contract out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vit_demo import answers, contract
from vit_demo.checkpoints import assets
from vit_demo.contract import CLASS_TOKEN, DEFAULT_OPTIONS, NATIVE_SIZE, RelevanceOptions, SizeChoice, TokenQuery
from vit_demo.contract.relevance import QUICK_METHODS
from vit_demo.edits import NO_EDITS, Edits
from vit_demo.ink import ink_of_photograph
from vit_demo.preprocess import as_rgb

if TYPE_CHECKING:
    from PIL import Image

    Picture = np.ndarray | Image.Image


class Questions:
    """What an Explainer can be asked. `model` is an id of the catalogue, a Hub id, a folder or a file; a picture is an
    array (H, W, 3) uint8 or a PIL image. Every method raises DemoError with a sentence for people."""

    _answer: Callable[..., Any]  # a function of answers/ and its arguments, to what it answers

    def predict(
        self, image: Picture, model: str, size: SizeChoice = NATIVE_SIZE, top: int = 5
    ) -> contract.Prediction | contract.Neighbours:
        """The most probable classes, or for a model without a head the closest of the labelled example pictures."""
        return self._answer(answers.predict.predict, as_rgb(image), model, size, int(top))

    def attention(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        query: TokenQuery = CLASS_TOKEN,
        layer: int = -1,
    ) -> contract.HeadMaps:
        """Where one token looks, for every head of a layer (from 0; negative from the end)."""
        return self._answer(answers.attention.attention, as_rgb(image), model, size, query, int(layer))

    def depth(
        self, image: Picture, model: str, size: SizeChoice = NATIVE_SIZE, keep_pass: bool = True
    ) -> contract.LayerHeadTable:
        """Attention distance, entropy and the share of prefix tokens, for every head of every layer. `keep_pass=False`
        for one picture of many: its forward pass is not kept in memory for other questions."""
        return self._answer(answers.depth.depth, as_rgb(image), model, size, bool(keep_pass))

    def attention_layer(
        self, image: Picture, model: str, size: SizeChoice = NATIVE_SIZE, layer: int = -1
    ) -> contract.LayerTensors:
        """What a layer's attention is made of, for a browser that computes rows and columns itself."""
        return self._answer(answers.attention.attention_layer, as_rgb(image), model, size, int(layer))

    def attention_wall(self, image: Picture, model: str, size: SizeChoice = NATIVE_SIZE) -> contract.Wall:
        """A thumbnail of every layer and head: where the class token looks."""
        return self._answer(answers.attention.attention_wall, as_rgb(image), model, size)

    def live(
        self,
        frame: Picture,
        model: str,
        query: TokenQuery = CLASS_TOKEN,
        layer: int = -1,
        basis: np.ndarray | None = None,
    ) -> contract.LiveFrame:
        """What one frame of a camera shows, from one forward pass of which nothing is kept: predictions, one token's
        attention in every head of a layer (from 0; negative from the end), and colours of the last layer's patches.
        The frame has the model's size: it is neither resized nor cropped. `basis` is that of an earlier frame's answer,
        so that the colours mean the same; None: the frame makes its own."""
        return self._answer(answers.live.live, as_rgb(frame), model, query, int(layer), basis)

    def film_part(
        self, frames: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE, layer: int = -1
    ) -> contract.FilmPart:
        """Some frames (F, H, W, 3) uint8 of a film: where the class token looks in each, for every head of a layer
        (from 0; negative from the end), and the directions of the layer's patches. A few at a time, so that others
        get their turn between them."""
        frames = np.stack([as_rgb(frame) for frame in frames])
        return self._answer(answers.film.film_part, frames, model, size, int(layer))

    def film_colours(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """The `features` of all parts of a film, each (F, n, D), as colours (F, n, 3) uint8 on one basis: three
        principal components of all frames' patches, as facebookresearch/dinov3 notebooks/pca.ipynb paints them."""
        return self._answer(answers.film.film_colours, tuple(features))

    def position_similarity(
        self, model: str, size: SizeChoice = NATIVE_SIZE, image: Picture | None = None
    ) -> contract.Similarity:
        """Similarity of every position with every other: on the native grid, or on a picture's at that size."""
        image = None if image is None else as_rgb(image)
        return self._answer(answers.embeddings.position_similarity, model, size, image)

    def filters(self, model: str, count: int = 28) -> contract.FilterBank:
        """The first principal components of the patch-embedding filters."""
        return self._answer(answers.embeddings.filters, model, int(count))

    def position_structure(
        self, model: str, size: SizeChoice = NATIVE_SIZE, image: Picture | None = None, components: int = 12
    ) -> contract.PositionStructure:
        """Position similarity by offset, and principal components of the position table over the grid."""
        image = None if image is None else as_rgb(image)
        return self._answer(answers.embeddings.position_structure, model, size, image, int(components))

    def filter_responses(
        self, image: Picture, model: str, size: SizeChoice = NATIVE_SIZE, count: int | None = 28
    ) -> contract.FilterResponses:
        """What patch-embedding filters answer on a picture: `count` principal components, or with None every filter."""
        count = None if count is None else int(count)
        return self._answer(answers.embeddings.filter_responses, as_rgb(image), model, size, count)

    def input_parts(self, image: Picture, model: str, size: SizeChoice = NATIVE_SIZE) -> contract.InputParts:
        """What enters the first layer: norms of patches, positions and their sum, and how they lie to each other."""
        return self._answer(answers.embeddings.input_parts, as_rgb(image), model, size)

    def interpolation(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        first: str | None = None,
        second: str = "google",
    ) -> contract.Interpolation:
        """What the difference of two conventions of stretching the position table (None: the checkpoint's own) does to
        a picture's features and prediction."""
        return self._answer(answers.interpolation.interpolation, as_rgb(image), model, size, first, second)

    def stretched_table(
        self, model: str, grid: tuple[int, int], first: str | None = None, second: str = "google", component: int = 0
    ) -> contract.StretchedTable:
        """The table of positions on another grid (rows, columns) by every convention, and how far two lie apart. Shown
        is the likeness to the middle position, or with `component` (from 1) a principal component."""
        rows, cols = map(int, grid)
        return self._answer(answers.interpolation.stretched_table, model, (rows, cols), first, second, int(component))

    def rotation(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        query: TokenQuery = CLASS_TOKEN,
        layer: int = -1,
        head: int = 0,
    ) -> contract.Rotation:
        """RoPE's bands over the picture's grid, and where a token looks with and without rotation."""
        return self._answer(answers.rotation.rotation, as_rgb(image), model, size, query, int(layer), int(head))

    def read_drawing(self, ink: np.ndarray) -> contract.DigitReadings:
        """How our own classifier reads a drawing (H, W) with ink in 0…1, now and at earlier moments of its training."""
        return self._answer(answers.draw.read_drawing, np.asarray(ink, dtype=np.float32))

    def ink_of_photograph(self, image: Picture) -> np.ndarray:
        """The strokes of a digit in a photograph as ink (h, w) in 0…1."""
        return ink_of_photograph(as_rgb(image))  # no model is asked

    def training_record(self) -> contract.TrainingRecord:
        """How our own classifier was trained: its curves, its confusions, its kept moments."""
        return assets.training_record()

    def pca(
        self,
        images: Sequence[Picture],
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        layer: int = -1,
        facet: contract.Facet = "token",
        method: contract.PcaMethod = "dinov2",
        foreground: bool = True,
        flip: bool = False,
    ) -> contract.PcaImages:
        """Three principal components of the patches as colours, for up to eight pictures on one basis. `foreground`
        blackens what the first component calls background; `flip` takes its other side."""
        pictures = tuple(as_rgb(image) for image in images)
        how = int(layer), facet, method, bool(foreground), bool(flip)
        return self._answer(answers.features.pca, pictures, model, size, *how)

    def patch_features(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        layer: int = -1,
        facet: contract.Facet = "token",
    ) -> contract.PatchFeatures:
        """Unit vectors of all patches, whose dot products are cosines."""
        return self._answer(answers.features.patch_features, as_rgb(image), model, size, int(layer), facet)

    def correspondences(
        self,
        first: Picture,
        second: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        layer: int = -1,
        facet: contract.Facet = "key",
        pairs: int = 10,
        surroundings: bool = False,
        least_saliency: float = 0.05,
    ) -> contract.Correspondences:
        """Patches of two pictures that are each other's most similar; `surroundings` compares what lies around too."""
        how = int(layer), facet, int(pairs), bool(surroundings), float(least_saliency)
        return self._answer(answers.features.correspondences, as_rgb(first), as_rgb(second), model, size, *how)

    def segments(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        layer: int = -1,
        facet: contract.Facet = "key",
        method: contract.SegmentMethod = "kmeans",
        count: int = 4,
        flip: bool = False,
    ) -> contract.Segmentation:
        """A segment for each patch: `count` by k-means, or by the normalised cut, whose other side `flip` takes."""
        how = int(layer), facet, method, int(count), bool(flip)
        return self._answer(answers.features.segments, as_rgb(image), model, size, *how)

    def token_norms(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        layer: int = -1,
        threshold: float | None = None,
    ) -> contract.TokenNorms:
        """Lengths of the tokens in every layer, which are far out, and what the prefix tokens absorb."""
        threshold = None if threshold is None else float(threshold)
        return self._answer(answers.features.token_norms, as_rgb(image), model, size, int(layer), threshold)

    def evolution(self, image: Picture, model: str, size: SizeChoice = NATIVE_SIZE) -> contract.Evolution:
        """How alike tokens are to themselves at other depths, and what the head would read at each."""
        return self._answer(answers.features.evolution, as_rgb(image), model, size)

    def alike(
        self,
        image: Picture,
        own: Sequence[Picture],
        model: str,
        by: contract.PictureSummary = "cls",
        plane: contract.Plane = "pca",
    ) -> contract.Alike:
        """One's own pictures and the examples in order of likeness to a picture, and all of them on a plane."""
        return self._answer(answers.alike.alike, as_rgb(image), tuple(map(as_rgb, own)), model, by, plane)

    def picture_vectors(self, images: Sequence[Picture], model: str) -> contract.PictureVectors:
        """One unit vector per picture, by which whole pictures are compared."""
        return self._answer(answers.own_classes.picture_vectors, tuple(as_rgb(image) for image in images), model)

    def own_classes(self, image: Picture, own: contract.OwnClasses, model: str) -> contract.OwnPrediction:
        """What a picture is by one's own classes: k-NN votes, a probe's probabilities, and how good both are."""
        return self._answer(answers.own_classes.own_classes, as_rgb(image), own, model)

    def targets(self, image: Picture, model: str, size: SizeChoice = NATIVE_SIZE, top: int = 5) -> contract.Targets:
        """What relevance can be asked for: the model's classes, or for a model without a head the example pictures."""
        return self._answer(answers.targets.targets, as_rgb(image), model, size, int(top))

    def relevance(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        target: int = 0,
        methods: tuple[str, ...] = QUICK_METHODS,
        options: RelevanceOptions = DEFAULT_OPTIONS,
        part: int | None = None,
    ) -> contract.Relevance:
        """What a target (an index into `targets`) owes to each patch, by each of the methods. Long methods come whole,
        or with `part` in parts that add up: the answer says how many there are."""
        question = as_rgb(image), model, size, int(target), tuple(methods), options
        return self._answer(answers.relevance.relevance, *question, None if part is None else int(part))

    def faithfulness(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        target: int = 0,
        values: np.ndarray | None = None,
        baseline: str = "dropped",
        steps: int = 16,
        seed: int = 0,
    ) -> contract.Faithfulness:
        """Deletion and insertion curves over patches in the order of a map (rows, cols), or in a random one (None).
        Hidden patches are "dropped", or show the "mean" colour, a "blur" or "black"."""
        question = as_rgb(image), model, size, int(target), values, baseline, int(steps), int(seed)
        return self._answer(answers.relevance.faithfulness, *question)

    def walk(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        step: contract.WalkStepName = "pixels",
        query: TokenQuery | None = None,
        layer: int = -1,
        head: int = 0,
    ) -> contract.WalkStep:
        """One step of the forward pass on a picture: its shapes and tensors, the lines of our code that do it, and
        questions with their answers. Inside a layer it follows one token (None: the middle patch) and one head."""
        return self._answer(answers.walk.walk, as_rgb(image), model, size, step, query, int(layer), int(head))

    def what_if(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        edits: Edits = NO_EDITS,
        target: int | None = None,
        query: TokenQuery | None = None,
        layer: int = -1,
        other: Picture | None = None,
        fit: bool = False,
    ) -> contract.WhatIf:
        """The answer before and after something inside the forward pass is changed, and where a token (None: the class
        token, or the middle patch) looks in a layer, before and after. `target` (an index into `targets`; None: the
        best) is told in any case; `other` is the picture whose states are patched in. `fit` leaves out what this model
        or grid does not know."""
        how = None if target is None else int(target), query, int(layer), None if other is None else as_rgb(other)
        return self._answer(answers.what_if.what_if, as_rgb(image), model, size, edits, *how, bool(fit))

    def scan(
        self,
        image: Picture,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        kind: contract.ScanKind = "heads",
        target: int | None = None,
        how: contract.ScanHow = "mean",
        other: Picture | None = None,
        part: int | None = None,
    ) -> contract.Scan:
        """How much a target's score (None: of the best answer) changes under each of many changes, one at a time: every
        head replaced, every layer's attention and MLP skipped, every patch dropped, or states of the picture `other`
        patched in. Whole, or with `part` in parts."""
        wanted = kind, None if target is None else int(target), how
        second = None if other is None else as_rgb(other)
        part = None if part is None else int(part)
        return self._answer(answers.scan.scan, as_rgb(image), model, size, *wanted, second, part)

    def fewest_patches(
        self, image: Picture, model: str, size: SizeChoice = NATIVE_SIZE, method: contract.SearchMethod = "greedy"
    ) -> contract.Search:
        """The fewest patches that a method finds whose loss changes the best answer."""
        return self._answer(answers.search.fewest_patches, as_rgb(image), model, size, method)

    def agreement(
        self, image: Picture, model: str, other_model: str, size: SizeChoice = NATIVE_SIZE
    ) -> contract.Agreement:
        """How far the layers of two models agree on a picture: CKA of their patches at the same places."""
        return self._answer(answers.compare.agreement, as_rgb(image), model, other_model, size)

    def joint_colours(
        self, image: Picture, models: Sequence[str], size: SizeChoice = NATIVE_SIZE, depth: float = 1.0
    ) -> contract.JointColours:
        """Principal components of each model's patches as colours, at a relative depth (0: the first layer, 1: the
        last); models of one width share a basis."""
        names = contract.compared_models(models)
        return self._answer(answers.compare.joint_colours, as_rgb(image), names, size, float(depth))

    def compare(self, image: Picture, models: Sequence[str], size: SizeChoice = NATIVE_SIZE) -> contract.Comparison:
        """Up to four models on one picture: what each predicts, how its attention goes through the layers, and how far
        it agrees with the first. One that cannot be had keeps its place, with the problem."""
        return self._answer(answers.compare.compare, as_rgb(image), contract.compared_models(models), size)
