"""A Vision Transformer that is already in memory, of timm, transformers or torchvision: its weights moved by the same
strict key maps as a file's, and the result held against the module itself on the same input."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vit_demo.checkpoints.catalog import BYTES_PER_PARAMETER
from vit_demo.checkpoints.families import native
from vit_demo.checkpoints.formats import read_weights
from vit_demo.checkpoints.labels import names_by_output
from vit_demo.checkpoints.load import LoadedModel, build, usable
from vit_demo.checkpoints.plan import Plan
from vit_demo.checkpoints.released import plan_from_state
from vit_demo.checkpoints.timm_models import family_of, preprocess_from_timm
from vit_demo.checkpoints.timm_modules import Unsupported, config_from_module
from vit_demo.checkpoints.transformers_models import plan_from_transformers
from vit_demo.checkpoints.unwrap import unwrap
from vit_demo.contract import ModelCard, ModelError, PreprocessSpec
from vit_demo.model.position import bands_of

MOST_DIFFERENCE = 1e-4  # of the largest number that the module gives
CHECKED_SEED = 0


def from_module(
    module: nn.Module,
    preprocess: PreprocessSpec | None = None,
    labels: Sequence[str] | None = None,
    name: str = "your model",
) -> LoadedModel:
    """Our model with the weights of a module in memory: timm's VisionTransformer and Eva, transformers' ViT, DeiT,
    Dinov2, Dinov2WithRegisters and DINOv3ViT (with or without a classifier), torchvision's VisionTransformer.

    The weights are copied: the module can go on learning. `preprocess` says how its pictures are prepared, where it
    does not say so itself; `labels` a name for each output. Both are run on the same random picture of the native size
    and must agree to 1e-4 of the largest number. Raises ModelError, with the reason, for what cannot be represented or
    does not agree.
    """
    state = _state_of(module, name)
    plan = _plan(module, state, name)
    if labels is not None:
        try:
            names, notes = names_by_output(list(labels), plan.config.num_classes)
        except ValueError as error:
            raise ModelError("checkpoint.unsupported", name=name, reason=str(error)) from None
        plan = replace(plan, labels=names, assumed=(*plan.assumed, *notes))
    if preprocess is not None:
        plan = replace(plan, preprocess=preprocess)
    plan = usable(plan, name)
    model, report = build(plan, state, name)
    difference = _difference(module, model, plan)
    if not difference <= MOST_DIFFERENCE:  # also where it is no number
        reason = f"it gives other numbers here than there: {difference:.1e} of the largest apart on the same picture"
        raise ModelError("checkpoint.unsupported", name=name, reason=reason)
    parameters = sum(p.numel() for p in model.parameters())
    card = ModelCard(
        id=name,
        title=name,
        family=plan.family,
        parameters=parameters,
        download_bytes=parameters * BYTES_PER_PARAMETER,
        licence="–",
        licence_url="",
        has_head=plan.config.num_classes > 0,
        native_size=plan.config.image_size,
        patch_px=plan.config.patch_px,
        why="catalog.why_own",
        source="local",
    )
    return LoadedModel(model, card, report, plan.preprocess, plan.labels)


def _homes(module: nn.Module) -> set[str]:
    """The libraries that a module's class and its parents come from."""
    return {kind.__module__.partition(".")[0] for kind in type(module).__mro__}


def _state_of(module: Any, name: str) -> Mapping[str, Tensor]:
    """A module's weights, under the names that its files have: transformers has others in memory than in files, and
    only its own saving knows both."""
    if "transformers" not in _homes(module) or not hasattr(module, "save_pretrained"):
        return {key: tensor.detach().cpu().clone() for key, tensor in module.state_dict().items() if tensor.numel()}
    with tempfile.TemporaryDirectory() as folder:
        module.save_pretrained(folder)
        read = unwrap(read_weights(tuple(sorted(Path(folder).glob("*.safetensors"))), name), name)[0]
    return {key: tensor for key, tensor in read.items() if tensor.numel()}  # no registers are a tensor of none


def _plan(module: nn.Module, state: Mapping[str, Tensor], name: str) -> Plan:
    """The Plan by the library that a module's class comes from."""
    homes = _homes(module)
    config: Any = getattr(module, "config", None)
    if "transformers" in homes and config is not None:
        told = {**config.to_dict(), "architectures": [type(module).__name__]}
        return plan_from_transformers(told, None, state, name)
    if "timm" in homes:
        return _plan_of_timm(module, name)
    if "torchvision" in homes:
        plan = plan_from_state(state, name, "")
        heads = getattr(getattr(module, "encoder", None), "layers", [None])[0]
        count = getattr(getattr(heads, "self_attention", None), "num_heads", plan.config.heads)
        return replace(plan, config=replace(plan.config, heads=count))
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    reason = f"its class {kind} is none of timm's, transformers' or torchvision's Vision Transformers"
    raise ModelError("checkpoint.unsupported", name=name, reason=reason)


def _plan_of_timm(module: Any, name: str) -> Plan:
    try:
        config, gated = config_from_module(module)
    except Unsupported as error:
        raise ModelError("checkpoint.unsupported", name=name, reason=str(error)) from None
    fill = {}
    if config.rope is not None and config.rope.kind != "mixed":
        fill["rope_bands"] = bands_of(config.rope, config.attention_head_dim), "computed; timm does not store it"
    cfg = dict(getattr(module, "pretrained_cfg", None) or {})
    return Plan(
        config=config,
        rules=native(gated),
        preprocess=preprocess_from_timm(cfg, module.patch_embed.img_size),
        family=family_of(str(cfg.get("architecture") or "")),
        fill=fill,
    )


def _difference(module: nn.Module, model: nn.Module, plan: Plan) -> float:
    """How far both lie apart on the same random picture, as a share of the module's largest number."""
    config, training = plan.config, module.training
    parameter = next(module.parameters())
    generator = torch.Generator().manual_seed(CHECKED_SEED)
    pixels = torch.randn(1, config.in_channels, *config.image_size, generator=generator)
    module.eval()
    try:
        with torch.inference_mode():
            theirs = _output_of(module, pixels.to(parameter.device, parameter.dtype), config.num_classes > 0)
            encoded = model(pixels)
    finally:
        module.train(training)
    ours = encoded.logits if config.num_classes > 0 else encoded.tokens
    theirs = theirs.float().cpu()
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-12))


def _output_of(module: Any, pixels: Tensor, has_head: bool) -> Tensor:
    """Logits, or the tokens after the final norm where there is no head."""
    if hasattr(module, "forward_features") and not has_head:  # timm
        return module.forward_features(pixels)
    if "transformers" in _homes(module):
        output = module(pixel_values=pixels)
        return output.logits if has_head else output.last_hidden_state
    if not has_head and hasattr(module, "_process_input"):  # torchvision gives the class token alone
        raise ModelError("checkpoint.unsupported", name="your model", reason="torchvision's model has no head left")
    return module(pixels)
