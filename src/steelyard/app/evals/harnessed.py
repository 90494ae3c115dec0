"""`eval --tasks lm-eval:…|inspect:…`: a harness of somebody else's, unmodified, through our proxy.

The harness is a child process in an environment of its own that speaks to a proxy before the
subject. Its scores are its own and are shown as such; speed, tokens, cost and failures come out of
the recording. Tasks that compare log-probabilities of prompts are refused before anything is asked
where the server gives none. Not aware of any one harness, or of terminals.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis import benchmark
from steelyard.app.benches import benching, reports
from steelyard.app.benches.request import BenchRequest
from steelyard.app.evals import rag_request
from steelyard.app.evals.rag_request import RagRequest
from steelyard.app.proxying import serving
from steelyard.app.proxying import texts as recordings
from steelyard.app.proxying.serving import Front, ProxyRequest
from steelyard.app.results.keeping import keeper
from steelyard.domain.budget import Budget
from steelyard.domain.codec import encode
from steelyard.domain.errors import BadInput, Interrupted, UnsupportedSubject
from steelyard.domain.harness import HarnessRun, HarnessScore
from steelyard.domain.progress import Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured
from steelyard.domain.run import RunRecord
from steelyard.platform import clock, process
from steelyard.platform.process import Child
from steelyard.runs.execute import Session
from steelyard.tasks.harnesses import api
from steelyard.tasks.harnesses.api import Harness
from steelyard.tasks.harnesses.order import Order

LOG: Final = "harness.log"
RESULTS: Final = "harness"
_LINES: Final = 15
_WIDTH: Final = 300
_NAMED: Final = 3
_UNREACHED: Final = re.compile(
    r"Couldn't reach|Couldn't find cache|Name or service not known|Temporary failure in name"
    r"|Network is unreachable|LocalEntryNotFound|OfflineModeIsEnabled|Max retries exceeded"
    r"|ConnectError"
)
_GRACE_S: Final = 5.0
_NS_PER_S: Final = 1e9
_KEYS: Final = "_API_KEY"
_HERE: Final = "127.0.0.1,localhost"
# What an option of ours has where nobody typed it, and it is not nothing.
_UNTYPED: Final[Mapping[str, object]] = {"samples": 1, "temperature": 0.0, "thinking": 0}


@final
@dataclass(frozen=True, slots=True)
class HarnessRequest:
    """What was typed: the subject and how it is reached, and the tasks with the harness' prefix."""

    proxy: ProxyRequest
    words: tuple[str, ...]
    limit: int


@final
@dataclass(frozen=True, slots=True)
class Harnessed:
    """What to print, and how to exit: 3 where the harness did not come to its end."""

    record: RunRecord
    folder: Path

    @property
    def exit_code(self) -> int:
        """0 the harness ended well, 3 it did not."""
        return 0 if self.record.outcome == "completed" else 3

    def text(self, *, as_json: bool) -> str:
        """Return the harness' own scores and our telemetry, as text or as JSON."""
        run = self.record.harness
        if as_json:
            found = benchmark.summary([self.record])
            return f'{{"harness": {encode(run)}, "telemetry": {encode(found)}}}'
        where = f"Report: {self.folder / reports.REPORT}    All files: {self.folder}/"
        own = recordings.harness_text(run) if run is not None else ""
        return "\n".join(filter(None, (own, recordings.recording_text(self.record), where)))


def named(words: Sequence[str]) -> bool:
    """Say whether a task of a harness is among those that were typed."""
    return any(api.of_word(word) for word in words)


def request(
    bench: BenchRequest,
    words: tuple[str, ...],
    limit: int,
    streams: int,
    budget: str | None,
    out: Path | None,
    *,
    ours: Mapping[str, object],
    retrieval: RagRequest,
) -> HarnessRequest:
    """Take what was typed; raise `BadInput` for options that say nothing to a harness.

    `ours` are those by name, with what was typed; nothing typed is None, () or their own default.
    """
    rag_request.refuse_any(retrieval)
    for option, value in ours.items():
        if value not in (None, ()) and value != _UNTYPED.get(option):
            raise BadInput(
                f"--{option} is for tasks of ours: a harness has items of its own",
                hint=f"leave --{option} out, or ask the two in two commands",
            )
    allowed = Budget() if budget is None else Budget.read(budget)
    proxy = ProxyRequest(bench, "127.0.0.1", 0, streams, None, allowed, out)
    return HarnessRequest(proxy, words, limit)


def evaluate(request: HarnessRequest, emit: Emit) -> Harnessed:
    """Run the harness against the subject; what was recorded is kept however it ends."""
    harness, tasks = chosen(request.words)
    installed = api.required(harness.name)
    compared = harness.loglikelihoods(installed.python, tasks)
    folder = request.proxy.out or benching.new_folder("evals", request.proxy.bench.subject)
    interrupted = False
    with _said(folder):
        with serving.opened(request.proxy, folder, emit, _fits(compared)) as (front, record):
            order = Order(
                python=installed.python,
                tasks=tasks,
                url=front.proxy.url,
                model=serving.called(front),
                out=(folder / RESULTS).absolute(),
                limit=request.limit,
                streams=request.proxy.streams,
                seed=request.proxy.bench.seed,
                loglikelihood=bool(compared),
            )
            run = HarnessRun(harness.name, installed.described, request.words, request.limit)
            front.session.found.harness = run
            interrupted = _ran(harness, order, front, request.proxy, emit)
            front.session.found.harness = replace(run, scores=_scores(harness, order.out, emit))
        found = record()
        with keeper(emit) as keep:
            keep(found)
        reports.write(folder, reports.Done((found,)), None, strict=False)
        if interrupted:
            raise KeyboardInterrupt
    return Harnessed(found, folder)


