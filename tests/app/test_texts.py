"""Texts: what a matrix is made from is never what fidelity is measured on."""

from __future__ import annotations

from steelyard.runs.texts import fidelity_text, importance_text


def test_no_question_of_the_importance_text_is_in_the_fidelity_text() -> None:
    ours, theirs = (
        {line for line in text.splitlines() if len(line) > 40}
        for text in (importance_text(), fidelity_text())
    )
    assert len(ours) > 100
    assert not ours & theirs
