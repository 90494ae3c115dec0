"""What must hold of the families beyond a sweep's four: one truth, no leak, no shortcut."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tasks import undo
from tests.tasks.pace import takes_under
from tests.tasks.second_solvers import solve_business, solve_multi_turn, solve_tools_prompted
from tests.tasks.solvers import SOLVERS

from steelyard.domain.errors import BadInput
from steelyard.domain.task import Answer, Ask, Invalid, Mark, Outcome, Right, Split, Task, Wrong
from steelyard.tasks import lexicon, words
from steelyard.tasks.conversation import Conversation
from steelyard.tasks.formats import Forms
from steelyard.tasks.items import Draft, Question, split_of
from steelyard.tasks.multi_turn import TurnScorer
from steelyard.tasks.registry import FAMILIES, drawn, family, generate, questions

NAMES = ("multi_turn", "business", "tools_prompted", "robustness")
LEVELS = [(name, level) for name in NAMES for level in family(name).levels]
every_set = pytest.mark.parametrize(("name", "level"), LEVELS)
SINGLE = {
    **SOLVERS,
    "business": solve_business,
    "tools_prompted": solve_tools_prompted,
}
_CACHE: dict[tuple[str, int, int], list[Question | Conversation]] = {}


def each_level(name: str) -> pytest.MarkDecorator:
    """Ask at the first level always, at the others where there is time."""
    first, *others = family(name).levels
    return pytest.mark.parametrize(
        "level", [first, *(pytest.param(level, marks=pytest.mark.full) for level in others)]
    )


def task(name: str, **fields: Any) -> Task:
    """Return a task at the family's own revision."""
    return Task(name, revision=family(name).revision, **fields)


def items(name: str, level: int = 1, count: int = 300) -> list[Question | Conversation]:
    """Return a set; drawn once for all tests."""
    key = (name, level, count)
    if key not in _CACHE:
        _CACHE[key] = asked_of(task(name, level=level, items=count))
    return _CACHE[key]


def asked_of(task: Task) -> list[Question | Conversation]:
    """Return the items of a family without errands."""
    return [item for item in drawn(task) if isinstance(item, Question | Conversation)]


def spoken(item: Question | Conversation) -> tuple[str, ...]:
    if isinstance(item, Conversation):
        return tuple(turn.prompt for turn in item.turns)
    return (item.prompt,)


def known(item: Question | Conversation) -> list[str]:
    if isinstance(item, Conversation):
        return [turn.answer for turn in item.turns]
    return [item.answer]


def solved(name: str, prompts: tuple[str, ...]) -> list[str]:
    return solve_multi_turn(list(prompts)) if name == "multi_turn" else [SINGLE[name](prompts[0])]


def told(item: Question | Conversation, answers: list[Answer]) -> Mark:
    """Tell an item these answers, one after the other; the last one ends it."""
    assert isinstance(item.start(), Ask)
    for number, answer in enumerate(answers, 1):
        step = item.on(answer)
        if isinstance(step, Mark):
            assert number == len(answers)
            return step
    raise AssertionError(item.id)


def replies(item: Question | Conversation) -> list[Answer]:
    return [Answer(shown(item, answer), "stop") for answer in known(item)]


def shown(item: Question | Conversation, answer: str) -> str:
    """Return an answer in the form that the item demands."""
    return f"Answer: {answer}" if getattr(scorer(item), "worked", False) else answer


def scorer(item: Question | Conversation) -> object:
    return item.turns[0].scorer if isinstance(item, Conversation) else item.scorer


def same_truth(left: str, right: str) -> bool:
    if left[:1] == "{" == right[:1]:
        return bool(json.loads(left) == json.loads(right))
    return left == right


@pytest.mark.parametrize(("name", "level"), [pair for pair in LEVELS if pair[0] != "robustness"])
def test_a_second_solver_agrees_on_every_item(name: str, level: int) -> None:
    for item in items(name, level):
        found = solved(name, spoken(item))
        assert len(found) == len(known(item))
        assert all(map(same_truth, found, known(item))), (item.kind, found, known(item))


def clusters(level: int) -> Iterator[dict[str, Question | Conversation]]:
    """Yield each clean item of the robustness family with its forms, by form."""
    for _, group in groupby(items("robustness", level, 700), key=lambda item: item.cluster):
        yield {item.kind.partition("/")[2]: item for item in group}


