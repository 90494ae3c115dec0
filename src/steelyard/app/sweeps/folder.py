"""The folder of one sweep: what lies where, written whole or not at all.

`campaign.json` and `plan.json` say what was asked, `journal.jsonl` what has happened, `runs/` what
was found. Everything else is computed from these and can be computed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, final

from steelyard.campaigns.events import Event, event_of
from steelyard.campaigns.plan import Plan
from steelyard.domain.campaign import Sweep
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput
from steelyard.domain.run import RunRecord
from steelyard.platform import atomic
from steelyard.store.journal import Journal, read_journal
from steelyard.store.records import read_record

T = TypeVar("T")
REQUEST: Final = "request.json"


@final
@dataclass(frozen=True, slots=True)
class SweepFolder:
    """Paths and files of one sweep."""

    root: Path

    @property
    def models(self) -> Path:
        """Where variants that were made for this sweep lie."""
        return self.root / "models"

    @property
    def journal_path(self) -> Path:
        """The append-only truth of a running campaign."""
        return self.root / "journal.jsonl"

    def run(self, run_id: str) -> Path:
        """Return the folder of one run."""
        return self.root / "runs" / run_id

    def exists(self) -> bool:
        """Return whether a sweep was begun here."""
        return (self.root / "campaign.json").exists()

    def begun(self) -> bool:
        """Return whether there is anything here that a resume could go on with."""
        return self.exists() or (self.root / REQUEST).exists()

    def begin(self, sweep: Sweep, plan: Plan) -> None:
        """Write down what was asked. Raises `BadInput` if the folder cannot be written."""
        self.write("plan.json", plan)
        self.write("campaign.json", sweep)

    def sweep(self) -> Sweep:
        """Read the spec back. Raises `BadInput` if there is no sweep here."""
        return self._read(Sweep, "campaign.json")

    def plan(self) -> Plan:
        """Read the plan back."""
        return self._read(Plan, "plan.json")

    def read(self, kind: type[T], name: str) -> T | None:
        """Read one of the side files, or None where it was not written."""
        return self._read(kind, name) if (self.root / name).exists() else None

    def write(self, name: str, value: object) -> None:
        """Write one of the side files whole."""
        atomic.write(self.root / name, encode(value, indent=1).encode())

    def write_text(self, name: str, text: str) -> None:
        """Write a report whole."""
        atomic.write(self.root / name, text.encode())

    def open_journal(self) -> Journal:
        """Open the journal for appending; a torn last line is cut off."""
        return Journal(self.journal_path)

    def events(self) -> tuple[Event, ...]:
        """Read what has happened."""
        return tuple(
            event_of(raw, source=f"{self.journal_path} line {number}")
            for number, raw in enumerate(read_journal(self.journal_path), start=1)
        )

    def records(self) -> Iterator[RunRecord]:
        """Yield the records of this sweep's runs, by id."""
        for path in sorted((self.root / "runs").glob("*/record.json")):
            yield read_record(path)

    def _read(self, kind: type[T], name: str) -> T:
        path = self.root / name
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            raise BadInput(
                f"{self.root} holds no sweep: there is no {name}",
                hint="give the folder that `steelyard sweep` printed at its end",
            ) from None
        return decode(kind, text, source=str(path))
