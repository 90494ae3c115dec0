"""Reading comprehension: a passage about who is where with what, and questions on it.

A passage is a small graph: people stand in places and carry things. Level 1 states the graph in
shuffled sentences. Levels 2 and 3 are notes of a day in no order: only their times tell what holds
in the end, who came first, and what is not told. The questions of one passage are one cluster.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from random import Random
from typing import Final, NamedTuple, final

from steelyard.tasks.items import Cluster, Draft, Scorer, coin
from steelyard.tasks.notes import UNKNOWN, draw, questions, unsaid_form
from steelyard.tasks.scoring import ChoiceScorer, NumberScorer
from steelyard.tasks.words import NAMES, OBJECTS, PLACES, pool

_WORD: Final = "Answer with one word only."
_NUMBER: Final = "Answer with the number only."
_UNSAID: Final = "Answer with one word only, or 'unknown' if the notes do not say."
# People, places and chores of a level.
_SIZES: Final = {2: (3, 3, 2), 3: (4, 4, 3)}
# Of the six questions on notes; at level 1, which records rest on, all four are asked.
_ASKED: Final = 2
# What the bundled model was taught beside the scenes; no level asks it.
TAUGHT: Final = "events"


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


def _events(rng: Random) -> Graph:
    """Let people move and hand things over; the graph is what holds at the end."""
    people = rng.sample(NAMES, 4)
    places = rng.sample(PLACES, 4)
    things = rng.sample(OBJECTS, 3)
    place = {person: rng.choice(places) for person in people}
    holder = {thing: rng.choice(people) for thing in things}
    said = [f"{person} is in the {where}." for person, where in place.items()]
    said += [f"{person} picks up the {thing}." for thing, person in holder.items()]
    for _ in range(5):
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


@final
class Reading:
    """The family behind `reading`.

    Its revision counts for level 1, whose items records and the bundled model rest on.
    """

    name: Final = "reading"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, level: int) -> tuple[str, ...]:
        """Return the kind of passages: a short scene, or notes of a day."""
        return ("scene",) if level <= 1 else ("notes",)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one passage and its questions."""
        if kind == "notes":
            return _of_notes(rng, *_SIZES[level])
        graph = _scene(rng, level) if kind == "scene" else _events(rng)
        asked = _asked(rng, graph)
        # Of a still scene each holder's one thing can be asked for; in events some carry several.
        asked.pop("who_has" if kind == "scene" else "what_has")
        text = " ".join(graph.sentences)
        options = (*graph.place, *set(graph.place.values()), *graph.holder, UNKNOWN)
        drafts = (
            Draft(
                name,
                (*graph.sentences, question),
                f"{text} {question} {_NUMBER if name == 'count' else _WORD}",
                answer,
                24 if level <= 1 else 64,
                _scorer(name, answer, options),
            )
            for name, (question, answer) in asked.items()
        )
        return Cluster(graph.sentences, tuple(drafts))


def _of_notes(rng: Random, people: int, places: int, chores: int) -> Cluster:
    """Write the notes of a day of which there is a question of each kind to ask."""
    # Drawn before the notes: what is rarer in them would else be asked more rarely.
    unsaid = unsaid_form(rng)
    while (asked := questions(rng, notes := draw(rng, people, places, chores), unsaid)) is None:
        pass
    text = " ".join(notes.sentences)
    drafts = (
        Draft(
            one.kind,
            (*notes.sentences, one.question),
            f"{text} {one.question} {_UNSAID if one.options else _NUMBER}",
            one.answer,
            64,
            _scorer(one.kind, one.answer, one.options),
        )
        for one in asked
    )
    return Cluster(notes.sentences, tuple(drafts), asked=_ASKED)


def _scorer(name: str, answer: str, options: tuple[str, ...]) -> Scorer:
    if name == "count":
        return NumberScorer(Fraction(answer))
    return ChoiceScorer(answer, options)
