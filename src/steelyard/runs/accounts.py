"""A hosted service's account of each answer, asked for once everything timed has ended.

Accounts come late: one that is not there yet is asked for again after growing pauses, for a bounded
time. Never inside the timed path; without one the reading says why. Not aware of dialects' fields.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from steelyard.domain.errors import SteelyardError
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Section
from steelyard.domain.stream import Account, Attempt
from steelyard.engines.api import KeepsAccounts
from steelyard.engines.attached import AttachedEngine
from steelyard.platform import clock

_AT_ONCE: Final = 8
# What is not there after all of these pauses is not waited for any longer.
PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0)
MOST_S: Final = 90.0
_NS_PER_S: Final = 1e9
_PHASE: Final = "accounts"
_STOPPED: Final = Missing("interrupted", "the asking for accounts was interrupted")


def joined(
    engine: AttachedEngine,
    sections: Sequence[Section],
    emit: Emit,
    pauses_s: Sequence[float] = PAUSES_S,
    most_s: float = MOST_S,
) -> list[Section]:
    """Return the sections with the service's account of each of their answers."""
    ids = [a.answer_id for section in sections for a in section.attempts if a.answer_id]
    wanted = tuple(dict.fromkeys(ids))
    if not wanted or not isinstance(engine.dialect, KeepsAccounts):
        return list(sections)
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted(_PHASE, len(wanted), str(engine.manners.endpoint)))
    found: dict[str, Reading[Account]] = {}
    try:
        _ask(engine, wanted, found, emit, pauses_s, started_ns + round(most_s * _NS_PER_S))
        late = Missing("not_there_yet", "the service had no account of it in the time given")
    except KeyboardInterrupt:  # what was measured is kept whatever comes of this
        late = _STOPPED
    seconds = (clock.monotonic_ns() - started_ns) / _NS_PER_S
    emit(PhaseEnded(_PHASE, seconds))
    absent = sum(not isinstance(found.get(one), Measured) for one in wanted)
    if absent:
        emit(Noted(f"no account of {absent} of {len(wanted)} answers came from the service"))
    return [
        replace(section, attempts=tuple(_with(a, found, late) for a in section.attempts))
        for section in sections
    ]


def _with(attempt: Attempt, found: Mapping[str, Reading[Account]], late: Missing) -> Attempt:
    """Join an account to its attempt; its bill is the cost where the answer itself named none."""
    if attempt.answer_id is None:
        return attempt
    account = found.get(attempt.answer_id, late)
    cost = attempt.cost
    if isinstance(account, Measured) and isinstance(cost, Missing):
        cost = account.value.cost_usd
    return replace(attempt, account=account, cost=cost)


def _ask(
    engine: AttachedEngine,
    wanted: Sequence[str],
    found: dict[str, Reading[Account]],
    emit: Emit,
    pauses_s: Sequence[float],
    end_ns: int,
) -> None:
    """Ask round after round for what is not there yet; `found` fills as answers come."""
    left = list(wanted)
    for pause_s in (0.0, *pauses_s):
        until_ns = min(end_ns, clock.monotonic_ns() + round(pause_s * _NS_PER_S))
        threading.Event().wait(max(0.0, (until_ns - clock.monotonic_ns()) / _NS_PER_S))
        left = _round(engine, left, found, emit, end_ns)
        if refused := [each for each in found.values() if isinstance(each, Missing)]:
            found.update(dict.fromkeys(left, refused[0]))
            return
        if not left or clock.monotonic_ns() >= end_ns:
            return


def _round(
    engine: AttachedEngine,
    wanted: Sequence[str],
    found: dict[str, Reading[Account]],
    emit: Emit,
    end_ns: int,
) -> list[str]:
    """Ask once for each; return those of which there is none yet."""
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, Reading[Account] | None]] = queue.SimpleQueue()
    for one in wanted:
        jobs.put(one)
    over = threading.Event()

    def work() -> None:
        while True:
            try:
                one = jobs.get_nowait()
            except queue.Empty:
                return
            ended = over.is_set() or clock.monotonic_ns() >= end_ns
            done.put((one, None if ended else _one(engine, one, over)))

    # Daemons: an interrupt does not wait for a service that has fallen silent.
    for _ in range(min(_AT_ONCE, len(wanted))):
        threading.Thread(target=work, daemon=True).start()
    left = []
    try:
        for _ in wanted:
            one, answer = done.get()
            if answer is None:
                left.append(one)
                continue
            found[one] = answer
            emit(Advanced(_PHASE, len(found)))
    finally:
        over.set()
    return left


def _one(engine: AttachedEngine, answer: str, over: threading.Event) -> Reading[Account] | None:
    try:
        return engine.account(answer)
    except SteelyardError as error:
        over.set()  # a refused key or an answer of another kind: the next would be the same
        return Missing("not_told", engine.cover(str(error)))
