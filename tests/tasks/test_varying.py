"""Items of any family in other forms: what may change of a prompt, and what never does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest

from steelyard.domain.errors import BadInput
from steelyard.domain.task import Answer, Ask, Item, Mark, Right, Task
from steelyard.tasks import guards, lexicon
from steelyard.tasks.given.row import Row
from steelyard.tasks.items import Question
from steelyard.tasks.measures import MeasureScorer
from steelyard.tasks.registry import drawn, family, questions
from steelyard.tasks.rewording import FORMS
from steelyard.tasks.varying import form_of, origin_of, with_forms

LETTERS = (
    "What does a spider have the most of?\n\na) legs, the long ones\nb) eyes\nC. thirteen hearts"
)
SLIPS = tuple(form for form in FORMS if form.startswith(("typos", "dropped")))


def newest(named: str, **fields: Any) -> Task:
    """Return a task at the family's own revision."""
    return Task(named, revision=family(named).revision, **fields)


def row(prompt: str, *answer: str, scorer: str = "normalised", **settings: object) -> Question:
    return Row(prompt, {"name": scorer, **settings}, answer).question("file:mine")


def forms(question: Question, names: tuple[str, ...] = FORMS) -> dict[str, str]:
    """Return the prompt of each form of one question."""
    return {
        form_of(item.id): item.prompt
        for item in with_forms([question], names)
        if isinstance(item, Question)
    }


@pytest.mark.parametrize("name", ["math_words:2", "reading", "logic", "rag", "code", "multi_turn"])
def test_the_clean_items_are_those_of_the_plain_task_and_lead_their_clusters(name: str) -> None:
    family, _, level = name.partition(":")
    plain = newest(family, level=int(level or 1), items=6)
    found = drawn(replace(plain, vary=("typos_10", "json_broken")))
    assert [item.id for item in found if "~" not in item.id] == [item.id for item in drawn(plain)]
    for origin, group in groupby(found, key=lambda item: origin_of(item.id)):
        clean, *others = group
        assert clean.id == origin
        assert [form_of(item.id) for item in others] == ["typos_10", "json_broken"]
        assert {item.cluster for item in others} == {clean.cluster}
        assert all(item.start().messages != clean.start().messages for item in others)


def test_units_are_read_in_any_case_so_items_with_units_have_both_cases_too() -> None:
    found = questions(newest("math_words", level=2, items=40, vary=("lower_case", "upper_case")))
    measured = {item.id for item in found if isinstance(item.scorer, MeasureScorer)}
    clean = {origin_of(key) for key in measured}
    assert clean
    assert {f"{key}~{form}" for key in clean for form in ("lower_case", "upper_case")} <= measured
    for item in found:
        mark = item.on(Answer(item.answer.upper(), "stop"))
        assert isinstance(mark, Mark)
        assert mark.outcome == Right()


def test_a_form_is_the_same_whatever_others_are_asked() -> None:
    task = Task("logic", items=5)
    alone = {i.id: i.prompt for i in questions(replace(task, vary=("typos_15",)))}
    among = {i.id: i.prompt for i in questions(replace(task, vary=FORMS))}
    assert alone.items() <= among.items()


@pytest.mark.parametrize("name", ["math_words", "reading", "logic", "rag", "business"])
def test_numbers_and_the_words_of_answers_stay_in_every_form(name: str) -> None:
    found = questions(newest(name, items=20, vary=FORMS))
    clean = {item.id: item for item in found if "~" not in item.id}
    for item in found:
        before = clean[origin_of(item.id)]
        if not form_of(item.id).startswith("json"):  # which numbers its record
            assert re.findall(r"\d+", item.prompt) == re.findall(r"\d+", before.prompt)
        held = set(re.findall(r"[a-z]+", before.answer.lower())) & set(
            re.findall(r"[a-z]+", before.prompt.lower())
        )
        assert held <= set(re.findall(r"[a-z]+", item.prompt.lower()))


def test_letters_of_choices_and_the_choices_themselves_are_not_touched() -> None:
    question = row(
        LETTERS, "C", scorer="choices", choices=["legs, the long ones", "eyes", "thirteen hearts"]
    )
    for form, prompt in forms(question, SLIPS).items():
        for line in LETTERS.splitlines()[2:]:
            assert line in prompt.splitlines(), (form, prompt)
    assert len(forms(question, SLIPS)) > 1
    assert not {"lower_case", "upper_case"} & forms(question).keys()


