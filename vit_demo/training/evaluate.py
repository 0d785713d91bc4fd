"""What a model has reached: accuracy, loss and confusion on digits; k-NN accuracy of features."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.model import Encoded, VisionTransformer

MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # of ink 0…1 over MNIST's training pictures
BATCH = 250
KNN_NEIGHBOURS, KNN_TEMPERATURE = 20, 0.07  # facebookresearch/dino eval_knn.py


def normalised(pictures: Tensor) -> Tensor:
    """Ink 0…1 → what the model gets."""
    return (pictures - MNIST_MEAN) / MNIST_STD


def logits_of(model: VisionTransformer, pictures: Tensor) -> Tensor:
    """Logits (n, classes) of digits (n, 1, H, W) with ink in 0…1."""
    return _of_batches(model, pictures, lambda encoded: encoded.logits)


def features_of(model: VisionTransformer, pictures: Tensor) -> Tensor:
    """Class tokens after the final norm, (n, D), of digits (n, 1, H, W) with ink in 0…1."""
    return _of_batches(model, pictures, lambda encoded: encoded.tokens[:, 0])


def _of_batches(model: VisionTransformer, pictures: Tensor, part: Callable[[Encoded], Tensor]) -> Tensor:
    """One part of what a model makes of digits (n, 1, H, W), batch by batch on its device; the result on the CPU."""
    model.eval()
    device = model.patch_embed.weight.device
    with torch.inference_mode():
        return torch.cat([part(model(normalised(batch.to(device)))).cpu() for batch in pictures.split(BATCH)])


def loss_and_accuracy(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean cross-entropy in nats, without smoothing, and the share that is right."""
    return float(F.cross_entropy(logits, labels)), float((logits.argmax(dim=1) == labels).float().mean())


def confusion_matrix(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Counts (classes, classes): rows what was written, columns what was read."""
    return torch.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def knn_predictions(
    queries: Tensor,
    references: Tensor,
    labels: Tensor,
    classes: int,
    neighbours: int = KNN_NEIGHBOURS,
    temperature: float = KNN_TEMPERATURE,
) -> Tensor:
    """The class of each query by DINO's weighted k-NN, (m,): each of the closest references votes exp(cosine/τ).

    Features (m, D) and (n, D), labels (n,). Wu et al. 2018; Caron et al. 2021, appendix F.1.
    """
    cosines = F.normalize(queries, dim=1) @ F.normalize(references, dim=1).T
    best = cosines.topk(min(neighbours, len(labels)), dim=1)
    votes = torch.zeros(len(queries), classes, dtype=cosines.dtype)
    votes.scatter_add_(1, labels[best.indices], (best.values / temperature).exp())
    return votes.argmax(dim=1)
