"""Second solvers, one a family, that know nothing but the prompt.

They share no code with the generators: sentences are read with patterns of their own, and what a
generator computes forwards is found here another way (worlds by brute force, events by replay,
forms by carrying out the demand). A disagreement is a bug in one of the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from tests.tasks.puzzle_solvers import solve_grid, solve_knights, solve_order, solve_seats
from tests.tasks.quantity_solver import solve_quantities


def singular(word: str) -> str:
    """Undo a regular plural."""
    if word == "leaves":
        return "leaf"
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("shes", "ches", "xes", "sses", "potatoes", "tomatoes")):
        return word[:-2]
    return word.removesuffix("s")


def solve_math(prompt: str) -> str:
    """Keep an account for each (person, thing) and replay every sentence on it."""
    if "Work it out" in prompt:
        return solve_quantities(prompt)
    *story, question = re.split(r"(?<=[.?])\s+", prompt.split("? ", maxsplit=1)[0] + "?")
    account: dict[tuple[str, str], int] = {}
    asked = singular(re.findall(r"How many (?:more )?(\w+)", question)[0])
    loose = 0
    thing = asked
    for sentence in story:
        loose += _replay(sentence, account, thing)
    if " in all" in question:
        return str(sum(account.values()) + loose)
    if found := re.search(r"does (\w+) have than (\w+)", question):
        return str(account[found[1], asked] - account[found[2], asked])
    if found := re.search(r"(\w+) has .* and (\w+) has (\d+)", prompt):
        account[found[2], asked] = int(found[3])
    who = re.findall(r"does (\w+) have", question)[0]
    return str(account[who, asked])


def _replay(sentence: str, account: dict[tuple[str, str], int], thing: str) -> int:
    """Carry one sentence out. Return what lies about without an owner."""
    who = sentence.split(maxsplit=1)[0]
    key = (who, thing)
    numbers = [int(n) for n in re.findall(r"\d+", sentence)]
    if "bags with" in sentence:
        account[key] = account.get(key, 0) + numbers[0] * numbers[1]
    elif "are in a box" in sentence:
        for name, count in re.findall(r"(\w+) has (\d+)", sentence):
            account[name, thing] = int(count)
        return numbers[-1]
    elif found := re.search(r"(\w+) has (\d+) (more|fewer) than (\w+)", sentence):
        sign = 1 if found[3] == "more" else -1
        account[found[1], thing] = account[found[4], thing] + sign * int(found[2])
    elif re.search(r"gives (\w+) \d+ more", sentence):
        account[sentence.split()[2], thing] += numbers[0]
    elif "then loses" in sentence:
        account[key] += numbers[0] - numbers[1]
    elif " gives " in sentence:
        account[key] -= numbers[0]
    else:
        _add_things(sentence, who, account)
    return 0


def _add_things(sentence: str, who: str, account: dict[tuple[str, str], int]) -> None:
    for count, noun in re.findall(r"(\d+) (\w+)", sentence):
        if noun == "more":
            last = next(reversed(account))
            account[last] += int(count)
            continue
        if noun == "and":
            continue
        owner = (who, singular(noun))
        account[owner] = account.get(owner, 0) + int(count)
    if found := re.search(r" and (\w+) has (\d+)\.", sentence):
        thing = next(iter(account))[1]
        account[found[1], thing] = int(found[2])


def _solve_notes(prompt: str) -> str:
    """Put the notes in order of time and replay them; what is never told is unknown."""
    told = sorted(re.findall(r"At (\d\d:\d\d) ([^.?]*)\.", prompt))
    assert len({at for at, _ in told}) == len(told)
    place, holder, order = {}, {}, list[tuple[str, str]]()
    for _, said in told:
        if found := re.fullmatch(r"(\w+) goes to (?:the (\w+)|a place that .* not name)", said):
            place[found[1]] = found[2] or "unknown"
            order.append((found[1], found[2]))
        elif found := re.fullmatch(r"the (\w+) comes to (?:(\w+)|a person whom .* name)", said):
            holder[found[1]] = found[2] or "unknown"
    if found := re.search(r"Where is (\w+) at the end\?", prompt):
        return place[found[1]]
    if found := re.search(r"Who has the (\w+) at the end\?", prompt):
        return holder[found[1]]
    if found := re.search(r"Where is the one who has the (\w+) at the end\?", prompt):
        return place.get(holder[found[1]], "unknown")
    if found := re.search(r"How many people go to the (\w+) before they go to the (\w+)\?", prompt):
        ranks = [{to: n for n, (w, to) in enumerate(order) if w == who} for who in place]
        return str(sum(rank[found[1]] < rank[found[2]] for rank in ranks))
    found = re.search(r"Who (\w+ the \w+) first, (\w+) or (\w+)\?", prompt)
    assert found, prompt
    assert all(f"{who} {found[1]}." in prompt for who in found.groups()[1:])
    did = [said.split()[0] for _, said in told if said.endswith(found[1])]
    return did[0] if {*did} == {found[2], found[3]} else "unknown"


def solve_reading(prompt: str) -> str:
    """Replay the passage; carried things move with their people."""
    if "These notes" in prompt:
        return _solve_notes(prompt)
    place: dict[str, str] = {}
    holder: dict[str, str] = {}
    for sentence in re.findall(r"[A-Z][^.?]*[.?]", prompt):
        if found := re.fullmatch(r"(\w+) (?:is in|goes to) the (\w+)\.", sentence):
            place[found[1]] = found[2]
        elif found := re.fullmatch(r"(\w+) (?:has|picks up) the (\w+)\.", sentence):
            holder[found[2]] = found[1]
        elif found := re.fullmatch(r"(\w+) gives the (\w+) to (\w+)\.", sentence):
            assert holder[found[2]] == found[1]
            holder[found[2]] = found[3]
        elif found := re.fullmatch(r"Where is (\w+)\?", sentence):
            return place[found[1]]
        elif found := re.fullmatch(r"Where is the (\w+)\?", sentence):
            return place[holder[found[1]]]
        elif found := re.fullmatch(r"Who has the (\w+)\?", sentence):
            return holder.get(found[1], "unknown")
        elif found := re.fullmatch(r"What does (\w+) have\?", sentence):
            return next(thing for thing, person in holder.items() if person == found[1])
        elif found := re.fullmatch(r"How many people are in the (\w+)\?", sentence):
            return str(list(place.values()).count(found[1]))
    raise AssertionError(prompt)


def solve_logic(prompt: str) -> str:
    """Try every world that the clues allow; the answer must be the same in all of them."""
    if "says: " in prompt:
        return solve_knights(prompt)
    if "all of them different" in prompt:
        return solve_grid(prompt)
    if "one in each" in prompt:
        return solve_seats(prompt)
    if " like? " in prompt:
        return _solve_trait(prompt)
    if re.search(r"\b(?:All|No) \w+ are", prompt):
        return _solve_rules(prompt)
    return solve_order(prompt) if " of " in prompt.partition("?")[0] else _solve_order(prompt)


_PAIRS = {"shorter": "taller", "younger": "older", "slower": "faster", "poorer": "richer"}
_LOWEST = {"shortest", "youngest", "slowest", "poorest"}


def _solve_order(prompt: str) -> str:
    above: set[tuple[str, str]] = set()
    for left, relation, right in re.findall(r"(\w+) is (\w+) than (\w+)\.", prompt):
        above.add((right, left) if relation in _PAIRS else (left, right))
    people = {name for pair in above for name in pair}
    # In a chain, the top has everyone below it by some path: close the relation, then count.
    reach = set(above)
    while new := {(a, d) for a, b in reach for c, d in reach if b == c} - reach:
        reach |= new
    below = {name: sum(a == name for a, _ in reach) for name in people}
    assert sorted(below.values()) == list(range(len(people)))
    wanted = re.findall(r"Who is the (\w+)\?", prompt)[0]
    target = 0 if wanted in _LOWEST else len(people) - 1
    return next(name for name, count in below.items() if count == target)


def _solve_rules(prompt: str) -> str:
    name, kind = re.findall(r"(\w+) is an? (\w+)\.", prompt)[0]
    trait = re.findall(rf"Is {name} (\w+)", prompt)[0]
    rules = re.findall(r"(All|No) (\w+) are (\w+)\.", prompt)
    facts = {kind}
    while True:
        new = {
            (singular(end) if end != trait else trait)
            for quantity, start, end in rules
            if quantity == "All" and _names(start, facts)
        } - facts
        if not new:
            break
        facts |= new
    denied = any(q == "No" and end == trait and _names(start, facts) for q, start, end in rules)
    assert not (denied and trait in facts)
    return "yes" if trait in facts else "no" if denied else "unknown"


def _solve_trait(prompt: str) -> str:
    asked = re.findall(r"What is (\w+) like\?", prompt)[0]
    kind = re.findall(rf"{asked} is an? (\w+)\.", prompt)[0]
    rules = re.findall(r"Every (\w+) is (\w+)\.", prompt)
    found = {trait for named, trait in rules if named == kind}
    assert len(found) == 1, prompt
    return str(found.pop())


def _names(plural: str, kinds: set[str]) -> bool:
    return any(plural in {kind + "s", kind + "es"} for kind in kinds)


def solve_formats(prompt: str) -> str:
    """Carry the demand out on the words that the prompt shows."""
    for sign, solve in _FORMS.items():
        if sign in prompt:
            return solve(prompt)
    raise AssertionError(prompt)


def _facts(prompt: str) -> dict[str, str | int]:
    told = re.findall(r"Facts: (.*?)\. Write", prompt)[0]
    pairs = [pair.split(" ") for pair in told.split(", ")]
    return {key: int(value) if value.isdigit() else value for key, value in pairs}


def _listed(text: str) -> list[str]:
    return re.split(r", | and ", text)


def _json(prompt: str) -> str:
    facts = _facts(prompt)
    keys = _listed(re.findall(r"with the keys (.*?)\.", prompt)[0])
    shout = "in upper case" in prompt
    values = {k: facts[k] for k in keys}
    return json.dumps(
        {k: v.upper() if shout and isinstance(v, str) else v for k, v in values.items()}
    )


def _csv(prompt: str) -> str:
    facts = _facts(prompt)
    fields = _listed(re.findall(r"with the values of (.*?)\.", prompt)[0])
    return ",".join(str(facts[field]) for field in fields)


def _words(prompt: str) -> list[str]:
    listed: str = re.findall(r"(?:Words|Numbers): (.*?)\.", prompt)[0]
    return listed.split(", ")


def _upper(prompt: str) -> str:
    words = _listed(re.findall(r"Write the words (.*?) in upper case", prompt)[0])
    return " ".join(words[::-1] if "in reverse order" in prompt else words).upper()


def _repeat(prompt: str) -> str:
    word, times, mark = re.findall(
        r"Write the word (\w+) exactly (\d+) times, separated by (\w+)", prompt
    )[0]
    marks = {"spaces": " ", "hyphens": "-", "slashes": "/", "plus": "+", "colons": ":"}
    return marks[mark].join(word for _ in range(int(times)))


_FORMS: dict[str, Callable[[str], str]] = {
    "JSON object": _json,
    "CSV line": _csv,
    "each line beginning with": lambda prompt: "\n".join(
        f"- {w}" for w in (sorted(_words(prompt)) if " a to z" in prompt else _words(prompt))
    ),
    "in upper case": _upper,
    "exactly": _repeat,
    "in reverse order": lambda prompt: ";".join(reversed(_words(prompt))),
    "smallest to largest": lambda prompt: ",".join(sorted(_words(prompt), key=int)),
}
SOLVERS: dict[str, Callable[[str], str]] = {
    "math_words": solve_math,
    "reading": solve_reading,
    "logic": solve_logic,
    "formats": solve_formats,
}