def test_programs_quotes_formulas_and_labels_of_other_peoples_prompts_stay() -> None:
    kept = ("```python\nthe = does(is_there)  # of the there\n```", '"of the there"', "$the there$",
            "`does the`", "    return the there", "Answer: the letter")  # fmt: skip
    about = f"Please explain what the following function does in {kept[1]} and {kept[2]}, with"
    text = f"{about} {kept[3]} in mind.\n{kept[0]}\n{kept[4]}\n{kept[5]}"
    found = forms(row(text, "nothing"), (*SLIPS, "paraphrase_1", "paraphrase_3", "upper_case"))
    assert {"typos_15", "dropped_5", "paraphrase_3", "upper_case"} <= found.keys()
    for form, prompt in found.items():
        assert all(part in prompt for part in kept[:5]), (form, prompt)
        assert "\nanswer: " in prompt.lower()


def test_words_of_other_languages_are_not_cut_into_english_ones() -> None:
    text = "Was kostet die Außenanlage, wenn außerdem ein Bäcker naïve à la mode lieferte?"
    for form, prompt in forms(row(text, "nichts"), SLIPS).items():
        same = set(re.findall(r"\w+", prompt)) & set(re.findall(r"\w+", text))
        assert {"Außenanlage", "außerdem", "Bäcker", "naïve", "à", "la"} <= same, form
    assert json.loads(forms(row(text, "nichts"))["json"].split("\n", 1)[1])["task"] == text
    assert "Außenanlage" in forms(row(text, "nichts"))["json_broken"]


def test_a_typo_in_an_unknown_word_swaps_or_doubles_a_letter_and_spares_names() -> None:
    text = "Yesterday the mountaineers photographed Kilimanjaro repeatedly."
    typed = forms(row(text, "none"), ("typos_15",))["typos_15"]
    (changed,) = set(typed.rstrip(".").split()) - set(text.rstrip(".").split())
    (meant,) = set(text.rstrip(".").split()) - set(typed.rstrip(".").split())
    assert meant != "Kilimanjaro"
    assert meant.lower() in lexicon.SAID or set(changed) == set(meant)


def test_a_frame_does_not_stand_where_the_answer_is_to_stand() -> None:
    found = forms(row("How many legs has a spider?\nAnswer:", "8", scorer="numeric"))
    assert not {"paraphrase_3", "paraphrase_4"} & found.keys()
    fenced = forms(row("Say what this does.\n```\nx\n```", "x"))
    assert fenced["paraphrase_3"].endswith("```\nThank you.")


@pytest.mark.parametrize(
    ("family", "why"),
    [
        ("tools", "call tools by a schema"),
        ("long_context", "a length in tokens"),
        ("vision", "pictures"),
        ("robustness", "in every form already"),
    ],
)
def test_what_cannot_be_varied_is_refused_with_the_reason(family: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        drawn(newest(family, items=2, vary=("json",)))


def test_prompts_without_a_known_answer_are_asked_clean_and_alone_refused() -> None:
    known, unknown = row("One?", "one"), row("Two?", scorer="none")
    ids = [item.id for item in with_forms([known, unknown], ("json",))]
    assert ids == [known.id, f"{known.id}~json", unknown.id]
    with pytest.raises(BadInput, match="right or wrong"):
        list(with_forms([unknown], ("json",)))


def test_a_robustness_set_ends_with_a_whole_cluster() -> None:
    short, long = (drawn(newest("robustness", items=count)) for count in (30, 60))
    assert [item.id for item in short] == [item.id for item in long[: len(short)]]
    assert len(short) >= 30
    assert long[len(short)].kind.endswith("/clean")


def first_messages(item: Item) -> list[tuple[str, str]]:
    ask = item.start()
    messages = ask.messages if ask.stretch is None else ask.stretch.messages(3)
    return [(message.role, message.content) for message in messages]


@pytest.mark.parametrize(
    "family", ["math_words", "multi_turn", "tools", "long_context", "rag", "code", "robustness"]
)
def test_a_guard_stands_before_every_question_and_changes_nothing_else(family: str) -> None:
    plain = newest(family, items=3)
    for bare, guarded in zip(drawn(plain), drawn(replace(plain, guard="Be honest.")), strict=True):
        assert bare.id == guarded.id
        assert first_messages(guarded) == [("system", "Be honest."), *first_messages(bare)]
        again = guarded.start()
        assert isinstance(again, Ask)
        assert [m.role for m in again.messages].count("system") <= 1


def test_a_guard_follows_what_the_model_is_told_already() -> None:
    told = replace(row("One?", "one"), system="You count.")
    (guarded,) = guards.told([told], guards.GUARDS["unknown"])
    assert first_messages(guarded)[0] == ("system", f"You count.\n\n{guards.GUARDS['unknown']}")
