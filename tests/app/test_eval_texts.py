"""A comparison's text: how both sides think stands in it, where either does."""

from __future__ import annotations

from dataclasses import replace

from tests.store.records import record

from steelyard.analysis import evaluation
from steelyard.app.evals.contrasts import contrast_text
from steelyard.domain.reading import Measured
from steelyard.domain.run import RunRecord
from steelyard.domain.stream import Usage


def thinking(found: RunRecord, answers: int) -> RunRecord:
    """Let some of the answers think: one in circles, one until it is cut."""
    circle = "let me see again . " * 12
    load, task = found.sections
    attempts = [
        replace(
            one, reasoning="so", usage=Measured(Usage(30, 12, reasoning_tokens=tokens), "engine")
        )
        if place < answers
        else one
        for place, one in enumerate(task.attempts)
        for tokens in [Measured(8, "engine")]
    ]
    attempts[0] = replace(attempts[0], reasoning=circle)
    attempts[1] = replace(attempts[1], text="", finish_reason="length")
    return replace(found, sections=(load, replace(task, attempts=tuple(attempts))))


def compared(first: RunRecord, second: RunRecord) -> str:
    return contrast_text(evaluation.contrast(first, second, 0.03, ()))


def test_both_sides_say_how_they_think_where_either_does() -> None:
    plain, other = record("one"), thinking(record("two"), 5)
    lines = compared(plain, other).splitlines()
    at = lines.index("How both think")
    assert lines[at + 1].endswith("first: no answer thinks, is cut off or goes round in circles")
    second = lines[at + 2]
    assert "second: 5 of 20 answers think, 8 tokens each" in second
    assert "1 ended at the limit, 1 of them while thinking; 1 go round in circles" in second
    assert "How both think" not in compared(plain, record("two"))
