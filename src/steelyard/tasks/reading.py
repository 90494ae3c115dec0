"""Reading comprehension: a passage about who is where with what, and questions on it.

A passage is a small graph: people stand in places and carry things. Level 1 states the graph in
shuffled sentences; level 2 lets people move and hand things over; level 3 does so at length and
also asks what the passage does not say. The questions of one passage are one cluster.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from random import Random
from typing import Final, NamedTuple, final

from steelyard.tasks.items import Cluster, Draft, Scorer, coin
from steelyard.tasks.scoring import ChoiceScorer, NumberScorer
from steelyard.tasks.words import NAMES, OBJECTS, PLACES, pool

_WORD: Final = "Answer with one word only."
_NUMBER: Final = "Answer with the number only."
_UNKNOWN: Final = "unknown"
_UNSAID_LEVEL: Final = 3
_UNSAID: Final = "Answer with one word only, or 'unknown' if the text does not say."


class Graph(NamedTuple):
    """What is true in the end: person to place, thing to the person who carries it."""

    place: dict[str, str]
    holder: dict[str, str]
    sentences: tuple[str, ...]


def _scene(rng: Random, level: int) -> Graph:
    """Lay out a still scene: four people in three places, three things."""
    people = rng.sample(pool(NAMES, level), 4)
    places = rng.sample(pool(PLACES, level), 3)
    things = rng.sample(pool(OBJECTS, level), 3)
    # The head count of one place is drawn first: left to chance, "1" would be most answers.
    size = rng.randint(1, 3)
    place = {p: places[0] if i < size else rng.choice(places[1:]) for i, p in enumerate(people)}
    holder = dict(zip(things, rng.sample(people, 3), strict=True))
    said = [f"{person} is in the {where}." for person, where in place.items()]
    said += [f"{person} has the {thing}." for thing, person in holder.items()]
    rng.shuffle(said)
    return Graph(place, holder, tuple(said))


def _events(rng: Random, level: int) -> Graph:
    """Let people move and hand things over; the graph is what holds at the end."""
    people = rng.sample(NAMES, {2: 4, 3: 6}[level])
    places = rng.sample(PLACES, {2: 4, 3: 6}[level])
    things = rng.sample(OBJECTS, {2: 3, 3: 5}[level])
    place = {person: rng.choice(places) for person in people}
    holder = {thing: rng.choice(people) for thing in things}
    said = [f"{person} is in the {where}." for person, where in place.items()]
    said += [f"{person} picks up the {thing}." for thing, person in holder.items()]
    for _ in range({2: 5, 3: 14}[level]):
        if coin(rng):
            person = rng.choice(people)
            place[person] = rng.choice([p for p in places if p != place[person]])
            said.append(f"{person} goes to the {place[person]}.")
        else:
            thing = rng.choice(things)
            giver = holder[thing]
            holder[thing] = rng.choice([p for p in people if p != giver])
            said.append(f"{giver} gives the {thing} to {holder[thing]}.")
    return Graph(place, holder, tuple(said))


def _asked(rng: Random, graph: Graph) -> dict[str, tuple[str, str]]:
    """Ask one question of each kind: kind to question and answer."""
    person = rng.choice(list(graph.place))
    thing, other = rng.sample(list(graph.holder), 2)
    # Drawn by count first: drawn by place, "1" would be most answers.
    crowds = Counter(graph.place.values())
    here = rng.choice(sorted(set(crowds.values())))
    crowded = rng.choice(sorted(where for where, count in crowds.items() if count == here))
    return {
        "where_person": (f"Where is {person}?", graph.place[person]),
        "who_has": (f"Who has the {thing}?", graph.holder[thing]),
        "what_has": (f"What does {graph.holder[thing]} have?", thing),
        "two_hop": (f"Where is the {other}?", graph.place[graph.holder[other]]),
        "count": (f"How many people are in the {crowded}?", str(here)),
    }


def _absent(rng: Random, graph: Graph) -> tuple[str, str]:
    thing = rng.choice([word for word in OBJECTS if word not in graph.holder])
    return f"Who has the {thing}?", _UNKNOWN


@final
class Reading:
    """The family behind `reading`."""

    name: Final = "reading"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, level: int) -> tuple[str, ...]:
        """Return the kind of passages: a short scene, or a chain of events."""
        return ("scene",) if level <= 1 else ("events",)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one passage and its questions."""
        graph = _scene(rng, level) if kind == "scene" else _events(rng, level)
        asked = _asked(rng, graph)
        # Of a still scene each holder's one thing can be asked for; in events some carry several.
        asked.pop("who_has" if kind == "scene" else "what_has")
        if level == _UNSAID_LEVEL:
            asked["unsaid"] = _absent(rng, graph)
        text = " ".join(graph.sentences)
        options = (*graph.place, *set(graph.place.values()), *graph.holder, _UNKNOWN)
        drafts = (
            Draft(
                name,
                (*graph.sentences, question),
                f"{text} {question} {_demand(name, level)}",
                answer,
                24 if level <= 1 else 64,
                _scorer(name, answer, options),
            )
            for name, (question, answer) in asked.items()
        )
        return Cluster(graph.sentences, tuple(drafts))


def _demand(name: str, level: int) -> str:
    if name == "count":
        return _NUMBER
    return _UNSAID if level == _UNSAID_LEVEL else _WORD


def _scorer(name: str, answer: str, options: tuple[str, ...]) -> Scorer:
    if name == "count":
        return NumberScorer(Fraction(answer))
    return ChoiceScorer(answer, options)
