"""HumanEval, HumanEval+ and MBPP+: programs that published tests decide, in the sandbox alone.

Columns of the first two: prompt, canonical_solution, test, entry_point; of MBPP+: prompt, code,
test, test_list. A question whose own solution fails its tests here is not run: they need what the
sandbox has not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from steelyard.tasks.code.suites import called_by
from steelyard.tasks.given.row import Row
from steelyard.tasks.given.scorers import CODE
from steelyard.tasks.sets.adapter import Adapter, Part, records

_ASKED: Final = "Write the whole function, with what it imports, in one Python block."
_DIFFERS: Final = (
    "a chat is asked for the whole function (the reference harness lets a model go on with the"
    " prompt); one sample unless --samples says more"
)
_TOKENS: Final = 768


def _humaneval(files: Sequence[Path]) -> Iterator[Row]:
    columns = ("prompt", "canonical_solution", "test", "entry_point")
    for where, row in records(files[0], columns):
        prompt, known, tests, name = (str(row[column]) for column in columns)
        yield _program(
            "function",
            f"{_ASKED}\n\n```python\n{prompt.rstrip()}\n```",
            f"{tests}\n\ncheck({name})\n",
            where,
            function=name,
            before=prompt[: prompt.index(f"def {name}(")],
            reference=prompt + known,
        )


def _mbpp(files: Sequence[Path]) -> Iterator[Row | None]:
    for where, row in records(files[0], ("prompt", "code", "test", "test_list")):
        shown = [str(test) for test in row["test_list"]]
        called = called_by(shown[0]) if shown else None
        if called is None or f"def {called}(" not in str(row["code"]):
            yield None  # which function the tests call is not told
            continue
        yield _program(
            "program",
            f"{str(row['prompt']).strip()} {_ASKED} It must pass:\n\n{shown[0]}",
            str(row["test"]),
            where,
            function=called,
            reference=str(row["code"]),
        )


def _program(kind: str, prompt: str, tests: str, where: str, **told: str) -> Row:
    """Return a question that its tests decide; `told` is what the scorer is told of the program."""
    return Row(
        prompt=prompt,
        scorer={"name": CODE, **told},
        answer=(tests,),
        kind=kind,
        max_tokens=_TOKENS,
        where=where,
    )


HUMANEVAL: Final = Adapter(
    name="humaneval",
    what="functions from their docstrings",
    repo="openai/openai_humaneval",
    revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    parts=(Part("openai_humaneval/test-00000-of-00001.parquet"),),
    licence="MIT",
    items=164,
    differs=_DIFFERS,
    read=_humaneval,
)
HUMANEVAL_PLUS: Final = replace(
    HUMANEVAL,
    name="humaneval_plus",
    what="functions from their docstrings, more tests",
    repo="evalplus/humanevalplus",
    revision="d32357cf319e50e9c8d8dab5ea876c72b0fd321b",
    parts=(Part("data/test-00000-of-00001-5973903632b82d40.parquet"),),
    licence="Apache-2.0",
)
MBPP_PLUS: Final = Adapter(
    name="mbpp_plus",
    what="small programs from a sentence, more tests",
    repo="evalplus/mbppplus",
    revision="b2d74c91837c3f2a20c1299ae98133cbe7cfa077",
    parts=(
        Part(
            "data/test-00000-of-00001-d5781c9c51e02795.parquet",
            "dc20030b3788fccf617444edcb34138ef13d7e4fafd17bfcb8c1279dbb12399b",
        ),
    ),
    licence="Apache-2.0",
    items=378,
    differs=_DIFFERS,
    read=_mbpp,
)
