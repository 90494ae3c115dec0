"""The plan: what is planted, for whom, and what a wrong plan says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.scripted import plan as plans
from steelyard.scripted.plan import Fault, Plan, PlannedCall, prompt_key


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = Plan(
        ttft_s=0.2,
        faults=(Fault("stall", requests=(3,)), Fault("disconnect", rate=0.1)),
        answers={"k": "yes", "l": ("yes", "no")},
        variants={"*Q2_K*": {"speed": 2.0}},
    )
    read = plans.read(plans.write(plan, tmp_path / "plan.json"))
    assert read.faults == plan.faults
    assert read.for_model("m-Q2_K.gguf").speed == 2.0
    assert [read.answer(key) for key in "klm"] == ["yes", "yes", None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"ttft": 1}', "ttft"),
        ('{"ttft_s": "fast"}', "ttft_s is a number"),
        ('{"faults": [{"kind": "stal"}]}', "stal"),
        ('{"speed": 0}', "speed is above 0"),
        ("[]", "a JSON object belongs there"),
        ("{", "is not a plan"),
    ],
)
def test_a_wrong_plan_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(BadInput, match=message):
        plans.read(tmp_path / "plan.json")


def test_a_misspelled_key_is_answered_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"gap": 1}')
    with pytest.raises(UnknownName) as caught:
        plans.read(tmp_path / "plan.json")
    assert "gap_s" in caught.value.hint


def test_a_variant_changes_only_what_it_names() -> None:
    plan = Plan(gap_s=0.5, wrong_rate=0.1, variants={"*Q2*": {"wrong_rate": 0.4}})
    assert plan.for_model("m-Q2_K.gguf").wrong_rate == 0.4
    assert plan.for_model("m-Q2_K.gguf").gap_s == 0.5
    assert plan.for_model("m-Q8_0.gguf").wrong_rate == 0.1


def test_the_planted_rate_is_the_rate_and_a_worse_variant_fails_on_all_the_same() -> None:
    answers = {str(n): "right" for n in range(2_000)}
    good, bad = (Plan(answers=answers, wrong_rate=rate) for rate in (0.1, 0.3))
    wrong = [{k for k in answers if p.answer(k) != "right"} for p in (good, bad)]
    assert 0.08 < len(wrong[0]) / 2_000 < 0.12
    assert 0.27 < len(wrong[1]) / 2_000 < 0.33
    assert wrong[0] < wrong[1]


def test_a_rate_of_nothing_and_of_all() -> None:
    assert Plan(answers={"k": ("a", "b")}, wrong_rate=1.0).answer("k") == "b"
    assert Plan(answers={"k": ("a", "b")}, wrong_rate=0.0).answer("k") == "a"


def test_faults_strike_the_requests_they_name_or_a_share_of_prompts() -> None:
    third = Plan(faults=(Fault("stall", requests=(2,)),))
    assert [third.faults_of(n, "k") for n in (1, 2)] == [frozenset(), {"stall"}]
    some = Plan(faults=(Fault("stall", rate=0.25),))
    struck = sum(bool(some.faults_of(0, str(n))) for n in range(2_000))
    assert 420 < struck < 580


def test_a_prompt_is_known_by_its_roles_and_contents() -> None:
    key = prompt_key([("user", "hi")])
    assert key == prompt_key([("user", "hi")])
    assert len({key, prompt_key([("system", "hi")]), prompt_key([("user", "hi ")])}) == 3


def test_planted_calls_are_read_with_arguments_as_text_or_as_an_object(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    calls = [{"name": "add", "arguments": {"x": 1}}, {"name": "sub", "arguments": "{", "id": "c"}]
    file.write_text(json.dumps({"calls": {"k": calls}}))
    plan = plans.read(file)
    assert plan.called("k") == (PlannedCall("add", '{"x": 1}'), PlannedCall("sub", "{", "c"))
    assert plans.read(plans.write(plan, tmp_path / "again.json")) == plan
    file.write_text(json.dumps({"calls": {"k": [{"nmae": "add"}]}}))
    with pytest.raises(UnknownName, match="nmae"):
        plans.read(file)
    file.write_text(json.dumps({"calls": {"k": [{"arguments": "{}"}]}}))
    with pytest.raises(BadInput, match="names the tool"):
        plans.read(file)
