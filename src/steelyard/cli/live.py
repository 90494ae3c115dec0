"""The live view of a load: rate, in flight, first bytes and gaps so far, errors, own lateness.

On a terminal, a table that is drawn again four times a second; elsewhere a line every ten seconds.
Everything else that happens is shown as everywhere (`cli.progress`). Not aware of what is measured.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, final

from steelyard.cli.progress import Screen
from steelyard.domain.progress import Advanced, Gauges, Noted, PhaseEnded, PhaseStarted, Progress

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_LINE_EVERY_S: Final = 10.0
_COLUMNS: Final = (
    *("load", "done", "in flight", "per s", "first bytes", "gap", "errors"),
    *("read late", "sent late"),
)
_OWN: Final = frozenset({"bench", "run"})


@final
class LiveScreen:
    """Shows loads as they go; `quiet` keeps only notes."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._plain = Screen(quiet=quiet)
        self._live: Live | None = None
        self._loads: dict[str, Gauges] = {}
        self._next_line = 0.0

    def __enter__(self) -> Self:
        """Open the screen."""
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; what was noted stays."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def emit(self, event: Progress) -> None:
        """Show one event."""
        match event:
            case Gauges():
                self._gauges(event)
            case Noted(text=text, warning=warning):
                self._say(f"{'! ' if warning else ''}{text}")
            case PhaseStarted(name=name) | PhaseEnded(name=name) | Advanced(name=name):
                if name not in _OWN and self._live is None:
                    self._plain.emit(event)

    def _gauges(self, found: Gauges) -> None:
        self._loads[found.name] = found
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            return
        now = time.monotonic()
        if not self._quiet and now >= self._next_line:
            self._next_line = now + _LINE_EVERY_S
            pairs = zip(_COLUMNS, _row(found), strict=True)
            self._say("  " + " · ".join(f"{name} {value}" for name, value in pairs))

    def _table(self) -> Table:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in _COLUMNS:
            table.add_column(column, justify="left" if column == "load" else "right")
        for found in self._loads.values():
            table.add_row(*_row(found), style="red" if found.failed else None)
        return table

    def _say(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def _row(found: Gauges) -> tuple[str, ...]:
    return (
        found.name.rpartition("/")[2],
        f"{found.done}/{found.planned}" if found.planned else str(found.done),
        str(found.in_flight),
        f"{found.per_s:.1f}",
        _ms(found.first_ms),
        _ms(found.gap_ms),
        str(found.failed),
        _ms(found.late_ms),
        _ms(found.behind_ms),
    )


def _ms(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.3g} ms"  # noqa: PLR2004
