"""Each standard set on rows in its published form, with answers that are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tasks.published import (
    ARC,
    AREA,
    FOUND,
    GOOD,
    GSM8K,
    HELLASWAG,
    HUMANEVAL,
    IFEVAL,
    MBPP,
    MMLU,
    MMLU_PRO,
    TRUTH,
    file_bytes,
)

from steelyard.domain.errors import BadInput, CannotContain
from steelyard.domain.task import Answer, Call, Invalid, Mark, NotRun, Right, Trial, Wrong
from steelyard.platform import containment
from steelyard.tasks.given.row import Row
from steelyard.tasks.sets import catalogue
from steelyard.tasks.sets.instructions import CHECKS, InstructionsScorer


def read(name: str, folder: Path, *tables: list[dict[str, Any]]) -> list[Row | None]:
    """Write rows as the set publishes them, and read them."""
    adapter, paths = catalogue.named(name), []
    for part, rows in zip(adapter.parts, tables, strict=True):
        path = folder / part.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_bytes(part.path, rows))
        paths.append(path)
    return list(adapter.read(paths))


def marked(row: Row | None, said: str, *calls: Call) -> object:
    assert row is not None
    return row.question("set:x").on(Answer(said, "stop", calls=calls)).outcome  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "row", "right", "wrong"),
    [
        ("gsm8k", GSM8K, "1000 + 1 = 1001\nAnswer: 1001", "Answer: 1000"),
        ("mmlu", MMLU, "C", "B"),
        ("mmlu_pro", MMLU_PRO, "7 has no divisors.\nAnswer: E", "Answer: A"),
        ("arc_challenge", ARC, "The answer is (B).", "A"),
        ("hellaswag", HELLASWAG, "B. takes a . tile.", "D"),
    ],
)
def test_a_published_row_is_asked_and_its_known_answer_is_right(
    tmp_path: Path, name: str, row: dict[str, Any], right: str, wrong: str
) -> None:
    (made,) = read(name, tmp_path, [row])
    assert made is not None
    assert marked(made, right) == Right()
    assert marked(made, wrong) == Wrong()
    assert Row.read(made.line()) == made
    assert marked(Row.read(made.line()), right) == Right()


def test_prompts_hold_the_question_and_no_answer(tmp_path: Path) -> None:
    (gsm8k,) = read("gsm8k", tmp_path, [GSM8K])
    assert gsm8k is not None
    assert "1,001" not in gsm8k.prompt
    (arc,) = read("arc_challenge", tmp_path, [ARC])
    assert arc is not None
    assert "A. Ice\nB. Water\n\nAnswer with the letter" in arc.prompt
    (swag,) = read("hellaswag", tmp_path, [HELLASWAG])
    assert swag is not None
    assert "Roof: A man sits on a roof. He …" in swag.prompt
    assert (swag.cluster, swag.kind) == ("activitynet~v_1", "activitynet")


def test_the_true_answer_is_not_always_the_first_letter(tmp_path: Path) -> None:
    asked = [TRUTH | {"question": f"What happens {n}?"} for n in range(60)]
    found = read("truthfulqa_mc1", tmp_path, asked)
    letters = [row.answer[0] for row in found if row is not None]
    assert {letter: letters.count(letter) > 9 for letter in "ABC"} == dict.fromkeys("ABC", True)
    for row in found:
        assert row is not None
        assert f"{row.answer[0]}. Nothing" in row.prompt
    assert found == read("truthfulqa_mc1", tmp_path, asked)


KEPT: list[tuple[str, dict[str, Any], str, str]] = [
    ("keywords:existence", {"keywords": ["sun", "sea"]}, "Sea and SUN", "sea"),
    (
        "keywords:frequency",
        {"keyword": "go", "frequency": 2, "relation": "at least"},
        "go gone",
        "go",
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["war"]}, "warm", "War!"),
    (
        "keywords:letter_frequency",
        {"letter": "q", "let_frequency": 1, "let_relation": "less than"},
        "abc",
        "Quick",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb", "a\n\nb"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "a b", "a b c"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        'One.\n\n"Then, two.',
        "Then one.\n\nTwo.",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] [b]", "[a]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye\nP. S. more", "Bye ps"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n- b", "* a\n* b\n* c"),
    ("detectable_format:constrained_response", {}, "My answer is no.", "No."),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        "*a* and **b**",
        "*a*",
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "PART", "num_sections": 2},
        "PART 1\na\nPART 2\nb",
        "PART 1\na",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "{a: 1}"),
    ("detectable_format:title", {}, "<<poem of joy>>\nla", "<< >>"),
    ("combination:two_responses", {}, "a\n******\nb", "a\n******\na"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say hi"}, "say HI. Hi!", "Hi!"),
    ("startend:end_checker", {"end_phrase": "The end."}, 'It was. THE END."', "The end. Or not"),
    ("startend:quotation", {}, '"all of it"', '"not all'),
    ("punctuation:no_comma", {}, "none here", "one, here"),
]


@pytest.mark.parametrize(("name", "said", "kept", "broken"), KEPT)
def test_an_instruction_is_decided_as_it_is_meant(
    name: str, said: dict[str, Any], kept: str, broken: str
) -> None:
    scorer = InstructionsScorer.of([[name, said]])
    assert scorer.mark(Answer(kept, "stop")).constraints == {name: True}
    assert scorer.mark(Answer(broken, "stop")).constraints == {name: False}
    assert scorer.mark(Answer(" ", "stop")).constraints == {name: False}


def test_every_instruction_that_is_checked_is_tested() -> None:
    assert {name for name, *_ in KEPT} == set(CHECKS)
    assert len(CHECKS) == 20


def test_prompts_that_cannot_be_decided_exactly_are_left_out(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        IFEVAL,
        {
            "key": 1001,
            "prompt": "Write in German.",
            "instruction_id_list": ["language:response_language"],
            "kwargs": [{"language": "de"}],
        },
    ]
    first, second = read("ifeval", tmp_path, rows)
    assert second is None
    assert first is not None
    assert marked(first, "a *** b") == Right()
    assert marked(first, "a, b *** c") == Wrong()
    mark = first.question("x").on(Answer("Sure:\na *** b", "stop"))
    assert (mark.outcome, mark.extracted["loose"]) == (Right(), "right")  # type: ignore[union-attr]
    cut = first.question("x").on(Answer("a *** b", "length"))
    assert cut.outcome == Invalid("truncated")  # type: ignore[union-attr]


def test_a_loose_reading_is_kept_beside_the_strict_one() -> None:
    scorer = InstructionsScorer.of([["startend:quotation", {}]])
    mark = scorer.mark(Answer('Here it is:\n"all of it"', "stop"))
    assert (mark.outcome, mark.extracted["loose"]) == (Wrong(), "right")


def bfcl(kind: str, folder: Path, truth: list[dict[str, Any]]) -> Row:
    asked = {"id": f"{kind}_0", "question": [[{"role": "user", "content": "Area?"}]]}
    (row,) = read(
        f"bfcl_{kind}",
        folder,
        [asked | {"function": [AREA]}],
        [{"id": f"{kind}_0", "ground_truth": truth}],
    )
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        ('{"base": 10, "height": 5}', Right()),
        ('{"base": 10, "height": 5.5, "unit": "Square-Metres"}', Right()),
        ('{"base": 10, "height": 5, "marks": ["a1", "B"]}', Right()),
        ('{"base": 10, "height": 5, "marks": ["b", "a1"]}', Wrong()),
        ('{"base": 10.0, "height": 5}', Wrong()),
        ('{"base": "10", "height": 5}', Wrong()),
        ('{"base": true, "height": 5}', Wrong()),
        ('{"base": 10}', Wrong()),
        ('{"base": 10, "height": 5, "colour": "red"}', Wrong()),
        ("{base: 10}", Invalid("unparsable")),
        ("[10, 5]", Invalid("unparsable")),
    ],
)
def test_a_call_is_right_if_each_argument_is_one_that_is_accepted(
    tmp_path: Path, arguments: str, outcome: object
) -> None:
    row = bfcl("simple", tmp_path, [{"geometry.area": FOUND}])
    assert marked(row, "", Call("geometry_area", arguments)) == outcome


def test_functions_are_offered_as_the_tools_api_takes_them(tmp_path: Path) -> None:
    row = bfcl("simple", tmp_path, [{"geometry.area": FOUND}])
    (tool,) = (json.loads(tool) for tool in row.question("x").start().tools)
    assert tool["function"]["name"] == "geometry_area"
    assert tool["function"]["parameters"]["type"] == "object"
    assert tool["function"]["parameters"]["properties"]["height"] == {"type": "number"}
    assert marked(row, "It is 25.") == Invalid("unparsable")
    assert marked(row, "", Call("other", '{"base": 10, "height": 5}')) == Wrong()


def test_parallel_calls_are_right_in_any_order_and_none_may_be_missing(tmp_path: Path) -> None:
    truth = [{"geometry.area": {"base": [n], "height": [1]}} for n in (1, 2)]
    row = bfcl("parallel", tmp_path, truth)
    one, two = (Call("geometry_area", f'{{"base": {n}, "height": 1}}') for n in (1, 2))
    assert marked(row, "", two, one) == Right()
    assert marked(row, "", one) == Wrong()
    assert marked(row, "", one, one) == Wrong()
    assert marked(row, "", one, two, two) == Wrong()


def test_a_file_in_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="it has no 'answer'"):
        read("gsm8k", tmp_path, [{"question": "a"}])
    asked = {"id": "simple_0", "question": [[]], "function": []}
    with pytest.raises(BadInput, match="no single question"):
        read("bfcl_simple", tmp_path, [asked], [{"id": "simple_0", "ground_truth": []}])


def test_every_set_says_what_pins_it_and_how_it_differs() -> None:
    for adapter in catalogue.SETS.values():
        assert len(adapter.revision) == 40
        assert all(len(part.sha256) in (0, 64) for part in adapter.parts)
        assert adapter.licence
        assert adapter.differs
        assert "math" not in adapter.repo.lower().split("/")[1].split("_")


@pytest.fixture
def contained() -> None:
    """Skip where generated code cannot be contained: then it is refused, and that is tested."""
    try:
        containment.sandbox()
    except CannotContain as refused:
        pytest.skip(f"nothing can be contained here: {refused}")


def tried(row: Row | None, said: str) -> Mark:
    assert row is not None
    found = row.question("set:x").on(Answer(said, "stop"))
    if isinstance(found, Mark):
        return found
    assert isinstance(found, Trial)
    return found.mark()


@pytest.mark.usefixtures("contained")
@pytest.mark.parametrize(("name", "row"), [("humaneval", HUMANEVAL), ("mbpp_plus", MBPP)])
def test_a_program_is_right_if_the_published_tests_pass_in_the_sandbox(
    name: str, row: dict[str, Any], tmp_path: Path
) -> None:
    (read_row,) = read(name, tmp_path, [row])
    assert tried(read_row, GOOD[name]).outcome == Right()
    spoilt = tried(read_row, GOOD[name].replace("return", "return None and"))
    assert spoilt.outcome == Wrong()
    assert (spoilt.extracted["failed"] or "").startswith("a test fails: ")
    ended = "```python\nimport os\nos._exit(0)\ndef doubled(n): ...\ndef mean(n): ...\n```"
    assert tried(read_row, ended).outcome == Wrong()
    assert tried(read_row, "42").outcome == Invalid("unparsable")


@pytest.mark.usefixtures("contained")
def test_a_question_whose_own_solution_fails_here_is_not_run(tmp_path: Path) -> None:
    needs = {**MBPP, "test": "import pandas\nassert mean([1]) == 1"}
    (row,) = read("mbpp_plus", tmp_path, [needs])
    mark = tried(row, GOOD["mbpp_plus"])
    assert mark.outcome == NotRun("reference_fails")
    assert "pandas" in (mark.extracted["failed"] or "")
    (unnamed,) = read("mbpp_plus", tmp_path, [{**MBPP, "test_list": ["assert True"]}])
    assert unnamed is None  # nobody says which function the tests call
