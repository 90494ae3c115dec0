"""HellaSwag: which ending follows, out of four.

Columns: activity_label, ctx_a, ctx_b, endings, label (a place from 0, as text), source_id. What
stands in brackets is left over from the pages that the texts come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from steelyard.tasks.given.row import Row
from steelyard.tasks.sets.adapter import Adapter, Part, choice, records, squeezed

_BRACKETS: Final = re.compile(r"\[.*?\]")
_COLUMNS: Final = ("activity_label", "ctx_a", "ctx_b", "endings", "label", "source_id")
_ASKED: Final = "Which ending follows?"


def _clean(text: str) -> str:
    return squeezed(_BRACKETS.sub("", text.strip().replace(" [title]", ". ")))


def _read(files: Sequence[Path]) -> Iterator[Row]:
    for where, row in records(files[0], _COLUMNS):
        begun = _clean(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}")
        yield choice(
            f"{_ASKED}\n\n{begun} …",
            [_clean(ending) for ending in row["endings"]],
            int(row["label"]),
            kind=str(row["source_id"]).partition("~")[0],
            cluster=str(row["source_id"]),
            where=where,
        )


SET: Final = Adapter(
    name="hellaswag",
    what="which ending follows, 4 choices (validation)",
    repo="Rowan/hellaswag",
    revision="218ec52e09a7e7462a5400043bb9a69a41d06b76",
    parts=(
        Part(
            "data/validation-00000-of-00001.parquet",
            "899813071e1e95efafec90f856e1987d2150fa4d020fc005df6962c259f660cd",
        ),
    ),
    licence="MIT",
    items=10042,
    differs="the endings stand in the prompt and the letter is generated (lm-eval compares the"
    " likelihood of the endings)",
    read=_read,
)
