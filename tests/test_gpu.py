"""What holds on a GPU; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch

from vit_demo.benchmark.gpu import device_mb, measure_parity, measure_requests
from vit_demo.contract import DemoError, SizeChoice, TokenQuery
from vit_demo.explain import Explainer
from vit_demo.hardware import choose_hardware

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
SMALL = "vit_small_patch16_224"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    made = tmp_path_factory.mktemp("models") / SMALL
    timm.models.save_for_hf(timm.create_model(SMALL), made, safe_serialization=True)
    return str(made)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (224, 224, 3), dtype=np.uint8)


def test_precisions_lie_as_far_from_the_processors_as_their_bits():
    parity = measure_parity(SMALL, 224, "cuda")
    assert parity["float32"]["tokens"] < 1e-4
    assert parity["float32"]["rows"] < 1e-4
    for half in ("bfloat16", "float16"):
        assert parity[half]["least cosine"] > 0.99


@pytest.mark.parametrize("question", ["attention", "attention_layer", "attention_wall", "depth", "predict"])
def test_views_are_those_of_the_processor(question, folder):
    of_both = [getattr(Explainer(device), question)(picture(0), folder) for device in ("cpu", "cuda")]
    for name, value in vars(of_both[0]).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            np.testing.assert_allclose(getattr(of_both[1], name), value, rtol=2e-2, atol=1e-3, err_msg=name)


def test_a_pass_waits_for_nothing(folder):
    """No number goes back to the processor before the end: torch raises where one does."""
    from vit_demo.checkpoints.load import load_model
    from vit_demo.model import Trace

    model = load_model(folder, device="cuda").model
    pixels = torch.randn(1, 3, 224, 224, device="cuda")
    with torch.inference_mode():
        model(pixels, trace=Trace())
        torch.cuda.set_sync_debug_mode("error")
        try:
            model(pixels, trace=Trace())
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_memory_is_flat_after_many_requests():
    found = list(measure_requests(SMALL, 224, "cuda", 200).values())
    assert found[-1] < 1.05 * found[0] + 20


def test_a_full_memory_is_said_and_what_was_kept_is_let_go(folder, monkeypatch):
    from vit_demo.model import VisionTransformer

    explainer = Explainer("cuda")
    explainer.attention(picture(1), folder)

    def full(self, *args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(VisionTransformer, "forward", full)
        with pytest.raises(DemoError, match="smaller size"):
            explainer.attention(picture(2), folder)
    before = device_mb("cuda")
    assert explainer.attention(picture(2), folder, SizeChoice(), TokenQuery("cls"), 3).maps.shape[0] == 6
    assert device_mb("cuda") < before + 200


def test_patches_are_embedded_in_full_precision():
    choose_hardware("cuda")
    assert not torch.backends.cudnn.allow_tf32
