"""More than one machine: Explainers as a deployment of Ray Serve that grows and shrinks, asked by front ends that hold
nothing but their visitors' pages.

    vit-demo replicas --most 8                  on a Ray cluster: the Explainers
    vit-demo serve --cluster auto               on as many machines as there are visitors for: the page

A question is a function of plain data, so it may be asked of any replica; where one dies, it is asked of another. Which
front end a visitor has must not change, since Gradio's queue lives in one process: a proxy keeps it by a cookie
(docs/scale.md).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vit_demo.contract import DemoError
from vit_demo.explain import Explainer
from vit_demo.fair_queue import current_visitor

APPLICATION, DEPLOYMENT = "vit-demo", "Replica"
ANSWER_WITHIN_S = 300
TRIES = 4  # a replica that dies takes its questions with it
PAUSE_S = 0.5
ONGOING = 4  # questions per replica that are aimed at: one computes, three wait
MOST_ONGOING = 64


class Replica:
    """One Explainer, loaded. Ray makes it, in a process of its own."""

    def __init__(self, options: dict[str, Any]):
        self._explainer = Explainer(**options)
        self._explainer.warm_up()
        self._threads = ThreadPoolExecutor(MOST_ONGOING)  # the Explainer decides who of them computes

    async def ask(self, question: Callable[..., Any], args: tuple, visitor: str) -> Any:
        """What `question` answers, or the DemoError that says why not, as a value: Ray would wrap what is raised."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._ask, question, args, visitor)

    def _ask(self, question: Callable[..., Any], args: tuple, visitor: str) -> Any:
        current_visitor.set(visitor)
        try:
            return self._explainer.compute(question, *args)
        except DemoError as error:
            return error


def deploy(options: dict[str, Any], least: int = 1, most: int = 4, cpus: float = 2, gpus: float = 0) -> None:
    """Starts the deployment on the Ray cluster that this process is connected to. `options` are the Explainer's;
    `cpus` and `gpus` what each replica is given."""
    from ray import serve

    deployment = serve.deployment(
        name=DEPLOYMENT,
        ray_actor_options={"num_cpus": cpus, "num_gpus": gpus},
        autoscaling_config={"min_replicas": least, "max_replicas": most, "target_ongoing_requests": ONGOING},
        max_ongoing_requests=MOST_ONGOING,
        health_check_period_s=5,
        graceful_shutdown_timeout_s=20,
    )(Replica)
    serve.run(deployment.bind(options), name=APPLICATION, route_prefix=None)


def connect(address: str = "auto") -> None:
    """Joins the Ray cluster at an address ("auto": the one on this machine). Raises DemoError where there is none."""
    import ray

    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise DemoError("page.no_cluster", address=address) from error


class ClusterExplainer(Explainer):
    """An Explainer whose answers come from the replicas. It knows the catalogue itself, and computes nothing."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._answer, self._runs_elsewhere = self._ask_replica, True
        self._handle = None
        self._counting = threading.Condition()
        self._under_way, self._closing = 0, False

    def close(self, wait_s: float) -> bool:
        with self._counting:
            self._closing = True
            return self._counting.wait_for(lambda: not self._under_way, wait_s)

    def warm_up(self) -> str:
        """Asks a replica for the first model."""
        model = self.details(self.default_model(download=False)).card.id
        self._ready.set()
        return model

    @property
    def takes_frames(self) -> bool:
        return True

    def _ask_replica(self, question: Callable[..., Any], *args: Any) -> Any:
        with self._counting:
            if self._closing:
                raise DemoError("page.closing")
            self._under_way += 1
        try:
            return self._ask_until_answered(question, args)
        finally:
            with self._counting:
                self._under_way -= 1
                self._counting.notify_all()

    def _ask_until_answered(self, question: Callable[..., Any], args: tuple) -> Any:
        from ray import exceptions, serve

        lost: Exception | None = None
        for number in range(TRIES):
            if number:
                time.sleep(PAUSE_S * 2**number)
            try:
                if self._handle is None:
                    self._handle = serve.get_deployment_handle(DEPLOYMENT, APPLICATION)
                sent = self._handle.ask.remote(question, args, current_visitor.get())
                answer = sent.result(timeout_s=ANSWER_WITHIN_S)
            except (exceptions.RayActorError, exceptions.RaySystemError) as error:  # its replica has died
                lost, self._handle = error, None
                continue
            except TimeoutError as error:
                raise DemoError("page.busy", seconds=ANSWER_WITHIN_S) from error
            if isinstance(answer, DemoError):
                raise answer
            return answer
        raise DemoError("page.no_replica") from lost
