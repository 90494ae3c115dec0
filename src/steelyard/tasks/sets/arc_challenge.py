"""ARC-Challenge: school science, three to five choices.

Columns: id, question, choices (text, label), answerKey; labels are letters or numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from steelyard.tasks.given.row import Row
from steelyard.tasks.sets.adapter import Adapter, Part, choice, records


def _read(files: Sequence[Path]) -> Iterator[Row]:
    for where, row in records(files[0], ("id", "question", "choices", "answerKey")):
        labels = list(row["choices"]["label"])
        yield choice(
            row["question"],
            list(row["choices"]["text"]),
            labels.index(row["answerKey"]),
            kind="science",
            where=where,
            label=row["id"],
        )


SET: Final = Adapter(
    name="arc_challenge",
    what="school science, 3 to 5 choices (ARC-Challenge, test)",
    repo="allenai/ai2_arc",
    revision="210d026faf9955653af8916fad021475a3f00453",
    parts=(
        Part(
            "ARC-Challenge/test-00000-of-00001.parquet",
            "62f03257e737aed263f55c6abf87c7bb0028a44a6bdd2a26eb1279eb42c1d1e9",
        ),
    ),
    licence="CC BY-SA 4.0",
    items=1172,
    differs="the choices stand in the prompt and the letter is generated (lm-eval compares the"
    " likelihood of the answers' texts), no examples (25 are usual)",
    read=_read,
)
