"""The catalogue's figures against timm's and transformers' own architectures, and what the page opens with."""

from __future__ import annotations

import dataclasses
import socket

import pytest
import torch

from vit_demo.checkpoints import catalog, embedded
from vit_demo.checkpoints.assets import DIGITS_ID, DINO_DIGITS_ID
from vit_demo.checkpoints.catalog import CARDS, EMBEDDED_ID, FIRST_DOWNLOAD, PREFERRED, card_of, default_model, statuses
from vit_demo.checkpoints.load import empty_model
from vit_demo.contract import ModelStatus
from vit_demo.model.config import RopeConfig, ViTConfig
from vit_demo.text import LANGUAGES, phrases

FROM_TIMM = {card.id: card.id.split("/")[1] for card in CARDS if card.id.startswith(("timm/", "belfner/"))}
SMALL = dict(dim=384, heads=6, mlp_hidden=1536)
DIGITS = dict(image_size=(28, 28), patch_px=4, dim=96, depth=4, heads=4, mlp_hidden=96)
DINOV2 = dict(image_size=(518, 518), patch_px=14, layer_scale=True, **SMALL)
LAYOUTS = {  # what transformers' configuration files of these repositories say, as ViTConfig
    "google/vit-base-patch16-224": ViTConfig(num_classes=1000),
    "facebook/dino-vits16": ViTConfig(**SMALL),
    "facebook/dino-vits8": ViTConfig(patch_px=8, **SMALL),
    "facebook/dino-vitb16": ViTConfig(),
    "facebook/dino-vitb8": ViTConfig(patch_px=8),
    "facebook/dinov2-small-imagenet1k-1-layer": ViTConfig(**DINOV2, pool="token+avg", num_classes=1000),
    "facebook/dinov2-with-registers-small-imagenet1k-1-layer": ViTConfig(
        **DINOV2, num_registers=4, pool="token+avg", num_classes=1000
    ),
    EMBEDDED_ID: ViTConfig(**DINOV2),
    DIGITS_ID: ViTConfig(**DIGITS, num_classes=10),
    DINO_DIGITS_ID: ViTConfig(**DIGITS),
}
OWN = {DIGITS_ID, DINO_DIGITS_ID}
DINOV3_META = ViTConfig(
    **SMALL, layer_scale=True, num_registers=4, position="none", position_prefix=0, rope=RopeConfig(), key_bias=False
)


def card(model_id: str):
    return next(card for card in CARDS if card.id == model_id)


@pytest.mark.parametrize("model_id", FROM_TIMM)
def test_figures_of_timms_models_are_those_of_timms_registry(model_id):
    import timm

    with torch.device("meta"):
        model = timm.create_model(FROM_TIMM[model_id], pretrained=False)
    ours, cfg = card(model_id), model.pretrained_cfg
    assert ours.parameters == sum(p.numel() for p in model.parameters())
    assert ours.native_size == tuple(cfg["input_size"][1:])
    assert ours.patch_px == model.patch_embed.patch_size[0]
    assert ours.has_head == (model.num_classes > 0)


@pytest.mark.parametrize("model_id", LAYOUTS)
def test_figures_of_other_models_follow_from_their_layout(model_id):
    config = LAYOUTS[model_id]
    assert card(model_id).parameters == sum(p.numel() for p in empty_model(config).parameters())
    assert card(model_id).patch_px == config.patch_px
    assert card(model_id).has_head == (config.num_classes > 0)


def test_metas_gated_model_has_the_layout_of_dinov3_small():
    """transformers keeps biases of query and value that timm leaves out as they are zero: 0.04 %."""
    wanted = sum(p.numel() for p in empty_model(DINOV3_META).parameters())
    assert card("facebook/dinov3-vits16-pretrain-lvd1689m").parameters == pytest.approx(wanted, rel=1e-3)


def test_every_card_is_checked_by_one_of_the_tests_above():
    assert {c.id for c in CARDS} == {*FROM_TIMM, *LAYOUTS, "facebook/dinov3-vits16-pretrain-lvd1689m"}


def test_downloads_are_four_bytes_a_parameter():
    assert all(c.download_bytes == 4 * c.parameters for c in CARDS)


def test_ids_are_unique():
    assert len({c.id for c in CARDS}) == len(CARDS) > 30


