"""What a browser sees while the app starts: that it starts. Gradio takes seconds to import; this page needs the
standard library alone, holds the app's port until the app itself takes it, and goes over to it by itself."""

from __future__ import annotations

import threading
from contextlib import suppress
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vit_demo.text import LANGUAGES, say

FIRST_PORT, PORTS = 7860, 100  # gradio's own
LOOK_S = 0.02  # how often the holder looks whether it is to end


class StartingPage:
    """Answers on `port` of a host (the first free one from 7860 with None) with 503 and a page that says so. `close`
    leaves the port to the app. OSError where no port can be had."""

    def __init__(self, host: str, port: int | None = None):
        self._server = _bound(host, port)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(LOOK_S,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def starting_page(host: str, port: str | None) -> StartingPage | None:
    """The page on that port (None or "": the first free one), or none where it cannot be had: then the app says why."""
    with suppress(OSError, ValueError, OverflowError):
        return StartingPage(host, int(port) if port else None)
    return None


def _bound(host: str, port: int | None) -> ThreadingHTTPServer:
    for one in range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,):
        try:
            return ThreadingHTTPServer((host, one), _Handler)
        except OSError:
            continue
    raise OSError(f"no port of {host} is free")


def page() -> str:
    """The page in both languages. It looks for the app, also behind a path prefix, and loads it once it is there."""
    said = "".join(f'<p lang="{one}">{escape(say("page.starting", one))}</p>' for one in LANGUAGES)
    look = "fetch(new URL('config', document.baseURI), { cache: 'no-store' }).then((r) => r.ok && location.reload())"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(say('page.title'))}</title><style>body{{font:17px/1.6 system-ui,sans-serif;max-width:40em;"
        "margin:12vh auto;padding:0 20px}h1{font-size:26px}</style></head>"
        f"<body><h1>{escape(say('page.title'))}</h1>{said}"
        f"<script>setInterval(() => {look}.catch(() => {{}}), 250)</script></body></html>"
    )


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = page().encode()
        self.send_response(503)  # nothing takes it for the app
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged of a visitor."""
