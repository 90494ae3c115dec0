"""MMLU: knowledge in 57 subjects, four choices. Columns: question, subject, choices, answer.

`answer` is the place of the right choice, from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from steelyard.tasks.given.row import Row
from steelyard.tasks.sets.adapter import Adapter, Part, choice, records


def _read(files: Sequence[Path]) -> Iterator[Row]:
    for where, row in records(files[0], ("question", "subject", "choices", "answer")):
        yield choice(
            row["question"], row["choices"], int(row["answer"]), kind=row["subject"], where=where
        )


SET: Final = Adapter(
    name="mmlu",
    what="knowledge in 57 subjects, 4 choices (test)",
    repo="cais/mmlu",
    revision="c30699e8356da336a370243923dbaf21066bb9fe",
    parts=(Part("all/test-00000-of-00001.parquet"),),
    licence="MIT",
    items=14042,
    differs="the letter is generated (lm-eval compares the likelihood of the letters), no examples"
    " in the prompt (5 are usual)",
    read=_read,
)
