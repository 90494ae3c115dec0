"""MMLU-Pro: harder knowledge and reasoning, up to ten choices.

Columns: question_id, question, options, answer (a letter), answer_index, category.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from steelyard.tasks.given.row import Row
from steelyard.tasks.sets.adapter import Adapter, Part, choice, records


def _read(files: Sequence[Path]) -> Iterator[Row]:
    columns = ("question_id", "question", "options", "answer_index", "category")
    for where, row in records(files[0], columns):
        yield choice(
            row["question"],
            row["options"],
            int(row["answer_index"]),
            worked=True,
            max_tokens=2048,
            kind=row["category"],
            where=where,
            label=str(row["question_id"]),
        )


SET: Final = Adapter(
    name="mmlu_pro",
    what="harder knowledge and reasoning, up to 10 choices (test)",
    repo="TIGER-Lab/MMLU-Pro",
    revision="b189ec765aa7ed75c8acfea42df31fdae71f97be",
    parts=(Part("data/test-00000-of-00001.parquet"),),
    licence="MIT",
    items=12032,
    differs="no examples in the prompt (lm-eval gives 5); the letter stands behind `Answer:`",
    read=_read,
)
