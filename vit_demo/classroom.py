"""A room in which students' pages follow the teacher's: what it shows, who may change it, and how they hear of it.

Nothing is stored and nobody has a name: the room is a code, a key for the teacher, the last state that was shown, and
open streams of server-sent events. It ends with the server.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # none that is read as another
CODE_LENGTH = 4
KEEP_ALIVE_S = 15
MOST_FOLLOWERS = 200
MOST_STATE_BYTES = 100_000


@dataclass(frozen=True)
class Shown:
    """What the teacher shows: `query`, as the address of a link says it, and the `picture`, a file of the server's own,
    where it is none of the examples, and the `digest` of its content. `version` grows with each change."""

    version: int = 0
    query: Mapping[str, str] = field(default_factory=dict)
    picture: str = ""
    digest: str = ""

    @property
    def message(self) -> dict[str, object]:
        """What a follower's browser is told; `base` names what takes a forward pass."""
        base = [self.query.get(name, "") for name in ("model", "side", "keep", "example", "tab")]
        return {"version": self.version, "query": dict(self.query), "base": "|".join([*base, self.digest])}


class Room:
    """One class. `code` is for students, `key` for the teacher alone."""

    def __init__(self, code: str = "", key: str = ""):
        self.code = code.upper() or "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
        self.key = key or secrets.token_urlsafe(12)
        self.address = ""  # for students, once the server knows its own
        self._shown = Shown()
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @classmethod
    def of_text(cls, text: str) -> Room:
        """ "CODE:KEY", so that a server that is started again has the same addresses; "" for new ones."""
        code, _, key = text.partition(":")
        return cls(code, key)

    @property
    def shown(self) -> Shown:
        return self._shown

    @property
    def followers(self) -> int:
        """How many streams are open."""
        return len(self._waiting)

    def is_teacher(self, key: object) -> bool:
        return isinstance(key, str) and secrets.compare_digest(key.encode(errors="replace"), self.key.encode())

    def show(self, key: object, query: Mapping[str, str], picture: str = "", digest: str = "") -> bool:
        """The teacher's state becomes the room's, and everybody who follows is told. False where it is what is shown
        already. PermissionError for a wrong key, ValueError for more than a room keeps."""
        if not self.is_teacher(key):
            raise PermissionError("this key is not the teacher's")
        if len(json.dumps(dict(query))) > MOST_STATE_BYTES:
            raise ValueError(f"a state has at most {MOST_STATE_BYTES} letters")
        with self._lock:
            if self._shown.version and (dict(query), picture) == (dict(self._shown.query), self._shown.picture):
                return False
            self._shown = Shown(self._shown.version + 1, dict(query), picture, digest)
            self._tell()
        return True

    def _tell(self) -> None:
        for changed, loop in self._waiting.items():
            with suppress(RuntimeError):  # a server that is ending has closed its loop
                loop.call_soon_threadsafe(changed.set)

    async def follow(self) -> AsyncIterator[str]:
        """Server-sent events (WHATWG HTML, section 9.2): the state now, and every later one; in between, as
        "followers", how many streams are open, also so that no proxy ends this one. Where changes come faster than
        they are read, the last one counts."""
        changed = asyncio.Event()
        with self._lock:
            self._waiting[changed] = asyncio.get_running_loop()
            self._tell()
        told = -1
        try:
            while True:
                changed.clear()
                shown = self._shown
                if shown.version != told:
                    told = shown.version
                    message = {**shown.message, "followers": self.followers}
                    yield f"data: {json.dumps(message)}\n\n"
                else:
                    yield f"event: followers\ndata: {self.followers}\n\n"
                try:
                    await asyncio.wait_for(changed.wait(), KEEP_ALIVE_S)
                except asyncio.TimeoutError:
                    continue
        finally:
            with self._lock:
                self._waiting.pop(changed, None)
                self._tell()


def routes(room: Room, path: str = "") -> list:
    """`/classroom/<code>/events`, and `/classroom/<code>/qr.svg` of the students' address where segno is installed. 404
    for a code that is none, 503 where too many follow."""
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response, StreamingResponse
    from starlette.routing import Route

    async def events(request: Request) -> Response:
        if request.path_params["code"].upper() != room.code:
            return PlainTextResponse("There is no room of this code.\n", 404)
        if room.followers >= MOST_FOLLOWERS:
            return PlainTextResponse("The room is full.\n", 503)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(room.follow(), media_type="text/event-stream", headers=headers)

    async def qr(request: Request) -> Response:
        drawn = qr_svg(str(request.query_params.get("address", ""))[:300])
        if request.path_params["code"].upper() != room.code or drawn is None:
            return PlainTextResponse("There is none.\n", 404)
        return Response(drawn, media_type="image/svg+xml")

    return [
        Route(f"{path}/classroom/{{code}}/events", events),
        Route(f"{path}/classroom/{{code}}/qr.svg", qr),
    ]


# ------------------------------------------------------------------------------------------------------------ addresses


@dataclass(frozen=True)
class Addresses:
    """Where students and the teacher open the page."""

    students: str
    teacher: str


def addresses(room: Room, host: str, port: int, root_path: str = "") -> Addresses:
    """For a server that listens on that port: `host` as other machines of the network reach it; `root_path` a path or,
    behind a proxy, the whole address. The key stands behind a #: a browser sends that part to nobody."""
    inside = root_path.strip("/")
    base = f"{inside}/" if "://" in root_path else f"http://{host}:{port}/{inside + '/' if inside else ''}"
    students = f"{base}?room={quote(room.code)}"
    return Addresses(students, f"{students}#teach={quote(room.key)}")


def lan_address() -> str:
    """This machine's address in its network; 127.0.0.1 where it has none. Nothing is sent: a datagram socket that is
    given a destination only looks up which address it would send from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address kept for documentation (RFC 5737)
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def qr_terminal(address: str) -> str | None:
    """A QR code of an address for a terminal; None where segno is not installed."""
    import io

    try:
        import segno
    except ImportError:
        return None
    drawn = io.StringIO()
    segno.make(address, error="l").terminal(out=drawn, compact=True, border=2)
    return drawn.getvalue()


def qr_svg(address: str) -> bytes | None:
    """The same as an SVG picture, black on white."""
    import io

    try:
        import segno
    except ImportError:
        return None
    if not address:
        return None
    drawn = io.BytesIO()
    segno.make(address, error="l").save(drawn, kind="svg", scale=6, light="white")
    return drawn.getvalue()