@each_level("robustness")
def test_every_form_undone_is_its_clean_item_and_that_one_is_solved_twice(level: int) -> None:
    lists = (words.NAMES, words.OBJECTS, words.PLACES, words.COLOURS, words.ANIMALS, words.CITIES,
             words.JOBS, words.TRAITS, words.KINDS)  # fmt: skip
    known_words = {w.lower() for one in lists for word in one for w in (word, words.plural(word))}
    plain = [forms["clean"] for forms in clusters(level)]
    known_words |= {
        w.lower() for item in plain for p in spoken(item) for w in re.findall(r"[A-Za-z]+", p)
    }
    lexicon_now = frozenset(known_words)
    for forms in clusters(level):
        clean = forms["clean"]
        base = clean.kind.partition("/")[0]
        assert all(map(same_truth, solved(base, spoken(clean)), known(clean)))
        for form, item in forms.items():
            assert known(item) == known(clean)
            for changed, original in zip(spoken(item), spoken(clean), strict=True):
                assert undo.same(form, changed, original, lexicon_now), (form, changed, original)
            # Of a conversation not every turn has something to reword.
            assert (spoken(item)[0] == spoken(clean)[0]) == (form == "clean")


@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_lexicon_knows_every_word_that_is_not_drawn(level: int) -> None:
    said = [draft.prompt for draft in forms_of(level)]
    for name in ("math_words", "reading", "logic", "business", "tools_prompted"):
        said += [p for item in asked_of(task(name, level=level, items=60)) for p in spoken(item)]
    found = {word.lower() for text in said for word in re.findall(r"[A-Za-z]+", text)}
    assert found <= lexicon.SAID | lexicon.CONTENT


def forms_of(level: int) -> list[Draft]:
    """Draw what the robustness family borrows of formats, in every size."""
    drawn_from = Random(level)
    made = [Forms().draft(kind, level, drawn_from) for kind in Forms().kinds(level) * 9]
    return [draft for cluster in made for draft in cluster.drafts]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_second_solver_agrees_on_every_form_that_is_borrowed(level: int) -> None:
    for draft in forms_of(level):
        assert same_truth(SOLVERS["formats"](draft.prompt), draft.answer), draft


def test_typos_and_dropped_words_are_as_many_as_they_say() -> None:
    for forms in clusters(2):
        for form, item in forms.items():
            kind, _, percent = form.rpartition("_")
            if kind not in {"typos", "dropped"}:
                continue
            for changed, clean in zip(spoken(item), spoken(forms["clean"]), strict=True):
                apart = r"\{[^\n]*\}|\"[^\"\n]*\"|'[^'\n]*'|\S*[\d_]\S*"
                before = re.findall(r"[A-Za-z]+", re.sub(apart, "", clean))
                after = re.findall(r"[A-Za-z]+", re.sub(apart, "", changed))
                due = max(1, round(len(before) * int(percent) / 100))
                if kind == "dropped":
                    assert len(before) - len(after) == due
                else:
                    differ = sum(a != b for a, b in zip(before, after, strict=True))
                    assert differ == due, (changed, clean)


@pytest.mark.parametrize("level", family("robustness").levels)
def test_every_family_takes_part_in_robustness_and_most_forms_are_there(level: int) -> None:
    forms = [set(found) for found in clusters(level)][:-1]
    always = {"clean", "json", "json_broken", *(f"paraphrase_{n}" for n in range(1, 5))}
    assert all(always <= found for found in forms)
    seen = Counter(form for found in forms for form in found)
    for form in ("typos_5", "typos_10", "typos_15", "dropped_5", "lower_case", "upper_case"):
        assert seen[form] > len(forms) / 2, (form, seen)
    bases = {item.kind.partition("/")[0] for item in items("robustness", level, 700)}
    assert bases == {*FAMILIES, "multi_turn", "business", "tools_prompted"}


def test_the_six_ways_to_break_a_record_break_it() -> None:
    broken = [forms["json_broken"] for level in (1, 2) for forms in list(clusters(level))[:-1]]
    ways = set()
    for item in broken:
        text = spoken(item)[0].split("\n", 1)[1]
        with pytest.raises(ValueError, match=r"line 1"):
            json.loads(text)
        ways.add(re.sub(r"\"?task.*language", "task … language", text, flags=re.DOTALL))
    assert len(ways) >= 4


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_a_borrowed_item_stands_on_the_side_that_its_own_family_gives_it(split: Split) -> None:
    found = [
        item.prompt
        for item in drawn(task("robustness", items=1500, split=split))
        if isinstance(item, Question) and item.kind == "reading/clean"
    ]
    assert len(found) > 10
    for prompt in found:
        passage = re.findall(r"\w+ (?:is in|has) the \w+\.", prompt)
        assert len(passage) == 7
        assert split_of("reading", tuple(passage)) == split


