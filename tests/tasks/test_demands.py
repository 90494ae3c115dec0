"""Constraints on the form of an answer: each is checked exactly, and no habit passes for it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from math import sqrt
from typing import Any

import pytest
from tests.tasks.demand_solver import CUES, Demand, quoted_words, read, solve

from steelyard.domain.task import Answer, Invalid, Mark, Right, Task, Wrong
from steelyard.tasks.demands import drawing, wordings
from steelyard.tasks.demands.notes import place
from steelyard.tasks.demands.rules import RULES
from steelyard.tasks.demands.together import NAMES, compatible
from steelyard.tasks.items import Question
from steelyard.tasks.registry import questions

_ALONE, _COMBINED = 2, 3
_CACHE: dict[int, list[Question]] = {}


def items(level: int) -> list[Question]:
    """Return twenty items of each constraint, or as many of several; drawn once."""
    if level not in _CACHE:
        _CACHE[level] = questions(Task("formats", level=level, items=20 * len(NAMES)))
    return _CACHE[level]


def marked(item: Question, text: str, finish: str = "stop") -> Mark:
    mark = item.on(Answer(text, finish))
    assert isinstance(mark, Mark)
    return mark


both = pytest.mark.parametrize("level", [_ALONE, _COMBINED])

# A name, its arguments, texts that keep it, texts that do not.
_SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"],
           "additionalProperties": False}  # fmt: skip
_FLOOR = {"floor": 3}
KNOWN: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    (
        "json_schema",
        {"schema": json.dumps(_SCHEMA)},
        ['{"age": 4}', '{\n"age":4}'],
        ['{"age": "4"}', '{"age": 4, "a": 1}', "{}", '```json\n{"age": 4}\n```', "4", "[" * 9999],
    ),
    (
        "json_array",
        {"of": "strings", "count": 2},
        ['["a", "b"]', '[ "a","b" ]'],
        ['["a"]', '["a", 1]', '{"a": "b"}', '["a", "b", "c"]', "a, b", '["a", "b"] ok'],
    ),
    ("json_array", {"of": "pairs", "count": 1}, ['[["a", "b"]]'], ['["ab"]', '[["a"]]']),
    (
        "json_array",
        {"of": "objects", "count": 1},
        ['[{"name": "a", "value": "b"}]', '[{"Value": "b", "Name": "a"}]'],
        ['[{"name": "a"}]', '[{"name": 1, "value": 2, "more": 3}]'],
    ),
    (
        "delimited",
        {"mark": "::", "count": 2},
        ["a::b", "a :: b"],
        ["a:b", "a::b::c", "a::\nb", "a::b c", "::", "a::"],
    ),
    (
        "table",
        {"header": ["a", "b"], "rows": 1},
        ["|a|b|\n|-|-|\n|1|2|", "| A | B |\n|:--|--:|\n| 1 | 2 |"],
        [
            "|a|b|\n|1|2|",
            "|b|a|\n|-|-|\n|1|2|",
            "|a|b|\n|-|-|\n|1|2|\n|3|4|",
            "a|b\n-|-\n1|2",
            "|a|b|\n|-|-|\n|1|",
            "x\n|a|b|\n|-|-|\n|1|2|",
        ],
    ),
    (
        "key_values",
        {"mark": "->", "fields": ["a", "b"]},
        ["a->1\nb->2", "A -> 1\nB -> 2"],
        ["b->1\na->2", "a->1", "a:1\nb:2", "a->1\nb->2\nc->3", "a->\nb->2", "a->1->2\nb->2"],
    ),
    (
        "regex",
        {"pattern": r"[a-z]{2}\d{2}(#\w+){2}"},
        ["ab12#x#Y"],
        ["ab12#x", "Ab12#x#y", "ab12#x#y."],
    ),
    (
        "bullets",
        {"marker": "*", "count": 2},
        ["* a\n* b", "Here:\n* a\n\n* b\nbye"],
        ["* a", "- a\n- b", "* a\n* b\n* c", "* a\n* b\n- c", "*a\n*b"],
    ),
    (
        "numbered",
        {"style": "1)", "count": 2},
        ["1) a\n2) b", "So:\n1) a\n2) b"],
        ["1. a\n2. b", "1) a", "1) a\n3) b", "2) a\n1) b", "1) a\n2) b\n3) c", "1) a\n2) "],
    ),
    ("paragraphs", {"count": 2}, ["a\n\nb", "a\nb\n \n\nc"], ["a\nb", "a\n\nb\n\nc", "a"]),
    (
        "sentences",
        {"count": 2},
        ["A b. C.", "A! b. C?\nd."],
        ["A.", "A. B. C", "A. B. C.", "A... b.", "A. ."],
    ),
    ("lines", {"count": 2}, ["a\nb", "a\n\nb"], ["a", "a\nb\nc"]),
    ("upper_case", {}, ["A 1, B!", "ÄÖ"], ["A b", "1", "Äö"]),
    ("lower_case", {}, ["a 1, b!", "äö"], ["a B", "1", "Ä"]),
    ("title_case", {}, ["A Dog's Day", "Äx", "P.S. Yes"], ["A dog", "A DOG", "1", "McX"]),
    ("word_count", {"count": 2}, ["a b", " a\nb"], ["a", "a b c", "a - b"]),
    ("word_range", {"low": 2, "high": 3}, ["a b", "a b c"], ["a", "a b c d"]),
    ("words_at_least", {"count": 2}, ["a b", "a b c"], ["a", "a-b"]),
    ("characters", {"low": 3, "high": 4}, ["abc", "a cd"], ["ab", "abcde"]),
    (
        "keywords",
        {"words": ["river", "note"]},
        ["A River, a note.", "NOTE RIVER"],
        ["river", "rivers note"],
    ),
    (
        "keyword_count",
        {"word": "get", "count": 2},
        ["get Get", "Get, get."],
        ["get", "get get get", "get gets"],
    ),
    (
        "forbidden_words",
        {"forbidden_words": ["a", "pet"], **_FLOOR},
        ["the petal cat ran", "x y z"],
        ["a cat ran", "the Pet ran", "x y", "the cat is a."],
    ),
    ("letter_avoided", {"letter": "e", **_FLOOR}, ["a b c"], ["a b the", "a b E", "a b"]),
    ("letter_at_least", {"letter": "w", "let_frequency": 3}, ["wow W", "www w"], ["wow", ""]),
    (
        "begins_with",
        {"phrase": "In short"},
        ["In short: a", "in SHORT a", "In short"],
        ["So in short", "In shorts"],
    ),
    (
        "ends_with",
        {"end_phrase": "see you"},
        ["a see you", "a See YOU"],
        ["see you a", "a see you.", "see"],
    ),
    (
        "postscript",
        {},
        ["a\nP.S. b", "a\n\np.s. b", "a\nP.S.: b"],
        ["a P.S. b", "P.S. b", "a\nPS b", "a\nP.S."],
    ),
    ("heading", {}, ["<<A>> b", "b\n<<A b>>"], ["<A> b", "<<>> b", "<<A b"]),
    ("quoted", {}, ['"a"', '"a "b" c"'], ["a", '"a', "'a'", '"']),
    (
        "tagged",
        {"tag": "note"},
        ["<note>a</note>", "<NOTE>\na\n</Note>"],
        ["a", "<note>a", "<note></note>", "<note>a</note> b", "<item>a</item>"],
    ),
    ("placeholders", {"num_placeholders": 2}, ["[a] [b]", "[a][b][c]"], ["[a]", "(a) (b)"]),
    ("highlights", {"num_highlights": 2}, ["*a* *b*", "*a b*\n*c*"], ["*a*", "* a\n* b", "a b"]),
    ("exclamations", {"count": 2}, ["a! b!", "!!"], ["a!", "a! b! c!"]),
    ("no_commas", _FLOOR, ["a b c", "a; b c"], ["a, b c", "a b"]),
    (
        "language",
        {"words": [["Hund", "Hündin"], ["rot"]], "plain": ["dog", "red"]},
        ["Hund, rot", "HÜNDIN: ROT", '["H\\u00fcndin", "rot"]'],
        ["Hund", "Hund rot red", "dog red", "Hunde rot"],
    ),
    (
        "alphabetical",
        {"words": ["ant", "Bern", "cook"]},
        ["ant Bern cook", "an ant, BERN; cook"],
        ["Bern ant cook", "ant Bern", "cook Bern ant"],
    ),
]


@pytest.mark.parametrize(("name", "said", "keep", "break_"), KNOWN)
def test_a_rule_takes_what_keeps_it_and_nothing_else(
    name: str, said: dict[str, Any], keep: list[str], break_: list[str]
) -> None:
    assert [text for text in keep if not RULES[name](text, said)] == []
    assert [text for text in break_ if RULES[name](text, said)] == []


def test_there_are_more_than_25_constraints_and_each_has_known_answers_and_three_wordings() -> None:
    assert len(NAMES) > 25
    assert {name for name, *_ in KNOWN} == set(NAMES) == set(wordings.WORDINGS) == set(CUES)
    assert all(len(set(ways)) == wordings.WAYS for ways in wordings.WORDINGS.values())


def test_alone_every_constraint_is_asked_equally_often_in_all_its_wordings() -> None:
    asked = Counter(name for item in items(_ALONE) for name in marked(item, "x").constraints)
    assert asked == dict.fromkeys(NAMES, 20)
    for name, cues in CUES.items():
        prompts = [item.prompt for item in items(_ALONE) if item.kind == name]
        assert all(any(re.search(cue, prompt) for prompt in prompts) for cue in cues), name


def test_combined_there_are_two_to_five_of_all_and_any_two_that_can_hold_together() -> None:
    found = [tuple(marked(item, "x").constraints) for item in items(_COMBINED)]
    assert set(Counter(map(len, found))) == {2, 3, 4, 5}
    assert {name for names in found for name in names} == set(NAMES)
    pairs = {frozenset(pair) for names in found for pair in combinations(names, 2)}
    assert all(compatible(*pair) for pair in pairs)
    able = {frozenset(pair) for pair in combinations(NAMES, 2) if compatible(*pair)}
    assert len(able) > 300
    assert len(pairs) > 0.8 * len(able)


@both
def test_the_known_answer_and_a_second_writers_are_right(level: int) -> None:
    for item in items(level):
        for text in (item.answer, solve(item.prompt)):
            mark = marked(item, text)
            assert mark.outcome == Right(), (item.prompt, text, mark.constraints)
            assert len(text) < 2 * item.max_tokens


@both
def test_an_answer_without_a_value_or_with_somebody_elses_is_wrong(level: int) -> None:
    for item in items(level):
        demand = read(item.prompt)
        spoiled = [re.sub(rf"\b{value}\b", "x", item.answer, flags=re.IGNORECASE)
                   for value in demand.facts.values()]  # fmt: skip
        spoiled.append(f"{item.answer} {demand.others[0]}")
        for text in spoiled if "language" not in demand.wanted else spoiled[-1:]:
            assert marked(item, text).outcome == Wrong(), (item.prompt, text)
        assert marked(item, "").outcome == Invalid("unparsable")


def test_a_value_beside_the_name_of_another_field_is_wrong() -> None:
    swapped = 0
    for item in items(_ALONE):
        if item.kind in {"json_schema", "key_values"}:
            one, other, *_ = [v for f, v in read(item.prompt).facts.items() if f != "age"]
            exchange = {one: other, other: one}
            text = re.sub(rf"\b({one}|{other})\b", lambda m: exchange[m[1]], item.answer)  # noqa: B023
            mark = marked(item, text)
            assert mark.outcome == Wrong(), (text, item.prompt)
            assert mark.constraints == {item.kind: True}
            swapped += 1
    assert swapped == 40


def spoil(name: str, text: str, demand: Demand) -> str:
    """Return a text that breaks one constraint, by carrying out what it forbids."""
    said = demand.wanted[name]
    if name in {"forbidden_words", "keyword_count", "letter_avoided"}:
        word = said.get("word") or said.get("letter") or quoted_words(said["words"])[0]
        return f"{text} {word}"
    after = {
        "json_schema": "}", "json_array": "]", "upper_case": " ok", "lower_case": " OK",
        "title_case": " oK", "word_count": " more", "word_range": " more" * 5,
        "characters": " more" * 8, "paragraphs": "\n\nmore", "sentences": " More.",
        "lines": "\nmore", "ends_with": ".", "exclamations": "!", "no_commas": ",",
        "quoted": "x", "tagged": "x", "regex": "?", "key_values": "\nmore",
        "delimited": f"{said.get('mark')}more", "table": "\n| more |",
        "bullets": f"\n{said.get('marker')} more",
    }  # fmt: skip
    if name in after:
        return text + after[name]
    if name == "keywords":
        return text.replace(quoted_words(said["words"])[0], "")
    if name == "words_at_least":
        return " ".join(text.split()[1:])
    if name == "language":
        return " ".join(demand.facts.values())
    if name == "alphabetical":
        return " ".join(sorted(demand.facts.values(), key=str.lower, reverse=True))
    sign = {"letter_at_least": said.get("letter", ""), "begins_with": "", "postscript": "P.S.",
            "heading": "<<", "placeholders": "[", "highlights": "*",
            "numbered": said.get("style", "")}[name]  # fmt: skip
    return text.replace(sign, "", 1) if sign else f"So {text}"


def test_a_spoiled_answer_breaks_the_constraint_and_is_wrong() -> None:
    for item in items(_ALONE):
        demand = read(item.prompt)
        text = spoil(item.kind, solve(item.prompt), demand)
        mark = marked(item, text)
        if item.kind == "letter_at_least" and mark.constraints[item.kind]:
            continue  # a value has the letter, too
        assert not mark.constraints[item.kind], (item.prompt, text)
        assert mark.outcome == Wrong()


def test_of_several_constraints_each_is_marked_for_itself() -> None:
    spoiled = 0
    for item in items(_COMBINED):
        demand = read(item.prompt)
        for name in ("exclamations", "upper_case", "word_count"):
            if name in demand.wanted:
                held = marked(item, spoil(name, solve(item.prompt), demand)).constraints
                assert not held[name]
                spoiled += any(held.values())
    assert spoiled > 100


def habits(facts: dict[str, str], name: str) -> Iterator[tuple[str, str]]:
    """Yield what a model writes that finds the facts and has one form for everything."""
    values = list(facts.values())
    sentence = " and ".join(f"the {field} is {value}" for field, value in facts.items())
    tale = f"{name} is one of three people. As the notes say, {sentence}. That is all there is."
    yield "json object", json.dumps(facts)
    yield "json in a fence", f"```json\n{json.dumps(facts)}\n```"
    yield "json array", json.dumps(values)
    yield "short line", " ".join(values)
    yield "upper line", " ".join(values).upper()
    yield "lower line", " ".join(values).lower()
    yield "title line", " ".join(values).title()
    yield "comma line", ", ".join(values)
    yield "csv", ";".join(values)
    yield "lines", "\n".join(values)
    yield "bullets", "\n".join(f"- {value}" for value in values)
    yield "numbered", "\n".join(f"{at}. {value}" for at, value in enumerate(values, 1))
    yield "key values", "\n".join(f"{field}: {value}" for field, value in facts.items())
    yield (
        "table",
        "| field | value |\n|---|---|\n"
        + "\n".join(f"| {field} | {value} |" for field, value in facts.items()),
    )
    yield "quoted", f'"{" ".join(values)}"'
    yield "sentence", f"{name}: {sentence}."
    yield "upper sentence", f"{name}: {sentence}.".upper()
    yield "tale", tale
    yield "long tale", f"{tale}\n\n{name} has no more to tell of: " + "so it is " * 6


@both
def test_no_fixed_form_passes_for_following(level: int) -> None:
    right: Counter[str] = Counter()
    found = items(level)
    for item in found:
        demand = read(item.prompt)
        who = re.findall(r" of ([A-Z]\w+)", item.prompt.partition("\n\n")[2])[0]
        for habit, text in habits(demand.facts, who):
            right[habit] += marked(item, text).outcome == Right()
    chance = 1 / len(NAMES) if level == _ALONE else 0.0
    bound = chance + 0.05
    error = 1.96 * sqrt(bound * (1 - bound) / len(found))
    assert max(right.values()) / len(found) <= bound + error, right.most_common(4)
    assert right["short line"] or level == _COMBINED  # the facts are read well


@both
def test_an_empty_a_constant_and_a_copied_answer_are_never_right(level: int) -> None:
    for item in items(level):
        notes = item.prompt.partition("\n\n")[0]
        for text in ("", "x", "{}", "ok " * 40, notes, item.prompt):
            mark = marked(item, text)
            assert mark.outcome != Right()
            assert text or not any(mark.constraints.values())


def test_a_cut_answer_is_truncated_and_a_refusal_refused_but_a_whole_one_counts() -> None:
    item = next(one for one in items(_ALONE) if one.kind == "json_schema")
    assert marked(item, item.answer[:-4], "length").outcome == Invalid("truncated")
    assert marked(item, item.answer, "length").outcome == Right()
    assert marked(item, "I'm sorry, I cannot help.").outcome == Invalid("refused")
    assert marked(item, f"<think>hm, {{}}</think>\n{item.answer}").outcome == Right()


def test_no_fixed_word_is_a_value_that_could_be_somebody_elses() -> None:
    fixed = " ".join((*drawing._OPENINGS, *drawing._CLOSINGS, *drawing._TAGS, *drawing._KEYWORDS))
    for item in items(_ALONE):
        assert not [value for value in read(item.prompt).others if place(value, fixed.lower()) >= 0]


def test_every_constraint_combines_with_another() -> None:
    for one in NAMES:
        assert any(compatible(one, other) and compatible(other, one) for other in NAMES), one
