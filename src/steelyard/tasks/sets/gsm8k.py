"""GSM8K: school mathematics in words, answered with a number. Columns: question, answer.

The known answer stands behind `####`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from steelyard.tasks.given.row import Row
from steelyard.tasks.sets.adapter import Adapter, Part, records

_ASKED: Final = 'Work it out step by step, then end with a line "Answer: NUMBER".'
_MARK: Final = "####"


def _read(files: Sequence[Path]) -> Iterator[Row]:
    for where, row in records(files[0], ("question", "answer")):
        known = str(row["answer"]).rpartition(_MARK)[2].strip().replace(",", "")
        yield Row(
            prompt=f"{str(row['question']).strip()}\n\n{_ASKED}",
            scorer={"name": "numeric", "worked": True},
            answer=(known,),
            kind="word problem",
            max_tokens=1024,
            where=where,
        )


SET: Final = Adapter(
    name="gsm8k",
    what="school mathematics in words (test)",
    repo="openai/gsm8k",
    revision="740312add88f781978c0658806c59bc2815b9866",
    parts=(Part("main/test-00000-of-00001.parquet"),),
    licence="MIT",
    items=1319,
    differs="no examples in the prompt (lm-eval gives 5); the number is read behind `Answer:`, else"
    " the last one (lm-eval wants `####`)",
    read=_read,
)