@every_set
def test_a_perfect_answer_is_right_and_keeps_every_constraint(name: str, level: int) -> None:
    for item in items(name, level):
        mark = told(item, replies(item))
        assert mark.outcome == Right(), item
        assert all(mark.constraints.values()), (item, mark)
        assert mark.extracted["strict"] is not None
        assert mark.extracted["strict"] == mark.extracted["flexible"] or name == "robustness"


@pytest.mark.parametrize(("name", "level"), [pair for pair in LEVELS if pair[0] != "robustness"])
def test_another_items_answer_is_wrong(name: str, level: int) -> None:
    found = items(name, level)
    for item in found[:100]:
        if isinstance(item, Conversation):
            continue
        others = (o for o in found[::-1] if isinstance(o, Question) and o.answer != item.answer)
        twin = min(others, key=lambda other: other.kind != item.kind)
        mark = told(item, [Answer(shown(item, twin.answer), "stop")])
        assert mark.outcome == Wrong(), (item.prompt, twin.answer)


@pytest.mark.parametrize("level", family("multi_turn").levels)
def test_one_wrong_turn_makes_a_conversation_wrong(level: int) -> None:
    for number, item in enumerate(items("multi_turn", level)):
        assert isinstance(item, Conversation)
        answers = replies(item)
        at = number % len(answers)
        turn = item.turns[at]
        assert isinstance(turn.scorer, TurnScorer)
        value = turn.scorer.value
        options = ["61", "unknown"] if value.numeric else list(value.options)
        other = next(option for option in options if option != value.value)
        answers[at] = Answer(other, "stop")
        mark = told(item, answers)
        assert mark.outcome == Wrong()
        read = json.loads(mark.extracted["flexible"] or "")
        assert len(read) == len(answers)
        assert read[at] == other


GARBAGE = st.lists(
    st.sampled_from(["fog", "mist", "haze", "…", "{", "```"]), min_size=2, max_size=9
)


@given(said=GARBAGE, at=st.integers(0, 39), pick=st.integers(0, 10_000))
def test_garbage_is_unparsable(said: list[str], at: int, pick: int) -> None:
    for name in ("multi_turn", "business", "tools_prompted"):
        for level in family(name).levels:
            pool = items(name, level)
            item = pool[pick % len(pool)]
            answers = replies(item)
            answers[at % len(answers)] = Answer(" ".join(["fog", *said, "mist"]), "stop")
            assert told(item, answers).outcome == Invalid("unparsable")


@given(share=st.floats(0, 0.999), at=st.integers(0, 39), pick=st.integers(0, 10_000))
def test_a_cut_answer_is_truncated(share: float, at: int, pick: int) -> None:
    for name in ("multi_turn", "business", "tools_prompted"):
        for level in family(name).levels:
            pool = items(name, level)
            item = pool[pick % len(pool)]
            answers = replies(item)
            whole = answers[at % len(answers)].text
            cut = [*answers]
            cut[at % len(answers)] = Answer(whole[: int(len(whole) * share)], "length")
            assert ended(item, cut) == Invalid("truncated")


def ended(item: Question | Conversation, answers: list[Answer]) -> Outcome:
    """Return the outcome; a conversation may end early where nothing was said."""
    item.start()
    for answer in answers:
        step = item.on(answer)
        if isinstance(step, Mark):
            return step.outcome
    raise AssertionError(item.id)


@every_set
def test_no_item_comes_twice_and_the_same_task_gives_the_same_items(name: str, level: int) -> None:
    found = items(name, level)
    assert len({item.id for item in found}) == len(found)
    assert len({spoken(item) for item in found}) >= len(found) * (
        0.95 if name == "robustness" else 1
    )
    again = asked_of(task(name, level=level, items=40))
    assert [(i.id, i.cluster, spoken(i), known(i)) for i in again] == [
        (i.id, i.cluster, spoken(i), known(i)) for i in found[: len(again)]
    ]


@every_set
def test_what_trains_is_never_asked(name: str, level: int) -> None:
    train = drawn(task(name, level=level, items=400, split="train"))
    assert not {item.cluster for item in train} & {item.cluster for item in items(name, level)}
    assert not {item.id for item in train} & {item.id for item in items(name, level)}


@every_set
def test_a_set_of_300_takes_well_under_a_second_of_one_core(name: str, level: int) -> None:
    drawn(task(name, level=level, items=1))  # what is made once
    assert takes_under(0.9, lambda: drawn(task(name, level=level, items=300)))


# ── shortcuts ───────────────────────────────────────────────────────────────────────────────
SLACK = 0.05


