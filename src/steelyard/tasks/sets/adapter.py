"""What a standard set is: where it is published, what pins it, and how its rows become questions.

An adapter reads files that lie here; fetching them is not its business. A digest stands here where
it was found published; else the first fetch on a machine pins the bytes. Not aware of hubs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, final

from steelyard.domain.errors import BadInput
from steelyard.tasks.given.letters import lettered
from steelyard.tasks.given.records import Record, json_lines, parquet_rows
from steelyard.tasks.given.row import Row
from steelyard.tasks.given.scorers import CHOICES

Values: TypeAlias = Mapping[str, Any]
LETTER_ONLY: Final = "Answer with the letter of the right choice only."
WORKED: Final = 'Think step by step, then end with a line "Answer: LETTER".'


@final
@dataclass(frozen=True, slots=True)
class Part:
    """One file of a set: its path in the repository, and the sha256 that it must have, if known."""

    path: str
    sha256: str = ""


@final
@dataclass(frozen=True, slots=True)
class Adapter:
    """A set by name. `revision` is a commit of `repo`; `differs` says in what ours is another test.

    `read` takes the parts' files in order, and yields None for a row that is left out. `version`
    counts changes of what is asked.
    """

    name: str
    what: str
    repo: str
    revision: str
    parts: tuple[Part, ...]
    licence: str
    items: int
    differs: str
    read: Callable[[Sequence[Path]], Iterator[Row | None]]
    version: int = 1


def records(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, Values]]:
    """Read the rows of a published file; raise `BadInput` where it is not in its known form."""
    reader = parquet_rows if path.suffix == ".parquet" else json_lines
    for record in reader(path):
        missing = [name for name in columns if name not in record.values]
        if record.trouble or missing:
            raise _other_form(path, record, missing)
        yield record.where, record.values


def _other_form(path: Path, record: Record, missing: Sequence[str]) -> BadInput:
    why = record.trouble or f"it has no {missing[0]!r}"
    return BadInput(
        f"{path.name}, {record.where}, is not in the form that this set has: {why}",
        hint="remove the file and fetch it again; if it stays so, the set was changed",
    )


def choice(
    question: str,
    choices: Sequence[str],
    place: int,
    *,
    worked: bool = False,
    max_tokens: int = 512,
    kind: str = "question",
    cluster: str = "",
    where: str = "",
    label: str = "",
) -> Row:
    """Return a multiple-choice question, asked for its letter; `place` counts from 0."""
    texts = [text.strip() for text in choices]
    scorer: dict[str, Any] = {"name": CHOICES, "choices": texts}
    if worked:
        scorer["worked"] = True
    return Row(
        prompt=f"{question.strip()}\n\n{lettered(texts)}\n\n{WORKED if worked else LETTER_ONLY}",
        scorer=scorer,
        answer=("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place],),
        kind=kind,
        cluster=cluster,
        max_tokens=max_tokens,
        where=where,
        label=label,
    )


def squeezed(text: str) -> str:
    """Return a text with single spaces."""
    return re.sub(r" {2,}", " ", text).strip()
