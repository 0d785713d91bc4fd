"""Replicas on a Ray cluster of this machine: they answer as one Explainer does, also while one of them is killed.

test_cluster.py runs this file in a process of its own.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vit_demo.benchmark.load import photograph
from vit_demo.benchmark.server import APP, running
from vit_demo.benchmark.visitor import Visitor, run

ray = pytest.importorskip("ray", reason="the extra vit-demo[cluster] is not installed")
DIGITS = "vit-demo/digits"


@pytest.fixture(scope="module")
def explainer():
    from ray import serve

    from vit_demo import cluster

    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    options = {"device": "cpu", "first": DIGITS, "only": (DIGITS,)}
    try:
        cluster.deploy(options, least=2, most=2, cpus=1)
        yield cluster.ClusterExplainer(**options)
    finally:
        serve.shutdown()
        ray.shutdown()


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def replicas() -> list[str]:
    named = ray.util.list_named_actors(all_namespaces=True)
    return [one["name"] for one in named if "#Replica#" in one["name"]]


def test_replicas_answer_as_an_explainer_of_ones_own(explainer):
    from vit_demo.contract import DemoError
    from vit_demo.explain import Explainer

    own = Explainer("cpu")
    for seed in range(3):
        theirs, ours = explainer.predict(picture(seed), DIGITS), own.predict(picture(seed), DIGITS)
        assert theirs.labels == ours.labels
        assert theirs.probabilities == pytest.approx(ours.probabilities, abs=1e-5)
    maps = explainer.attention(picture(0), DIGITS).maps
    assert np.allclose(maps, own.attention(picture(0), DIGITS).maps, atol=1e-6)
    with pytest.raises(DemoError) as caught:
        explainer.attention(picture(0), DIGITS, layer=9)
    assert caught.value.key == "attention.no_such_layer"
    with pytest.raises(DemoError):
        explainer.predict(picture(0), "somebody/else")


def test_front_ends_compute_nothing_and_ask_the_replicas(explainer, tmp_path):
    told = {
        "VIT_DEMO_CLUSTER": ray.get_runtime_context().gcs_address,
        "VIT_DEMO_MODEL": DIGITS,
        "VIT_DEMO_MODELS": DIGITS,
    }

    async def visit(url: str, seed: int) -> str:
        async with Visitor(url) as visitor:
            await visitor.open("predict")
            await visitor.upload(photograph(seed), "photograph.jpg")
            await visitor.open_tab("attention")
            return visitor.values[visitor.named["vd-predict"]]

    with running(APP, tmp_path / "one", told) as (one, _), running(APP, tmp_path / "two", told) as (two, _):
        assert "<figure>" in run(visit(one, 1))
        assert "<figure>" in run(visit(two, 2))


def test_a_replica_that_is_killed_under_load_costs_nobody_an_answer(explainer):
    assert len(replicas()) == 2
    begun = threading.Event()

    def ask(seed: int) -> int:
        if seed == 20:
            begun.set()
        return len(explainer.relevance(picture(100 + seed), DIGITS).maps)

    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(ask, seed) for seed in range(120)]
        begun.wait(60)
        name = replicas()[0]
        ray.kill(ray.get_actor(name, namespace="serve"))
        assert {answer.result(120) for answer in answers} == {7}
    end = time.monotonic() + 60
    while time.monotonic() < end and (len(replicas()) < 2 or name in replicas()):
        time.sleep(0.5)
    assert len(replicas()) == 2  # another one stands in its place
    assert name not in replicas()


def test_without_a_cluster_one_is_told_how_to_start_one(monkeypatch):
    from vit_demo import cluster
    from vit_demo.contract import DemoError

    def nobody(*args, **options):
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "init", nobody)
    with pytest.raises(DemoError) as caught:
        cluster.connect("10.0.0.1:6379")
    assert caught.value.key == "page.no_cluster"
