"""One's own classes: k-NN and probe against formulas and an optimiser, and the file that strangers may bring."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from vit_demo.analysis.own_classes import leave_one_out, probe_probabilities, votes_of_classes
from vit_demo.contract import DemoError, OwnClasses, PictureVectors
from vit_demo.contract.own_classes import MAX_EXAMPLES, MAX_NAME, THUMB_PX, class_name

LABELS = np.array([0, 2, 2, 0, 3, 3, 0, 2, 3, 2])
CLASSES = 4  # nobody gave class 1 an example


def unit(data: np.ndarray) -> np.ndarray:
    return data / np.linalg.norm(data, axis=-1, keepdims=True)


def examples(spread: float = 0.6, width: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(CLASSES, width))[LABELS] + spread * rng.normal(size=(len(LABELS), width)) + 2)


QUERY = unit(np.random.default_rng(1).normal(size=6) + 2)


def formula_votes(query: np.ndarray, vectors: np.ndarray, labels: np.ndarray, centred: bool, k: int = 20) -> np.ndarray:
    mean = vectors.mean(0) if centred else 0
    cosines = unit(vectors - mean) @ unit(query - mean)
    votes = np.zeros(CLASSES)
    for i in np.argsort(-cosines)[:k]:
        votes[labels[i]] += np.exp(cosines[i] / 0.07)
    return votes / votes.sum()


def optimised_probe(query: np.ndarray, vectors: np.ndarray, labels: np.ndarray, centred: bool) -> np.ndarray:
    """Multinomial logistic regression by scipy's optimiser: sum of losses + ‖W‖²/2, the intercept free."""
    mean = vectors.mean(0) if centred else 0
    width = vectors.shape[1]
    samples, asked = (width**0.5 * unit(v - mean) for v in (vectors, query))
    present = np.unique(labels)
    target = np.searchsorted(present, labels)

    def logits(flat: np.ndarray, points: np.ndarray) -> np.ndarray:
        matrix = flat.reshape(len(present), width + 1)
        return points @ matrix[:, :width].T + matrix[:, width]

    def loss(flat: np.ndarray) -> float:
        z = logits(flat, samples)
        fit = np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(len(z)), target]
        return fit.sum() + (flat.reshape(len(present), -1)[:, :width] ** 2).sum() / 2

    found = minimize(loss, np.zeros(len(present) * (width + 1)), tol=1e-10).x
    powers = np.exp(logits(found, asked[None])[0])
    out = np.zeros(CLASSES)
    out[present] = powers / powers.sum()
    return out


@pytest.mark.parametrize("centred", [False, True])
def test_votes_equal_the_papers_formula(centred):
    ours = votes_of_classes(torch.from_numpy(QUERY), torch.from_numpy(examples()), LABELS, CLASSES, centred)
    assert ours == pytest.approx(formula_votes(QUERY, examples(), LABELS, centred), rel=1e-6)
    assert ours[1] == 0


def test_no_more_than_twenty_vote():
    rng = np.random.default_rng(2)
    vectors, labels = unit(rng.normal(size=(50, 6))), rng.integers(0, CLASSES, 50)
    ours = votes_of_classes(torch.from_numpy(QUERY), torch.from_numpy(vectors), labels, CLASSES, False)
    assert ours == pytest.approx(formula_votes(QUERY, vectors, labels, False), rel=1e-6)
    assert ours != pytest.approx(formula_votes(QUERY, vectors, labels, False, k=50), rel=1e-6)


@pytest.mark.parametrize("centred", [False, True])
def test_the_probe_of_three_classes_is_the_optimum_that_scipy_finds(centred):
    ours = probe_probabilities(torch.from_numpy(QUERY), torch.from_numpy(examples()), LABELS, CLASSES, centred)
    assert ours == pytest.approx(optimised_probe(QUERY, examples(), LABELS, centred), abs=2e-3)
    assert ours[1] == 0


