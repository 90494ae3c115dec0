"""Functions to be written: one truth, tests that notice every fault, answers read and tried out."""

from __future__ import annotations

import json
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tasks.code_solver import solver, steps

from steelyard.domain.errors import BadInput, CannotContain
from steelyard.domain.task import (
    Answer,
    Invalid,
    Mark,
    NotRun,
    Outcome,
    Right,
    Split,
    Task,
    Trial,
    Wrong,
)
from steelyard.platform import containment
from steelyard.tasks.code import composing, hidden
from steelyard.tasks.code.composing import FORMS, Composed, arguments, run
from steelyard.tasks.code.mutants import mutants
from steelyard.tasks.code.scoring import CodeScorer
from steelyard.tasks.items import Question
from steelyard.tasks.registry import questions
from steelyard.tasks.values import same_json

LEVELS = (1, 2, 3)
SAMPLE = 8


def items(level: int = 1, count: int = SAMPLE, **fields: str) -> list[Question]:
    return questions(Task("code", level=level, items=count, **fields))  # type: ignore[arg-type]


def made(item: Question) -> Composed:
    assert isinstance(item.scorer, CodeScorer)
    return item.scorer.made


def agree(item: Question) -> None:
    """Hold the known answer of every hidden test against the prompt's own words."""
    solve = solver(item.prompt)
    for test in hidden.tests(made(item)):
        found = solve(*json.loads(json.dumps(test.given)))
        assert same_json(found, test.wanted), (item.prompt, test, found)


def proved(item: Question) -> int:
    """Plant every fault; return how many change nothing that 3,000 other inputs would show."""
    function, alike = made(item), 0
    tests = hidden.tests(function)
    rng = Random(f"others of {item.id}")
    for changed in mutants(function.text):
        if any(hidden.shown(test, changed) for test in tests):
            continue
        for number in range(3000):
            other = arguments(function.takes, rng, FORMS[number % len(FORMS)])
            assert same_json(run(changed, other), run(function.text, other)), (changed, other)
        alike += 1
    return alike


@pytest.mark.parametrize("level", LEVELS)
def test_a_second_solver_that_reads_the_prompt_agrees_on_every_hidden_test(level: int) -> None:
    for item in items(level):
        agree(item)


@pytest.mark.full
@pytest.mark.parametrize("level", LEVELS)
def test_a_second_solver_agrees_on_a_whole_standard_set(level: int) -> None:
    for item in items(level, 200):
        agree(item)


@pytest.mark.parametrize("level", LEVELS)
def test_every_fault_that_changes_a_function_is_noticed(level: int) -> None:
    for item in items(level, 3):
        proved(item)


@pytest.mark.full
@pytest.mark.parametrize("level", LEVELS)
def test_every_fault_in_a_whole_standard_set_is_noticed(level: int) -> None:
    found = items(level, 200)
    planted = sum(len(mutants(item.answer)) for item in found)
    alike = sum(map(proved, found))
    assert planted > 2000
    assert alike < planted / 8  # a fault that changes nothing proves nothing


def test_a_fault_that_the_first_inputs_miss_gets_a_test_of_its_own() -> None:
    late = next(
        (item, test)
        for item in items(1, 200)
        for test in hidden.tests(made(item))
        if test.why == "fault"
    )
    item, test = late
    earlier = hidden.tests(made(item))[: hidden.tests(made(item)).index(test)]
    assert {one.why for one in earlier} >= {"example", "edge", "drawn"}
    missed = [
        changed
        for changed in mutants(item.answer)
        if not any(hidden.shown(one, changed) for one in earlier)
    ]
    assert any(hidden.shown(test, changed) for changed in missed)


def test_every_step_of_every_function_matters() -> None:
    for level in LEVELS:
        for item in items(level):
            whole = made(item)
            tests = hidden.tests(whole)
            for left_out in range(len(whole.steps)):
                assert any(hidden.shown(test, whole.without(left_out)) for test in tests)


def test_the_prompt_shows_the_first_line_the_steps_and_true_examples() -> None:
    for item in items():
        function = made(item)
        assert function.head in item.prompt
        assert tuple(steps(item.prompt)) == function.told
        shown = re.findall(r">>> (solve\(.*\))\n    (.+)", item.prompt)
        assert 1 <= len(shown) <= 2
        for call, result in shown:
            space: dict[str, object] = {"solve": composing.built(function.text)}
            assert repr(eval(call, space)) == result  # noqa: S307 - our own text
        assert item.answer not in item.prompt


