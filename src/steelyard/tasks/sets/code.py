"""HumanEval, HumanEval+ and MBPP+: programs that hidden tests decide.

They are listed with what pins them, and not asked: generated code runs in a sandbox or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from steelyard.domain.errors import BadInput
from steelyard.tasks.given.row import Row
from steelyard.tasks.sets.adapter import Adapter, Part

BLOCKED: Final = "its answers are programs, and no sandbox runs those for this set yet"
_DIFFERS: Final = "not asked yet"


def _read(files: Sequence[Path]) -> Iterator[Row]:
    raise BadInput(f"{files[0].name}: {BLOCKED}")


HUMANEVAL: Final = Adapter(
    name="humaneval",
    what="functions from their docstrings",
    repo="openai/openai_humaneval",
    revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    parts=(Part("openai_humaneval/test-00000-of-00001.parquet"),),
    licence="MIT",
    items=164,
    differs=_DIFFERS,
    read=_read,
    blocked=BLOCKED,
)
HUMANEVAL_PLUS: Final = Adapter(
    name="humaneval_plus",
    what="functions from their docstrings, more tests",
    repo="evalplus/humanevalplus",
    revision="d32357cf319e50e9c8d8dab5ea876c72b0fd321b",
    parts=(Part("data/test-00000-of-00001-5973903632b82d40.parquet"),),
    licence="Apache-2.0",
    items=164,
    differs=_DIFFERS,
    read=_read,
    blocked=BLOCKED,
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
    read=_read,
    blocked=BLOCKED,
)