def chosen(words: Sequence[str]) -> tuple[Harness, tuple[str, ...]]:
    """Return the harness that is named and its tasks; several at once are not one run."""
    names = {api.of_word(word) for word in words}
    name = names.pop()
    if name is None or names:
        raise BadInput(
            "tasks of ours and of a harness, or of two harnesses, are several runs",
            hint="one command for each; `steelyard results list` shows them beside each other",
        )
    harness = api.HARNESSES[name]
    return harness, tuple(harness.named(word.partition(":")[2]) for word in words)


def _fits(compared: Sequence[str]) -> Callable[[Session], None]:
    """Return what refuses a server for tasks that it would score at chance, without a word."""

    def fits(session: Session) -> None:
        if not compared:
            return
        probed = session.probe()
        finding = "not_tried"
        if isinstance(probed, Measured):
            finding = probed.value.answered("prompt_logprobs")
        if finding != "yes":
            names = ", ".join(compared[:_NAMED]) + (" …" if len(compared) > _NAMED else "")
            raise UnsupportedSubject(
                f"{names}: compared by the log-probabilities of the prompt, and the probe found"
                f" none here ({finding}): every answer would be a guess, and nothing would say so",
                hint="take a task that generates its answers, or a server that gives them (vLLM)",
            )

    return fits


@contextmanager
def _said(folder: Path) -> Iterator[None]:
    """Say after an interrupt where what was recorded lies."""
    try:
        yield
    except KeyboardInterrupt:
        kept = f"; what was recorded is kept in {folder}/" if folder.is_dir() else ""
        raise Interrupted(f"interrupted{kept}") from None


def _scores(harness: Harness, out: Path, emit: Emit) -> tuple[HarnessScore, ...]:
    """Read the scores; results that cannot be read are said, and end nothing."""
    try:
        return harness.scores(out)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        emit(Noted(f"the results of {harness.name} in {out} cannot be read: {error}", warning=True))
        return ()


def last_lines(log: Path) -> str:
    """Return the last words of a harness, and what they mean where that is known."""
    if not log.exists():
        return "none"
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.rstrip()[:_WIDTH] for line in text.splitlines() if line.strip()]
    said = "\n".join(f"  {line}" for line in lines[-_LINES:]) or "none"
    if _UNREACHED.search(text):
        said += (
            "\n  → its data set is fetched by the harness itself, from a hub that it did not reach:"
            " is there a network?"
        )
    return said


def _ran(
    harness: Harness,
    order: Order,
    front: Front,
    request: ProxyRequest,
    emit: Emit,
) -> bool:
    """Run it to its end and say in the run how it ended; True where the user broke it off."""
    found, started_ns = front.session.found, clock.monotonic_ns()
    emit(Noted(f"{harness.name} asks through {order.url}"))
    emit(PhaseStarted("proxy", None, harness.name))
    log, hidden = front.folder / LOG, _hidden(request)
    if hidden:
        emit(Noted(f"{harness.name} does not get to see {', '.join(hidden)}"))
    env = _environment(harness, order, hidden)
    order.out.mkdir()
    try:
        with process.start(harness.command(order), log=log, env=env) as child:
            front.proxy.watch(emit, lambda: child.returncode() is not None or _over(front, child))
            code = child.stop() if child.returncode() is None else child.returncode()
    except KeyboardInterrupt:
        front.session.cancel()
        return True
    finally:
        emit(PhaseEnded("proxy", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    if front.proxy.news.refused:
        emit(Noted(f"{harness.name} was ended: {front.proxy.news.spent}", warning=True))
    elif code != 0 or (broken := harness.unfinished(order.out)):
        why = f"exit code {code}" if code else "; ".join(broken)
        found.outcome, found.reason = "failed", f"harness_failed: {harness.name}: {why}"
        emit(
            Noted(
                f"{harness.name} failed ({why}). Its last words:\n{last_lines(log)}", warning=True
            )
        )
    return False


def _over(front: Front, child: Child) -> bool:
    """Whether the budget is spent; the harness has a moment to end by itself."""
    if not front.proxy.news.refused:
        return False
    child.wait(_GRACE_S)
    return True


def _hidden(request: ProxyRequest) -> tuple[str, ...]:
    """Return the variables of the user's that hold keys, of whatever service: it needs none."""
    named = (name for name in os.environ if name.upper().endswith(_KEYS))
    own = (request.bench.api_key_env,) if request.bench.api_key_env else ()
    return tuple(sorted({*named, *own}))


def _environment(harness: Harness, order: Order, hidden: Sequence[str]) -> Mapping[str, str]:
    """Return what the harness finds set: where the proxy is, no key of the user's, no detour."""
    direct = {
        name: ",".join(filter(None, (os.environ.get(name, ""), _HERE)))
        for name in ("NO_PROXY", "no_proxy")
    }
    keyless = {**dict.fromkeys(hidden, ""), "OPENAI_API_KEY": "none"}
    return {**keyless, **direct, **harness.env(order)}
