"""Whether the Hub can be reached, and in words for people why it did not serve."""

from __future__ import annotations

import errno
import importlib
import os
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

from vit_demo.contract import ModelError

PROBE_REPO = "google/vit-base-patch16-224"  # any name does: a Hub that does not know it says so in JSON
PROBE_TIMEOUT_S = 3.0
LONGEST_PAUSE_S = 10.0  # that is waited where the Hub asks for a pause
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

T = TypeVar("T")


def hub_reachable(timeout_s: float = PROBE_TIMEOUT_S) -> bool:
    """Whether the Hub answers now, known within `timeout_s` whatever the network does. One light request, no retry.

    Heeds HF_ENDPOINT, HF_HUB_OFFLINE and the proxy variables as huggingface_hub does. A login page in the Hub's place,
    an error of the server (5xx) and "too many requests" count as not reachable.
    """
    return obstacle(timeout_s=timeout_s) is None


def obstacle(name: str = "", timeout_s: float = PROBE_TIMEOUT_S) -> ModelError | None:
    """What stands between us and the Hub, said of the model `name`; None where nothing does."""
    try:
        within(timeout_s, lambda: _knock(timeout_s))
    except ImportError:
        return ModelError("models.no_hub_library", name=name)
    except Exception as error:
        trouble = explained(error, name)
        trouble.__cause__ = cause(error)  # for the log: the sentence alone does not tell a certificate from a name
        return trouble
    return None


