"""A proxy in front of a server: started, listened to, ended; and what it recorded, read as a load.

Only generating routes are read as attempts: chat and text completions. Answers that were asked for
in one piece have no first token, and say so. Not aware of harnesses, stores or doors.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final, final

from steelyard.domain.errors import Busy, EngineError
from steelyard.domain.load import Relayed
from steelyard.domain.progress import Advanced, Emit
from steelyard.domain.reading import Missing
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt, Exchange, Failed
from steelyard.domain.workload import Workload
from steelyard.engines import transcript
from steelyard.engines.api import Dialect
from steelyard.engines.openai_endpoint import OpenAiEndpoint
from steelyard.loadgen import recording
from steelyard.loadgen.recording import Asked
from steelyard.platform import process
from steelyard.runs.relaying import Settings

LOAD: Final = Workload("bench", 0, 0, 0, warmup=0, load=Relayed())
_PROGRAM: Final = ("-m", "steelyard.runs.relaying")
_LOG: Final = "proxy.log"
_START_S: Final = 20.0
_END_S: Final = 10.0
_POLL_S: Final = 0.2
_UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
_READ: Final = ("/v1/chat/completions", "/v1/completions")


@final
@dataclass(slots=True)
class News:
    """How far a proxy is: requests ended, failed and refused; `spent` says which limit was met."""

    done: int = 0
    failed: int = 0
    refused: int = 0
    spent: str = ""


@final
class Proxy:
    """A proxy that is up, at `url`. Leave the `with` block of `opened` and it is gone."""

    def __init__(self, child: process.Child, host: str, log: Path) -> None:
        self._child, self._log = child, log
        self._partial, self._over = b"", False
        self.news = News()
        said = self._first()
        if "port" not in said:
            where = f"{host}: {said.get('error', 'no words')}"
            if said.get("in_use"):
                raise Busy(f"somebody listens there already: {where}", hint="take another --port")
            raise EngineError(f"the proxy cannot listen on {where}")
        self.port = int(said["port"])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/v1"

    def watch(self, emit: Emit, until: Callable[[], bool]) -> None:
        """Show what it tells until `until` is true; raise `EngineError` if it ends by itself."""
        while not until():
            for line in self._heard(_POLL_S):
                self.news = News(**line)
                emit(Advanced("proxy", self.news.done, self.news.spent))

    def end(self) -> None:
        """Have it keep what is under way, and hear its last words. Safe to call twice."""
        if self._over:
            return
        self._over = True
        if self._child.stdin is not None:
            self._child.stdin.close()
        until = monotonic() + _END_S
        while self._child.returncode() is None and monotonic() < until:
            self._last(_POLL_S)
        self._last(0.0)
        self._child.stop()

    def _last(self, wait_s: float) -> None:
        try:
            for line in self._heard(wait_s):
                self.news = News(**line)
        except EngineError:  # its end, and this is what was asked for
            self._child.wait(_END_S)

    def _first(self) -> dict[str, Any]:
        until = monotonic() + _START_S
        while monotonic() < until:
            for line in self._heard(_POLL_S):
                return dict(line)
        raise EngineError("the proxy did not come up", hint=f"see {self._log}")

    def _heard(self, wait_s: float) -> list[dict[str, Any]]:
        out = self._child.stdout
        if out is None or not select.select([out], [], [], wait_s)[0]:
            return []
        data = os.read(out.fileno(), 1 << 16)
        if not data:
            words = self._log.read_text(errors="replace")[-500:].strip()
            raise EngineError(f"the proxy ended by itself: {words or 'no words'}")
        *lines, self._partial = (self._partial + data).split(b"\n")
        return [json.loads(line) for line in lines]


@contextmanager
def opened(settings: Settings, folder: Path) -> Iterator[Proxy]:
    """Start a proxy with these settings; its own words go to a log in `folder`."""
    child = process.start([sys.executable, *_PROGRAM], log=folder / _LOG, pipes=True)
    try:
        if child.stdin is not None:
            child.stdin.write(settings.line())
            child.stdin.flush()
        proxy = Proxy(child, settings.host, folder / _LOG)
        try:
            yield proxy
        finally:
            proxy.end()
    finally:
        child.stop()


def section(folder: Path, dialect: Dialect, cover: Callable[[str], str]) -> Section:
    """Read a recording as the section of a run; requests that nobody can read are left out."""
    asked = recording.asked(folder) if (folder / recording.REQUESTS).exists() else {}
    exchanges = sorted(recording.exchanges(folder), key=lambda each: each.sent_ns)
    attempts = tuple(
        _attempt(asked[each.id], each, reader_of(dialect), cover)
        for each in exchanges
        if each.id in asked and asked[each.id].path in _READ
    )
    others = len(exchanges) - len(attempts)
    return Section(
        name=LOAD.name,
        kind="workload",
        outcome="completed",
        started_ns=attempts[0].sent_ns if attempts else 0,
        ended_ns=max((a.done_ns for a in attempts), default=0),
        attempts=attempts,
        streams=_most_at_once(attempts),
        reason=f"{others} requests on other routes were passed on and not read" if others else "",
    )


def reader_of(dialect: Dialect) -> Dialect:
    """Return who reads the routes of the OpenAI API: the engine's own dialect where it uses them.

    An engine that is measured on a route of its own (Ollama) speaks plain OpenAI on this one.
    """
    return dialect if dialect.framing == "sse" else OpenAiEndpoint()


def _attempt(
    asked: Asked, exchange: Exchange, dialect: Dialect, cover: Callable[[str], str]
) -> Attempt:
    try:
        attempt = transcript.read(exchange, dialect, sample=asked.id, cover=cover)
    except _UNREADABLE as error:  # one answer must not cost the record of all the others
        attempt = _unread(asked, exchange, type(error).__name__)
    return replace(attempt, streamed=_streams(asked.body))


def _unread(asked: Asked, exchange: Exchange, why: str) -> Attempt:
    """Return an answer that our reader gave up on, as a failure."""
    nothing = Missing("not_reported", "the answer could not be read")
    return Attempt(
        sample=asked.id,
        intended_ns=exchange.intended_ns,
        sent_ns=exchange.sent_ns,
        done_ns=exchange.done_ns,
        arrivals=(),
        text="",
        reasoning="",
        finish_reason=None,
        usage=nothing,
        timings=nothing,
        outcome=Failed("malformed_stream", f"the answer could not be read: {why}"),
        cost=nothing,
    )


def _streams(body: bytes) -> bool:
    try:
        wish = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(wish, dict) and wish.get("stream") is True


def _most_at_once(attempts: tuple[Attempt, ...]) -> int:
    moments = sorted([(a.sent_ns, 1) for a in attempts] + [(a.done_ns, -1) for a in attempts])
    now = most = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return max(1, most)
