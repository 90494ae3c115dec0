"""Why a sweep does not ask a family for its length: by what is known of the servers' context."""

from __future__ import annotations

import pytest

from steelyard.analysis.validity import ATTACHED
from steelyard.app.sweeps.questions import questions
from steelyard.app.sweeps.spec import SweepRequest, Weighed
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import Artifact, EngineProfile, ServedFacts, Variant


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Missing("not_reported"), "said how much context a request has: --context 2048 lets it"),
        (Measured(1280, "engine"), "and this sweep has 1,280 of context"),
    ],
)
def test_a_context_that_no_server_told_is_not_called_that_of_the_sweep(
    told: Reading[int], words: str
) -> None:
    variants = [
        Variant(name, Artifact(name, "served", name * 64), ServedFacts(context_tokens=told))
        for name in "ab"
    ]
    found = questions(
        SweepRequest(suite="full"),
        Weighed("m", "openai", ATTACHED),
        EngineProfile(context_tokens=1280),
        variants,
    )
    assert words in found.left_out["long_context"]
