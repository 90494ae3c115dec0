"""No habit answers what has to be read: first, last, commonest, rarest, longest, likest, always.

Chance is that of each item's own options. A habit may be right as often as chance, plus 5 points,
plus two standard errors of the draw. Items are drawn without regard to the split. Groups are what
an answerer can tell apart: questions of one form, whether the text answers them or not.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from tests.tasks.second_solvers import TOOL_THINGS

from steelyard.tasks.errand import ErrandDraft
from steelyard.tasks.items import Dialogue, Draft
from steelyard.tasks.registry import family

SLACK = 0.05
NUMBER = r"(?<![\w.-])\d+(?:\.\d+)?(?![\w-]|\.\d)"
LATER = pytest.mark.full


def drafts(name: str, level: int, kind: str, count: int) -> Iterator[Draft | ErrandDraft]:
    for number in range(count):
        rng = Random(f"{name} {level} {kind} {number}")
        for draft in family(name).draft(kind, level, rng).written():
            assert not isinstance(draft, Dialogue)
            yield draft


@dataclass
class Group:
    """What each habit got right of the items of one form, and what chance would have."""

    items: int = 0
    chance: float = 0.0
    hits: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)

    def add(self, answer: str, chance: float, picks: dict[str, str]) -> None:
        self.items += 1
        self.chance += chance
        self.answers[answer] += 1
        self.hits.update(habit for habit, pick in picks.items() if pick == answer)

    def check(self, told: object) -> None:
        bound = min(1.0, self.chance / self.items + SLACK)
        bound += 2 * (bound * (1 - bound) / self.items) ** 0.5
        common = self.answers.most_common(1)[0]
        shares = {habit: hits / self.items for habit, hits in self.hits.items()}
        shares[f"always {common[0]}"] = common[1] / self.items
        over = {habit: share for habit, share in shares.items() if share > bound}
        assert not over, (told, self.items, bound, over)


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+|\d+", text.lower()))


def mentions(text: str, options: tuple[str, ...]) -> list[str]:
    listed = "|".join(sorted(map(re.escape, options), key=len, reverse=True))
    return re.findall(rf"(?<![\w-])(?:{listed})(?![\w-])", text)


def habits(text: str, question: str, options: tuple[str, ...]) -> dict[str, str]:
    """Return what each habit takes of the options of one question."""
    said = mentions(text, options) or [options[0]]
    counts = Counter(said)
    sentences = re.split(r"(?<=[.?])\s+|\n", text)
    spoken = [sentence for sentence in sentences if mentions(sentence, options)]
    spoken = spoken or [options[0]]
    asked = words(question)

    def nearest(own: set[str]) -> str:
        best = max(spoken, key=lambda sentence: len(words(sentence) & own))
        found = [option for option in mentions(best, options) if option not in question]
        return (found or mentions(best, options) or said)[0]

    found = {
        "first": said[0],
        "last": said[-1],
        "most often": max(counts, key=lambda option: counts[option]),
        "least often": min(counts, key=lambda option: counts[option]),
        "longest": max(options, key=len),
        "shortest": min(options, key=len),
        "first of the last sentence": mentions(spoken[-1], options)[0] if said else "",
        "the likest sentence": nearest(asked),
        "the sentence with its rarest word": nearest(
            {min(asked, key=lambda word: (text.lower().count(word) or 10**9, word))}
        ),
        "first of the question": (mentions(question, options) or said)[0],
    }
    for nothing in ("unknown", "none"):
        if nothing in options:
            found[f"always {nothing}"] = nothing
            rest = [option for option in options if option != nothing]
            found[f"never {nothing}"] = Random(text).choice(rest)
            found["least often but named"] = min(rest, key=lambda option: counts[option])
    return found


def of_numbers(text: str) -> dict[str, str]:
    said = re.findall(NUMBER, text) or ["0"]
    counts = Counter(said)
    return {
        "first": said[0],
        "last": said[-1],
        "most often": max(counts, key=lambda one: counts[one]),
        "least often": min(counts, key=lambda one: counts[one]),
        "longest": max(said, key=len),
        "largest": max(said, key=float),
        "smallest": min(said, key=float),
        "none": "0",
        "one": "1",
    }


# ── reading ─────────────────────────────────────────────────────────────────────────────────
FORMS = {
    r"Where is the one who has": "two_hop",
    r"Where is": "where_person",
    r"Who has": "who_has",
    r"How many people": "count",
    r"first, \w+ or \w+": "order",
}


def form_of(question: str) -> str:
    return next(form for sign, form in FORMS.items() if re.search(sign, question))


@pytest.mark.parametrize("level", [2, pytest.param(3, marks=LATER)])
def test_no_habit_reads_notes(level: int) -> None:
    groups: dict[str, Group] = defaultdict(Group)
    unsaid = Counter[str]()
    for draft in drafts("reading", level, "notes", 400 if level == 2 else 1500):
        assert isinstance(draft, Draft)
        text, question = draft.prompt.split(". ", 1)[1].rsplit(". ", 2)[0], draft.key[-1]
        text = draft.prompt[: draft.prompt.index(question)]
        form = form_of(question)
        options: tuple[str, ...] = getattr(draft.scorer, "options", ())
        if form == "count":
            people = set(re.findall(r"(\w+) goes to", text))
            picks = {**of_numbers(text), "all": str(len(people)), "half": str(len(people) // 2)}
            groups[form].add(draft.answer, 1 / (len(people) + 1), picks)
            continue
        unsaid[form] += draft.kind == "unsaid"
        picks = habits(text, question, options)
        picks["the latest note"] = (
            mentions(max(re.findall(r"At \d[^.]*", text)), options) or [""]
        )[0]
        picks["as last of the asked one"] = of_last(text, question, options)
        groups[form].add(draft.answer, 1 / len(options), picks)
    assert set(groups) == set(FORMS.values())
    assert all(unsaid[form] > 20 for form in ("where_person", "who_has", "two_hop", "order"))
    for form, group in groups.items():
        group.check((level, form))


def of_last(text: str, question: str, options: tuple[str, ...]) -> str:
    """Return what stands in the last sentence about what is asked."""
    subject = re.findall(r"(?:is|the) (\w+)(?= at the end| first)", question)
    about = [one for one in text.split(". ") if subject and subject[0] in one]
    return (mentions(about[-1], options) or ["unknown"])[0] if about else ""


def test_what_is_not_said_is_asked_of_those_who_occur_in_the_words_of_the_others() -> None:
    for level in (2, 3):
        for draft in drafts("reading", level, "notes", 60):
            assert isinstance(draft, Draft)
            question, text = draft.key[-1], draft.prompt.partition(draft.key[-1])[0]
            named = set(re.findall(r"(?<!^)\b[A-Z]\w+|the \w+(?= at| first)", question)) - {"Where"}
            assert named or draft.kind == "count", question
            assert all(one in text for one in named), question
            assert draft.prompt.endswith(
                "number only." if draft.kind == "count" else "if the notes do not say."
            )


def test_what_of_level_one_a_habit_answers_is_as_much_as_its_page_says() -> None:
    seen: dict[str, Counter[bool]] = defaultdict(Counter)
    for draft in drafts("reading", 1, "scene", 1500):
        assert isinstance(draft, Draft)
        text = draft.prompt.partition(draft.key[-1])[0]
        if draft.kind == "count":
            seen["count"][draft.answer == "1"] += 1
        elif draft.kind in {"where_person", "two_hop"}:
            places = Counter(re.findall(r"is in the (\w+)", text))
            seen[draft.kind][max(places, key=lambda place: places[place]) == draft.answer] += 1
    shares = {kind: counted[True] / counted.total() for kind, counted in seen.items()}
    assert shares == pytest.approx(
        {"where_person": 0.62, "two_hop": 0.61, "count": 0.41}, abs=0.005
    )


# ── tools ───────────────────────────────────────────────────────────────────────────────────
def tool_picks(tools: tuple[str, ...], request: str) -> dict[str, str]:
    rows = [json.loads(tool)["function"] for tool in tools]
    names: list[str] = [row["name"] for row in rows]
    bare = re.sub(r'Subject of the mail before this one: "[^"]*"', "", request)
    shared = {
        name: len(words(json.dumps(row)) & words(request))
        for name, row in zip(names, rows, strict=True)
    }
    apart = {
        name: len(words(json.dumps(row)) & words(bare))
        for name, row in zip(names, rows, strict=True)
    }
    near = {
        one: sum(set(one.split("_")) & set(name.split("_")) != set() for name in names)
        for one in names
    }
    titles = {name: len(set(name.split("_")) & words(request)) for name in names}
    described = {row["name"]: len(words(row["description"]) & words(bare)) for row in rows}
    return {
        "first": names[0],
        "last": names[-1],
        "longest": max(names, key=len),
        "shortest": min(names, key=len),
        "most words": max(names, key=lambda name: shared[name]),
        "fewest words": min(names, key=lambda name: shared[name]),
        "most words of the rest": max(names, key=lambda name: apart[name]),
        "most words of the description": max(names, key=lambda name: described[name]),
        "most like the others": max(names, key=lambda name: near[name]),
        "least like the others": min(names, key=lambda name: near[name]),
        "most words of the name": max(names, key=lambda name: titles[name]),
    }


@pytest.mark.parametrize(
    "level", [1, 2, pytest.param(3, marks=LATER), pytest.param(4, marks=LATER)]
)
def test_no_habit_finds_a_tool(level: int) -> None:
    for kind in ("multiple", "errand", "missing"):
        group = Group()
        for draft in drafts("tools", level, kind, 400):
            request = draft.prompt.rpartition("Request: ")[2]
            if isinstance(draft, ErrandDraft):
                shown = tuple(tool.api for tool in draft.tools if not tool.name.startswith("find_"))
                answer = draft.wanted[1][0].name
            else:
                shown, answer = draft.tools, draft.answer
            picks = tool_picks(shown, request)
            if kind == "multiple":
                answer = json.loads(answer)["calls"][0]["tool"]
            elif kind == "missing":
                last = {row["name"]: row["parameters"]["required"][-1]
                        for row in (json.loads(tool)["function"] for tool in shown)}  # fmt: skip
                picks = {habit: f"missing: {last[name]}" for habit, name in picks.items()}
                group.add(answer, 1 / len(set(last.values())), picks)
                continue
            group.add(answer, 1 / len(shown), picks)
        group.check((level, kind))


def test_a_request_calls_nothing_what_its_tool_calls_it() -> None:
    assert not any(set(said.split()) & set(meant.split()) for said, meant in TOOL_THINGS.items())


# ── long_context ────────────────────────────────────────────────────────────────────────────
def city_picks(text: str) -> dict[str, str]:
    found = re.findall(
        r"(\w+) (?:lives|is at home) in (\w+)\.|The home of (\w+) is in (\w+)\.", text
    )
    facts = [(a or c, b or d) for a, b, c, d in found]
    names, cities = Counter(who for who, _ in facts), Counter(city for _, city in facts)
    return {
        "first of the facts": facts[0][0],
        "last of the facts": facts[-1][0],
        "told most": names.most_common(1)[0][0],
        "told twice": next((who for who, _ in facts if names[who] == 2), facts[0][0]),
        "told least": min(names, key=lambda who: names[who]),
        "a city told once": next((who for who, city in facts if cities[city] == 1), facts[0][0]),
        "the rarest city": min(facts, key=lambda fact: cities[fact[1]])[0],
        "the rarest city, last": min(facts[::-1], key=lambda fact: cities[fact[1]])[0],
        "the commonest city": max(facts, key=lambda fact: cities[fact[1]])[0],
    }


LONG = [4, *(pytest.param(n, marks=LATER) for n in (1, 2, 8, 16, 32, 64, 128))]


@pytest.mark.parametrize("level", LONG)
def test_no_habit_finds_what_is_buried(level: int) -> None:
    kinds = set(family("long_context").kinds(level))
    for kind in sorted(kinds):
        group = Group()
        for draft in drafts("long_context", level, kind, 100 if level == 4 else 400):
            assert isinstance(draft, Draft)
            text, _, rest = draft.prompt.partition("\nQuestion: ")
            answer = draft.answer.split("Answer: ")[1]
            options: tuple[str, ...] = getattr(draft.scorer, "options", ())
            if options:
                picks = habits(text, rest.partition("\n")[0], options) | city_picks(text)
                group.add(answer, 1 / len(options), picks)
                continue
            codes = re.findall(r"\b\d{5}\b", text) or ["0"]
            numbers = Counter(codes)
            picks = {"first": codes[0], "last": codes[-1], "least often": min(numbers),
                     "most often": numbers.most_common(1)[0][0]}  # fmt: skip
            group.add(answer, 1 / len(numbers) if len(numbers) > 1 else 0, picks)
        group.check((level, kind))


# ── business ────────────────────────────────────────────────────────────────────────────────
def chance_of_number(kind: str, level: int) -> float:
    """Return one over the numbers that may be counted; a sum or a span of minutes may be any."""
    if kind == "invoice_days":
        return 1 / (20 * level - 4)
    return 1 / (4 if level == 1 else 5) if kind == "ticket_count" else 0


@pytest.mark.parametrize("level", [1, pytest.param(2, marks=LATER), pytest.param(3, marks=LATER)])
def test_no_habit_reads_documents(level: int) -> None:
    groups: dict[str, Group] = defaultdict(Group)
    for bundle in family("business").kinds(level):
        for draft in drafts("business", level, bundle, 400):
            assert isinstance(draft, Draft)
            text, _, question = draft.prompt.rpartition("\n\n")
            group = groups[draft.kind]
            options: tuple[str, ...] = getattr(draft.scorer, "options", ())
            if draft.kind.endswith("_summary"):
                chosen, total, picks = summed(draft, text, question)
                group.add(chosen, 1 / (2**total - 1), picks)
            elif options:
                # The first topic of a meeting has none before it, so it is no choice.
                spare = level if draft.kind == "meeting_slip" else 0
                group.add(draft.answer, 1 / (len(options) - spare), habits(text, question, options))
            else:
                group.add(draft.answer, chance_of_number(draft.kind, level), of_numbers(text))
    assert sum(kind.endswith("_summary") for kind in groups) == 3
    for kind, group in groups.items():
        group.check((level, kind))


def summed(draft: Draft, text: str, question: str) -> tuple[str, int, dict[str, str]]:
    """Return which documents of how many belong in, by their places, and what habits would name."""
    sign = {"invoice": r"Invoice (\S+)", "ticket": r"Ticket (\S+)", "topic": r"topic (\w+) begins"}
    noun = draft.kind.partition("_")[0]
    names = re.findall(sign[noun], text)
    parts = re.split(sign[noun], text)[2::2]
    shared = [len(words(part) & words(question)) for part in parts]
    picks: dict[str, Any] = {
        "all": range(len(names)),
        "first": [0],
        "last": [len(names) - 1],
        "all but the first": range(1, len(names)),
        "all but the last": range(len(names) - 1),
        "most words": [n for n, count in enumerate(shared) if count == max(shared)],
        "the longest": [max(range(len(parts)), key=lambda n: len(parts[n]))],
    }
    chosen = [n for n, name in enumerate(names) if f"{name} (" in draft.answer]
    return str(chosen), len(names), {habit: str([*pick]) for habit, pick in picks.items()}
