"""ViTConfig refuses what does not fit together, naming the field, and counts what it is made of."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from vit_demo.model.config import RopeConfig, ViTConfig

REFUSALS = [
    ("patch_px", dict(patch_px=0)),
    ("in_channels", dict(in_channels=-1)),
    ("dim", dict(dim=0)),
    ("depth", dict(depth=0)),
    ("heads", dict(heads=-3)),
    ("mlp_hidden", dict(mlp_hidden=0)),
    ("image_size", dict(image_size=(224, 230))),
    ("image_size", dict(image_size=(230, 224))),
    ("image_size", dict(image_size=(0, 224))),
    ("image_size", dict(image_size=(224, 224, 224))),
    ("dim", dict(dim=100, heads=3)),
    ("num_registers", dict(num_registers=-1)),
    ("num_classes", dict(num_classes=-1)),
    ("class token", dict(class_token=False, distillation_token=True, pool="avg")),
    ("distillation head", dict(distillation_head=True)),
    ("pool", dict(class_token=False, position_prefix=0, pool="token")),
    ("pool", dict(class_token=False, position_prefix=0, pool="token+avg")),
    ("position_prefix", dict(position_prefix=2)),
    ("position_prefix", dict(position_prefix=-1)),
    ("position_prefix", dict(class_token=False, pool="avg", position_prefix=1)),
    ("position_prefix", dict(position="none", position_prefix=1)),
    ("head_dim", dict(dim=36, heads=6, rope=RopeConfig())),
    ("head_dim", dict(head_dim=10, rope=RopeConfig())),
    ("pool", dict(pool="none", num_classes=5)),
    ("layer_scale_mlp", dict(layer_scale_mlp=False)),
    ("kv_heads", dict(depth=2, kv_heads=(12,))),
    ("kv_heads", dict(depth=2, kv_heads=(12, 5))),
    ("kv_heads", dict(depth=2, kv_heads=(12, 0))),
    ("kv_heads", dict(depth=1, kv_heads=(6,), rope=RopeConfig("mixed"))),
]


@pytest.mark.parametrize(("field", "values"), REFUSALS, ids=lambda v: v if isinstance(v, str) else "-".join(v))
def test_values_that_do_not_fit_are_refused_naming_the_field(field, values):
    with pytest.raises(ValueError, match=field):
        ViTConfig(**values)


@pytest.mark.parametrize("kind", [ViTConfig, RopeConfig])
def test_every_field_with_listed_choices_refuses_another_value_by_name(kind):
    hints = typing.get_type_hints(kind)
    chosen = [f.name for f in dataclasses.fields(kind) if typing.get_origin(hints[f.name]) is typing.Literal]
    assert len(chosen) >= 3
    for name in chosen:
        with pytest.raises(ValueError, match=rf"{name} is 'stranger'"):
            kind(**{name: "stranger"})


def test_fields_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ViTConfig().dim = 3


def test_prefix_tokens_stand_in_the_order_class_distillation_registers():
    config = ViTConfig(distillation_token=True, num_registers=2)
    assert config.prefix_names == ("cls", "dist", "reg1", "reg2")
    assert config.num_prefix_tokens == 4
    bare = ViTConfig(class_token=False, num_registers=1, position_prefix=0, pool="avg")
    assert bare.prefix_names == ("reg1",)
    assert bare.num_prefix_tokens == 1


def test_the_native_grid_is_rows_first():
    assert ViTConfig(image_size=(48, 80), patch_px=16).native_grid == (3, 5)


@pytest.mark.parametrize(
    ("values", "head", "all_heads"),
    [(dict(dim=384, heads=6), 64, 384), (dict(dim=50, heads=3, head_dim=8), 8, 24)],
)
def test_widths_of_heads_follow_dim_unless_given(values, head, all_heads):
    config = ViTConfig(**values)
    assert (config.attention_head_dim, config.attention_dim) == (head, all_heads)
