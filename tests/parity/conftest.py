"""Twins: small random models of timm and transformers, every parameter moved off its tame initial value."""

from __future__ import annotations

import pytest
import torch


def _shake(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Random values everywhere, so that a bias, a scale or a token that is forgotten shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_factor = parameter.dim() == 1 and name.endswith(("weight", "gamma", "gamma_1", "gamma_2", "lambda1"))
            parameter.copy_(1 + 0.2 * noise if is_factor else noise * (0.5 if parameter.dim() == 3 else 0.15))
    return model.eval()


@pytest.fixture(scope="session")
def shake():
    return _shake


@pytest.fixture(scope="session")
def relative_difference():
    """Largest difference as a share of the reference's largest value."""

    def measure(ours: torch.Tensor, theirs: torch.Tensor) -> float:
        assert ours.shape == theirs.shape
        return float((ours - theirs).abs().max() / theirs.abs().max())

    return measure
