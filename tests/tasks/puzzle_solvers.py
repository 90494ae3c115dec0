"""Second solvers for puzzles of the harder levels: every world is tried against every sentence.

They read the prompt and share no code with the generators.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

_LOWER = {"shorter", "younger", "slower", "poorer"}
_LOWEST = {"shortest", "youngest", "slowest", "poorest"}


def solve_order(prompt: str) -> str:
    """Suppose of each who is asked about that another is ahead: for one that is impossible."""
    above = []
    for left, relation, right in re.findall(r"(\w+) is (\w+) than (\w+)\.", prompt):
        above.append((right, left) if relation in _LOWER else (left, right))
    end, names = re.findall(r"Who is the (\w+) of (.*?)\?", prompt)[0]
    asked = re.split(r", | and ", names)

    def first(name: str) -> bool:
        others = [other for other in asked if other != name]
        pairs = [(name, o) if end in _LOWEST else (o, name) for o in others]
        return not any(_possible([*above, pair]) for pair in pairs)

    found = [name for name in asked if first(name)]
    assert len(found) == 1, prompt
    return found[0]


def _possible(above: list[tuple[str, str]]) -> bool:
    """Say whether some row of people has all these: take away who has nobody above, again."""
    while above:
        free = {upper for upper, _ in above} - {lower for _, lower in above}
        if not free:
            return False
        above = [pair for pair in above if pair[0] not in free]
    return True


def solve_seats(prompt: str) -> str:
    """Try every way to put the people in the places."""
    who, where = re.findall(r"^(.*?) are in the (.*?), one in each\.", prompt)[0]
    people = re.split(r", | and ", who)
    places = re.split(r", the | and the ", where)
    said = prompt.split(", one in each. ", 1)[1]
    asked = re.findall(r"Where is (\w+)\?", said)[0]
    holds = [_seat(sentence) for sentence in re.findall(r"[A-Z][^.?]*\.", said.split("Where")[0])]
    found = set()
    for world in itertools.permutations(places):
        home = dict(zip(people, world, strict=True))
        if all(hold(home) for hold in holds):
            found.add(home[asked])
    assert len(found) == 1, prompt
    return found.pop()


def _seat(sentence: str) -> Callable[[dict[str, str]], bool]:
    if m := re.fullmatch(r"If (\w+) is in the (\w+), (\w+) is (not )?in the (\w+)\.", sentence):
        one, here, two, no, there = m.groups()
        return lambda home: home[one] != here or (home[two] == there) != bool(no)
    if m := re.fullmatch(r"Either (\w+) or (\w+) is in the (\w+)\.", sentence):
        one, two, here = m.groups()
        return lambda home: here in (home[one], home[two])
    if m := re.fullmatch(r"(\w+) is either in the (\w+) or in the (\w+)\.", sentence):
        one, here, there = m.groups()
        return lambda home: home[one] in (here, there)
    m = re.fullmatch(r"(\w+) is not in the (\w+)\.", sentence)
    assert m, sentence
    one, here = m.groups()
    return lambda home: home[one] != here


def solve_knights(prompt: str) -> str:
    """Try every way to be knights and knaves: a knight's sentence holds, a knave's does not."""
    people = re.split(r", | and ", prompt.split(" are each a knight", maxsplit=1)[0])
    said = re.findall(r"(\w+) says: ([^.]*)\.", prompt)
    asked = re.findall(r"Is (\w+) a knight or a knave\?", prompt)[0]
    found = set()
    for world in itertools.product((True, False), repeat=len(people)):
        is_knight = dict(zip(people, world, strict=True))
        if all(is_knight[speaker] == _claim(text, is_knight) for speaker, text in said):
            found.add("knight" if is_knight[asked] else "knave")
    assert len(found) == 1, prompt
    return found.pop()


def _claim(text: str, is_knight: dict[str, bool]) -> bool:
    if m := re.fullmatch(r"If (\w+) is a (\w+), (\w+) is a (\w+)", text):
        return is_knight[m[1]] != (m[2] == "knight") or is_knight[m[3]] == (m[4] == "knight")
    if m := re.fullmatch(r"At least one of (\w+) and (\w+) is a (\w+)", text):
        return (m[3] == "knight") in (is_knight[m[1]], is_knight[m[2]])
    if m := re.fullmatch(r"(\w+) and (\w+) are of (one kind|two kinds)", text):
        return (is_knight[m[1]] == is_knight[m[2]]) == (m[3] == "one kind")
    m = re.fullmatch(r"(\w+) is a (knight|knave)", text)
    assert m, text
    return is_knight[m[1]] == (m[2] == "knight")


_THING = r"(?:the one with the |the one from |[Tt]he |The one with the |The one from )?(\w+)"
_BELONGS = rf"{_THING} (?:is the|is from|has the) (\w+)"
_NOT = rf"{_THING} (?:is not the|is not from|does not have the) (\w+)"


def solve_grid(prompt: str) -> str:
    """Try every way to deal the values out."""
    names = re.split(r", | and ", prompt.split(" have a ", maxsplit=1)[0])
    groups = [names, *(re.split(r", | and ", g) for g in re.findall(r"\w+: ([^.:']*)\.", prompt))]
    group_of = {word: at for at, group in enumerate(groups) for word in group}
    body, question = re.findall(r"\w+: [^.:']*\. (?!\w+: )(.*\.) ([^.?]*\?)", prompt)[0]
    holds = [_belongs(sentence) for sentence in re.findall(r"[A-Z][^.]*\.", body)]
    given, wanted = _asked(question)
    target = 0 if wanted == "name" else _group(prompt, wanted)
    found = set()
    for world in itertools.product(
        *(itertools.permutations(range(len(names))) for _ in groups[1:])
    ):
        owners = (tuple(range(len(names))), *world)
        of = {w: owners[at][groups[at].index(w)] for w, at in group_of.items()}
        if all(hold(of) for hold in holds):
            found.add(next(w for w in groups[target] if of[w] == of[given]))
    assert len(found) == 1, prompt
    return found.pop()


def _group(prompt: str, wanted: str) -> int:
    return re.findall(r"(Jobs|Pets|Cities): ", prompt).index(wanted) + 1


def _asked(question: str) -> tuple[str, str]:
    last = re.findall(r"(\w+)(?: have)?\?", question)[0]
    for start, wanted in (("What is the job", "Jobs"), ("Which pet", "Pets"), ("From", "Cities")):
        if question.startswith(start):
            return last, wanted
    assert question.startswith("Who"), question
    return last, "name"


def _belongs(sentence: str) -> Callable[[dict[str, int]], bool]:
    if m := re.fullmatch(rf"Either {_THING} or {_BELONGS}\.", sentence):
        one, two, value = m.groups()
        return lambda of: of[value] in (of[one], of[two])
    if m := re.fullmatch(rf"{_NOT}\.", sentence):
        one, value = m.groups()
        return lambda of: of[one] != of[value]
    m = re.fullmatch(rf"{_BELONGS}\.", sentence)
    assert m, sentence
    one, value = m.groups()
    return lambda of: of[one] == of[value]
