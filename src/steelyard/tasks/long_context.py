"""Long context: facts buried in 1k to 128k tokens of notes, each at a depth, and what they say.

A level is a length in thousands (1,024) of tokens, prompt and answer together, as the engine that
is asked counts them: the prompt is written to it when it is asked (`runs.stretching`). Identity and
answer depend on the facts alone. Kinds that ask for one fact have it at 0, 25, 50, 75 or 100 % of
the text, in turns; those that ask for several have them spread over all of it.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple, final

from steelyard.tasks.items import Cluster, Draft, content_hash
from steelyard.tasks.long_text import SHOWN, Buried, BuriedScorer
from steelyard.tasks.noise import CODES
from steelyard.tasks.words import CITIES, COLOURS, NAMES, OBJECTS, plural

K: Final = 1024
DEPTHS: Final = (0, 25, 50, 75, 100)
SPREAD: Final = "spread"
_AT_DEPTH: Final = ("single", "multi_key", "contradiction")
_SPREAD_KINDS: Final = ("multi_value", "multi_query", "tracking", "aggregation")
_MAX_TOKENS: Final = 128
_PLACES: Final = 1000
_VALUES: Final = 4
_ASKED: Final = 4
_HOPS: Final = 4
_AT_ENDS: Final = 4
_LONE: Final = 6  # boxes from which no other one takes its number
_PEOPLE: Final = 6
_THRICE: Final = 0.2  # of people, those whose home is told three times
_SHARED: Final = 3  # people to a city
_HOMES: Final = ("{} lives in {}.", "The home of {} is in {}.", "{} is at home in {}.")
_DELIVERIES: Final = (3, 6)
_AMOUNTS: Final = (2, 29)
# Near misses with a value of their own: at least, at most, and tokens for each one more.
_NEAR_LEAST: Final = 6
_NEAR_MOST: Final = 24
_NEAR_EVERY: Final = 4 * K


class _Content(NamedTuple):
    """What an item says and asks; the scorer's values are as the answer lists them."""

    facts: list[tuple[int, str]]
    question: str
    form: str
    values: tuple[str, ...]
    ordered: bool = False
    options: tuple[str, ...] = ()


def _code(rng: Random, but: set[str]) -> str:
    """Draw five digits that no other fact of the text has."""
    while (code := str(rng.randrange(10_000, 100_000))) in but:
        pass
    but.add(code)
    return code


def _anywhere(rng: Random) -> int:
    return rng.randint(0, _PLACES)