@pytest.mark.parametrize("level", [1, *(pytest.param(n, marks=pytest.mark.full) for n in (2, 3))])
def test_sets_are_large_enough_the_same_each_time_and_split(level: int) -> None:
    found = items(level, 200)
    assert len({item.id for item in found}) == len({item.prompt for item in found}) == 200
    assert {item.kind for item in found} == {"strings", "lists", "dicts", "graphs"}
    assert [i.prompt for i in items(level, 40)] == [i.prompt for i in found[:40]]
    train: Split = "train"
    assert not {i.id for i in items(level, 200, split=train)} & {i.id for i in found}
    mine = {i.id for i in items(level, 60, private_seed="mine")} & {i.id for i in found}
    assert len(mine) < 60 / 4  # three steps are not that many different functions


# ── reading ─────────────────────────────────────────────────────────────────────────────────
ITEM = items()[0]


def read(text: str, reason: str = "stop") -> Mark | Trial:
    step = ITEM.on(Answer(text, reason))
    assert isinstance(step, Mark | Trial)
    return step


def outcome(text: str, reason: str = "stop") -> Outcome | str:
    step = read(text, reason)
    return "tried out" if isinstance(step, Trial) else step.outcome


FENCED = f"```python\n{ITEM.answer}```"


@pytest.mark.parametrize(
    ("text", "reason", "wanted"),
    [
        (FENCED, "stop", "tried out"),
        (f"Here it is:\n{FENCED}\nIt works.", "stop", "tried out"),
        (f"{FENCED}\nBetter:\n```\ndef solve(value):\n    return 1\n```", "stop", "tried out"),
        (ITEM.answer, "stop", "tried out"),
        (f"Sure!\n{ITEM.answer}\nHope that helps.", "stop", "tried out"),
        (f"<think>def solve(</think>{FENCED}", "stop", "tried out"),
        (FENCED.removesuffix("```"), "stop", "tried out"),
        (FENCED.removesuffix("```"), "length", Invalid("truncated")),
        (f"{FENCED}\nNow let me", "length", "tried out"),
        ("```python\ndef other(value):\n    return 1\n```", "stop", Wrong()),
        ("```python\ndef solve(value:\n```", "stop", Invalid("unparsable")),
        ("I do not know.", "stop", Invalid("unparsable")),
        ("I'm sorry, I can't write that.", "stop", Invalid("refused")),
        ("x = " + "(" * 5000, "stop", Invalid("unparsable")),
        ("```python\n" + "-" * 50_000 + "1\n```", "stop", Invalid("unparsable")),
        ("", "stop", Invalid("unparsable")),
    ],
)
def test_answers_are_read_wherever_the_function_stands(
    text: str, reason: str, wanted: Outcome | str
) -> None:
    assert outcome(text, reason) == wanted


def test_both_readings_are_kept_and_only_one_block_keeps_the_form() -> None:
    mark = read("Sure:\n```python\ndef other():\n    pass\n```")
    assert isinstance(mark, Mark)
    assert mark.extracted["strict"] is None
    assert mark.extracted["flexible"] == "def other():\n    pass\n"
    assert mark.constraints == {"answer_form": False}
    assert mark.extracted["failed"] == "no function solve is defined"


@settings(max_examples=40)
@given(st.text(max_size=200))
def test_no_text_whatever_breaks_the_reading(text: str) -> None:
    read(text)
    read(f"```python\n{text}\n```", "length")


# ── trying out ──────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def contained() -> None:
    try:
        containment.sandbox()
    except CannotContain as refused:
        pytest.skip(f"nothing can be contained here: {refused}")


def tried(item: Question, code: str) -> Mark:
    step = item.on(Answer(f"```python\n{code}\n```", "stop"))
    assert isinstance(step, Mark | Trial)
    return step.mark() if isinstance(step, Trial) else step


@pytest.mark.usefixtures("contained")
def test_the_known_solution_and_one_written_otherwise_are_right() -> None:
    for level in LEVELS:
        item = items(level)[level]
        mark = tried(item, item.answer)
        assert (mark.outcome, mark.extracted["failed"]) == (Right(), None)
    renamed = re.sub(r"\bvalue\b", "v", ITEM.answer)
    assert tried(ITEM, f"import math\n{renamed}\nprint('done')").outcome == Right()


