"""From a name to a strictly loaded model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vit_demo.checkpoints import assets, catalog, embedded
from vit_demo.checkpoints.formats import read_weights
from vit_demo.checkpoints.hub_cache import tidied
from vit_demo.checkpoints.keymaps import ConversionReport, convert
from vit_demo.checkpoints.plan import Plan
from vit_demo.checkpoints.released import plan_from_google, plan_from_state
from vit_demo.checkpoints.sources import Source, find
from vit_demo.checkpoints.timm_models import plan_from_timm, plan_from_timm_wrapper
from vit_demo.checkpoints.transformers_models import plan_from_transformers
from vit_demo.checkpoints.unwrap import unwrap, without_prefix
from vit_demo.contract import ModelCard, ModelError, PreprocessSpec
from vit_demo.model.config import ViTConfig
from vit_demo.model.position import RESAMPLING
from vit_demo.model.vit import VisionTransformer


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to use (eval mode, frozen weights), and everything known of where it came from."""

    model: VisionTransformer
    card: ModelCard
    report: ConversionReport
    preprocess: PreprocessSpec
    labels: tuple[str, ...] | None
    revision: str = ""

    @property
    def nbytes(self) -> int:
        return sum(p.numel() * p.element_size() for p in self.model.parameters())


def load_model(
    name: str,
    *,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int], None] | None = None,
    offline: bool | None = None,
) -> LoadedModel:
    """A pretrained model by name: a Hub id (optionally @revision), a folder in Hub layout, a file (.safetensors .pth
    .npz), or an id of the catalogue; of our own models also a moment of their training, "vit-demo/digits@epoch-1".
    `progress(done_bytes, total_bytes)` follows a download.

    Raises ModelError, in a sentence for people, where it cannot be found, fetched or represented faithfully; nothing is
    ever loaded approximately.
    """
    name = tidied(name)
    card = catalog.card_of(name)
    source = find(_where(name, card), progress=progress, offline=offline)
    read = read_weights(source.weights, name)
    try:
        plan, state = _plan(source, read, name)
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # a config.json that holds something else
        raise ModelError("checkpoint.unsupported", name=name, reason=f"its config.json: {error}") from error
    plan = usable(plan, name)
    model, report = build(plan, state, name)
    model.to(device)
    return LoadedModel(
        model=model,
        card=card or _own_card(name, source, plan, model),
        report=report,
        preprocess=plan.preprocess,
        labels=plan.labels,
        revision=source.revision,
    )


def _where(name: str, card: ModelCard | None) -> str:
    """The name under which the files are found: a place on this machine for models that come without a download."""
    if name.partition("@")[0] in assets.FOLDERS:
        return str(assets.file_of(name))
    return str(embedded.ensure()) if card and card.source == "embedded" else name


def _plan(source: Source, read: Mapping[str, Any], name: str) -> tuple[Plan, Mapping[str, Tensor]]:
    """The Plan by what the source is, and its flat tensors."""
    config = source.config or {}
    if config.get("quantization_config"):
        raise ModelError("checkpoint.quantised", name=name)
    if source.weights[0].suffix.lower() == ".npz":
        return plan_from_google(read, name), read
    state, aside = unwrap(read, name)
    if config.get("model_type") == "timm_wrapper":
        plan = plan_from_timm_wrapper(config, state.keys(), name)
    elif "architecture" in config:
        plan = plan_from_timm(config["architecture"], _with_channels(config, state))
    elif "model_type" in config:
        plan = plan_from_transformers(config, source.preprocessor, state, name)
    else:
        plan = plan_from_state(state, name, source.weights[0].name)
    return replace(plan, assumed=(*plan.assumed, *aside)), state


def _with_channels(config: dict[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    """timm's config.json with the number of channels that its weights have, which older exports do not say."""
    args, weight = config.get("model_args") or {}, state.get("patch_embed.proj.weight")
    if "in_chans" in args or weight is None or weight.dim() != 4 or weight.shape[1] == 3:
        return config
    return {**config, "model_args": {**args, "in_chans": weight.shape[1]}}


def usable(plan: Plan, name: str) -> Plan:
    """The plan of a model that can be shown pictures and asked for classes: with a mean and a standard deviation for
    each channel. One number is for all of them, and a model of grey pictures takes the mean of three, as timm does
    (data/model_config.py). Raises ModelError for a head of one output and for other channels."""
    if plan.config.num_classes == 1 and not plan.config.multi_label:
        reason = "its head has one output, so it measures something; among one class the probability is always 100 %"
        raise ModelError("checkpoint.unsupported", name=name, reason=reason)
    spec, channels = plan.preprocess, plan.config.in_channels
    if channels not in (1, 3):
        reason = f"its pictures have {channels} channels; those of photographs have 3, or 1 in grey"
        raise ModelError("checkpoint.unsupported", name=name, reason=reason)
    if len(spec.mean) == len(spec.std) == channels:
        return plan
    mean, std = ((sum(values) / len(values),) * channels for values in (spec.mean, spec.std))
    note = f"mean {mean[0]:.4g} and standard deviation {std[0]:.4g} for every channel, averaged over what is given"
    return replace(plan, preprocess=replace(spec, mean=mean, std=std), assumed=(*plan.assumed, note))


def build(plan: Plan, state: Mapping[str, Tensor], name: str) -> tuple[VisionTransformer, ConversionReport]:
    """A model of that plan filled with those tensors, strictly. Raises ModelError where anything does not fit."""
    model = empty_model(plan.config)
    if plan.prefix:
        state = without_prefix(state, plan.prefix, name)
    wanted = {key: tensor.shape for key, tensor in model.state_dict().items()}
    try:
        converted, report = convert(state, plan.rules, wanted, name, plan.fill)
    except ValueError as error:
        raise ModelError("checkpoint.unsupported", name=name, reason=str(error)) from error
    if broken := next((key for key, tensor in converted.items() if not tensor.isfinite().all()), None):
        raise ModelError("checkpoint.not_finite", name=name, key=broken)
    # Contiguous and owned: a model must not keep a whole fused file alive through a view.
    model.load_state_dict({k: t.float().contiguous() for k, t in converted.items()}, strict=True, assign=True)
    model.eval().requires_grad_(False)
    if plan.config.position == "learned":
        report.resampled = RESAMPLING[plan.config.position_resampling].title
    report.assumed.extend(plan.assumed)
    if plan.config.num_classes and plan.labels is None:
        report.assumed.append(f"the {plan.config.num_classes} classes have no names here: they are numbered from 0")
    return model, report


def empty_model(config: ViTConfig) -> VisionTransformer:
    """A model without numbers (meta device): its names and shapes."""
    with torch.device("meta"):
        return VisionTransformer(config)


def _own_card(name: str, source: Source, plan: Plan, model: VisionTransformer) -> ModelCard:
    """A card for a model that is not in the catalogue, from what the file says."""
    parameters = sum(p.numel() for p in model.parameters())
    return ModelCard(
        id=name,
        title=name.rstrip("/").split("/")[-1],
        family=plan.family,
        parameters=parameters,
        download_bytes=parameters * catalog.BYTES_PER_PARAMETER,
        licence=str((source.config or {}).get("license", "licence not stated")),
        licence_url="",
        has_head=plan.config.num_classes > 0,
        native_size=plan.config.image_size,
        patch_px=plan.config.patch_px,
        why="catalog.why_own",
        source="hub" if source.kind == "hub" else "local",
    )
