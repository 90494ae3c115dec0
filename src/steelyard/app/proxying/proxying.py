"""`proxy`: stands in front of a subject until it is told to stop; or answers from a recording.

Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.app.benches import benching, reports
from steelyard.app.proxying import serving, texts
from steelyard.app.proxying.serving import ProxyRequest
from steelyard.app.results.keeping import keeper
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.run import RunRecord
from steelyard.loadgen import recording
from steelyard.platform import clock
from steelyard.runs import proxied
from steelyard.runs.relaying import Settings

_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording that has ended; exit 0, or 3 where the budget was spent before its callers."""

    record: RunRecord
    folder: Path

    @property
    def exit_code(self) -> int:
        """0 everything was passed on, 3 the budget was spent first."""
        return 0 if self.record.outcome == "completed" else 3

    def text(self, *, as_json: bool) -> str:
        """Return the last screen, or the same summary as a bench has."""
        done = reports.write(self.folder, reports.Done((self.record,)), None, strict=False)
        if as_json:
            return done.json
        where = f"Report: {self.folder / reports.REPORT}    All files: {self.folder}/"
        return f"{texts.recording_text(self.record)}\n{where}"


def perform(request: ProxyRequest, emit: Emit) -> Recorded:
    """Pass requests on until an interrupt; then read what was recorded and keep it."""
    folder = request.out or benching.new_folder("proxies", request.bench.subject)
    started_ns = clock.monotonic_ns()
    with serving.opened(request, folder, emit) as (front, record):
        emit(Noted(_ready(front.proxy.url, front.folder, request)))
        emit(PhaseStarted("proxy", None, front.proxy.url))
        try:
            front.proxy.watch(emit, lambda: False)
        except KeyboardInterrupt:
            emit(PhaseEnded("proxy", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    found = record()
    with keeper(emit) as keep:
        keep(found)
    return Recorded(found, folder)


def replay(folder: Path, host: str, port: int, emit: Emit) -> str:
    """Answer from a recording until an interrupt; nothing is measured and nothing is kept."""
    known = len(recording.asked(folder))
    if not known:
        raise BadInput(f"{folder} holds a recording of no request", hint="record one first")
    settings = Settings(host, port, replay=str(folder.absolute()))
    with (
        tempfile.TemporaryDirectory(prefix="steelyard-replay-") as log,
        proxied.opened(settings, Path(log)) as proxy,
    ):
        emit(Noted(f"Replaying {known} requests of {folder} at {proxy.url}   (Ctrl+C ends it)"))
        with contextlib.suppress(KeyboardInterrupt):
            proxy.watch(emit, lambda: False)
    return f"The replay of {folder} has ended."


def _ready(url: str, folder: Path, request: ProxyRequest) -> str:
    limit = f", budget {request.budget}" if str(request.budget) != "no limit" else ""
    return f"Proxy at {url}, recording into {folder}/{limit}   (Ctrl+C ends it)"
