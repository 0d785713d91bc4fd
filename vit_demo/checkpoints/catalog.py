"""The models that the app offers. Figures: parameters from timm 1.0.31's registry; top-1 accuracy from timm's
results-imagenet.csv and the DINOv2 README; licences from the model pages."""

from __future__ import annotations

from dataclasses import replace

from vit_demo.checkpoints import assets, embedded
from vit_demo.checkpoints.assets import DIGITS_ID, DINO_DIGITS_ID
from vit_demo.contract import Availability, ModelCard, ModelStatus

APACHE = ("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0")
MIT = ("MIT (backbone Apache-2.0)", "https://github.com/julesGoueffon/jgo_saliency")
DINOV3 = ("DINOv3 License", "https://github.com/facebookresearch/dinov3/blob/main/LICENSE.md")
FAIR_NC = ("FAIR Noncommercial Research License", "https://huggingface.co/facebook/fair-noncommercial-research-license")
EMBEDDED_ID = "vit-demo/dinov2-small-saliency"
BYTES_PER_PARAMETER = 4  # float32


def _card(
    id: str,
    title: str,
    family: str,
    parameters: int,
    side: int,
    patch_px: int,
    why: str,
    licence: tuple[str, str] = APACHE,
    **more,
) -> ModelCard:
    return ModelCard(
        id=id,
        title=title,
        family=family,
        parameters=parameters,
        download_bytes=parameters * BYTES_PER_PARAMETER,
        licence=licence[0],
        licence_url=licence[1],
        has_head=more.pop("has_head", "top1" in more),
        native_size=(side, side),
        patch_px=patch_px,
        why=f"catalog.{why}",
        **more,
    )


# A table: id, title, family, parameters, native side, patch, why, and what is special.
# fmt: off
CARDS: tuple[ModelCard, ...] = (
    _card("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "ViT-Ti/16", "ViT",
          5_717_416, 224, 16, "why_vit_tiny", top1=75.5),
    _card("timm/vit_small_patch16_224.augreg_in21k_ft_in1k", "ViT-S/16", "ViT",
          22_050_664, 224, 16, "why_vit_small", top1=81.4),
    _card("timm/vit_base_patch16_224.augreg2_in21k_ft_in1k", "ViT-B/16", "ViT",
          86_567_656, 224, 16, "why_vit_base", top1=85.1),
    _card("timm/vit_base_patch32_224.augreg_in21k_ft_in1k", "ViT-B/32", "ViT",
          88_224_232, 224, 32, "why_vit_b32", top1=80.7),
    _card("google/vit-base-patch16-224", "ViT-B/16 (Google)", "ViT", 86_567_656, 224, 16, "why_vit_google", top1=81.1),
    _card("timm/flexivit_small.1200ep_in1k", "FlexiViT-S/16", "ViT", 22_061_416, 240, 16, "why_flexivit", top1=82.5),
    _card("timm/deit_tiny_patch16_224.fb_in1k", "DeiT-Ti/16", "DeiT", 5_717_416, 224, 16, "why_deit_tiny", top1=72.2),
    _card("timm/deit_tiny_distilled_patch16_224.fb_in1k", "DeiT-Ti/16 distilled", "DeiT",
          5_910_800, 224, 16, "why_distilled", top1=74.5),
    _card("timm/deit_small_distilled_patch16_224.fb_in1k", "DeiT-S/16 distilled", "DeiT",
          22_436_432, 224, 16, "why_distilled", top1=81.2),
    _card("timm/deit3_small_patch16_224.fb_in22k_ft_in1k", "DeiT III-S/16", "DeiT III",
          22_059_496, 224, 16, "why_deit3", top1=83.1),
    _card("facebook/dinov2-small-imagenet1k-1-layer", "DINOv2-S/14 + linear head", "DINOv2",
          22_825_192, 224, 14, "why_dinov2_head", top1=81.1),
    _card("facebook/dinov2-with-registers-small-imagenet1k-1-layer", "DINOv2-S/14 registers + linear head", "DINOv2",
          22_826_728, 224, 14, "why_dinov2_reg_head", top1=80.9),
    _card("timm/vit_small_patch16_224.dino", "DINO-S/16", "DINO", 21_665_664, 224, 16, "why_dino"),
    _card("timm/vit_small_patch8_224.dino", "DINO-S/8", "DINO", 21_670_272, 224, 8, "why_dino_s8"),
    _card("timm/vit_base_patch16_224.dino", "DINO-B/16", "DINO", 85_798_656, 224, 16, "why_dino_base"),
    _card("timm/vit_base_patch8_224.dino", "DINO-B/8", "DINO", 85_807_872, 224, 8, "why_dino_s8"),
    _card("facebook/dino-vits16", "DINO-S/16 (transformers)", "DINO", 21_665_664, 224, 16, "why_dino_hf"),
    _card("facebook/dino-vits8", "DINO-S/8 (transformers)", "DINO", 21_670_272, 224, 8, "why_dino_hf"),
    _card("facebook/dino-vitb16", "DINO-B/16 (transformers)", "DINO", 85_798_656, 224, 16, "why_dino_hf"),
    _card("facebook/dino-vitb8", "DINO-B/8 (transformers)", "DINO", 85_807_872, 224, 8, "why_dino_hf"),
    _card("timm/vit_small_patch14_dinov2.lvd142m", "DINOv2-S/14", "DINOv2", 22_056_192, 518, 14, "why_dinov2"),
    _card("timm/vit_small_patch14_reg4_dinov2.lvd142m", "DINOv2-S/14 registers", "DINOv2",
          22_057_344, 518, 14, "why_dinov2_reg"),
    _card("timm/vit_base_patch14_dinov2.lvd142m", "DINOv2-B/14", "DINOv2", 86_579_712, 518, 14, "why_dinov2_base"),
    _card("timm/vit_base_patch14_reg4_dinov2.lvd142m", "DINOv2-B/14 registers", "DINOv2",
          86_582_016, 518, 14, "why_dinov2_reg"),
    _card("timm/vit_small_patch16_dinov3.lvd1689m", "DINOv3-S/16", "DINOv3",
          21_586_944, 256, 16, "why_dinov3", DINOV3, note="catalog.note_dinov3"),
    _card("timm/vit_small_plus_patch16_dinov3.lvd1689m", "DINOv3-S+/16", "DINOv3",
          28_683_264, 256, 16, "why_dinov3_plus", DINOV3, note="catalog.note_dinov3"),
    _card("timm/vit_base_patch16_dinov3.lvd1689m", "DINOv3-B/16", "DINOv3",
          85_641_216, 256, 16, "why_dinov3", DINOV3, note="catalog.note_dinov3"),
    _card("timm/vit_large_patch16_dinov3.lvd1689m", "DINOv3-L/16", "DINOv3",
          303_079_424, 256, 16, "why_dinov3_large", DINOV3, note="catalog.note_dinov3"),
    _card("facebook/dinov3-vits16-pretrain-lvd1689m", "DINOv3-S/16 (Meta)", "DINOv3",
          21_586_944, 224, 16, "why_dinov3", DINOV3, gated=True, note="catalog.note_gated"),
    _card("belfner/vit_small_patch16_lingbot.robbyant", "LingBot-S/16", "DINOv3", 21_596_160, 512, 16, "why_lingbot"),
    _card("timm/vit_tiny_patch16_dinov3_qkvb.eupe_lvd1689m", "EUPE-Ti/16", "DINOv3",
          5_489_664, 256, 16, "why_eupe", FAIR_NC, note="catalog.note_noncommercial"),
    _card("timm/vit_small_patch16_dinov3_qkvb.eupe_lvd1689m", "EUPE-S/16", "DINOv3",
          21_596_160, 256, 16, "why_eupe_small", FAIR_NC, note="catalog.note_noncommercial"),
    _card(EMBEDDED_ID, "DINOv2-S/14, saliency", "DINOv2",
          22_056_192, 518, 14, "why_embedded", MIT,
          source="embedded", note="catalog.note_embedded", neighbour_layer=9),  # layer 10 of 12: measured best
    _card(DIGITS_ID, "Digits ViT/4", "ViT", 235_786, 28, 4, "why_digits",
          has_head=True, source="own", note="draw.note_digits"),
    _card(DINO_DIGITS_ID, "Digits DINO/4", "DINO", 234_816, 28, 4, "why_dino_digits",
          source="own", note="draw.note_dino_digits"),
)
# fmt: on


