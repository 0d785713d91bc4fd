"""A visitor without a browser: it follows the page's own protocol, which Gradio's front end speaks.

It reads the page's configuration, sends the values that a listener's components have, takes what comes back as their
new values, and goes on with the listeners that follow. What is drawn in a browser is not drawn; the files that a view
names are fetched, as a browser would.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
CONFIG = "window.gradio_config = "
TIMEOUT_S = 300
SHOWS_OPEN_TAB = "#vd-tabs"  # the script that presses the open tab's own button names it


def run(walk: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives, from any thread: also from one in which another event loop is running."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, walk).result()


class Refused(Exception):
    """The page answered with a sentence instead of a view."""


class Visitor:
    """One visitor of the page at `url`. `bytes` counts what it was sent; `answers` what its listeners answered."""

    def __init__(self, url: str, language: str = "en"):
        self.session = uuid.uuid4().hex[:11]
        self.client = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT_S, headers={"accept-language": language}, limits=httpx.Limits()
        )
        self.values: dict[int, Any] = {}
        self.tab = self.address = ""
        self.bytes, self.answers = 0, 0
        self._events: dict[str, asyncio.Future] = {}
        self._stream: asyncio.Task | None = None
        self._fetched: set[str] = set()

    async def __aenter__(self) -> Visitor:
        return self

    async def __aexit__(self, *_) -> None:
        if self._stream is not None:
            self._stream.cancel()
        await self.client.aclose()

    # ---------------------------------------------------------------------------------------------- what a visitor does

    async def open(self, tab: str, address: str = "") -> None:
        """Opens the page on a tab and waits until nothing follows any more: the first view stands."""
        await self.fetch_page(address)
        await self.begin(tab)

    async def begin(self, tab: str) -> None:
        """What a page does by itself once it is there, with that tab open."""
        self.tab = tab
        await asyncio.gather(*(self.run(one) for one in self._listeners(None, "load")))

    async def fetch_page(self, address: str = "") -> None:
        """The page's address, and what stands in it."""
        self.address = address  # gradio's front end sends it with every event
        page = (await self._get(f"./{address}")).text
        self.config = json.JSONDecoder().raw_decode(page, page.index(CONFIG) + len(CONFIG))[0]
        self.listeners = {one["id"]: one for one in self.config["dependencies"]}
        self.components = {one["id"]: one for one in self.config["components"]}
        self.values = {key: one["props"].get("value") for key, one in self.components.items()}
        self.named = {one["props"].get("elem_id"): key for key, one in self.components.items()}

    async def upload(self, content: bytes, name: str, component: str = "vd-image") -> None:
        """Puts a picture into the page and waits for the open tab's view of it."""
        sent = await self._send("POST", "gradio_api/upload", files={"files": (name, content)})
        sent.raise_for_status()
        path = sent.json()[0]
        value = {"path": path, "orig_name": name, "size": len(content), "meta": {"_type": "gradio.FileData"}}
        self.values[self.named[component]] = value
        await self.trigger(component, "change")

    async def type_model(self, name: str) -> None:
        """Types a model's name, and waits for the open tab's view of it."""
        self.values[self.named["vd-model"]] = name
        await self.trigger("vd-model", "input")

    async def open_tab(self, tab: str) -> None:
        """Opens a tab and waits for its view."""
        self.tab = tab
        await self.press(f"vd-show-{tab}")  # the same listener as that of the tab itself

    async def press(self, component: str) -> None:
        await self.trigger(component, "click")

    async def trigger(self, component: str, event: str, data: Any = None) -> None:
        """Runs all listeners of a component's event, and what follows them."""
        listeners = self._listeners(self.named[component], event)
        await asyncio.gather(*(self.run(one, data) for one in listeners))

    # ------------------------------------------------------------------------------------------------------- listeners

    def _listeners(self, component: int | None, event: str) -> list[dict]:
        return [
            one
            for one in self.config["dependencies"]
            if any(kind == event and (component is None or target == component) for target, kind in one["targets"])
        ]

    async def run(self, listener: dict, event_data: Any = None) -> None:
        """One listener, then those after it; `success` ones only if it did not fail."""
        failed: Refused | None = None
        if listener["backend_fn"]:
            try:
                await self._ask(listener, event_data)
            except Refused as refused:
                failed = refused
        elif SHOWS_OPEN_TAB in str(listener["js"]):
            await self.press(f"vd-show-{self.tab}")
        after = [one for one in self.listeners.values() if one["trigger_after"] == listener["id"]]
        wanted = [one for one in after if not (failed and one["trigger_only_on_success"])]
        if failed:
            raise failed
        await asyncio.gather(*(self.run(one) for one in wanted))

    async def _ask(self, listener: dict, event_data: Any) -> None:
        body = {
            "fn_index": listener["id"],
            "data": [self.values.get(key) for key in listener["inputs"]],
            "event_data": event_data,
            "session_hash": self.session,
            "trigger_id": None,
        }
        output = await (self._queued(body) if listener["queue"] else self._at_once(body))
        self.answers += 1
        changed = []
        for key, value in zip(listener["outputs"], output["data"], strict=True):
            if self._take(key, value):
                changed.append(key)
        await asyncio.gather(*(self._get(url) for url in sorted(set(_files(output["data"])) - self._fetched)))
        image = self.named["vd-image"]
        if image in changed:
            await self.trigger("vd-image", "change")

    def _take(self, key: int, value: Any) -> bool:
        """Whether a component has a new value."""
        if isinstance(value, dict) and value.get("__type__") == "update":
            if "value" not in value:
                return False
            value = value["value"]
        before, self.values[key] = self.values.get(key), value
        return value != before

    async def _at_once(self, body: dict) -> dict:
        answer = await self._send("POST", "gradio_api/run/predict", json=body)
        self.bytes += len(answer.content)
        if answer.status_code != httpx.codes.OK:
            raise Refused(answer.text[:200])
        return answer.json()

    async def _queued(self, body: dict) -> dict:
        joined = await self._send("POST", f"gradio_api/queue/join{self.address}", json=body)
        if joined.status_code != httpx.codes.OK:
            raise Refused(joined.text[:200])
        event = joined.json()["event_id"]
        done = self._events.setdefault(event, asyncio.get_running_loop().create_future())
        if self._stream is None or self._stream.done():
            self._stream = asyncio.create_task(self._listen())
        message = await asyncio.wait_for(done, TIMEOUT_S)
        if not message["success"]:
            raise Refused(str(message["output"].get("error"))[:200])
        return message["output"]

    async def _listen(self) -> None:
        """Reads what the server sends of this visitor's events until none is left."""
        while True:
            address = f"gradio_api/queue/data?session_hash={self.session}"
            async with self.client.stream("GET", address) as stream:
                async for line in stream.aiter_lines():
                    self.bytes += len(line)
                    if line.startswith("data: "):
                        self._receive(json.loads(line[6:]))
            if not any(not done.done() for done in self._events.values()):
                return

    def _receive(self, message: dict) -> None:
        if message["msg"] == "process_completed":
            done = self._events.setdefault(message["event_id"], asyncio.get_running_loop().create_future())
            if not done.done():
                done.set_result(message)
        elif message["msg"] in ("unexpected_error", "server_stopped"):
            for done in self._events.values():
                if not done.done():
                    done.set_exception(Refused(str(message.get("message"))))

    async def _send(self, method: str, address: str, **more: Any) -> httpx.Response:
        """As a browser does: a request that met a connection which was just being closed is sent again."""
        try:
            return await self.client.request(method, address, **more)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return await self.client.request(method, address, **more)

    async def _get(self, address: str) -> httpx.Response:
        answer = await self._send("GET", address)
        answer.raise_for_status()
        self.bytes += len(answer.content)
        self._fetched.add(address)
        return answer


def _files(value: Any) -> Iterator[str]:
    """The addresses of all files that an answer names."""
    if isinstance(value, dict):
        if isinstance(value.get("meta"), dict) and value.get("url"):
            yield str(value["url"])
        else:
            for inner in value.values():
                yield from _files(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _files(inner)
