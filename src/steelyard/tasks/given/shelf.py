"""The shelf: items that no generator makes, kept by the hash of their bytes.

A task names its items by that hash only, so they must be found again to go on, to mark anew and to
compare: here, in the user's data folder, and in a copy beside each evaluation. What lies under a
hash and does not have it is refused. Not aware of where items came from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from random import Random

from steelyard.domain.errors import BadInput
from steelyard.domain.task import Source, Task
from steelyard.platform import atomic, settings
from steelyard.tasks.given.row import Row
from steelyard.tasks.items import Question


def path_of(sha256: str) -> Path:
    """Return where items lie that have this hash."""
    return settings.load().home / "items" / f"{sha256}.jsonl"


def lay(rows: Iterable[Row]) -> tuple[str, int]:
    """Put rows on the shelf, one by one; return the hash of all and how many they are."""
    digest, count = hashlib.sha256(), 0
    draft = path_of(f".draft-{os.getpid()}")
    try:
        with atomic.replacing(draft) as stream:
            for row in rows:
                line = row.line()
                digest.update(line)
                stream.write(line)
                count += 1
        named = digest.hexdigest()
        draft.replace(path_of(named))
    finally:
        draft.unlink(missing_ok=True)
    return named, count


def copy_to(source: Source, folder: Path) -> None:
    """Keep the items beside an evaluation, so that it can be marked again on another machine."""
    held = folder / f"items-{source.sha256[:12]}.jsonl"
    with path_of(source.sha256).open("rb") as whole, atomic.replacing(held) as stream:
        shutil.copyfileobj(whole, stream)


def take_from(folder: Path, source: Source) -> None:
    """Put the items of an evaluation back on the shelf, if they are not there."""
    held, there = folder / f"items-{source.sha256[:12]}.jsonl", path_of(source.sha256)
    if there.exists() or not held.is_file():
        return
    data = held.read_bytes()
    if hashlib.sha256(data).hexdigest() == source.sha256:
        atomic.write(there, data)


def rows(source: Source) -> Iterator[Row]:
    """Read the items of a source; raise `BadInput` where they are gone or changed."""
    path, digest = path_of(source.sha256), hashlib.sha256()
    try:
        with path.open("rb") as stream:
            for line in stream:
                digest.update(line)
        if digest.hexdigest() != source.sha256:
            raise BadInput(
                f"the items of {source.name} in {path} were changed since they were read",
                hint="remove that file, and give the original again with --file or --set",
            )
        with path.open("rb") as stream:
            yield from map(Row.read, stream)
    except FileNotFoundError:
        raise BadInput(
            f"the items of {source.name} are not on this machine any more",
            hint="name the evaluation by its folder, which has a copy, or read the file again with "
            "`steelyard tasks show --file FILE`",
        ) from None


def questions(task: Task, source: Source) -> list[Question]:
    """Return the questions of a task, in the order of the file; of a sample, the same each time."""
    return list(_questions(task.family, source, task.items, task.seed))


@lru_cache(maxsize=2)
def _questions(family: str, source: Source, items: int, seed: int) -> tuple[Question, ...]:
    found = list(rows(source))
    if items < len(found):
        chosen = sorted(Random(f"{seed}/{source.sha256}").sample(range(len(found)), items))
        found = [found[place] for place in chosen]
    return tuple(row.question(family) for row in found)
