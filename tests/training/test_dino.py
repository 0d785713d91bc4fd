"""DINO's parts against explicit numpy, and two epochs of it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from vit_demo.training.augment import Variation
from vit_demo.training.data import split
from vit_demo.training.dino import (
    DinoHead,
    DinoRecipe,
    crop,
    crops_of,
    dino_loss,
    follow,
    moved_centre,
    student_and_teacher,
    train_dino,
    warmed,
)

STILL = Variation(0, 0, 0, 0, 0, 0)
RECIPE = DinoRecipe(epochs=2, batch=25, warm_epochs=1, outputs=16, hidden=32, bottleneck=8, knn_every=1)


def softmax(values):
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_the_loss_is_the_cross_entropy_over_pairs_of_different_crops():
    chance = np.random.default_rng(0)
    student, teacher, centre = (chance.normal(size=shape) for shape in ((5, 3, 7), (2, 3, 7), (7,)))
    total, pairs = 0.0, 0
    for t in range(2):
        target = softmax((teacher[t] - centre) / 0.04)
        for s in range(5):
            if s != t:
                total += -(target * np.log(softmax(student[s] / 0.1))).sum(axis=1).mean()
                pairs += 1
    assert pairs == 8
    found = dino_loss(torch.tensor(student), torch.tensor(teacher), torch.tensor(centre), 0.1, 0.04)
    assert float(found) == pytest.approx(total / pairs, rel=1e-9)


def test_the_teacher_gets_no_gradient():
    student, teacher = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 3, 4, requires_grad=True)
    dino_loss(student, teacher, torch.zeros(4), 0.1, 0.04).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


def test_the_centre_is_a_running_mean_of_the_teachers_outputs():
    chance = np.random.default_rng(1)
    centre, batches = np.zeros(6), chance.normal(size=(4, 2, 5, 6))
    ours = torch.zeros(6, dtype=torch.float64)
    for batch in batches:
        centre = 0.9 * centre + 0.1 * batch.reshape(10, 6).mean(axis=0)
        ours = moved_centre(ours, torch.tensor(batch), 0.9)
    assert np.allclose(ours.numpy(), centre, rtol=1e-12)


def test_the_teacher_follows_the_student_by_its_momentum():
    student = torch.nn.Linear(3, 2)
    teacher = deepcopy(student)
    wanted = {name: p.detach().numpy().copy() for name, p in teacher.named_parameters()}
    for step in range(3):
        with torch.no_grad():
            for p in student.parameters():
                p.add_(torch.randn_like(p))
        follow(teacher, student, 0.9 + 0.03 * step)
        for name, p in student.named_parameters():
            wanted[name] = (0.9 + 0.03 * step) * wanted[name] + (0.1 - 0.03 * step) * p.detach().numpy()
    for name, p in teacher.named_parameters():
        assert np.allclose(p.detach().numpy(), wanted[name], atol=1e-6)


def test_a_head_gives_cosines_with_directions_of_any_length():
    head = DinoHead(5, RECIPE)
    features = torch.randn(4, 5)
    before = head(features)
    assert before.shape == (4, 16)
    assert before.abs().max() <= 1 + 1e-6
    with torch.no_grad():
        head.directions.mul_(torch.rand(16, 1) + 0.5)
    assert torch.allclose(head(features), before, atol=1e-6)


def test_a_crop_of_the_whole_is_the_whole_and_a_quarter_is_a_window():
    chance = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, 1, 28, 28)
    assert torch.allclose(crop(pictures, 28, (1.0, 1.0), chance, STILL), pictures, atol=1e-4)
    ramp = (torch.arange(28.0) + 0.5).expand(4, 1, 28, 28) / 28  # its value is its place across
    part = crop(ramp, 14, (0.25, 0.25), chance, STILL)
    across = part[:, 0, 0]
    assert torch.allclose(part, across[:, None, None].expand_as(part), atol=1e-4)
    assert torch.allclose(across.diff(dim=1), torch.full((4, 13), 1 / 28), atol=1e-3)  # half the width in 14 pixels
    assert across.min() >= 0
    assert across.max() <= 1


def test_crops_stand_one_batch_after_the_other():
    recipe = replace(RECIPE, global_crops=2, local_crops=3, local_px=12)
    whole, parts = crops_of(torch.rand(4, 1, 28, 28), recipe, torch.Generator().manual_seed(0))
    assert whole.shape == (8, 1, 28, 28)
    assert parts.shape == (12, 1, 12, 12)


def test_the_teachers_temperature_warms_up():
    assert [warmed((0.04, 0.07), step, 10) for step in (0, 5, 10, 50)] == pytest.approx([0.04, 0.055, 0.07, 0.07])


def test_two_epochs_teach_something_and_do_not_collapse(digits8, small_dino_config, tmp_path):
    training, held = split(digits8.upscaled(250))
    model, reports = train_dino(training, held, tmp_path, RECIPE, config=small_dino_config)
    assert model.head is None
    assert reports[-1].knn_accuracy > 0.2  # a tenth would be chance
    assert 0.1 < reports[-1].entropy < np.log(16) + 1e-6
    again, kept = train_dino(training, held, tmp_path, RECIPE, config=small_dino_config)  # nothing is left to do
    assert kept == reports
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_student_and_teacher_begin_as_equals(small_dino_config):
    pair = student_and_teacher(small_dino_config, RECIPE)
    mates = zip(pair["student"].parameters(), pair["teacher"].parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in mates)
    assert not any(p.requires_grad for p in pair["teacher"].parameters())
