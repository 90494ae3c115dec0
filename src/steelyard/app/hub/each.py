"""`models each`: run a command on every variant of a repository, with the disk never too full.

Performs what `models.hub.belt` decides: a variant is fetched, the next one is fetched while the
command runs, and what was fetched for it is deleted after its run unless it is pinned or to be
kept. Not aware of what the command does.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from threading import Event as Flag
from typing import Final, final

from steelyard.app.hub import pulling, stored_notes
from steelyard.app.hub.pulling import HubRequest, PullPlan
from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.progress import Emit, Noted, Progress
from steelyard.models import disk
from steelyard.models.hub import belt, held, holding
from steelyard.models.hub.belt import Belt, Delete, Fetch, Item, Run
from steelyard.models.hub.landing import HubCache
from steelyard.models.hub.listing import RemoteFile
from steelyard.models.hub.patience import Stopped
from steelyard.platform import clock

_NS_PER_S: Final = 1e9
_LOOK_S: Final = 0.2
_SHORT_S: Final = 3.0
_PATH, _QUANT = "{}", "{quant}"


@final
@dataclass(frozen=True, slots=True)
class EachRequest:
    """What was typed: which variants, the command, and what may go again."""

    hub: HubRequest
    command: tuple[str, ...]
    keep: tuple[str, ...] = ()
    keep_all: bool = False
    prefetch: bool = True


@final
@dataclass(frozen=True, slots=True)
class Row:
    """What became of one variant. `exit_code` is None where the command did not run."""

    label: str
    exit_code: int | None
    seconds: float
    fetched_bytes: int
    state: str


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """All rows, and what the door is to return."""

    rows: tuple[Row, ...]
    most_bytes: int

    @property
    def exit_code(self) -> int:
        """0 where every command ended with 0, else 3."""
        return 0 if all(row.exit_code == 0 for row in self.rows) else 3

    def text(self, *, as_json: bool) -> str:
        """Return the table, or JSON."""
        if as_json:
            rows = [
                {
                    "label": row.label,
                    "exit_code": row.exit_code,
                    "seconds": round(row.seconds, 3),
                    "fetched_bytes": row.fetched_bytes,
                    "state": row.state,
                }
                for row in self.rows
            ]
            found = {"rows": rows, "most_bytes": self.most_bytes}
            return json.dumps(found, indent=1, sort_keys=True)
        lines = [f"{'variant':<20} {'exit':>4} {'seconds':>9} {'fetched':>10}  then"]
        lines += [
            f"{row.label:<20} {'–' if row.exit_code is None else row.exit_code:>4} "
            f"{row.seconds:9.1f} {disk.size(row.fetched_bytes):>10}  {row.state}"
            for row in self.rows
        ]
        lines.append(f"at most {disk.size(self.most_bytes)} of the disk were in use for it at once")
        return "\n".join(lines)


def perform(request: EachRequest, emit: Emit) -> Outcome:
    """Run the command on every variant. Raises `BadInput` for what cannot be done at all."""
    if request.hub.out is not None or pulling.target(request.hub.subject).hub != "huggingface":
        raise BadInput(
            "only what lies in the Hugging Face cache is fetched, run and deleted again",
            hint="write ORG/NAME:QUANT,QUANT…, and leave --out out",
        )
    if shutil.which(request.command[0]) is None:
        raise BadInput(
            f"there is no command {request.command[0]!r}", hint="check what stands after --"
        )
    ahead = pulling.plan(request.hub)
    if not ahead.variants:
        raise BadInput(
            f"{ahead.remote.name} has no model file that was asked for", hint="see `models find`"
        )
    for name in request.keep:
        if not any(one.label == name for one in ahead.variants):
            labels = ", ".join(one.label for one in ahead.variants)
            raise BadInput(f"--keep {name} is not among what is run", hint=f"these are: {labels}")
    with ExitStack() as stack:
        return _Shell(request, ahead, emit, stack).go()


@final
class _Shell:
    def __init__(self, request: EachRequest, ahead: PullPlan, emit: Emit, stack: ExitStack) -> None:
        self._request, self._whole, self._stack = request, ahead, stack
        self._screen, self._lock = emit, threading.Lock()
        self._running = Flag()
        self._stop = Flag()
        self._events: queue.SimpleQueue[belt.Event] = queue.SimpleQueue()
        self._rows: dict[str, Row] = {}
        self._fetched: dict[str, int] = {}
        self._own: dict[str, list[RemoteFile]] = {}
        self._plans: dict[str, PullPlan] = {}
        self._leases: dict[str, ExitStack] = {}
        self._thread: threading.Thread | None = None
        self._most = 0

    def go(self) -> Outcome:
        row = self._lay_out()
        steps = row.handle(belt.Began())
        try:
            while (event := self._perform(row, steps)) is not None:
                steps = row.handle(event)
        finally:
            self._stop.set()
            if self._thread is not None:
                self._thread.join()
        for item in row.waiting:
            self._rows[item.name] = Row(item.name, None, 0.0, 0, "not run: no room was left")
        labels = [one.label for one in self._whole.variants]
        return Outcome(tuple(self._rows[label] for label in labels), self._most)

    def _lay_out(self) -> Belt:
        """Hold leases on all, see what is missing then, and lay the row."""
        ahead, pins = self._whole, stored_notes.pins().read()
        items = []
        for one in ahead.variants:
            lease = self._leases[one.label] = self._stack.enter_context(ExitStack())
            for file in one.files:
                lease.enter_context(holding.shared(ahead.landing.spot(file).lease))
            part = self._plans[one.label] = pulling.only(ahead, (one,))
            pinned = any(file.digest in pins for file in one.files)
            keep = self._request.keep_all or one.label in self._request.keep or pinned
            items.append(Item(one.label, part.needed_bytes + part.part_bytes, keep))
        free = disk.free_bytes(ahead.landing.root)
        budget = (
            free - self._request.hub.disk_reserve + sum(p.part_bytes for p in self._plans.values())
        )
        return Belt(items, budget, prefetch=self._request.prefetch)

    def _perform(self, row: Belt, steps: Sequence[belt.Instruction]) -> belt.Event | None:
        """Begin what goes on in the background, delete, then run; return what happened next."""
        pending, run = list(steps), None
        while pending:
            self._most = max(self._most, row.used_bytes)
            match pending.pop(0):
                case Fetch(item=item):
                    self._thread = threading.Thread(target=self._fetch, args=(item,), daemon=True)
                    self._thread.start()
                case Delete(item=item):
                    # At once, and not after the run that follows: the next may wait for the room.
                    pending += row.handle(self._delete(item))
                case Run(item=item):
                    run = item
        if run is None:
            return self._next()
        self._run(run)
        return belt.Ran(run)

    def _next(self) -> belt.Event | None:
        """Return the next event, or None when nothing is under way any more."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self._events.get(timeout=_LOOK_S)
            if self._thread is None or not self._thread.is_alive():
                with contextlib.suppress(queue.Empty):
                    return self._events.get_nowait()
                return None

    def _fetch(self, item: Item) -> None:
        """Fetch a variant; runs in a thread of its own."""
        own = self._own[item.name] = []
        try:
            done = pulling.fetch(self._plans[item.name], self._emit, self._stop, own.append)
        except (SteelyardError, Stopped) as error:
            self._rows[item.name] = Row(item.name, None, 0.0, 0, f"not run: {error or 'stopped'}")
            self._events.put(belt.NotFetched(item))
            return
        self._fetched[item.name] = done.fetched_bytes
        self._events.put(belt.Fetched(item))

    def _run(self, item: Item) -> None:
        plan = self._plans[item.name]
        path = plan.landing.publish(plan.variants[0].files, last=False)[0]
        argv = _filled(self._request.command, str(path), item.name)
        self._emit(Noted(f"{item.name}: {' '.join(argv)}"))
        started_ns = clock.monotonic_ns()
        self._running.set()
        try:
            code = _child(argv, self._stop)
        except KeyboardInterrupt:
            self._emit(
                Noted(f"{item.name} stays in the cache; `steelyard models remove` deletes it")
            )
            raise
        finally:
            self._running.clear()
        seconds = (clock.monotonic_ns() - started_ns) / _NS_PER_S
        fetched = self._fetched.get(item.name, 0)
        state = "was here before" if not item.missing_bytes else "kept"
        self._rows[item.name] = Row(item.name, code, seconds, fetched, state)

    def _delete(self, item: Item) -> belt.Event:
        plan = self._plans[item.name]
        assert isinstance(plan.landing, HubCache)  # noqa: S101 - perform() has seen to it
        self._leases[item.name].close()
        if len(own := self._own[item.name]) < len(plan.missing):
            state = "kept: another process has fetched it"
            self._rows[item.name] = replace(self._rows[item.name], state=state)
            return belt.Stayed(item)
        try:
            held.remove(plan.landing.root, plan.remote.name, own, stored_notes.pins().read())
        except SteelyardError as error:
            self._rows[item.name] = replace(self._rows[item.name], state=f"kept: {error}")
            return belt.Stayed(item)
        self._rows[item.name] = replace(self._rows[item.name], state="deleted")
        return belt.Deleted(item)

    def _emit(self, event: Progress) -> None:
        """Show an event; while a command has the terminal, only what must be read."""
        with self._lock:
            if isinstance(event, Noted) or not self._running.is_set():
                self._screen(event)


def _filled(command: Sequence[str], path: str, quant: str) -> tuple[str, ...]:
    if not any(_PATH in word for word in command):
        command = (*command, _PATH)
    return tuple(word.replace(_QUANT, quant).replace(_PATH, path) for word in command)


def _child(argv: Sequence[str], stop: Flag) -> int:
    """Run a command on our terminal; after an interrupt it gets time to end by itself."""
    try:
        child = subprocess.Popen(argv)
    except OSError as error:
        raise BadInput(
            f"{argv[0]} cannot be started: {error.strerror}", hint="check the command after --"
        ) from None
    try:
        return child.wait()
    except KeyboardInterrupt:
        stop.set()
        # Ctrl+C has reached it too; a signal that was meant for us alone has not.
        for tell in (child.terminate, child.kill):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_SHORT_S)
            tell()
        child.wait()
        raise