def test_only_models_with_a_head_have_an_accuracy():
    assert all(c.has_head for c in CARDS if c.top1 is not None)
    assert all(50 < c.top1 < 100 for c in CARDS if c.top1 is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_and_note_has_words(language):
    words = phrases(language)
    for c in CARDS:
        assert words[c.why].strip()
        assert c.note == "" or words[c.note].strip()
    for reason in ("catalog.embedded_hint", "catalog.hub_out_of_reach"):
        assert words[reason].strip()


def test_models_under_another_licence_say_so_and_carry_a_note():
    for c in CARDS:
        if "dinov3" in c.id and "eupe" not in c.id:
            assert (c.licence, c.note != "") == ("DINOv3 License", True)
            assert "facebookresearch/dinov3" in c.licence_url
        elif "eupe" in c.id:
            assert "Noncommercial" in c.licence
            assert c.note == "catalog.note_noncommercial"
        elif c.id != EMBEDDED_ID:
            assert c.licence == "Apache-2.0"
        assert c.licence_url.startswith("https://")


def test_the_gated_model_is_metas_and_only_that():
    assert [c.id for c in CARDS if c.gated] == ["facebook/dinov3-vits16-pretrain-lvd1689m"]


def test_a_card_belongs_to_its_exact_id_and_to_no_other_revision():
    assert card_of("timm/vit_small_patch16_224.dino") is not None
    assert card_of("timm/vit_small_patch16_224.dino@refs/pr/1") is None
    assert card_of("timm/vit_small_patch16_224") is None
    assert card_of("") is None


def test_a_moment_of_our_own_training_has_its_models_card_under_its_own_name():
    moment = card_of(f"{DIGITS_ID}@epoch-0")
    assert moment.id == f"{DIGITS_ID}@epoch-0"
    assert moment.title == "Digits ViT/4 @ epoch-0"
    assert dataclasses.replace(moment, id=DIGITS_ID, title=card(DIGITS_ID).title) == card(DIGITS_ID)
    assert card_of(f"{DIGITS_ID}@epoch-9999") is None


# ------------------------------------------------------------------------------------------------------------ statuses


@pytest.fixture
def silent(monkeypatch, tmp_path):
    """An empty home, no embedded package, and a network whose every use fails the test."""
    requests = []

    def refuse(*args, **_):
        requests.append(args)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(embedded, "onnx_file", lambda: None)
    yield monkeypatch
    assert requests == []


@pytest.mark.parametrize(
    ("hub", "availability", "reason"),
    [
        (None, "unknown", ""),
        (True, "downloadable", ""),
        (False, "out_of_reach", "catalog.hub_out_of_reach"),
    ],
)
def test_statuses_follow_the_hub_without_asking_it(silent, hub, availability, reason):
    found = statuses(hub)
    assert [s.card for s in found] == list(CARDS)
    for status in found:
        if status.card.id == EMBEDDED_ID:
            assert (status.availability, status.reason) == ("out_of_reach", "catalog.embedded_hint")
        elif status.card.id in OWN:
            assert (status.availability, status.reason) == ("on_disk", "")
        else:
            assert (status.availability, status.reason) == (availability, reason)


def test_a_model_on_disk_is_on_disk_whatever_the_hub(silent):
    silent.setattr("vit_demo.checkpoints.hub_cache.on_disk", lambda name: name == FIRST_DOWNLOAD)
    for hub in (None, True, False):
        assert {s.card.id for s in statuses(hub) if s.availability == "on_disk"} == {FIRST_DOWNLOAD, *OWN}


def test_the_embedded_model_is_on_disk_where_its_package_or_its_conversion_is(silent, tmp_path):
    silent.setattr(embedded, "is_installed", lambda: True)
    assert {s.card.id for s in statuses(False) if s.availability == "on_disk"} == {EMBEDDED_ID, *OWN}
    silent.setattr(embedded, "is_installed", lambda: False)
    assert {s.card.id for s in statuses(False) if s.availability == "on_disk"} == OWN
    embedded.folder().mkdir(parents=True)
    (embedded.folder() / "config.json").write_text("{}")
    (embedded.folder() / "model.safetensors").write_bytes(b"")
    assert {s.card.id for s in statuses(False) if s.availability == "on_disk"} == {EMBEDDED_ID, *OWN}


def having(*on_disk: str, elsewhere: str = "out_of_reach") -> tuple[ModelStatus, ...]:
    return tuple(ModelStatus(c, "on_disk" if c.id in on_disk else elsewhere) for c in CARDS)


@pytest.mark.parametrize("download", [True, False])
def test_the_page_opens_with_the_best_model_on_disk(download):
    best_first = [*PREFERRED, EMBEDDED_ID]
    assert PREFERRED[0] == "facebook/dinov2-small-imagenet1k-1-layer"
    for place, model_id in enumerate(best_first):
        assert default_model(having(*best_first[place:]), download) == model_id
        assert default_model(having(*reversed(best_first[place:])), download) == model_id


def test_those_that_predict_classes_are_preferred():
    heads = [card(model_id).has_head for model_id in PREFERRED]
    assert heads == sorted(heads, reverse=True)
    google = "google/vit-base-patch16-224"  # on disk, in no list of preference
    assert default_model(having("timm/vit_small_patch14_dinov2.lvd142m", google, *OWN)) == google


def test_a_small_classifier_is_downloaded_where_none_is_here():
    assert default_model(having(EMBEDDED_ID, *OWN, elsewhere="downloadable")) == FIRST_DOWNLOAD
    assert default_model(having(*OWN, elsewhere="downloadable")) == FIRST_DOWNLOAD
    assert default_model(having(*OWN, elsewhere="unknown")) == DIGITS_ID
    assert default_model(having(EMBEDDED_ID, *OWN, elsewhere="downloadable"), download=False) == EMBEDDED_ID
    assert default_model(having(PREFERRED[2], *OWN, elsewhere="downloadable")) == PREFERRED[2]


def test_out_of_the_hubs_reach_features_come_before_digits():
    assert default_model(having("facebook/dino-vitb8")) == "facebook/dino-vitb8"
    assert default_model(having("facebook/dino-vitb8", EMBEDDED_ID)) == EMBEDDED_ID
    assert default_model(having("facebook/dino-vitb8", *OWN)) == "facebook/dino-vitb8"
    assert default_model(having(*OWN)) == DIGITS_ID


def test_the_first_download_is_the_smallest_with_a_head():
    smallest = min((c for c in CARDS if c.has_head and c.source == "hub"), key=lambda c: c.download_bytes)
    assert card(FIRST_DOWNLOAD).download_bytes == smallest.download_bytes


def test_every_preferred_id_is_a_card():
    assert all(catalog.card_of(model_id) for model_id in (*PREFERRED, FIRST_DOWNLOAD, EMBEDDED_ID))


def test_cards_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CARDS[0].gated = True