def _near(tokens: int) -> int:
    """Return how many near misses with a value of their own a text of this length has."""
    return min(_NEAR_MOST, _NEAR_LEAST + tokens // _NEAR_EVERY)


def _among(rng: Random, place: int, fact: str, others: list[str]) -> list[tuple[int, str]]:
    """Put a fact at its place among others, some of which come first and some last of all.

    Else the first or the last value of a text would be the answer of what stands at its ends.
    """
    before, after = rng.randint(1, _AT_ENDS), rng.randint(1, _AT_ENDS)
    return _at_ends(rng, others, before, after, (place, fact))


def _at_ends(
    rng: Random, others: list[str], before: int, after: int, fact: tuple[int, str]
) -> list[tuple[int, str]]:
    """Put so many others before and behind everything, the rest of them anywhere."""
    return [
        *((0, other) for other in others[:before]),
        fact,
        *((_anywhere(rng), other) for other in others[before + after :]),
        *((_PLACES, other) for other in others[before : before + after]),
    ]


def _states(code: str, who: str, value: str) -> str:
    return f"The {code} of {who} is {value}."


def _single(rng: Random, place: int, tokens: int) -> _Content:
    """One fact; near it the same person's other codes, and others'."""
    code, *others = rng.sample(CODES, len(CODES))
    who, *people = rng.sample(NAMES, 1 + 2 * _near(tokens))
    used: set[str] = set()
    value = _code(rng, used)
    near = [
        _states(others[n % len(others)], who if n < len(others) else other, _code(rng, used))
        for n, other in enumerate(people)
    ]
    rng.shuffle(near)
    facts = _among(rng, place, _states(code, who, value), near)
    return _Content(facts, f"What is the {code} of {who}?", "that number", (value,))


def _multi_key(rng: Random, place: int, tokens: int) -> _Content:
    """One fact among many of the same form, for other people."""
    code = rng.choice(CODES)
    who, *people = rng.sample(NAMES, 1 + 2 * _near(tokens))
    used: set[str] = set()
    value = _code(rng, used)
    others = [_states(code, other, _code(rng, used)) for other in people]
    facts = _among(rng, place, _states(code, who, value), others)
    return _Content(facts, f"What is the {code} of {who}?", "that number", (value,))


def _multi_value(rng: Random, tokens: int) -> _Content:
    """Several values of one person, spread; and several of another one."""
    code = rng.choice(CODES)
    who, *people = rng.sample(NAMES, 1 + _near(tokens) // _NEAR_LEAST)
    used: set[str] = set()
    facts, values = [], []
    for person in (who, *people):
        for _ in range(_VALUES):
            value = _code(rng, used)
            facts.append((_anywhere(rng), f"A {code} of {person} is {value}."))
            if person == who:
                values.append(value)
    return _Content(
        facts,
        f"{who} has {_VALUES} {code}s. Which are they?",
        "these numbers in any order, with commas between them",
        tuple(values),
    )


def _multi_query(rng: Random, tokens: int) -> _Content:
    """Several facts asked for at once, in an order that is not the text's."""
    code = rng.choice(CODES)
    people = rng.sample(NAMES, _ASKED + _near(tokens))
    used: set[str] = set()
    values = {who: _code(rng, used) for who in people}
    facts = [(_anywhere(rng), _states(code, who, value)) for who, value in values.items()]
    asked = people[:_ASKED]
    listed = f"{', '.join(asked[:-1])} and {asked[-1]}"
    return _Content(
        facts,
        f"What are the {code}s of {listed}?",
        "these numbers in this order, with commas between them",
        tuple(values[who] for who in asked),
        ordered=True,
    )


def _tracking(rng: Random, tokens: int) -> _Content:
    """Chains of boxes that take their numbers from each other, in the order of the text."""
    length = _HOPS + 1
    chains = 2 + _near(tokens) // _NEAR_LEAST // 2
    drawn = rng.sample(COLOURS, length * chains + _LONE)
    colours, lone = drawn[_LONE:], drawn[:_LONE]
    used: set[str] = set()
    facts, value = [], ""
    for number in range(chains):
        boxes = colours[number * length : (number + 1) * length]
        places = sorted(_anywhere(rng) for _ in boxes)
        code = _code(rng, used)
        value = value or code
        facts.append((places[0], f"The {boxes[0]} box holds the number {code}."))
        pairs = zip(places[1:], boxes, boxes[1:], strict=False)
        facts += [(at, f"The {into} box holds what the {of} box holds.") for at, of, into in pairs]
    for box in lone:  # as early as a chain begins, or the first number would often be the answer
        begins = min(_anywhere(rng) for _ in range(length))
        facts.append((begins, f"The {box} box holds the number {_code(rng, used)}."))
    return _Content(
        facts, f"Which number does the {colours[_HOPS]} box hold?", "that number", (value,)
    )


def _aggregation(rng: Random, tokens: int) -> _Content:
    """Amounts of one thing for one person, to be added; others of other things and people."""
    who, *people = rng.sample(NAMES, 1 + _near(tokens))
    thing, *things = rng.sample(OBJECTS, 4)
    amounts = [rng.randint(*_AMOUNTS) for _ in range(rng.randint(*_DELIVERIES))]
    sent = [(who, thing, amount) for amount in amounts]
    sent += [(who, rng.choice(things), rng.randint(*_AMOUNTS)) for _ in range(2)]
    sent += [(other, thing, rng.randint(*_AMOUNTS)) for other in people]
    facts = [
        (_anywhere(rng), f"{amount} {plural(what)} were delivered to {person}.")
        for person, what, amount in sent
    ]
    return _Content(
        facts,
        f"How many {plural(thing)} were delivered to {who} in all?",
        "that number",
        (str(sum(amounts)),),
    )


def _contradiction(rng: Random, place: int, tokens: int) -> _Content:
    """Homes are told once, twice or three times; of one person they do not agree.

    One of that person's stands at the asked depth. Cities are shared, so that neither how often a
    person is told nor how often a city is says whose home is in doubt.
    """
    people = rng.sample(NAMES, _PEOPLE + _near(tokens) // _NEAR_LEAST)
    once, *others = people
    liar = rng.choice(others)
    times = {who: 3 if rng.random() < _THRICE else 2 for who in others} | {once: 1}
    cities = rng.sample(CITIES, len(people) // _SHARED)
    # Each city is the home of two or more.
    homes = [*cities, *cities, *rng.choices(cities, k=len(people) - 2 * len(cities))]
    rng.shuffle(homes)
    home = dict(zip(people, homes, strict=True))
    told = {who: [home[who]] * count for who, count in times.items()}
    told[liar][0] = rng.choice([city for city in cities if city != home[liar]])
    facts = [
        (who, form.format(who, city))
        for who, where in told.items()
        for form, city in zip(rng.sample(_HOMES, len(where)), where, strict=True)
    ]
    rng.shuffle(facts)
    at_depth, *more = [fact for who, fact in facts if who == liar]
    others = [fact for who, fact in facts if who != liar]
    # Of what stands at an end many others stand before, or the first one of a city would tell.
    before, after = (
        rng.randrange(len(others) * 4 // 5 if place == end else 3) for end in (0, _PLACES)
    )
    placed = _at_ends(rng, others, before, after, (place, at_depth))
    return _Content(
        [*placed, *((rng.randint(1, _PLACES - 1), fact) for fact in more)],
        "Of one person the notes name two different homes. Who is it?",
        "the name",
        (liar,),
        options=tuple(sorted(people)),
    )


_PLACED: Final = {"single": _single, "multi_key": _multi_key, "contradiction": _contradiction}
_SCATTERED: Final = {
    "multi_value": _multi_value,
    "multi_query": _multi_query,
    "tracking": _tracking,
    "aggregation": _aggregation,
}


def _canaries(rng: Random) -> tuple[str, str, str]:
    """Draw three words that nobody knows and that no text has."""

    def word() -> str:
        syllables = (rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3))
        return "".join(syllables) + rng.choice("bdgkmpvz")

    return word(), word(), word()


def _cycle() -> tuple[str, ...]:
    """Return each kind with its depth: every depth as often, every kind about as often."""
    found = []
    for turn in range(len(DEPTHS)):
        for number, kind in enumerate(_AT_DEPTH):
            found.append(f"d{DEPTHS[(turn + number) % len(DEPTHS)]}/{kind}")
        found += [f"{SPREAD}/{kind}" for kind in _SPREAD_KINDS]
    return tuple(found)


@final
class LongContext:
    """The family behind `long_context`."""

    name: Final = "long_context"
    revision: Final = 2
    levels: Final = (4, 8, 16, 32, 64, 128, 1, 2)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return depth and kind, `d25/single` or `spread/tracking`, the same at every level."""
        return _cycle()

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one question; its facts decide the split. The filler is written when asked."""
        depth, _, what = kind.partition("/")
        tokens = level * K
        if depth == SPREAD:
            content = _SCATTERED[what](rng, tokens)
        else:
            content = _PLACED[what](rng, int(depth[1:]) * _PLACES // 100, tokens)
        canaries = _canaries(rng)
        key = (kind, content.question, *(fact for _, fact in content.facts))
        buried = Buried(
            seed=content_hash(*key, *canaries)[:32],
            tokens=tokens,
            canaries=canaries,
            facts=tuple(content.facts),
            question=content.question,
            form=content.form,
        )
        return Cluster(key, late=lambda: [_written(kind, key, content, buried)])


def _written(kind: str, key: tuple[str, ...], content: _Content, buried: Buried) -> Draft:
    canaries = buried.canaries
    return Draft(
        kind=kind,
        key=key,
        prompt=buried.text(SHOWN),
        answer=f"Check: {' '.join(canaries)}\nAnswer: {', '.join(content.values)}",
        max_tokens=_MAX_TOKENS,
        scorer=BuriedScorer(content.values, canaries, content.ordered, content.options),
        stretch=buried,
    )
