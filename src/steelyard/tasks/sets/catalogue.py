"""The standard sets that are known by name. Not aware of where their files lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steelyard.domain.errors import UnknownName
from steelyard.tasks.sets import (
    arc_challenge,
    bfcl,
    code,
    gsm8k,
    hellaswag,
    ifeval,
    mmlu,
    mmlu_pro,
    truthfulqa_mc1,
)
from steelyard.tasks.sets.adapter import Adapter

SETS: Final[Mapping[str, Adapter]] = {
    one.name: one
    for one in (
        gsm8k.SET,
        mmlu.SET,
        mmlu_pro.SET,
        arc_challenge.SET,
        truthfulqa_mc1.SET,
        hellaswag.SET,
        ifeval.SET,
        bfcl.SIMPLE,
        bfcl.MULTIPLE,
        bfcl.PARALLEL,
        code.HUMANEVAL,
        code.HUMANEVAL_PLUS,
        code.MBPP_PLUS,
    )
}


def named(name: str) -> Adapter:
    """Return the set of this name; raise `UnknownName` with the nearest."""
    if name not in SETS:
        raise UnknownName.among("standard set", name, SETS)
    return SETS[name]
