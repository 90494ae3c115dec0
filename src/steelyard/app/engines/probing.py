"""`engines probe`: what a server can do, tried out; as a table or as JSON.

Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from steelyard.app import subjects
from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import benching
from steelyard.app.benches import request as bench_request
from steelyard.app.benches.request import BenchRequest, is_address
from steelyard.domain.errors import EngineError
from steelyard.domain.ids import plain
from steelyard.domain.progress import Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Missing
from steelyard.reports import probed as probed_table
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier

_CONTEXT_MOST: Final = 4096
_AROUND: Final = 160  # answer, template and rounding


def probe_text(request: BenchRequest, emit: Emit, *, as_json: bool) -> str:
    """Probe the server at an address, or one that is started for a file."""
    request = _sized(request)
    asked = bench_asked.read(request)
    with tempfile.TemporaryDirectory(prefix="steelyard-probe-") as folder:
        target = benching.target(request.subject, request, asked, Path(folder), emit, 0)
        emit(PhaseStarted("probe", None, target.name))
        with target.open(Executor(Verifier(), emit)) as session:
            probed = session.probe()
        emit(PhaseEnded("probe", 0.0))
    if isinstance(probed, Missing):
        raise EngineError(session.found.reason or probed.detail)
    if as_json:
        return json.dumps(plain(probed.value), indent=1, sort_keys=True)
    return f"{target.name}\n{probed_table.table(probed.value)}"


def _sized(request: BenchRequest) -> BenchRequest:
    """Give a server that is started here the context of its model, as far as that is common."""
    if is_address(request.subject):
        return request
    chosen = subjects.choose(bench_request.with_engine(request.subject, request))
    trained = chosen.files[0][1].context_tokens or _CONTEXT_MOST
    tokens = min(trained, _CONTEXT_MOST) - _AROUND
    return replace(request, prompts=f"synthetic:in={tokens},out=1")
