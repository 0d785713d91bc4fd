"""The supervised training of the digits' classifier: AdamW, warm-up and cosine, label smoothing, varied digits."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_demo.contract import DemoError
from vit_demo.model import VisionTransformer, ViTConfig
from vit_demo.training.augment import Variation, vary
from vit_demo.training.data import CLASSES, SIDE_PX, Digits
from vit_demo.training.evaluate import logits_of, loss_and_accuracy, normalised
from vit_demo.training.schedule import warm_cosine

# 7×7 patches, as ViT-B/32 has at 224 px. The training knows grey alone; export.py makes three channels of it.
DIGITS_CONFIG = ViTConfig(
    image_size=(SIDE_PX, SIDE_PX),
    patch_px=4,
    in_channels=1,
    dim=96,
    depth=4,
    heads=4,
    mlp_hidden=96,  # as wide as the stream: five moments of the training stay under 3 MB
    position_resampling="transformers",
    num_classes=CLASSES,
)


@dataclass(frozen=True)
class Recipe:
    """How the classifier is trained. `kept` are the epochs whose weights are written apart (0: as initialised).

    `inked` patches, those with most ink, are all that the model sees of a digit in three steps of four until the last
    `whole_epochs`: half the work, and little is lost, since 95 of 100 digits touch at most 24 patches. (PatchDropout,
    Liu et al. 2023, arXiv 2208.07220, drops patches at random.) `token_deviation` is that of positions and class token
    at first: small ones are learned late. `averaging` is how much of the mean of the weights over past steps each step
    keeps: that mean is the model that is judged and written (Polyak and Juditsky 1992).
    """

    epochs: int = 64
    batch: int = 50
    peak_rate: float = 1.5e-3
    end_rate: float = 1e-5
    warm_epochs: int = 2
    inked: int = 24
    whole_every: int = 4
    whole_epochs: int = 12
    token_deviation: float = 0.2
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.99)
    smoothing: float = 0.1
    most_norm: float = 1.0
    averaging: float = 0.998
    seed: int = 0
    kept: tuple[int, ...] = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
    variation: Variation = field(default_factory=Variation)

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate at a step of the whole run (from 0), where an epoch has so many steps."""
        return warm_cosine(step, self.epochs * steps, self.warm_epochs * steps, self.peak_rate, self.end_rate)


@dataclass(frozen=True)
class EpochReport:
    """One epoch: the mean loss over varied training digits (smoothed cross-entropy, nats); loss (nats) and accuracy
    on the held-out digits; the learning rate at its end; seconds since the run, or its resumption, began."""

    epoch: int
    loss: float
    held_loss: float
    held_accuracy: float
    rate: float
    seconds: float


Progress = Callable[[int, int, int, float], None]  # epoch, step, steps of the epoch, loss


def initialised(config: ViTConfig, seed: int, token_deviation: float = 0.2) -> VisionTransformer:
    """A model before its first step: matrices after Glorot and Bengio 2010 (as google-research/vision_transformer has
    them), each of q, k and v by itself; patch filters after LeCun; biases 0, norms 1; tokens and positions normal."""
    torch.manual_seed(seed)
    model = VisionTransformer(config)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            for part in module.weight.data.chunk(3 if name.endswith("attn.qkv") else 1):
                nn.init.xavier_uniform_(part)
            nn.init.zeros_(module.bias)
    filters = model.patch_embed.weight
    nn.init.normal_(filters, std=filters[0].numel() ** -0.5)
    nn.init.zeros_(model.patch_embed.bias)
    for token in (model.position, model.class_token):
        nn.init.normal_(token, std=token_deviation)
    return model


