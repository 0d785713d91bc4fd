"""A small Hub on the loopback device, with the real one's routes, headers and faults.

    GET  /api/models/{id}[/revision/{revision}]      what the repository is and holds
    HEAD /{id}/resolve/{revision}/{file}             large files: 302 to storage on another origin, with X-Linked-*;
    GET                                              small ones: 307 to /api/resolve-cache on the same origin, then 200
    GET  /storage/{sha256}                           on the second port, with Range

Every request is noted in `requests`. `fail(kind, match)` makes the next matching requests go wrong.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

LOGIN_PAGE = b"<html><body>Welcome to the school network. Please log in.</body></html>"
LARGE = (".safetensors", ".bin", ".pth", ".msgpack")  # kept in LFS, as the Hub's .gitattributes says


class Asked(NamedTuple):
    """One request that came in."""

    method: str
    path: str
    at: str  # "hub" or "storage"
    authorised: bool
    range: str | None


class Repo:
    """A repository: commits with files, branches that point to them, and whether its licence must be accepted."""

    def __init__(self, name: str):
        self.name, self.gated_status = name, 0
        self.commits: dict[str, dict[str, bytes]] = {}
        self.branches: dict[str, str] = {}

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        text = self.name + branch + "".join(f"{file}{sha256(data)}" for file, data in files.items())
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit], self.branches[branch] = files, commit
        return commit

    def find(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.branches.get(revision)


class HubServer:
    """Both origins of a Hub, and what to do wrong."""

    def __init__(self):
        self.repos: dict[str, Repo] = {}
        self.moved: dict[str, str] = {}  # renamed repositories: old name to new
        self.requests: list[Asked] = []
        self.faults: list[dict] = []
        self.bad_tokens: set[str] = set()
        self.released = threading.Event()
        self._servers = {at: self._serve(at, 0) for at in ("hub", "storage")}
        self._ports = {at: server.server_port for at, server in self._servers.items()}

    def _serve(self, at: str, port: int) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads, server.hub, server.at = True, self, at
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def address(self, at: str = "hub") -> str:
        return f"http://127.0.0.1:{self._ports[at]}"

    def repo(self, name: str) -> Repo:
        return self.repos.setdefault(name, Repo(name))

    def fail(self, kind: str | int, match: str, times: int = 1) -> None:
        """The next `times` requests with `match` (a regular expression) in "METHOD path" go wrong: a status number,
        "hang", "login page", "to login page", "cut", "reset", "corrupt" or "no commit"."""
        self.faults.append({"kind": kind, "match": match, "times": times})

    def fault(self, line: str) -> str | int | None:
        for fault in self.faults:
            if fault["times"] > 0 and re.search(fault["match"], line):
                fault["times"] -= 1
                return fault["kind"]
        return None

    def go_down(self) -> None:
        """From now on connections are refused."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        self._servers = {}

    def come_back(self) -> None:
        if not self._servers:
            self._servers = {at: self._serve(at, port) for at, port in self._ports.items()}

    def reset(self) -> None:
        """As new: no repositories, no faults, nothing noted; requests that hang are let go."""
        self.released.set()
        self.released = threading.Event()
        self.come_back()
        for collection in (self.repos, self.moved, self.requests, self.faults, self.bad_tokens):
            collection.clear()

    def close(self) -> None:
        self.released.set()
        self.go_down()


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: a connection for each request, so that a server that goes down is gone at once."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    def answer(self) -> None:
        hub, token = self.server.hub, self.headers.get("Authorization", "").removeprefix("Bearer ")
        hub.requests.append(Asked(self.command, self.path, self.server.at, bool(token), self.headers.get("Range")))
        self.kind = hub.fault(f"{self.command} {self.path}")
        path = unquote(urlsplit(self.path).path)
        if self.kind == "hang":
            hub.released.wait(30)
        elif isinstance(self.kind, int):
            self.send(self.kind, b'{"error": "trouble"}')
        elif self.kind == "login page" or path == "/login":
            self.send(200, LOGIN_PAGE, {"Content-Type": "text/html"})
        elif self.kind == "to login page":
            self.send(302, b"", {"Location": f"{hub.address()}/login"})
        elif self.server.at == "storage":
            self.storage(path.removeprefix("/storage/"))
        elif token in hub.bad_tokens and token:
            self.send(401, b"{}", {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self.info(*match.groups())
        elif match := re.fullmatch(r"(?:/api/resolve-cache/models)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.resolve(*match.groups())
        else:
            self.send(404, b'{"error": "Sorry, we can\'t find the page you are looking for."}')

    def known(self, name: str, revision: str | None) -> tuple[Repo, str] | None:
        """The repository and commit; where there is none, the refusal is sent."""
        hub = self.server.hub
        if name in hub.moved:
            self.send(307, b"", {"Location": self.path.replace(name, hub.moved[name])})
        elif (repo := hub.repos.get(name)) is None:
            message = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Invalid username or password."}
            self.send(401, b'{"error": "Invalid username or password."}', message)
        elif (commit := repo.find(revision or "main")) is None:
            self.send(404, b'{"error": "Invalid rev id"}', {"X-Error-Code": "RevisionNotFound"})
        else:
            return repo, commit
        return None

    def info(self, name: str, revision: str | None) -> None:
        if known := self.known(name, revision):
            repo, commit = known
            about = {"_id": "0", "id": repo.name, "modelId": repo.name, "sha": commit, "gated": bool(repo.gated_status)}
            if "expand" not in parse_qs(urlsplit(self.path).query):
                about["siblings"] = [sibling(file, data) for file, data in repo.commits[commit].items()]
            self.send(200, json.dumps(about).encode())

    def resolve(self, name: str, revision: str, file: str) -> None:
        if not (known := self.known(name, revision)):
            return
        repo, commit = known
        data = repo.commits[commit].get(file)
        headers = {"X-Repo-Commit": commit} if self.kind != "no commit" else {}
        if repo.gated_status:
            self.send(repo.gated_status, b'{"error": "Access is restricted."}', {"X-Error-Code": "GatedRepo"})
        elif data is None:
            self.send(404, b'{"error": "Entry not found"}', headers | {"X-Error-Code": "EntryNotFound"})
        elif file.endswith(LARGE):
            address = f"{self.server.hub.address('storage')}/storage/{sha256(data)}?signature=secret-in-url"
            linked = {"X-Linked-Etag": f'"{sha256(data)}"', "X-Linked-Size": str(len(data)), "Location": address}
            self.send(302, b"Found", headers | linked)
        elif not self.path.startswith("/api/"):
            self.send(307, b"", headers | {"Location": f"/api/resolve-cache/models{self.path}"})
        else:
            self.send(200, data, headers | {"ETag": f'"{git_hash(data)}"', "Content-Type": "text/plain"})

    def storage(self, digest: str) -> None:
        files = (data for repo in self.server.hub.repos.values() for c in repo.commits.values() for data in c.values())
        data = next(data for data in files if sha256(data) == digest)
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": f'"{digest}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send(206 if start else 200, data[start:], headers)

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """The answer, and what is to go wrong with its body."""
        if self.kind == "corrupt" and body:
            body = bytes([body[0] ^ 0xFF]) + body[1:]
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "X-Request-Id": "1", **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.kind in ("cut", "reset"):
            body = body[: len(body) * 11 // 12]
        self.wfile.write(body)
        if self.kind == "reset":
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()  # with that option: RST instead of FIN


def sibling(file: str, data: bytes) -> dict:
    """A file as /api/models lists it."""
    about = {"rfilename": file, "size": len(data), "blobId": git_hash(data)}
    if file.endswith(LARGE):
        about["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 130}
    return about


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
