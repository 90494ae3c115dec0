"""A second solver of the family `rag`: reads the documents and the question, knows no generator."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOLD = (
    (r"The keys of (?P<x>\w+) are held by (?P<v>\w+), who sits .*", "governor"),
    (r"In (?P<x>\w+) the last word in every matter belongs to (?P<v>\w+)\.", "governor"),
    (r"(?P<v>\w+) was chosen to rule over (?P<x>\w+)\.", "governor"),
    (r"It was (?P<v>\w+) who laid the first stone of (?P<x>\w+)\.", "founder"),
    (r"(?P<x>\w+) goes back to (?P<v>\w+), who built the first house there\.", "founder"),
    (r"Most families of (?P<x>\w+) earn their bread with (?P<v>\w+)\.", "trade"),
    (r"Carts leave (?P<x>\w+) loaded with (?P<v>\w+)\.", "trade"),
    (r"The water that runs past (?P<x>\w+) is called the (?P<v>\w+)\.", "river"),
    (r"Boats come to (?P<x>\w+) by the (?P<v>\w+)\.", "river"),
    (r"Every (?P<v>\w+) the lanterns of (?P<x>\w+) are lit .*", "festival"),
    (r"(?P<x>\w+) dances through the nights of (?P<v>\w+)\.", "festival"),
    (r"Who counts the wells of (?P<x>\w+) comes to (?P<v>\d+)\.", "wells"),
    (r"In (?P<x>\w+) they draw water from (?P<v>\d+) wells\.", "wells"),
    (r"The corn of (?P<x>\w+) is ground in (?P<v>\d+) mills\.", "mills"),
    (r"(?P<v>\d+) mills turn in the wind over (?P<x>\w+)\.", "mills"),
    (r"From afar one sees (?P<v>\d+) towers rise over (?P<x>\w+)\.", "towers"),
    (r"The wall of (?P<x>\w+) has (?P<v>\d+) towers\.", "towers"),
    (r"(?P<x>\w+) keeps a house in (?P<v>\w+)\.", "home"),
    (r"The door of (?P<x>\w+) is to be found in (?P<v>\w+)\.", "home"),
    (r"(?P<x>\w+) earns a living as a (?P<v>\w+)\.", "craft"),
    (r"By day (?P<x>\w+) works as a (?P<v>\w+)\.", "craft"),
    (r"(?P<x>\w+) learnt everything from (?P<v>\w+)\.", "teacher"),
    (r"It was (?P<v>\w+) whom (?P<x>\w+) followed in the first years\.", "teacher"),
    (r"(?P<x>\w+) puts to sea with the (?P<v>\w+)\.", "boat"),
    (r"The (?P<v>\w+) sails under the hand of (?P<x>\w+)\.", "boat"),
    (r"(?P<x>\w+) has seen (?P<v>\d+) winters\.", "age"),
    (r"(?P<v>\d+) candles stood on the last birthday table of (?P<x>\w+)\.", "age"),
)
_ASKED = (
    (r"Who (?:governs|is in charge of) (.+)\?", "governor"),
    (r"(?:Who founded (.+)|By whom was (.+) established)\?", "founder"),
    (r"(?:What is the main trade good of (.+)|Which ware does (.+) sell to others)\?", "trade"),
    (r"(?:What is the name of the river of (.+)|Which river flows through (.+))\?", "river"),
    (r"In which month does (.+) (?:hold its festival|celebrate)\?", "festival"),
    (r"(?:How many wells does (.+) have|What is the number of wells in (.+))\?", "wells"),
    (r"(?:How many mills does (.+) have|What is the number of mills in (.+))\?", "mills"),
    (r"(?:How many towers does (.+) have|What is the number of towers in (.+))\?", "towers"),
    (r"In which settlement (?:does (.+) live|is (.+) at home)\?", "home"),
    (r"(?:What is the profession of (.+)|Which trade does (.+) follow)\?", "craft"),
    (r"(?:Who taught (.+)|Who was the teacher of (.+))\?", "teacher"),
    (r"(?:What is the name of the boat of (.+)|Which boat belongs to (.+))\?", "boat"),
    (r"(?:How old is (.+)|What is the age of (.+))\?", "age"),
)
_CALLED = (
    (r"(?:whoever governs|the person in charge of) (\w+)", "governor"),
    (r"(?:the founder of|the person who established) (\w+)", "founder"),
    (r"(?:the home of (\w+)|the settlement in which (\w+) lives)", "home"),
    (r"(?:the teacher of|the person who taught) (\w+)", "teacher"),
)


def facts(sentences: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return what is told: the value by its owner and by what it is."""
    found: dict[tuple[str, str], str] = {}
    for sentence in sentences:
        for pattern, what in _TOLD:
            if (hit := re.fullmatch(pattern, sentence)) is not None:
                assert found.setdefault((hit["x"], what), hit["v"]) == hit["v"]
    return found


def solve(known: dict[tuple[str, str], str], question: str) -> str:
    """Answer a question from what is told alone."""
    if (pair := re.fullmatch(r"Which of (\w+) and (\w+) has more (\w+)\?", question)) is not None:
        numbers = [known.get((pair[n], pair[3])) for n in (1, 2)]
        if None in numbers:
            return "not stated"
        return pair[1] if int(numbers[0] or 0) > int(numbers[1] or 0) else pair[2]
    several = re.fullmatch(r"How many (\w+) do (\w+), (\w+) and (\w+) have together\?", question)
    if several is not None:
        values = [known.get((several[n], several[1])) for n in (2, 3, 4)]
        return "not stated" if None in values else str(sum(int(v or 0) for v in values))
    for pattern, what in _ASKED:
        if (hit := re.fullmatch(pattern, question)) is not None:
            owner = _owner(known, next(filter(None, hit.groups())))
            return known.get((owner, what), "not stated")
    raise AssertionError(question)


def _owner(known: dict[tuple[str, str], str], called: str) -> str:
    for pattern, what in _CALLED:
        if (hit := re.fullmatch(pattern, called)) is not None:
            return known.get((next(filter(None, hit.groups())), what), "nobody")
    return called