@pytest.mark.parametrize("centred", [False, True])
def test_the_probe_of_two_classes_is_the_optimum_that_scipy_finds(centred):
    """With two classes scikit-learn has one vector of weights: Σ log(1 + exp(−y·(w·x + b))) + ‖w‖²/2."""
    labels, vectors = np.where(LABELS == 3, 0, LABELS), examples()
    mean = vectors.mean(0) if centred else 0
    samples, asked = (6**0.5 * unit(v - mean) for v in (vectors, QUERY))
    sign = np.where(labels == 2, 1.0, -1.0)
    loss = lambda p: np.logaddexp(0, -sign * (samples @ p[:6] + p[6])).sum() + (p[:6] ** 2).sum() / 2  # noqa: E731
    found = minimize(loss, np.zeros(7), tol=1e-10).x
    expected = 1 / (1 + np.exp(-(asked @ found[:6] + found[6])))
    ours = probe_probabilities(torch.from_numpy(QUERY), torch.from_numpy(vectors), labels, CLASSES, centred)
    assert ours == pytest.approx([1 - expected, 0, expected, 0], abs=2e-3)


def test_the_probe_of_a_single_class_is_sure_of_it():
    alone = np.full(len(LABELS), 2)
    ours = probe_probabilities(torch.from_numpy(QUERY), torch.from_numpy(examples()), alone, CLASSES, True)
    assert ours.tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("centred", [False, True])
def test_leave_one_out_asks_each_example_of_all_others(centred):
    vectors = examples(spread=1.3)
    right = np.zeros(2)
    for i in range(len(LABELS)):
        rest, labels = np.delete(vectors, i, axis=0), np.delete(LABELS, i)
        right += [
            formula_votes(vectors[i], rest, labels, centred).argmax() == LABELS[i],
            optimised_probe(vectors[i], rest, labels, centred).argmax() == LABELS[i],
        ]
    ours = leave_one_out(torch.from_numpy(vectors), LABELS, CLASSES, centred)
    assert ours == tuple(right / len(LABELS))
    assert 0 < ours[0] < 1  # else this would hold for many a wrong rule


def test_an_example_alone_in_its_class_is_always_wrong():
    vectors = torch.eye(3, dtype=torch.double)
    assert leave_one_out(vectors, np.array([0, 1, 2]), 3, False) == (0, 0)
    assert leave_one_out(torch.eye(2, dtype=torch.double), np.array([0, 1]), 2, True) == (0, 0)


# ------------------------------------------------------------------------------------------------------------ the file


def own(**changes) -> OwnClasses:
    vectors = PictureVectors(examples().astype(np.float32), "fake/model", "abc123", 9, True)
    thumbnails = np.random.default_rng(3).integers(0, 256, (len(LABELS), THUMB_PX, THUMB_PX, 3), np.uint8)
    made = dict(names=("cat", "狗", "tea pot", "x"), labels=LABELS, thumbnails=thumbnails, vectors=vectors)
    return OwnClasses(**(made | changes))


def test_classes_come_back_as_they_went():
    there = own()
    back = OwnClasses.from_bytes(there.to_bytes())
    assert back.names == there.names
    assert np.array_equal(back.labels, there.labels)
    assert np.array_equal(back.thumbnails, there.thumbnails)
    assert np.array_equal(back.vectors.vectors, there.vectors.vectors)
    assert back.vectors.origin == ("fake/model", "abc123", 9)
    assert back.vectors.centred is True


def entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", how) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return held.getvalue()


def npy(array: np.ndarray, pickled: bool = False) -> bytes:
    held = io.BytesIO()
    np.lib.format.write_array(held, array, allow_pickle=pickled)
    return held.getvalue()