@each_level("multi_turn")
def test_neither_the_latest_mention_nor_unknown_answers_a_turn(level: int) -> None:
    hits: dict[int, Counter[str]] = {}
    for item in items("multi_turn", level):
        assert isinstance(item, Conversation)
        latest: dict[frozenset[str], str] = {}
        for turn in item.turns:
            assert isinstance(turn.scorer, TurnScorer)
            value = turn.scorer.value
            if value.numeric:
                continue
            group = frozenset(value.options)
            before = [
                w for t in item.turns[: item.turns.index(turn) + 1] for w in told_words(t.prompt)
            ]
            latest[group] = next((w for w in reversed(before) if w in group), "")
            counted = hits.setdefault(len(value.options), Counter())
            counted["asked"] += 1
            counted["latest"] += latest[group] == value.value
            counted["unknown"] += value.value == "unknown"
    for options, counted in hits.items():
        for habit in ("latest", "unknown"):
            assert counted[habit] / counted["asked"] <= 1 / options + SLACK, (habit, counted)


def told_words(prompt: str) -> list[str]:
    """Return the words of what was told, without the question at the end."""
    return re.findall(r"\w+", re.split(r"(?<=[.?])\s+(?=[A-Z][^.]*\?$)", prompt)[0])


@each_level("tools_prompted")
def test_no_tool_is_guessed_by_its_place_or_its_name(level: int) -> None:
    found = [item for item in items("tools_prompted", level, 1500) if isinstance(item, Question)]
    top = Counter(item.answer for item in found).most_common(1)[0][1] / len(found)
    assert top <= 1 / 5 + SLACK
    hits, chance = Counter[str](), 0.0
    several = [item for item in found if item.kind == "multiple"]
    for item in several:
        tools = [json.loads(x)["name"] for x in item.prompt.split("\n") if x.startswith('{"name"')]
        wanted = json.loads(item.answer)["calls"][0]["tool"]
        chance += 1 / len(tools)
        hits["first"] += tools[0] == wanted
        hits["last"] += tools[-1] == wanted
        hits["longest"] += max(tools, key=len) == wanted
        hits["shortest"] += min(tools, key=len) == wanted
    for habit, count in hits.items():
        assert count / len(several) <= chance / len(several) + SLACK, habit


@each_level("tools_prompted")
def test_a_catalogue_has_near_duplicates_and_the_sizes_of_its_level(level: int) -> None:
    sizes = Counter[int]()
    for item in items("tools_prompted", level):
        assert isinstance(item, Question)
        names = [json.loads(x)["name"] for x in item.prompt.split("\n") if x.startswith('{"name"')]
        assert len(names) == len(set(names))
        if item.kind == "simple":
            assert len(names) == 1
            continue
        sizes[len(names)] += 1
        calls = json.loads(item.answer)["calls"]
        if level > 1 and item.kind == "multiple":
            verb, thing = calls[0]["tool"].split("_", 1)
            near = [n for n in names if n.startswith(f"{verb}_") or n.endswith(f"_{thing}")]
            assert len(near) >= 3
        if item.kind == "irrelevant":
            wanted = json.loads(solve_tools_prompted(item.prompt))
            assert wanted == {"calls": []}
    assert max(sizes) == {1: 4, 2: 8, 3: 24, 4: 64}[level]


def test_conversations_have_the_turns_of_their_level() -> None:
    for level, turns in ((1, 4), (2, 10), (3, 20), (4, 40)):
        lengths = {
            len(item.turns) for item in items("multi_turn", level) if isinstance(item, Conversation)
        }
        assert lengths == {turns}


# ── the registry ────────────────────────────────────────────────────────────────────────────
def test_a_sweep_still_asks_its_four_families() -> None:
    assert FAMILIES == ("math_words", "reading", "logic", "formats")


def test_conversations_are_refused_where_single_questions_are_wanted() -> None:
    with pytest.raises(BadInput, match="conversations, not single questions") as caught:
        questions(Task("multi_turn", items=3))
    assert "reading" in caught.value.hint
    assert len(generate(Task("multi_turn", items=3))) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_private_seed_draws_other_items(name: str) -> None:
    mine = {item.id for item in drawn(task(name, items=60, private_seed="mine"))}
    assert not mine & {item.id for item in items(name)}


@pytest.mark.parametrize(("name", "kinds"), [("reading", 6), ("business", 18)])
def test_two_of_six_questions_on_a_passage_are_asked_each_kind_as_often(
    name: str, kinds: int
) -> None:
    items = questions(Task(name, level=2, items=36, revision=family(name).revision))
    assert set(Counter(item.cluster for item in items).values()) == {2}
    asked = Counter(item.kind for item in items)
    assert (len(asked), set(asked.values())) == (kinds, {36 // kinds})
