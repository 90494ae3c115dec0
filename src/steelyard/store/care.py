"""Loading the database again from the campaign folders, which are the truth.

A whole database is added to; a damaged one is moved aside, never deleted, and made anew. Not aware
of what a run means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.campaign import Sweep
from steelyard.domain.codec import decode
from steelyard.domain.errors import DamagedStore, SteelyardError
from steelyard.store.database import Store
from steelyard.store.records import RECORD_NAME, read_record

CAMPAIGN_NAME: Final = "campaign.json"


@final
@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild loaded, what it could not, and where the old database went."""

    runs: int
    campaigns: int
    problems: tuple[str, ...]
    aside: Path | None


def rebuild(path: Path, folders: Sequence[Path]) -> Rebuilt:
    """Load every record under `folders` into the database at `path`; make it anew if damaged.

    A folder may be a campaign's own or hold many. What cannot be read is named, and the rest is
    loaded.
    """
    aside = None if _whole(path) else _move_aside(path)
    campaigns: set[str] = set()
    runs: set[str] = set()
    problems: list[str] = []
    with Store(path) as store:
        for record_path in _records(folders, problems):
            try:
                campaign_id = _campaign_of(store, record_path, problems)
                record = read_record(record_path)
                store.add(record, campaign_id=campaign_id)
            except SteelyardError as error:
                problems.append(str(error))
                continue
            runs.add(record.id)
            if campaign_id is not None:
                campaigns.add(campaign_id)
    return Rebuilt(len(runs), len(campaigns), tuple(dict.fromkeys(problems)), aside)


def _records(folders: Sequence[Path], problems: list[str]) -> list[Path]:
    found: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            problems.append(f"{folder} is no folder")
        found.update(
            path.resolve()
            for path in folder.rglob(RECORD_NAME)
            if not _hidden(path.relative_to(folder))
        )
    return sorted(found)


def _hidden(path: Path) -> bool:
    """Say whether it lies in a folder that holds nothing for good: what a killed command left."""
    return any(part.startswith(".") for part in path.parts)


def _campaign_of(store: Store, record_path: Path, problems: list[str]) -> str | None:
    """Store the campaign that a record lies in, `CAMPAIGN/runs/RUN/record.json`; return its id."""
    spec = record_path.parent.parent.parent / CAMPAIGN_NAME
    if not spec.is_file():
        return None
    try:
        return store.add_campaign(decode(Sweep, spec.read_bytes(), source=str(spec)))
    except (SteelyardError, OSError) as error:
        problems.append(str(error))
        return None


def _whole(path: Path) -> bool:
    try:
        with Store(path) as store:
            return not store.check()
    except DamagedStore:
        return False


def _move_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        log = Path(f"{path}{suffix}")
        if log.exists():
            log.replace(f"{aside}{suffix}")
    path.replace(aside)
    return aside
