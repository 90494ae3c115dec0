"""Answers that were cut at the limit: never wrong for being cut, never right by luck.

Each scorer is shown texts that it reads as right or wrong where they ended by themselves.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from fractions import Fraction

import pytest
from tests.tasks.called_tools import called, errand, marked, question, steps, wanted

import steelyard.tasks
from steelyard.domain.task import Answer, Ask, Call, Invalid, Mark, Right, Task, Wrong
from steelyard.tasks.code.suites import SuiteScorer
from steelyard.tasks.conversation import joined
from steelyard.tasks.demands.content import Content
from steelyard.tasks.demands.scorer import DemandScorer
from steelyard.tasks.given.judged import JudgeScorer
from steelyard.tasks.given.letters import LetterScorer
from steelyard.tasks.given.structures import ListScorer, MatchScorer, SchemaScorer
from steelyard.tasks.given.texts import (
    ContainsScorer,
    EditScorer,
    ExactScorer,
    NormalisedScorer,
    PatternScorer,
)
from steelyard.tasks.items import Examiner, Scorer
from steelyard.tasks.long_text import CHECK_WORDS, BuriedScorer
from steelyard.tasks.measures import MeasureScorer
from steelyard.tasks.multi_turn import TurnScorer
from steelyard.tasks.pictures.codes import CodeScorer
from steelyard.tasks.rag import RagScorer
from steelyard.tasks.registry import questions
from steelyard.tasks.scoring import ChoiceScorer, Constraint, FormScorer, NumberScorer
from steelyard.tasks.sets.calls import CallsScorer
from steelyard.tasks.sets.instructions import InstructionsScorer
from steelyard.tasks.summary import SummaryScorer
from steelyard.tasks.tool_calls import ToolScorer
from steelyard.tasks.tool_catalogue import EVERY
from steelyard.tasks.tools_prompted import CallScorer
from steelyard.tasks.values import FieldsScorer, ValueScorer

TRUNCATED = Invalid("truncated")
TOOLS = tuple(EVERY)
ITEM = ValueScorer("INV-1", ("INV-1", "INV-2"))
WORKED_ITEM = ValueScorer("INV-1", ("INV-1", "INV-2"), worked=True)
ICE = ("snow", "ice", "hail")
TYPED = json.dumps({"properties": {"a": {"type": "string"}}, "required": ["a"]})
CHECKS = ("kuzosok", "bilamet", "dorufin")
ROME = Content(("city",), (("rome",),), ("oslo",))
SUMMARY = SummaryScorer("ticket", ("T-1",), ("T-2",), 12)
LISTED = CallsScorer('[{"f": {"a": [1]}}]', '{"f": {"types": {"a": "integer"}, "required": ["a"]}}')
BLOCK = "```python\nx = 1\n```"

READS: list[tuple[Examiner, str, str]] = [
    # a scorer, what it reads as right, and what it reads as wrong; "" where there is no such text
    (NumberScorer(Fraction(12)), "So it is 12.\nThen I", "First 3 + 4 is 7.\nThen I"),
    (NumberScorer(Fraction(12), worked=True), "So it is 12.\nThen I", "First there are 7.\nThen I"),
    (NumberScorer(Fraction(12)), "", "7\nand then I"),
    (ChoiceScorer("Anna", ("Anna", "Ben")), "Anna was there.\nSo I", "Ben was there.\nSo I"),
    (ChoiceScorer("anna", ("anna", "ben"), worked=True), "", "I end with\nAnswer: NAME\nSo I"),
    (FormScorer((Constraint("line", "matches", "[^.]*"),), "a b"), "", "a c\nand"),
    (ITEM, "INV-1 adds up.\nSo I", "INV-2 adds up.\nSo I"),
    (WORKED_ITEM, "INV-1 adds up.\nSo I", "I am to end with\nAnswer: NAME\nSo I"),
    (FieldsScorer('{"a": 1}'), 'Say {"a": 1}\nor', 'Say {"a": 2}\nor'),
    (FieldsScorer('{"a": 1}'), "", '{"a": 2}'),
    (MatchScorer('{"a": 1}'), 'Say {"a": 1}\nor', 'Say {"a": 2}\nor'),
    (SchemaScorer(TYPED), 'Say {"a": "x"}\nor', 'Say {"a": 2}\nor'),
    (SchemaScorer('{"type": "integer"}'), "12", ""),
    (CallScorer(TOOLS, '{"calls": []}'), 'Say {"calls": []}\nor', 'Say {"calls": 1}\nor'),
    (MeasureScorer(Fraction(2), "kg", ("g", "kg")), "It is 2 kg.\nSo I", "It is 3 kg.\nSo I"),
    (CodeScorer("AB-12", re.compile(r"[A-Z]{2}-\d{2}")), "I see AB-12.\nor", "I see AB-13.\nor"),
    (BuriedScorer(("482",), CHECKS), "Note 482.\nSo I", "Note 483.\nSo I"),
    (LetterScorer("B", ICE), "Now option B says\nthat", "Now option A says\nthat"),
    (LetterScorer("B", ICE), "B) is ice.\nC) is", "A) is snow.\nB) is"),
    (LetterScorer("B", ICE), "Could be (B).\nIt", "Could be (A).\nIt"),
    (LetterScorer("B", ICE), "option B says", "option A says"),
    (LetterScorer("B", ICE, worked=True), "Answer B:\nthis one", "Answer A is snow.\nSo I"),
    (LetterScorer("B", ICE, worked=True), "Thus\nAnswer: B", "Thus\nAnswer: A"),
    (ExactScorer(("Lima",)), "", "Lima is\nit"),
    (NormalisedScorer(("Lima",)), "Well\nAnswer: Lima", "Well\nAnswer: Paris"),
    (ContainsScorer(("snow",)), "snow and\nmore", "ice and\nmore"),
    (PatternScorer("snow"), "snow and\nmore", "ice and\nmore"),
    (EditScorer(("kitten",)), "", "kit"),
    (ListScorer(("red", "green")), "red, green", "red, blue"),
    (DemandScorer('[["no_commas", {"floor": 1}]]', ROME), "", "Oslo is\nnot"),
    (InstructionsScorer('[["punctuation:no_comma", {}]]'), "no such mark", "one, two"),
    (ToolScorer(TOOLS, (), "no tool"), "There is no tool for it.\nSo I", "Please say the date.\nI"),
    (ToolScorer(TOOLS, (("cancel_order", {"id": 1}),)), "", "There is no tool, but\nSo I"),
    (SUMMARY, "Ticket T-1.\nAnd it\nis", "Tickets about billing:\nThe"),
    (RagScorer("Oslo", ("Oslo", "Rome"), False), "It is Oslo.\nSo I", "It is Rome.\nSo I"),
    (TurnScorer(ITEM, ()), "INV-1 adds up.\nSo I", "INV-2 adds up.\nSo I"),
    (SuiteScorer("f", "assert f() == 1"), "", f"{BLOCK}\nNow let"),
    (questions(Task("code", items=1))[0].scorer, "", f"{BLOCK}\nNow let"),
]
WHOLE: list[tuple[Examiner, str]] = [
    (NumberScorer(Fraction(12)), "12\nSince"),
    (NumberScorer(Fraction(12), worked=True), "7 + 5\n**Answer:** 12\nLet me che"),
    (ChoiceScorer("Anna", ("Anna", "Ben")), "Anna\nShe"),
    (ChoiceScorer("Anna", ("Anna", "Ben"), worked=True), "Final answer is Anna.\nShe"),
    (FormScorer((Constraint("line", "matches", "[^.]*"),), "a b"), "a b"),
    (ITEM, "INV-1\nIt"),
    (WORKED_ITEM, "Answer: INV-1\nIt"),
    (FieldsScorer('{"a": 1}'), '{"a": 1}'),
    (SchemaScorer(TYPED), '{"a": "x"}'),
    (CallScorer(TOOLS, '{"calls": []}'), '{"calls": []}'),
    (MeasureScorer(Fraction(2), "kg", ("g", "kg")), "Answer: 2 kg\nSo"),
    (CodeScorer("AB-12", re.compile(r"[A-Z]{2}-\d{2}")), "AB-12\nor"),
    (BuriedScorer(("482",), CHECKS), "Answer: 482\nSo"),
    (LetterScorer("B", ICE), "B"),
    (LetterScorer("B", ICE), "(B).\nSince"),
    (LetterScorer("B", ICE, worked=True), "Thus\nAnswer: B\nSince"),
    (LetterScorer("B", ICE, worked=True), "Thus\nAnswer: ice\nSince"),
    (ExactScorer(("Lima",)), "Lima"),
    (NormalisedScorer(("Lima",)), "Well\nAnswer: Lima\nIt"),
    (ListScorer(("red", "green")), '["green", "red"]'),
    (DemandScorer('[["no_commas", {"floor": 1}]]', ROME), "Rome"),
    (ToolScorer(TOOLS, (), "no tool"), "no tool\nSince"),
    (SUMMARY, "Ticket T-1.\nAnd"),
    (RagScorer("Oslo", ("Oslo", "Rome"), False), "Answer: Oslo\nSo"),
    (RagScorer("Oslo", ("Oslo", "Rome"), False), "Answer: Oslo\nSources: D101\nSo"),
    (TurnScorer(ITEM, ()), "INV-1\nIt"),
]
OTHERS: list[tuple[Examiner, str]] = [
    (NumberScorer(Fraction(12), worked=True), "Answer: 13\nSo"),
    (ChoiceScorer("Anna", ("Anna", "Ben"), worked=True), "Answer: Ben\nSo"),
    (WORKED_ITEM, "Answer: INV-2\nSo"),
    (MeasureScorer(Fraction(2), "kg", ("g", "kg")), "Answer: 3 kg\nSo"),
    (BuriedScorer(("482",), CHECKS), "Answer: 483\nSo"),
    (LetterScorer("B", ICE, worked=True), "Answer: C\nSo"),
    (NormalisedScorer(("Lima",)), "Answer: Paris\nSo"),
    (RagScorer("Oslo", ("Oslo", "Rome"), False), "Answer: Rome\nSo"),
]


def read(scorer: Examiner, text: str, reason: str) -> Mark:
    mark = scorer.mark(Answer(text, reason))
    assert isinstance(mark, Mark), text
    return mark


def of_a_list(cases: list[tuple[Examiner, str]]) -> list[object]:
    return [pytest.param(*case, id=f"{type(case[0]).__name__}-{case[1]!r}") for case in cases]


@pytest.mark.parametrize(
    ("scorer", "text", "outcome"),
    [
        pytest.param(scorer, text, outcome, id=f"{type(scorer).__name__}-{text!r}")
        for scorer, right, wrong in READS
        for text, outcome in ((right, Right()), (wrong, Wrong()))
        if text
    ],
)
def test_what_reads_as_an_answer_is_none_where_the_text_was_cut(
    scorer: Examiner, text: str, outcome: object
) -> None:
    assert read(scorer, text, "stop").outcome == outcome
    cut = read(scorer, text, "length")
    assert (cut.outcome, cut.demands) == (TRUNCATED, {})


@pytest.mark.parametrize(("scorer", "text"), of_a_list(WHOLE))
def test_an_answer_that_stands_whole_in_a_cut_text_is_right(scorer: Examiner, text: str) -> None:
    assert read(scorer, text, "length").outcome == Right()


@pytest.mark.parametrize(("scorer", "text"), of_a_list(OTHERS))
def test_another_answer_on_a_finished_line_is_wrong(scorer: Examiner, text: str) -> None:
    assert read(scorer, text, "length").outcome == Wrong()
    assert read(scorer, text.partition("\n")[0], "length").outcome == TRUNCATED


def test_no_scorer_is_left_out() -> None:
    made = set()
    for module in pkgutil.walk_packages(steelyard.tasks.__path__, "steelyard.tasks."):
        if not module.name.endswith(("calling", "asserting")):  # programs of the sandbox
            found = vars(importlib.import_module(module.name)).values()
            made |= {one for one in found if getattr(one, "__name__", "").endswith("Scorer")}
    seen = {type(scorer) for scorer, *_ in READS} | {CallsScorer, JudgeScorer}
    assert {one for one in made if isinstance(one, type)} - {Scorer} == seen


def test_calls_that_were_cut_are_right_if_all_are_there() -> None:
    both = (Call("f", '{"a": 1}'), Call("f", '{"a": 2}'))
    for calls, reason, outcome in (
        (both[:1], "length", Right()),
        (both[1:], "tool_calls", Wrong()),
        (both[1:], "length", TRUNCATED),
        ((), "length", TRUNCATED),
    ):
        assert LISTED.mark(Answer("", reason, calls=calls)).outcome == outcome


def test_a_judge_is_asked_about_no_answer_that_was_cut() -> None:
    number = JudgeScorer("It is right.", first=NumberScorer(Fraction(12)))
    for scorer, text in ((JudgeScorer("It is right."), "12\nSo"), (number, "Say 7\nSo")):
        assert scorer.mark(Answer(text, "length")).outcome == TRUNCATED


def test_a_call_in_a_text_that_was_cut_may_have_been_a_draft() -> None:
    item = question("simple")
    name = wanted(item)[0][0]
    text = f'First I think of {{"tool": "{name}", "arguments": {{"id": 5}}}}\nBut'
    assert marked(item, Answer(text, "stop")).outcome == Invalid("call_as_text")
    assert marked(item, Answer(text, "length")).outcome == TRUNCATED


@pytest.mark.parametrize(("said", "outcome"), [("{}\nSo", Right()), ("I did {}.\nSo", TRUNCATED)])
def test_an_errand_ends_right_with_the_bare_answer_alone(said: str, outcome: object) -> None:
    item = errand()
    item.start()
    for step in steps(item):
        assert isinstance(item.on(called(step)), Ask)
    text = said.format(", ".join(map(str, item.draft.ids)))
    mark = item.on(Answer(text, "length"))
    assert isinstance(mark, Mark)
    assert mark.outcome == outcome


def test_a_turn_that_was_cut_says_nothing_of_the_forms_of_a_conversation() -> None:
    scorer = TurnScorer(ITEM, (Constraint("letter_case", "matches", "[^a-z]*"),))
    turns = [read(scorer, "INV-2", "stop"), read(scorer, "inv-1 and then", "length")]
    assert turns[1].constraints["letter_case"] is False
    assert joined(turns).constraints == {"answer_form": True, "letter_case": True}


def test_check_words_of_a_cut_answer_are_kept_for_what_was_delivered() -> None:
    mark = BuriedScorer(("482",), CHECKS).mark(Answer("Check: kuzosok\nAns", "length"))
    assert mark.extracted == {"strict": None, "flexible": None, CHECK_WORDS: "head"}
