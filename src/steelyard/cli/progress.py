"""Shows progress events: bars with time left on a terminal, plain lines elsewhere.

A bar appears only for phases that outlast two seconds. Everything goes to standard error, so that
standard output holds results alone. Not aware of what the phases do.
"""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, final

from steelyard.cli.shown import printable
from steelyard.domain.progress import (
    Advanced,
    Gauges,
    Noted,
    PhaseEnded,
    PhaseStarted,
    Progress,
)

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_PIPED: Final = 100
_LINE_EVERY_S: Final = 10.0
_WORTH_A_LINE_S: Final = 2.0


def width() -> int:
    """Return how many characters a line of results may have."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPED


@final
class Screen:
    """Progress on a terminal, or lines in a log; `quiet` keeps only notes."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int | None] = {}
        self._details: dict[str, str] = {}
        self._last_line: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Open the screen."""
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bars

            self._bars = Bars(
                TextColumn("{task.description:<34.34}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the screen; what was noted stays."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def emit(self, event: Progress) -> None:
        """Show one event."""
        match event:
            case PhaseStarted():
                self._begin(event)
            case Advanced(name=name, done=done, detail=detail, total=total):
                if total is not None:
                    self._totals[name] = total
                self._advance(name, done, detail)
            case PhaseEnded(name=name, seconds=seconds):
                self._end(name, seconds)
            case Noted(text=text, warning=warning):
                self._say(f"{'! ' if warning else ''}{text}")
            case Gauges():  # a bar counts the same requests; the live view shows them
                return

    def _begin(self, event: PhaseStarted) -> None:
        self._totals[event.name] = event.total
        self._details[event.name] = event.detail
        self._last_line[event.name] = time.monotonic()
        if self._bars is not None:
            label = f"{event.name}: {event.detail}" if event.detail else event.name
            self._tasks[event.name] = self._bars.add_task(label, total=event.total)

    def _advance(self, name: str, done: int, detail: str) -> None:
        if self._bars is not None and name in self._tasks:
            label = self._details.get(name) or detail
            self._bars.update(
                self._tasks[name],
                completed=done,
                total=self._totals.get(name),
                description=f"{name}: {label}" if label else name,
            )
            return
        now = time.monotonic()
        if not self._quiet and now - self._last_line.get(name, now) >= _LINE_EVERY_S:
            self._last_line[name] = now
            total = self._totals.get(name)
            of = f" of {total}" if total else ""
            what = f"{name} {self._details.get(name, '')}".rstrip()
            self._say(f"  {what}: {done}{of} {detail}".rstrip())

    def _end(self, name: str, seconds: float) -> None:
        detail = self._details.get(name, "")
        if self._bars is not None and name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))
        if not self._quiet and seconds >= _WORTH_A_LINE_S:
            self._say(f"  {name}{': ' + detail if detail else ''} ({seconds:.1f} s)")

    def _say(self, text: str) -> None:
        text = printable(text)
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