def _knock(timeout_s: float) -> None:
    """One small request. Raises what huggingface_hub and its transport raise, ValueError where it is not the Hub."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session, hf_raise_for_status

    address = f"{constants.ENDPOINT}/api/models/{PROBE_REPO}"
    # The shared session carries proxies, certificates and HF_HUB_OFFLINE. No token: it would not be needed.
    response = get_session().get(address, params={"expand": "sha"}, timeout=timeout_s)
    if response.status_code == 429 or response.status_code >= 500:
        hf_raise_for_status(response)
    if not isinstance(response.json(), dict):  # ValueError where a login page answers
        raise ValueError("not the Hub")


class HubWatch:
    """Whether the Hub is reachable, as last asked: threads share the answer, and it is renewed behind them."""

    def __init__(self, ask: Callable[[], bool] | None = None, memory_s: float = 60.0):
        self._ask, self._memory_s = ask or hub_reachable, memory_s
        self._lock = threading.Lock()  # thirty students who ask at once cause one request
        self._asked_at: float | None = None
        self.known: bool | None = None  # None: not asked yet

    def ask(self) -> bool:
        """Asks now, and remembers."""
        with self._lock:
            self._asked_at = time.monotonic()
        self.known = self._ask()
        return self.known

    def renew(self) -> None:
        """Asks again in a thread of its own, where the answer is older than `memory_s`. Never waits; before the first
        `ask` it does nothing."""
        with self._lock:
            now = time.monotonic()
            if self._asked_at is None or now - self._asked_at <= self._memory_s:
                return
            self._asked_at = now  # one thread renews it
        threading.Thread(target=self.ask, name="look for the Hub", daemon=True).start()


def within(timeout_s: float, ask: Callable[[], T]) -> T:
    """`ask()` in a thread of its own; TimeoutError when it takes longer, the thread is then left behind.

    The transport's own time-outs are not enough: they do not cover the name look-up and start anew with every byte.
    """
    outcome: list = []

    def run() -> None:
        try:
            outcome.append((ask(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, name="hub request", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not outcome:
        raise TimeoutError
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def dropped(error: BaseException) -> bool:
    """Whether a transfer broke off such that another try may help: a reset connection, a file that ended short, a
    server error, too many requests. huggingface_hub 2.x takes up a short file by itself, 1.x none of these."""
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    short_file = type(error) is OSError and error.errno is None
    transport = _transport()
    breaks = (transport.ReadError, transport.WriteError, transport.CloseError, transport.RemoteProtocolError)
    return short_file or isinstance(error, breaks)


def explained(
    error: BaseException, name: str = "", revision: str = "", need_bytes: int = 0, started: bool = False
) -> ModelError:
    """The sentence for people for whatever huggingface_hub and its transport raise.

    `need_bytes` is what the download needs on disk, `started` whether the Hub had answered before. No path, address or
    token of the original message is taken over.
    """
    from huggingface_hub import errors

    transport = _transport()
    # huggingface_hub wraps what happened into "not in the cache" and "force download failed"
    wrappers = (errors.LocalEntryNotFoundError, ValueError)
    while isinstance(error, wrappers) and not isinstance(error, errors.HfHubHTTPError) and error.__cause__:
        error = error.__cause__

    lost = "models.interrupted" if started else "models.unreachable"
    plain = (  # the first that fits counts: subclasses before their bases
        (errors.OfflineModeIsEnabled, "models.offline"),
        (errors.GatedRepoError, "models.gated"),
        (errors.RepositoryNotFoundError, "models.not_on_hub"),
        (errors.DisabledRepoError, "models.taken_down"),
        (errors.HFValidationError, "models.bad_name"),
        (errors.RemoteEntryNotFoundError, "models.file_gone"),
        (errors.LocalEntryNotFoundError, lost),
        (transport.ProxyError, "models.proxy"),
        ((transport.LocalProtocolError, UnicodeEncodeError), "models.token_refused"),  # no header can carry the token
        ((errors.FileMetadataError, transport.TooManyRedirects, transport.DecodingError), "models.not_the_hub"),
    )
    for kinds, key in plain:
        if isinstance(error, kinds):
            return ModelError(key, name=name)
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError("models.no_revision", name=name, revision=revision)
    if isinstance(error, errors.HfHubHTTPError):
        return _refused(error.response, name)
    if isinstance(error, transport.ConnectError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ModelError("models.certificate", name=name)
    if isinstance(error, (ValueError, KeyError, TypeError, AttributeError)):  # an answer that is not the Hub's JSON
        return ModelError("models.not_the_hub", name=name)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return ModelError("models.disk_full", name=name, need_mb=megabytes(need_bytes))
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        return ModelError("models.not_stored", name=name, reason=os.strerror(error.errno))
    return ModelError(lost, name=name)  # time-outs, resets, short files, a wrong HF_ENDPOINT, trouble inside hf_xet


def cause(error: BaseException) -> BaseException | None:
    """The error as far as a log may show it: the transport quotes a header that it cannot send, which is the token."""
    return None if isinstance(error, _transport().LocalProtocolError) else error


def _transport() -> ModuleType:
    """The library that huggingface_hub sends requests with: httpx in 1.x, httpx2 in 2.x, with equal names inside."""
    from huggingface_hub import errors

    of_transport = errors.HfHubHTTPError.__bases__[0]  # the library's own HTTPError
    return importlib.import_module(of_transport.__module__.partition(".")[0])


def _refused(response, name: str) -> ModelError:
    """The sentence for a status that huggingface_hub has no class of its own for."""
    status, said = response.status_code, response.headers.get("X-Error-Message", "")
    if status == 429:
        return ModelError("models.hub_busy", name=name, pause_s=_pause_s(response))
    if status >= 500:
        return ModelError("models.hub_down", name=name, status=status)
    if "html" in response.headers.get("Content-Type", "") and not said:
        return ModelError("models.not_the_hub", name=name)  # a filter's or a login page
    if status == 404 or (status == 401 and "Invalid credentials" not in said):
        # The Hub answers 401 for names it does not know; huggingface_hub tells that apart on https only
        return ModelError("models.not_on_hub", name=name)
    if status in (401, 403):
        sent = "authorization" in response.request.headers
        return ModelError("models.token_refused" if sent else "models.token_missing", name=name)
    return ModelError("models.hub_down", name=name, status=status)


def _pause_s(response) -> float:
    """How long the Hub asks to wait, in seconds: as it says, within bounds."""
    try:
        asked = float(response.headers.get("Retry-After", ""))
    except ValueError:  # nothing, or a date
        asked = 1.0
    return min(max(asked, 0.1), LONGEST_PAUSE_S)


def pause_asked_for(trouble: BaseException | None) -> float | None:
    """Seconds to wait before one more try where the Hub said "too many requests"; None for other troubles."""
    if isinstance(trouble, ModelError):
        return trouble.values.get("pause_s")
    if trouble is None:
        return None
    from huggingface_hub import errors

    if isinstance(trouble, errors.HfHubHTTPError) and trouble.response.status_code == 429:
        return _pause_s(trouble.response)
    return None


def megabytes(count: int) -> int:
    """Rounded up."""
    return -(-count // 1_000_000)
