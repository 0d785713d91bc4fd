"""DINO's own recipe on the digits: a student learns, without any label, to say of a part what its teacher says of the
whole; the teacher is the student's running mean. Caron et al. 2021 (arXiv 2104.14294), algorithm 1 and section 3."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_demo.model import VisionTransformer, ViTConfig
from vit_demo.training.augment import Variation, sampling_grid, vary_stroke
from vit_demo.training.data import CLASSES, Digits
from vit_demo.training.evaluate import features_of, knn_predictions, normalised
from vit_demo.training.loop import (
    DIGITS_CONFIG,
    Progress,
    follow,
    initialised,
    make_optimiser,
    resume,
    store,
    tensors,
)
from vit_demo.training.schedule import cosine, warm_cosine

DINO_CONFIG = replace(DIGITS_CONFIG, num_classes=0)


@dataclass(frozen=True)
class DinoRecipe:
    """DINO's settings, smaller where a digit is smaller than a photograph.

    crops: sides in pixels, and the share of the digit's area that each covers, drawn evenly. outputs: what the head
    tells apart (65,536 in the paper). Temperatures, centre and momentum as in the paper's section 3 and appendix; the
    teacher follows faster (0.99 instead of 0.996), since there are fewer steps.
    """

    epochs: int = 40
    batch: int = 64
    peak_rate: float = 1e-3
    end_rate: float = 1e-5
    warm_epochs: int = 1
    decay: tuple[float, float] = (0.04, 0.4)
    betas: tuple[float, float] = (0.9, 0.999)
    most_norm: float = 3.0
    global_crops: int = 2
    local_crops: int = 2
    global_px: int = 28
    local_px: int = 16
    global_share: tuple[float, float] = (0.6, 1.0)
    local_share: tuple[float, float] = (0.2, 0.6)
    outputs: int = 128
    hidden: int = 256
    bottleneck: int = 64
    student_temperature: float = 0.1
    teacher_temperature: tuple[float, float] = (0.04, 0.04)  # over the warm-up
    centre_momentum: float = 0.9
    teacher_momentum: tuple[float, float] = (0.99, 1.0)
    frozen_epochs: int = 1  # the last layer is left alone at first (dino main_dino.py, freeze_last_layer)
    knn_every: int = 2
    seed: int = 0
    variation: Variation = field(default_factory=Variation)


@dataclass(frozen=True)
class DinoReport:
    """One epoch: the mean loss (nats), the teacher's k-NN accuracy on the held-out digits where it was measured, the
    entropy of the teacher's mean output (nats; 0 or ln K would be the two ways to collapse), and seconds."""

    epoch: int
    loss: float
    knn_accuracy: float | None
    entropy: float
    seconds: float


class DinoHead(nn.Module):
    """Three layers, a unit vector of `bottleneck` numbers, and cosines with `outputs` directions: (B, D) → (B, K).

    Caron et al. 2021, appendix C: the last layer is weight-normalised, its lengths fixed at 1.
    """

    def __init__(self, dim: int, recipe: DinoRecipe):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(dim, recipe.hidden),
            nn.GELU(),
            nn.Linear(recipe.hidden, recipe.hidden),
            nn.GELU(),
            nn.Linear(recipe.hidden, recipe.bottleneck),
        )
        self.directions = nn.Parameter(torch.empty(recipe.outputs, recipe.bottleneck))
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.trunc_normal_(parameter, std=0.02)
            else:
                nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(self.mlp(features), dim=-1) @ F.normalize(self.directions, dim=-1).T


class WithHead(nn.Module):
    """A backbone and its projection head; the class token goes from one to the other."""

    def __init__(self, backbone: VisionTransformer, head: DinoHead):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.backbone(normalised(pictures)).tokens[:, 0])


