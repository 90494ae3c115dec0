"""The folder of one sweep: what lies where, written whole or not at all.

`campaign.json` and `plan.json` say what was asked, `journal.jsonl` what has happened, `runs/` what
was found. Everything else is computed from these and can be computed again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, final

from steelyard.campaigns import journal
from steelyard.campaigns.events import Event
from steelyard.campaigns.journal import Journal
from steelyard.campaigns.plan import Plan
from steelyard.domain.campaign import Sweep
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput
from steelyard.domain.run import RunRecord
from steelyard.store.records import read_record

T = TypeVar("T")


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

    def begin(self, sweep: Sweep, plan: Plan) -> None:
        """Write down what was asked. Raises `BadInput` if the folder cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_whole(self.root / "campaign.json", encode(sweep, indent=1))
            write_whole(self.root / "plan.json", encode(plan, indent=1))
        except OSError as error:
            raise BadInput(
                f"{self.root} cannot be written: {error.strerror}",
                hint="give --out a folder that you may write to",
            ) from None

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
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, encode(value))

    def journal(self) -> Journal:
        """Read what has happened."""
        if not self.journal_path.exists():
            return Journal((), 0)
        return journal.read(self.journal_path.read_bytes())

    def append(self, event: Event) -> None:
        """Append one event and make sure that it is on disk."""
        with self.journal_path.open("ab") as stream:
            stream.write(journal.line_of(event))
            stream.flush()
            os.fsync(stream.fileno())

    def mend(self) -> Journal:
        """Cut a torn last line off and return what remains."""
        known = self.journal()
        if known.dropped is not None:
            os.truncate(self.journal_path, known.good_bytes)
        return known

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


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old one or the new one, never half of one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
