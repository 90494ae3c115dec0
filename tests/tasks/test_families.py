"""What must hold of every family: one truth, no leak, no shortcut, the same items everywhere."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.tasks.solvers import SOLVERS

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.task import Answer, Ask, Mark, Right, Task, Wrong
from steelyard.tasks.items import Question, content_hash, split_of
from steelyard.tasks.registry import FAMILIES, family, generate, questions

LEVELS = [(name, level) for name in FAMILIES for level in family(name).levels]
every_set = pytest.mark.parametrize(("name", "level"), LEVELS)
# Many texts fit a demand of formats above level 1; `test_demands` solves those.
SOLVED = [pair for pair in LEVELS if pair[0] != "formats" or pair[1] == 1]
# What a guesser gets who knows the kind of question: one over the answers that its prompts allow.
# Small sums cluster around their middle, which one fifth allows for.
CHANCE = {"rule": 1 / 3, "order": 1 / 3, "seats": 1 / 4}
# Is a shortcut and stays one, as its page says; `test_shortcuts` holds how much of one.
KNOWN = {("reading", "count")}


def drawn(name: str, level: int = 1, **fields: object) -> list[Question]:
    return questions(Task(name, level=level, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "level"), SOLVED)
def test_a_second_solver_agrees_on_every_item(name: str, level: int) -> None:
    for question in drawn(name, level, items=500):
        assert SOLVERS[name](question.prompt) == question.answer, question.prompt


@every_set
def test_the_known_answer_is_marked_right_and_another_one_wrong(name: str, level: int) -> None:
    found = drawn(name, level)
    form = "Answer: {}" if level > 1 and name in {"math_words", "logic"} else "{}"
    for question, other in zip(found, found[len(found) // 2 :], strict=False):
        mark = question.on(Answer(form.format(question.answer), "stop"))
        assert isinstance(mark, Mark)
        assert mark.outcome == Right(), question
        if other.kind == question.kind and other.answer != question.answer:
            mark = question.on(Answer(form.format(other.answer), "stop"))
            assert isinstance(mark, Mark)
            assert mark.outcome == Wrong(), (question, other)


@every_set
def test_no_item_and_no_prompt_comes_twice(name: str, level: int) -> None:
    found = drawn(name, level)
    assert len({question.id for question in found}) == len(found) == 300
    assert len({question.prompt for question in found}) == len(found)


@every_set
def test_the_same_task_gives_the_same_items(name: str, level: int) -> None:
    assert drawn(name, level, items=40) == drawn(name, level, items=40)


@every_set
def test_what_trains_is_never_asked(name: str, level: int) -> None:
    train = drawn(name, level, items=400, split="train")
    held_out = drawn(name, level, items=400)
    assert not {question.cluster for question in train} & {q.cluster for q in held_out}
    assert not {question.id for question in train} & {question.id for question in held_out}


def test_a_sum_is_on_one_side_of_the_split_under_every_name() -> None:
    train = drawn("math_words", items=1500, split="train")
    held_out = drawn("math_words", items=600)
    sums = [{_numbers(question) for question in found} for found in (train, held_out)]
    assert not sums[0] & sums[1]


def _numbers(question: Question) -> tuple[str, ...]:
    words = question.prompt.replace(".", " ").replace(",", " ").split()
    # The distractor's second count plays no part in the answer.
    counts = [word for word in words if word.isdigit()]
    more = "more" if "more than" in question.prompt else ""
    return (question.kind, more, *(counts[::2] if question.kind == "distractor" else counts))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_commonest_answer_is_no_shortcut(name: str) -> None:
    by_kind: dict[str, Counter[str]] = {}
    for question in drawn(name, items=1200):
        by_kind.setdefault(question.kind, Counter())[question.answer] += 1
    for kind, answers in by_kind.items():
        if (name, kind) in KNOWN:
            continue
        share = answers.most_common(1)[0][1] / answers.total()
        assert share <= CHANCE.get(kind, 1 / 5) + 0.05, (kind, answers.most_common(3))


def test_neither_word_of_a_rule_gives_its_answer_away() -> None:
    seen: dict[str, Counter[str]] = {}
    for question in drawn("logic", items=1200, level=2):
        if question.kind == "rule":
            cue = question.prompt.split()[0]
            seen.setdefault(cue, Counter())[question.answer] += 1
    for answers in seen.values():
        assert answers.most_common(1)[0][1] / answers.total() < 1 / 3 + 0.1


def test_another_seed_and_a_private_seed_give_other_items() -> None:
    sets = [
        {question.id for question in drawn("logic", items=100, **fields)}
        for fields in ({}, {"seed": 1}, {"private_seed": "mine"}, {"private_seed": "yours"})
    ]
    assert all(not a & b for i, a in enumerate(sets) for b in sets[:i])


def test_a_private_set_is_held_out_too() -> None:
    clusters = {question.cluster for question in drawn("logic", items=200, private_seed="mine")}
    trained = {question.cluster for question in drawn("logic", items=2000, split="train")}
    assert not clusters & trained


def test_the_forms_that_the_bundled_model_was_made_for_are_what_they_were() -> None:
    found = [(q.id, q.prompt, q.answer, str(q.max_tokens)) for q in drawn("formats")]
    digest = content_hash(*(part for parts in found for part in parts))
    assert digest == "8d39131b13f42977aebf50527b8395657034bb44a83c06493e2a2ef3e7506922"


def test_kinds_take_turns() -> None:
    kinds = Counter(question.kind for question in drawn("formats", items=70))
    assert set(kinds.values()) == {10}


def test_questions_on_one_passage_are_one_cluster() -> None:
    found = drawn("reading", items=40)
    assert len({question.cluster for question in found}) == 10
    assert Counter(Counter(question.cluster for question in found).values()) == {4: 10}


def test_the_split_share_is_a_fifth() -> None:
    sides = Counter(split_of("logic", (str(number),)) for number in range(5000))
    assert 900 < sides["held_out"] < 1100


def test_an_item_asks_once_and_leaves_little_room_on_the_shipped_level() -> None:
    for name in FAMILIES:
        for item in generate(Task(name, items=20)):
            ask = item.start()
            assert isinstance(ask, Ask)
            assert ask.messages[-1].role == "user"
            assert ask.max_tokens <= 48


def test_answers_of_the_shipped_level_are_short() -> None:
    for name in FAMILIES:
        assert max(len(question.answer) for question in drawn(name)) <= 80


def test_an_unknown_family_is_named_with_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="readin") as caught:
        generate(Task("readin"))
    assert "reading" in caught.value.hint


@pytest.mark.parametrize("wrong", [Task("logic", level=9), Task("logic", revision=7)])
def test_a_level_or_revision_that_is_not_there_is_refused(wrong: Task) -> None:
    with pytest.raises(BadInput):
        generate(wrong)


def test_asking_for_more_items_than_exist_says_how_many_there_are() -> None:
    with pytest.raises(BadInput, match=r"only \d+ different"):
        drawn("formats", items=8000)
