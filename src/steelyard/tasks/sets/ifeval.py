"""IFEval: instructions about the form of an answer.

Columns: key, prompt, instruction_id_list, kwargs (arguments, one object an instruction). Prompts
with an instruction that `sets.instructions` cannot decide exactly are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from steelyard.tasks.given.row import Row
from steelyard.tasks.given.scorers import INSTRUCTIONS
from steelyard.tasks.sets.adapter import Adapter, Part, records
from steelyard.tasks.sets.instructions import CHECKS

_COLUMNS: Final = ("key", "prompt", "instruction_id_list", "kwargs")


def _read(files: Sequence[Path]) -> Iterator[Row | None]:
    for where, row in records(files[0], _COLUMNS):
        names = list(row["instruction_id_list"])
        told: list[list[Any]] = [
            [name, {key: value for key, value in given.items() if value is not None}]
            for name, given in zip(names, row["kwargs"], strict=True)
        ]
        if not all(_decided(name, said) for name, said in told):
            yield None
            continue
        yield Row(
            prompt=row["prompt"],
            scorer={"name": INSTRUCTIONS, "checks": told},
            kind=names[0] if len(names) == 1 else f"{len(names)} instructions",
            max_tokens=1280,
            where=where,
            label=str(row["key"]),
        )


def _decided(name: str, said: dict[str, Any]) -> bool:
    """Say whether an instruction can be checked exactly: IFEval guesses at arguments not given."""
    try:
        CHECKS[name]("some text", said)
    except (KeyError, AttributeError, TypeError):
        return False
    return True


SET: Final = Adapter(
    name="ifeval",
    what="verifiable instructions about the form of an answer",
    repo="google/IFEval",
    revision="966cd89545d6b6acfd7638bc708b98261ca58e84",
    parts=(Part("ifeval_input_data.jsonl"),),
    licence="Apache-2.0",
    items=541,
    differs="prompts with one of the five instructions that need a guess at language, sentences or"
    " words (langdetect, nltk) are left out; right is prompt-level strict, `format kept` is"
    " instruction-level strict",
    read=_read,
)