def claims(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    """The header of an array of that shape, without the array."""
    held = io.BytesIO()
    np.lib.format.write_array_header_1_0(held, {"descr": descr, "fortran_order": False, "shape": shape})
    return held.getvalue()


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle ran')",)


BAD_PARTS = {
    "pickled objects": {"names.npy": npy(np.array([Bomb()], dtype=object), pickled=True)},
    "a header that claims a terabyte": {"vectors.npy": claims((2**20, 2**20))},
    "a header that claims less than is there": {"labels.npy": claims((2,), "<i8") + bytes(8 * len(LABELS))},
    "negative sides": {"vectors.npy": claims((-1, -6)) + bytes(24)},
    "columns first": {"vectors.npy": npy(np.asfortranarray(examples().astype(np.float32)))},
    "another kind": {"vectors.npy": npy(examples().astype(np.complex64))},
    "one axis less": {"vectors.npy": npy(examples().astype(np.float32).ravel())},
    "a label without a class": {"labels.npy": npy(np.where(LABELS == 3, 4, LABELS))},
    "a negative label": {"labels.npy": npy(LABELS - 1)},
    "fewer labels": {"labels.npy": npy(LABELS[:-1])},
    "not a number": {"vectors.npy": npy(np.where(examples() > 0.5, np.nan, examples()).astype(np.float32))},
    "vectors that are not unit": {"vectors.npy": npy(3 * examples().astype(np.float32))},
    "thumbnails of another size": {"thumbnails.npy": npy(np.zeros((len(LABELS), 8, 8, 3), np.uint8))},
    "thumbnails of wide numbers": {"thumbnails.npy": npy(np.zeros((len(LABELS), THUMB_PX, THUMB_PX, 3), np.uint16))},
    "no names": {"names.npy": npy(np.array([], dtype="<U60"))},
    "an empty name": {"names.npy": npy(np.array(["a", "b", " ", "d"]))},
    "names twice": {"names.npy": npy(np.array(["a", "b", "a", "d"]))},
    "a name of letters that are none": {
        "names.npy": npy(np.array(["a", "b", "c", "d"])).replace(b"d\0\0\0", b"\xff" * 4)
    },
    "another format": {"format.npy": npy(np.array(2))},
    "a layer far away": {"layer.npy": npy(np.array(10**9))},
    "not an array at all": {"vectors.npy": b"hello"},
    "an entry too many": {"more.npy": npy(np.zeros(1))},
    "a path out of the folder": {"../vectors.npy": npy(np.zeros(1))},
    "a bomb": {"thumbnails.npy": bytes(60_000_000)},
}


@pytest.mark.parametrize("wrong", BAD_PARTS.values(), ids=BAD_PARTS)
def test_a_file_that_does_not_fit_is_refused(wrong):
    with pytest.raises(DemoError) as caught:
        OwnClasses.from_bytes(packed(entries(own().to_bytes()) | wrong))
    assert caught.value.key == "own_classes.file_damaged"


def test_the_same_parts_unharmed_are_taken():
    """Else the refusals above would say nothing."""
    assert OwnClasses.from_bytes(packed(entries(own().to_bytes()))).names == own().names


def test_an_entry_that_is_missing_is_refused():
    for name in entries(own().to_bytes()):
        left = {key: part for key, part in entries(own().to_bytes()).items() if key != name}
        with pytest.raises(DemoError):
            OwnClasses.from_bytes(packed(left))


@pytest.mark.parametrize("how", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_ways_of_packing_are_refused(how):
    with pytest.raises(DemoError):
        OwnClasses.from_bytes(packed(entries(own().to_bytes()), how))


def test_damage_anywhere_is_refused_or_harmless():
    data = own().to_bytes()
    refused = 0
    for place in range(0, len(data), max(1, len(data) // 150)):
        damaged = bytearray(data)
        damaged[place] ^= 0xFF
        try:
            OwnClasses.from_bytes(bytes(damaged))
        except DemoError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("data", [b"", b"PK", b"GIF89a", own().to_bytes()[:-30], own().to_bytes()[40:]])
def test_other_files_are_refused(data):
    with pytest.raises(DemoError) as caught:
        OwnClasses.from_bytes(data)
    assert caught.value.key == "own_classes.file_damaged"


def test_a_large_file_is_refused_unread():
    with pytest.raises(DemoError) as caught:
        OwnClasses.from_bytes(bytes(16_000_001))
    assert caught.value.key == "own_classes.file_too_large"


def test_as_many_examples_as_are_allowed_fit_into_a_file():
    count = MAX_EXAMPLES
    rng = np.random.default_rng(4)
    vectors = PictureVectors(unit(rng.normal(size=(count, 1536))).astype(np.float32), "m", "", 0, False)
    thumbnails = rng.integers(0, 256, (count, THUMB_PX, THUMB_PX, 3), np.uint8)  # noise: nothing to compress
    full = own(labels=rng.integers(0, 4, count), thumbnails=thumbnails, vectors=vectors)
    assert len(OwnClasses.from_bytes(full.to_bytes()).labels) == count


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" cat ", "cat"),
        ("a\nb\t c", "a b c"),
        ("", ""),
        (None, ""),
        (7, ""),
        ("x" * 100, "x" * MAX_NAME),
    ],
)
def test_a_name_is_one_line_of_bounded_length(text, name):
    assert class_name(text) == name