def card_of(model_id: str) -> ModelCard | None:
    """The card of exactly this catalogue id, or None: another revision may hold other weights. A moment of our own
    models' training has its model's card, under its own name."""
    cards = {card.id: card for card in CARDS}
    if model_id in cards or not assets.is_own(model_id):
        return cards.get(model_id)
    own, _, moment = model_id.partition("@")
    return replace(cards[own], id=model_id, title=f"{cards[own].title} @ {moment}")


def statuses(hub_reachable: bool | None) -> tuple[ModelStatus, ...]:
    """Every card with whether its weights can be had now. `hub_reachable` None: not known yet. Makes no request."""
    return tuple(_status(card, hub_reachable) for card in CARDS)


def _status(card: ModelCard, hub_reachable: bool | None) -> ModelStatus:
    from vit_demo.checkpoints.hub_cache import on_disk

    if card.source == "own":
        return ModelStatus(card, "on_disk")
    if card.source == "embedded":
        if embedded.is_converted() or embedded.is_installed():
            return ModelStatus(card, "on_disk")
        return ModelStatus(card, "out_of_reach", "catalog.embedded_hint")
    if on_disk(card.id):
        return ModelStatus(card, "on_disk")
    if hub_reachable is None:
        return ModelStatus(card, "unknown")
    kind: Availability = "downloadable" if hub_reachable else "out_of_reach"
    return ModelStatus(card, kind, "" if hub_reachable else "catalog.hub_out_of_reach")


# Among what is on disk: those that predict classes and have clear attention maps first, then features alone.
PREFERRED = (
    "facebook/dinov2-small-imagenet1k-1-layer",
    "facebook/dinov2-with-registers-small-imagenet1k-1-layer",
    "timm/vit_small_patch16_224.augreg_in21k_ft_in1k",
    "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "timm/vit_small_patch14_dinov2.lvd142m",
    "timm/vit_small_patch16_224.dino",
)
FIRST_DOWNLOAD = "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"  # 23 MB, and it predicts classes


def default_model(known: tuple[ModelStatus, ...], download: bool = True) -> str:
    """The model that the page opens with: the best on disk that predicts classes, else a small one that does and can be
    downloaded, else the best on disk that does not; at last our own, which is always there. Without `download`, only
    what is on disk."""
    here = {status.card.id: status.card for status in known if status.availability == "on_disk"}
    from_hub = [model_id for model_id, card in here.items() if card.source == "hub"]
    ranked = [*(model_id for model_id in PREFERRED if model_id in here), *from_hub]
    with_head = next((model_id for model_id in ranked if here[model_id].has_head), None)
    if with_head:
        return with_head
    if download and any(s.card.id == FIRST_DOWNLOAD and s.availability == "downloadable" for s in known):
        return FIRST_DOWNLOAD
    without_head = [model_id for model_id in (*PREFERRED, EMBEDDED_ID, *from_hub) if model_id in here]
    return without_head[0] if without_head else DIGITS_ID
