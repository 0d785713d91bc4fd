"""What the patch and position embeddings have learned: ViT Fig. 7, and the rotary kernel where there is no table."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.model.config import RopeConfig
from vit_demo.model.position import rope_angles


def position_similarity(positions: Tensor) -> Tensor:
    """Cosine of every position embedding with every other, (n, n) in −1…1, from (n, D) embeddings of patches alone.

    Dosovitskiy et al. 2021, Fig. 7 centre; the class token's row must have been left out.
    """
    unit = F.normalize(positions.float(), dim=-1)
    return (unit @ unit.T).clamp(-1, 1)


def rope_kernel(rope: RopeConfig, bands: Tensor, grid: tuple[int, int]) -> Tensor:
    """The rotary kernel k(a, b) = mean over channel pairs of cos(angle_a − angle_b), (n, n); 1 at itself.

    It is what RoPE contributes to q·k where query and key are the same vector with equal energy in every pair. For
    learned ("mixed") frequencies, the mean over layers and heads. Su et al. 2021, section 3.4.3.
    """
    angles = rope_angles(rope, bands, grid)
    angles = angles.flatten(0, 1) if angles.dim() == 4 else angles[None]  # (maps, n, d/2)
    kernel = torch.zeros(angles.shape[1], angles.shape[1])
    for one in angles:
        # cos(a − b) = cos a·cos b + sin a·sin b: two matrix products instead of an (n, n, d/2) tensor
        kernel += (one.cos() @ one.cos().T + one.sin() @ one.sin().T).cpu() / one.shape[-1]
    return kernel / angles.shape[0]


def filter_components(weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """First principal components of the patch-embedding filters, (count, 3, P, P), and the share of variance of each.

    The D filters are samples in 3·P² dimensions, centred; signs are fixed so that each component's largest entry is
    positive (Dosovitskiy et al. 2021, Fig. 7 left, which leaves centring and sign open). At most min(D, 3·P²).
    """
    samples = weight.float().flatten(1)  # (D, 3·P²)
    samples = samples - samples.mean(dim=0)
    _, singular, components = torch.linalg.svd(samples, full_matrices=False)
    share = singular**2 / (singular**2).sum()
    components = components[:count]
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    components = components * largest.sign()
    return components.reshape(-1, *weight.shape[1:]), share[:count]
