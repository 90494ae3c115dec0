"""Whether engines get the same prompt, and where their answers part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from steelyard.analysis import sameness
from steelyard.domain.reading import Measured, Missing
from steelyard.engines.api import PromptFacts

FACTS = PromptFacts(
    tokens=Measured((1, 2, 3, 4), "engine"),
    template_sha256=Measured("ab" * 32, "engine"),
    begin=Measured("'<s>', put first", "engine"),
    ends=Measured((2, 5), "engine"),
    sampler=Measured({"temperature": "0", "repetition_penalty": "1"}, "engine"),
)


def differences(**change: object) -> dict[str, dict[str, str]]:
    other = replace(FACTS, **change)  # type: ignore[arg-type]
    found = sameness.differences({"a": [FACTS], "b": [other]})
    return {difference.what: dict(difference.said) for difference in found}


def test_what_is_the_same_is_no_difference() -> None:
    assert differences() == {}


@pytest.mark.parametrize(
    ("change", "what", "said"),
    [
        ({"template_sha256": Measured("cd" * 32, "engine")}, "chat template", "cd" * 32),
        ({"begin": Measured("none, not put first", "engine")}, "beginning of a text", "none"),
        ({"ends": Measured((5,), "engine")}, "end tokens", "5"),
        ({"sampler": Measured({"temperature": "0"}, "engine")}, "sampler", "temperature 0"),
    ],
)
def test_each_thing_that_differs_is_shown(
    change: Mapping[str, object], what: str, said: str
) -> None:
    found = differences(**change)
    assert list(found) == [what]
    assert said in found[what]["b"]


def test_what_an_engine_does_not_tell_is_not_taken_for_the_same() -> None:
    found = differences(ends=Missing("not_reported", "it does not say"))
    assert "not known" in found["end tokens"]["b"]
    silent = replace(FACTS, ends=Missing("not_reported"))
    assert sameness.differences({"a": [silent], "b": [silent]})


def test_the_first_prompt_that_differs_is_shown_from_where_it_does() -> None:
    other = replace(FACTS, tokens=Measured((1, 2, 9, 4), "engine"))
    found = sameness.differences({"a": [FACTS, FACTS], "b": [FACTS, other]})
    assert [difference.what for difference in found] == ["tokens of prompt 2, from position 2 on"]
    assert dict(found[0].said) == {"a": "4 tokens: … 1 2 » 3 4", "b": "4 tokens: … 1 2 » 9 4"}


def test_a_prompt_that_is_the_beginning_of_another_differs_at_its_end() -> None:
    found = differences(tokens=Measured((1, 2, 3, 4, 5), "engine"))
    assert found["tokens of prompt 1, from position 4 on"]["a"].endswith("1 2 3 4 » end")


def test_agreement_counts_identical_answers_and_says_where_the_others_part() -> None:
    first = {"p": (1, 2), "q": (1, 2, 3), "r": (7,), "only here": (1,)}
    other = {"p": (1, 2), "q": (1, 2, 4), "r": (7, 8)}
    found = sameness.agreement(first, other)
    assert isinstance(found, Measured)
    assert (found.value.identical, found.value.compared) == (1, 3)
    assert found.value.parts_at == {"q": 2, "r": 1}
    assert found.value.median_parting == Measured(1.5, "derived")
    assert 0 < found.value.low < 1 / 3 < found.value.high < 1


def test_no_answer_of_both_is_no_agreement() -> None:
    assert isinstance(sameness.agreement({"p": (1,)}, {"q": (1,)}), Missing)