def make_optimiser(model: nn.Module, weight_decay: float, betas: tuple[float, float]) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) that decays matrices only: not biases, norms, tokens or positions."""
    named = dict(model.named_parameters())
    plain = {n for n, p in named.items() if p.ndim < 2 or n.rsplit(".", 1)[-1] in ("position", "class_token")}
    groups = [
        {"params": [p for name, p in named.items() if name not in plain], "weight_decay": weight_decay},
        {"params": [p for name, p in named.items() if name in plain], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=betas)


def train(
    training: Digits,
    held_out: Digits,
    folder: Path,
    recipe: Recipe,
    *,
    config: ViTConfig = DIGITS_CONFIG,
    device: str = "cpu",
    keep: Callable[[VisionTransformer, int], None],
    progress: Progress | None = None,
    finished: Callable[[EpochReport], None] | None = None,
) -> tuple[VisionTransformer, list[EpochReport]]:
    """Trains a classifier, or goes on with one that was broken off in `folder`. The model and a report per epoch.

    The same seed gives the same run on the same machine, whether broken off or not: everything random in an epoch
    follows from the seed and the epoch. `keep(model, epoch)` is called at the recipe's kept epochs. Digits are varied
    on the CPU, whatever the device.
    """
    model = initialised(config, recipe.seed, recipe.token_deviation).to(device)
    mean = copy.deepcopy(model).requires_grad_(False)  # of the weights over past steps
    optimiser = make_optimiser(model, recipe.weight_decay, recipe.betas)
    modules = nn.ModuleDict({"model": model, "mean": mean})
    reports = resume(folder, recipe, modules, optimiser)
    pictures, labels = tensors(training)
    held_pictures, held_labels = tensors(held_out)
    started = time.perf_counter()
    if not reports and 0 in recipe.kept:
        keep(mean, 0)
    for epoch in range(len(reports) + 1, recipe.epochs + 1):
        loss, rate = train_epoch(model, optimiser, pictures, labels, recipe, epoch, progress, mean)
        held_loss, accuracy = loss_and_accuracy(logits_of(mean, held_pictures), held_labels)
        reports.append(EpochReport(epoch, loss, held_loss, accuracy, rate, time.perf_counter() - started))
        if epoch in recipe.kept:
            keep(mean, epoch)
        store(folder, recipe, modules, optimiser, reports)
        if finished is not None:
            finished(reports[-1])
    return mean, reports


def train_epoch(
    model: VisionTransformer,
    optimiser: torch.optim.Optimizer,
    pictures: Tensor,
    labels: Tensor,
    recipe: Recipe,
    epoch: int,
    progress: Progress | None = None,
    mean: VisionTransformer | None = None,
) -> tuple[float, float]:
    """All digits (n, 1, H, W) once, in a new order, each varied anew: (mean loss, last learning rate). `mean`, where it
    is given, follows the weights."""
    chance = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
    model.train()
    device = model.patch_embed.weight.device
    batches = torch.randperm(len(labels), generator=chance).split(recipe.batch)
    total = 0.0
    for step, chosen in enumerate(batches):
        rate = recipe.rate_at((epoch - 1) * len(batches) + step, len(batches))
        for group in optimiser.param_groups:
            group["lr"] = rate
        seen = vary(pictures[chosen], chance, recipe.variation)
        whole = epoch > recipe.epochs - recipe.whole_epochs or step % recipe.whole_every == 0
        if whole:
            logits = model(normalised(seen.to(device))).logits
        else:
            logits = logits_of_inked(model, seen, recipe.inked, chance)
        loss = F.cross_entropy(logits, labels[chosen].to(device), label_smoothing=recipe.smoothing)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.most_norm)
        optimiser.step()
        if mean is not None:
            done = (epoch - 1) * len(batches) + step  # at first less is kept, so that the start is forgotten
            follow(mean, model, min(recipe.averaging, (1 + done) / (10 + done)))
        total += loss.item() * len(chosen)
        if progress is not None:
            progress(epoch, step + 1, len(batches), loss.item())
    return total / len(labels), rate


@torch.no_grad()
def follow(mean: nn.Module, model: nn.Module, kept: float) -> None:
    """mean ← kept·mean + (1 − kept)·model, parameter by parameter."""
    for averaged, now in zip(mean.parameters(), model.parameters(), strict=True):
        averaged.lerp_(now, 1 - kept)


def logits_of_inked(model: VisionTransformer, pictures: Tensor, count: int, chance: torch.Generator) -> Tensor:
    """Logits (B, classes) from the `count` patches with most ink of each digit (B, 1, H, W), and the prefix tokens.

    Ties, such as between empty patches, are broken by chance.
    """
    config, device = model.config, model.patch_embed.weight.device
    ink = F.avg_pool2d(pictures, config.patch_px).flatten(1)  # (B, Gh·Gw)
    drawn = ink + 1e-3 * torch.rand(ink.shape, generator=chance)
    order = drawn.topk(min(count, ink.shape[1]), dim=1).indices + config.num_prefix_tokens
    tokens = model.embed(normalised(pictures.to(device)), model.grid_of(pictures))  # (B, N, D)
    inked = tokens.gather(1, order.to(device)[:, :, None].expand(-1, -1, tokens.shape[2]))
    tokens = torch.cat([tokens[:, : config.num_prefix_tokens], inked], dim=1)
    for block in model.blocks:
        tokens = block(tokens, None, None)
    return model.classify(model.norm(tokens))


def tensors(digits: Digits) -> tuple[Tensor, Tensor]:
    """Pictures (n, 1, H, W) and labels (n,)."""
    return torch.from_numpy(digits.pictures)[:, None], torch.from_numpy(digits.labels)


STATE = "state.pt"


def store(folder: Path, recipe: object, model: nn.Module, optimiser: torch.optim.Optimizer, reports: list) -> None:
    """Writes all that a run needs to go on, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "recipe": repr(recipe),
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "reports": [asdict(report) for report in reports],
    }
    unfinished = folder / f"{STATE}.unfinished"
    torch.save(state, unfinished)
    unfinished.replace(folder / STATE)


def resume(
    folder: Path, recipe: object, model: nn.Module, optimiser: torch.optim.Optimizer, report: type = EpochReport
) -> list:
    """Fills model and optimiser from a run that was broken off; its reports, none where there was no run.

    Raises DemoError where the run in that folder followed another recipe.
    """
    file = folder / STATE
    if not file.is_file():
        return []
    state = torch.load(file, map_location="cpu", weights_only=True)
    if state["recipe"] != repr(recipe):
        raise DemoError("draw.other_recipe", folder=str(folder))
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return [report(**values) for values in state["reports"]]
