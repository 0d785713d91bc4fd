"""Classes of one's own from a few pictures each: weighted k-NN and a logistic-regression probe over frozen features."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.analysis.features import compare_with_gallery, knn_votes

NEIGHBOURS = 20  # facebookresearch/dino eval_knn.py: 20 was best throughout; fewer where there are fewer
PROBE_C = 1.0  # scikit-learn's own; features have unit variance per entry on average


def votes_of_classes(query: Tensor, vectors: Tensor, labels: np.ndarray, classes: int, centred: bool) -> np.ndarray:
    """Share of the votes for each class, (classes,), sums to 1: DINO's weighted k-NN of a picture's unit vector (D,)
    among examples (n, D) with labels (n,) in 0 … classes − 1."""
    cosines = compare_with_gallery(query, vectors, centred)
    shares = np.zeros(classes)
    for label, share in knn_votes(cosines, labels.tolist(), NEIGHBOURS):
        shares[label] = share
    return shares


def probe_probabilities(query: Tensor, vectors: Tensor, labels: np.ndarray, classes: int, centred: bool) -> np.ndarray:
    """Probability of each class, (classes,): L2-regularised logistic regression (scikit-learn) of the examples (n, D)
    with labels (n,), asked for a picture (D,). A class without an example has 0."""
    present = np.unique(labels)
    probabilities = np.zeros(classes)
    if len(present) == 1:  # nothing to tell apart
        probabilities[present[0]] = 1
        return probabilities
    from sklearn.linear_model import LogisticRegression

    samples, asked = _scaled(vectors, query, centred)
    probe = LogisticRegression(C=PROBE_C, max_iter=1000).fit(samples, labels)
    probabilities[probe.classes_] = probe.predict_proba(asked[None])[0]
    return probabilities


def _scaled(vectors: Tensor, query: Tensor, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """Examples and query as the probe gets them: centred as for the k-NN, unit vectors times √D.

    √D makes the mean square of an entry 1, for which the probe's C is meant."""
    mean = vectors.mean(dim=0) if centred else torch.zeros_like(query)
    scale = vectors.shape[1] ** 0.5
    scaled = lambda v: (scale * F.normalize(v - mean, dim=-1)).double().cpu().numpy()  # noqa: E731
    return scaled(vectors), scaled(query)


def leave_one_out(vectors: Tensor, labels: np.ndarray, classes: int, centred: bool) -> tuple[float, float]:
    """Accuracy of the k-NN and of the probe, each 0…1: every example is classified by all others.

    The mean that is taken off is that of the others too, so nothing of the example is known. An example that is alone
    in its class is always wrong. Needs two examples or more.
    """
    right = np.zeros(2)
    for i in range(len(labels)):
        others = np.arange(len(labels)) != i
        rest = vectors[torch.from_numpy(others)], labels[others], classes, centred
        answers = votes_of_classes(vectors[i], *rest), probe_probabilities(vectors[i], *rest)
        right += [answer.argmax() == labels[i] for answer in answers]
    return float(right[0] / len(labels)), float(right[1] / len(labels))