def crop(pictures: Tensor, side_px: int, share: tuple[float, float], chance: torch.Generator, variation: Variation):
    """Digits (B, 1, H, W), varied, and of each a square part that covers a share of the area: (B, 1, side, side)."""
    B = len(pictures)
    grid = sampling_grid(pictures.shape, chance, variation).permute(0, 3, 1, 2)  # (B, 2, H, W)
    area = share[0] + (share[1] - share[0]) * torch.rand(B, generator=chance)
    width = area.sqrt()  # of the box, where the whole is 1
    centre = (2 * torch.rand(B, 2, generator=chance) - 1) * (1 - width)[:, None]  # x, y: the box stays inside
    theta = torch.zeros(B, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = width
    theta[:, :, 2] = centre
    box = F.affine_grid(theta, [B, 1, side_px, side_px], align_corners=False)
    # The box looks up where each of its pixels lies in the varied digit, and there where that lies in the original.
    places = F.grid_sample(grid, box, mode="bilinear", padding_mode="border", align_corners=False)
    part = F.grid_sample(pictures, places.permute(0, 2, 3, 1), mode="bilinear", align_corners=False)
    return vary_stroke(part, chance, variation.stroke)


def dino_loss(
    student: Tensor, teacher: Tensor, centre: Tensor, student_temperature: float, teacher_temperature: float
) -> Tensor:
    """Mean cross-entropy H(teacher, student) in nats over all pairs of different crops. Algorithm 1, function H.

    `student` (crops, B, K), the teacher's crops first; `teacher` (global crops, B, K); `centre` (K,). The teacher is
    centred and sharpened and gets no gradient.
    """
    target = ((teacher.detach() - centre) / teacher_temperature).softmax(dim=-1)
    log_student = (student / student_temperature).log_softmax(dim=-1)
    pairs = [
        -(target[t] * log_student[s]).sum(dim=-1).mean()
        for t in range(len(teacher))
        for s in range(len(student))
        if s != t
    ]
    return torch.stack(pairs).mean()


def moved_centre(centre: Tensor, teacher: Tensor, momentum: float) -> Tensor:
    """The centre's next value, (K,): m·C + (1 − m)·mean of the teacher's outputs (…, K). Eq. 4."""
    return momentum * centre + (1 - momentum) * teacher.detach().flatten(0, -2).mean(dim=0)


def train_dino(
    training: Digits,
    held_out: Digits,
    folder: Path,
    recipe: DinoRecipe,
    *,
    config: ViTConfig = DINO_CONFIG,
    device: str = "cpu",
    progress: Progress | None = None,
    finished: Callable[[DinoReport], None] | None = None,
) -> tuple[VisionTransformer, list[DinoReport]]:
    """Trains without labels, or goes on with a run broken off in `folder`: the teacher's backbone, a report per epoch.

    Labels are used by the k-NN measurement alone.
    """
    pair = student_and_teacher(config, recipe).to(device)
    optimiser = make_optimiser(pair["student"], recipe.decay[0], recipe.betas)
    reports = resume(folder, recipe, pair, optimiser, DinoReport)
    pictures, labels = tensors(training)
    held = tensors(held_out)
    started = time.perf_counter()
    for epoch in range(len(reports) + 1, recipe.epochs + 1):
        loss, entropy = dino_epoch(pair, optimiser, pictures, recipe, epoch, progress)
        accuracy = None
        if epoch % recipe.knn_every == 0 or epoch == recipe.epochs:
            accuracy = knn_accuracy(pair["teacher"].backbone, (pictures, labels), held)
        reports.append(DinoReport(epoch, loss, accuracy, entropy, time.perf_counter() - started))
        store(folder, recipe, pair, optimiser, reports)
        if finished is not None:
            finished(reports[-1])
    return pair["teacher"].backbone, reports


def student_and_teacher(config: ViTConfig, recipe: DinoRecipe) -> nn.ModuleDict:
    """Student and teacher, equal at first, and the centre, so that all of it is stored as one."""
    student = WithHead(initialised(config, recipe.seed), DinoHead(config.dim, recipe))
    teacher = deepcopy(student).requires_grad_(False)
    pair = nn.ModuleDict({"student": student, "teacher": teacher})
    pair.register_buffer("centre", torch.zeros(recipe.outputs))
    return pair


def knn_accuracy(backbone: VisionTransformer, known: tuple[Tensor, Tensor], asked: tuple[Tensor, Tensor]) -> float:
    """Share of the asked digits (pictures, labels) that the known ones' features classify rightly by weighted k-NN."""
    references, queries = features_of(backbone, known[0]), features_of(backbone, asked[0])
    return float((knn_predictions(queries, references, known[1], CLASSES) == asked[1]).float().mean())


def dino_epoch(
    pair: nn.ModuleDict,
    optimiser: torch.optim.Optimizer,
    pictures: Tensor,
    recipe: DinoRecipe,
    epoch: int,
    progress: Progress | None,
) -> tuple[float, float]:
    """All digits (n, 1, H, W) once: (mean loss, entropy of the teacher's mean output), both in nats."""
    student, teacher = pair["student"].train(), pair["teacher"].train()
    chance = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
    batches = torch.randperm(len(pictures), generator=chance).split(recipe.batch)
    steps, warm = recipe.epochs * len(batches), recipe.warm_epochs * len(batches)
    device = pair.centre.device
    total, mean_output = 0.0, torch.zeros(recipe.outputs, device=device)
    for step, chosen in enumerate(batches):
        done = (epoch - 1) * len(batches) + step
        rate = warm_cosine(done, steps, warm, recipe.peak_rate, recipe.end_rate)
        optimiser.param_groups[0].update(lr=rate, weight_decay=cosine(done, steps, *recipe.decay))
        optimiser.param_groups[1].update(lr=rate)
        sharp = warmed(recipe.teacher_temperature, done, warm)
        whole, parts = (crops.to(device) for crops in crops_of(pictures[chosen], recipe, chance))
        said = student(whole).unflatten(0, (recipe.global_crops, -1))  # (global crops, B, K)
        if recipe.local_crops:
            said = torch.cat([said, student(parts).unflatten(0, (recipe.local_crops, -1))])
        with torch.no_grad():
            wanted = teacher(whole).unflatten(0, (recipe.global_crops, -1))
        loss = dino_loss(said, wanted, pair.centre, recipe.student_temperature, sharp)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), recipe.most_norm)
        if epoch <= recipe.frozen_epochs:
            student.head.directions.grad = None
        optimiser.step()
        mean_output += ((wanted - pair.centre) / sharp).softmax(dim=-1).mean(dim=(0, 1)) / len(batches)
        pair.centre.copy_(moved_centre(pair.centre, wanted, recipe.centre_momentum))
        # θ_t ← λ·θ_t + (1 − λ)·θ_s: section 3.1, teacher network
        follow(teacher, student, cosine(done, steps, *recipe.teacher_momentum))
        total += loss.item() * len(chosen)
        if progress is not None:
            progress(epoch, step + 1, len(batches), loss.item())
    return total / len(pictures), float(-(mean_output * mean_output.clamp_min(1e-12).log()).sum())


def warmed(temperature: tuple[float, float], step: int, warm_steps: int) -> float:
    """The teacher's temperature at a step: a line from the first to the second over the warm-up."""
    low, high = temperature
    return low + (high - low) * min(1.0, step / max(1, warm_steps))


def crops_of(pictures: Tensor, recipe: DinoRecipe, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """(global crops of all digits, local crops of all digits), each crop a batch after the other."""

    def several(count: int, side_px: int, share: tuple[float, float]) -> Tensor:
        made = [crop(pictures, side_px, share, chance, recipe.variation) for _ in range(count)]
        return torch.cat(made) if made else pictures[:0]

    return (
        several(recipe.global_crops, recipe.global_px, recipe.global_share),
        several(recipe.local_crops, recipe.local_px, recipe.local_share),
    )