@pytest.mark.usefixtures("contained")
@pytest.mark.parametrize(
    ("code", "ending", "outcome"),
    [
        (ITEM.answer, "length", Right()),
        ("def solve(*a):\n    return None", "length", Invalid("truncated")),
        ("def solve(*a):\n    return None", "stop", Wrong()),
    ],
)
def test_a_block_of_a_text_that_was_cut_counts_where_it_passes(
    code: str, ending: str, outcome: Outcome
) -> None:
    step = ITEM.on(Answer(f"First:\n```python\n{code}\n```\nNo, it should", ending))
    assert isinstance(step, Trial)
    assert step.mark().outcome == outcome


@pytest.mark.usefixtures("contained")
@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("def solve(*a):\n    return None", "gives None, not"),
        ("def solve(*a):\n    raise ValueError('no \\x1b[2J')", "raises ValueError: no \ufffd[2J"),
        ("def solve(*a):\n    return (1, 2)", "gives back a tuple"),
        ("def solve(*a):\n    return {1: 2}", "gives back a set"),
        ("raise SystemExit(0)\ndef solve(*a): pass", "the code itself fails: SystemExit"),
        ("import os\ndef solve(*a):\n    os._exit(0)", "ends Python with code 0"),
        ("import os\ndef solve(*a):\n    os.kill(os.getpid(), 9)", "takes more than"),
        ("def solve(*a):\n    return 'x' * 10**7", "gives back more than fits"),
        ("def solve(*a):\n    return solve(*a)", "raises RecursionError"),
        ("def solve(*a):\n    return bytearray(1 << 34)", "raises MemoryError"),
        (
            "class Same(int):\n    def __eq__(self, other): return True\n"
            "def solve(*a):\n    return Same()",
            "gives back a Same",
        ),
    ],
)
def test_what_fails_is_wrong_and_says_why(code: str, why: str) -> None:
    mark = tried(ITEM, code)
    assert mark.outcome == Wrong()
    assert why in (mark.extracted["failed"] or "")


CHEATS = {
    "what is wanted": "import sys\nf = sys._getframe()\nwhile f:\n"
    "    if any('wanted' in v for v in f.f_locals.values() if isinstance(v, dict)):\n"
    "        raise SystemExit('found')\n    f = f.f_back",
    "a forged line": 'import os\nfor fd in range(3, 24):\n    try: os.write(fd, b\'{"value": 0,'
    ' "same": true, "kept": true}\\n\' * 99)\n    except OSError: pass',
    "another json": 'import json\njson.dumps = lambda o: \'{"value": 0, "same": true}\'',
}


@pytest.mark.usefixtures("contained")
@pytest.mark.parametrize("trick", CHEATS)
def test_a_trick_does_not_pass_for_an_answer(trick: str) -> None:
    mark = tried(ITEM, f"{CHEATS[trick]}\ndef solve(*a):\n    return 0")
    assert mark.outcome == Wrong()
    assert "found" not in (mark.extracted["failed"] or "")


@pytest.mark.usefixtures("contained")
def test_the_argument_has_to_stay_and_the_result_to_come_again() -> None:
    item = next(i for i in items(1, 60) if "value: list[int]" in i.prompt)
    inner = item.answer.replace("def solve(", "def inner(")
    spoils = f"{inner}\ndef solve(v):\n    w = inner(list(v))\n    v.append(1)\n    return w"
    assert "changes its argument" in (tried(item, spoils).extracted["failed"] or "")
    fickle = (
        f"{inner}\nn = 0\ndef solve(v):\n    global n\n    n += 1\n"
        "    return inner(v) if n % 2 else None"
    )
    assert "something else when called again" in (tried(item, fickle).extracted["failed"] or "")


def test_where_nothing_can_be_contained_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    containment.sandbox.cache_clear()
    try:
        mark = tried(ITEM, ITEM.answer)
    finally:
        containment.sandbox.cache_clear()
    assert mark.outcome == NotRun("no_sandbox")
    assert "bwrap" in (mark.extracted["failed"] or "")


def test_more_items_than_there_are_is_refused() -> None:
    with pytest.raises(BadInput, match="code has no level 4"):
        items(4)
