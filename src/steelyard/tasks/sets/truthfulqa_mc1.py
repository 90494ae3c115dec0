"""TruthfulQA MC1: one true answer among false ones that people believe.

Columns: question, mc1_targets (choices, labels). The true one is published first: here the choices
are put in an order that a hash of the question draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final

from steelyard.tasks.given.row import Row
from steelyard.tasks.items import content_hash
from steelyard.tasks.sets.adapter import Adapter, Part, choice, records


def _read(files: Sequence[Path]) -> Iterator[Row]:
    for where, row in records(files[0], ("question", "mc1_targets")):
        targets = row["mc1_targets"]
        texts, true = list(targets["choices"]), list(targets["labels"]).index(1)
        order = list(range(len(texts)))
        Random(content_hash("truthfulqa_mc1", row["question"])).shuffle(order)
        yield choice(
            row["question"],
            [texts[place] for place in order],
            order.index(true),
            kind="truth",
            where=where,
        )


SET: Final = Adapter(
    name="truthfulqa_mc1",
    what="one true answer among common errors (MC1, validation)",
    repo="truthfulqa/truthful_qa",
    revision="741b8276f2d1982aa3d5b832d3ee81ed3b896490",
    parts=(
        Part(
            "multiple_choice/validation-00000-of-00001.parquet",
            "23f08e230ca4ed66babf3a72419af7cbde1f3d734dd396ac4cf6d088bd162afd",
        ),
    ),
    licence="Apache-2.0",
    items=817,
    differs="the choices stand in the prompt, shuffled, and the letter is generated (lm-eval"
    " compares the likelihood of the answers' texts after six examples)",
    read=_read,
)
