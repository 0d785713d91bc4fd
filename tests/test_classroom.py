"""A class that follows its teacher: only the key shows something, all who follow hear of it, nobody else does."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request

import pytest

from vit_demo.benchmark.visitor import run
from vit_demo.classroom import (
    CODE_LETTERS,
    MOST_STATE_BYTES,
    Room,
    addresses,
    lan_address,
    qr_svg,
    qr_terminal,
    routes,
)

STATE = {"tab": "walk", "step": "norm", "model": "a", "example": "dog"}


def told(line: str) -> dict:
    return json.loads(line.removeprefix("data: "))


async def first(events, count: int) -> list[str]:
    found = []
    async for line in events:
        found.append(line)
        if len(found) == count:
            break
    await events.aclose()
    return found


def test_a_room_has_a_code_that_can_be_read_aloud_and_a_key_that_cannot_be_guessed():
    rooms = [Room() for _ in range(20)]
    assert len({room.key for room in rooms}) == 20
    assert all(len(room.code) == 4 and set(room.code) <= set(CODE_LETTERS) for room in rooms)
    assert all(len(room.key) >= 16 for room in rooms)
    assert not set("O0I1L") & set(CODE_LETTERS)


@pytest.mark.parametrize("key", ["", "guess", None, 5, "ключ", "\ud800"])
def test_only_the_teachers_key_shows_something(key):
    room = Room()
    with pytest.raises(PermissionError):
        room.show(key, STATE)
    assert room.shown.version == 0


def test_the_same_state_is_shown_once_and_a_large_one_never():
    room = Room()
    assert room.show(room.key, STATE)
    assert not room.show(room.key, dict(STATE))
    assert room.show(room.key, {**STATE, "step": "qkv"})
    assert room.shown.version == 2
    with pytest.raises(ValueError, match="letters"):
        room.show(room.key, {"edits": "x" * MOST_STATE_BYTES})


def test_who_follows_hears_the_state_at_once_and_every_later_one():
    room = Room()
    room.show(room.key, STATE)

    async def listen():
        events = room.follow()
        now = await anext(events)
        assert room.followers == 1
        threading.Timer(0.05, room.show, (room.key, {**STATE, "step": "scores"})).start()
        later = await anext(events)
        while not later.startswith("data:"):
            later = await anext(events)
        await events.aclose()
        return told(now), told(later)

    now, later = run(listen())  # in a thread of its own: another test's loop may be running in this one
    assert now["query"] == STATE
    assert later["query"]["step"] == "scores"
    assert later["version"] == now["version"] + 1
    assert now["base"] == later["base"]  # only a step: no forward pass is needed
    assert room.followers == 0


def test_another_picture_or_tab_is_another_base():
    room = Room()
    bases = set()  # of the picture its content, not where it lies
    for query, picture in (
        (STATE, ""),
        ({**STATE, "example": "koala"}, ""),
        ({**STATE, "tab": "depth"}, ""),
        (STATE, "x"),
    ):
        room.show(room.key, query, picture, picture)
        bases.add(room.shown.message["base"])
    assert len(bases) == 4


@pytest.fixture
def server():
    """The room's routes on a port of their own."""
    import uvicorn
    from starlette.applications import Starlette

    room = Room(code="ABCD", key="secret-key")
    app = uvicorn.Server(
        uvicorn.Config(Starlette(routes=routes(room)), port=0, log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=app.run, daemon=True)
    thread.start()
    while not app.started:
        time.sleep(0.01)
    port = app.servers[0].sockets[0].getsockname()[1]
    yield room, f"http://127.0.0.1:{port}"
    app.should_exit = True
    thread.join(5)


def test_thirty_followers_hear_within_a_second(server):
    room, url = server
    room.show(room.key, STATE)
    heard: list[float] = []

    def listen():
        with urllib.request.urlopen(f"{url}/classroom/ABCD/events", timeout=10) as stream:
            for line in stream:
                if line.startswith(b"data:") and b'"scores"' in line:
                    heard.append(time.monotonic())
                    return

    threads = [threading.Thread(target=listen) for _ in range(30)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 10
    while room.followers < 30 and time.monotonic() < end:
        time.sleep(0.01)
    room.show(room.key, {**STATE, "step": "scores"})
    for thread in threads:
        thread.join(10)
    assert len(heard) == 30


@pytest.mark.parametrize(
    "path", ["/classroom/WXYZ/events", "/classroom/WXYZ/qr.svg?address=a", "/classroom/ABCD/qr.svg"]
)
def test_a_code_that_is_none_is_not_found(server, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(server[1] + path, timeout=10)
    assert refused.value.code == 404


def test_nothing_can_be_sent_to_a_room(server):
    request = urllib.request.Request(f"{server[1]}/classroom/ABCD/events", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 405


@pytest.mark.slow
def test_the_benchmark_leads_a_class_to_the_end():
    from vit_demo.benchmark.classroom import measure_class
    from vit_demo.contract import WALK_STEPS

    followed = measure_class(2, "vit-demo/digits")
    assert len(followed.teacher) == len(WALK_STEPS) - 1
    assert len(followed.seconds) == 2 * len(followed.teacher)


def test_the_students_address_has_no_key():
    room = Room()
    found = addresses(room, "192.168.0.7", 7860, "/vit/")
    assert found.students == f"http://192.168.0.7:7860/vit/?room={room.code}"
    assert room.key not in found.students
    assert found.teacher == f"{found.students}#teach={room.key}"  # which no browser sends
    assert (
        addresses(room, "h", 1, "https://school.example/vit").students
        == f"https://school.example/vit/?room={room.code}"
    )
    assert addresses(room, "h", 1, "vit").students == f"http://h:1/vit/?room={room.code}"
    assert addresses(room, "h", 1).students == f"http://h:1/?room={room.code}"


def test_this_machine_has_an_address():
    assert lan_address().count(".") == 3


def test_the_qr_code_is_that_of_the_address():
    segno = pytest.importorskip("segno", reason="segno draws the QR code")
    address = "http://192.168.0.7:7860/?room=ABCD"
    assert segno.make(address, error="l").version <= 3  # small enough for a terminal and the last row
    assert len(qr_terminal(address).splitlines()) > 10
    assert qr_svg(address).startswith(b"<?xml")
    assert qr_svg("") is None
