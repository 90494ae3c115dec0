"""Multi-turn: facts are told, changed, taken back; every turn asks for what holds now.

Instructions stand until they are changed: capitals, a closing word, a unit. A turn is judged by
its value; whether an instruction was kept is a constraint of its own. Level 1 has four turns and
one instruction, levels 2, 3 and 4 have 10, 20 and 40 turns and instructions that come and go;
from level 3 on a fact can also go back to what it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, Literal, NamedTuple, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks.items import Cluster, Dialogue, Turn, coin
from steelyard.tasks.scoring import Constraint, without_thought
from steelyard.tasks.values import ValueScorer
from steelyard.tasks.words import CITIES, NAMES, OBJECTS, first

_OPENING: Final = (
    "I will tell you facts and ask about them as they change. Answer every question with one word "
    "or one number. Say unknown if I have not told you, or told you to forget it."
)
_UNKNOWN: Final = "unknown"
_UNIT: Final = "kg"
_CLOSINGS: Final = ("over", "indeed", "thanks", "noted")
_TURNS: Final = {1: 4, 2: 10, 3: 20, 4: 40}
_SIZES: Final = {1: 3, 2: 4, 3: 6, 4: 8}
_GO_BACK_LEVEL: Final = 3
_FORGOTTEN: Final = 0.15
_FIRST: Final = 3  # facts of the first turn, where all are of one topic
_MORE: Final = 0.3  # of the questions need more than one fact
_MAX_TOKENS: Final = 32
_WEIGHTS: Final = [str(number) for number in range(2, 60)]

Topic = Literal["home", "holder", "weight"]
Fact = tuple[Topic, str]


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """The instructions in force. `ended` holds a closing word that was called off."""

    case: Literal["upper", "lower"] | None = None
    closing: str | None = None
    ended: str | None = None
    unit: bool | None = None

    def written(self, value: str) -> str:
        """Write a value as the instructions demand it."""
        text = f"{value} {_UNIT}" if self.unit and value.isdigit() else value
        text = f"{text} {self.closing}" if self.closing else text
        if self.case is None:
            return text
        return text.upper() if self.case == "upper" else text.lower()

    def constraints(self, value: str) -> tuple[Constraint, ...]:
        """Return what can be checked at a turn whose value this is."""
        found = []
        letters = any(letter.isalpha() for letter in self.written(value))
        if self.case is not None and letters:
            pattern = r"[^a-z]*" if self.case == "upper" else r"[^A-Z]*"
            found.append(Constraint("letter_case", "matches", pattern))
        if self.closing:
            pattern = rf"(?is).*\b{self.closing}\W*"
            found.append(Constraint("closing_word", "matches", pattern))
        elif self.ended:
            pattern = rf"(?is)(?!.*\b{self.ended}\W*\Z).*"
            found.append(Constraint("closing_word", "matches", pattern))
        if self.unit is not None and value.isdigit():
            pattern = rf"(?is).*\d\s*{_UNIT}\b.*" if self.unit else rf"(?is)(?!.*{_UNIT}\b).*"
            found.append(Constraint("unit", "matches", pattern))
        return tuple(found)


@final
@dataclass(frozen=True, slots=True)
class TurnScorer:
    """The value of a turn decides; each standing instruction is a constraint beside it."""

    value: ValueScorer
    standing: tuple[Constraint, ...]

    def mark(self, answer: Answer) -> Mark:
        """Mark the value with the instructions' own words set aside."""
        mark = self.value.mark(answer)
        text = without_thought(answer)
        held = {constraint.name: constraint.holds(text) for constraint in self.standing}
        return Mark(mark.outcome, mark.extracted, {**mark.constraints, **held})


@final
@dataclass(slots=True)
class World:
    """Who and what there is, and what has been told of each fact; `unknown` once forgotten.

    `latest` is the value of a topic that was said last.
    """

    people: list[str]
    cities: list[str]
    topics: tuple[Topic, ...]
    subjects: dict[Topic, list[str]]
    told: dict[Fact, list[str]] = field(default_factory=dict)
    latest: dict[Topic, str] = field(default_factory=dict)

    def now(self, fact: Fact) -> str:
        """Return what holds of a fact."""
        return self.told[fact][-1] if fact in self.told else _UNKNOWN

    def known(self, topic: Topic) -> list[Fact]:
        """Return the facts of a topic that hold something."""
        return [f for f in self.told if f[0] == topic and self.now(f) != _UNKNOWN]


class Asked(NamedTuple):
    """A question, its value, and what that value is."""

    text: str
    value: str
    answer: Literal["city", "person", "weight", "count"]


def _world(rng: Random, level: int, topics: tuple[Topic, ...]) -> World:
    size = _SIZES[level]
    people = rng.sample(first(NAMES, level), size)
    things = rng.sample(first(OBJECTS, level), size)
    cities = rng.sample(first(CITIES, level), size + 1)
    subjects: dict[Topic, list[str]] = {"home": people, "holder": things, "weight": people}
    return World(people, cities, topics, subjects)


def _update(rng: Random, world: World, level: int, topic: Topic, touched: set[Fact]) -> str:
    """Tell one fact that this turn has not touched: new, changed, put back or taken back."""
    while (fact := (topic, rng.choice(world.subjects[topic]))) in touched:
        pass
    subject = fact[1]
    touched.add(fact)
    past = world.told.setdefault(fact, [])
    if not past or past[-1] == _UNKNOWN:
        past.append(_other(rng, world, topic, _UNKNOWN))
        world.latest[topic] = past[-1]
        return _TOLD[topic].format(subject, past[-1])
    if rng.random() < _FORGOTTEN:
        past.append(_UNKNOWN)
        return _TAKEN_BACK[topic].format(subject)
    if level >= _GO_BACK_LEVEL and len(past) > 1 and past[-2] != _UNKNOWN and coin(rng):
        past.append(past[-2])
        return _PUT_BACK[topic].format(subject)
    past.append(_other(rng, world, topic, past[-1]))
    world.latest[topic] = past[-1]
    return _CHANGED[topic].format(subject, past[-1])


_TOLD: Final = {
    "home": "{0} lives in {1}.",
    "holder": "{1} has the {0}.",
    "weight": "The parcel for {0} weighs {1} kg.",
}
_CHANGED: Final = {
    "home": "{0} has moved to {1}.",
    "holder": "The {0} was handed to {1}.",
    "weight": "Correction: the parcel for {0} weighs {1} kg.",
}
_PUT_BACK: Final = {
    "home": "{0} has moved back to the city of before.",
    "holder": "The {0} went back to the one who had it before.",
    "weight": "The parcel for {0} weighs what it weighed before, after all.",
}
_TAKEN_BACK: Final = {
    "home": "Forget where {0} lives.",
    "holder": "Forget who has the {0}.",
    "weight": "Forget what the parcel for {0} weighs.",
}


def _other(rng: Random, world: World, topic: Topic, but: str) -> str:
    """Draw another value; not the one said last, or soon everything would be that one."""
    pool = {"weight": _WEIGHTS, "home": world.cities, "holder": world.people}[topic]
    while (value := rng.choice(pool)) in {but, world.latest.get(topic)}:
        pass
    return value


def _question(rng: Random, world: World, level: int) -> Asked:
    """Ask for what holds now. What was said last is the answer no more often than by chance."""
    echoes = [fact for fact in world.told if world.now(fact) == world.latest.get(fact[0])]
    rest = [fact for fact in world.told if fact not in echoes]
    echo = not rest or rng.random() < 1 / (len(world.people) + 2)
    fact = rng.choice(echoes if echoes and echo else rest)
    topic, subject = fact
    value = world.now(fact)
    if level > 1 and rng.random() < _MORE:
        others = [f[1] for f in world.known("weight") if f != fact]
        if topic == "weight" and value != _UNKNOWN and others:
            other = rng.choice(others)
            total = str(int(value) + int(world.now(("weight", other))))
            said = f"What do the parcels for {subject} and {other} weigh together?"
            return Asked(said, total, "weight")
        if topic == "home":
            return _head_count(rng, world)
    if topic == "home":
        return Asked(f"Where does {subject} live?", value, "city")
    if topic == "holder":
        return Asked(f"Who has the {subject}?", value, "person")
    return Asked(f"What does the parcel for {subject} weigh?", value, "weight")


def _head_count(rng: Random, world: World) -> Asked:
    # Drawn by count first: drawn by city, "1" would be most answers.
    living = [world.now(home) for home in world.known("home")]
    count = rng.choice(sorted({living.count(city) for city in world.cities}))
    city = rng.choice([city for city in world.cities if living.count(city) == count])
    said = f"Of how many people do you know that they live in {city}?"
    return Asked(said, str(count), "count")


def _instruct(rng: Random, standing: Standing, name: str) -> tuple[str, Standing]:
    """Give an instruction, change it or call it off."""
    if name == "letter_case":
        new: Literal["upper", "lower"] = "lower" if standing.case == "upper" else "upper"
        spelled = "capital" if new == "upper" else "small"
        return f"From now on write every answer in {spelled} letters.", replace(standing, case=new)
    if name == "unit":
        if standing.unit:
            return "From now on give weights without a unit.", replace(standing, unit=False)
        return f"From now on write {_UNIT} behind every weight.", replace(standing, unit=True)
    if standing.closing:
        said = f'Stop ending your answers with the word "{standing.closing}".'
        return said, replace(standing, closing=None, ended=standing.closing)
    word = rng.choice([word for word in _CLOSINGS if word != standing.ended])
    said = f'From now on end every answer with the word "{word}".'
    return said, replace(standing, closing=word)


def _turn(world: World, standing: Standing, prompt: str, asked: Asked) -> Turn:
    # Whatever is no weight carries no unit: the instruction has nothing to say about it.
    rules = standing if asked.answer == "weight" else replace(standing, unit=None)
    options = {"city": world.cities, "person": world.people}.get(asked.answer, [])
    value = ValueScorer(
        asked.value,
        (*options, _UNKNOWN),
        numeric=asked.answer in {"weight", "count"},
        aside=(*_CLOSINGS, _UNIT),
    )
    scorer = TurnScorer(value, rules.constraints(asked.value))
    return Turn(prompt, rules.written(asked.value), scorer)


_TOPICS: Final[dict[str, tuple[Topic, ...]]] = {
    "homes": ("home",),
    "holders": ("holder",),
    "weights": ("weight",),
    "mixed": ("home", "holder", "weight"),
}


@final
class MultiTurn:
    """The family behind `multi_turn`."""

    name: Final = "multi_turn"
    revision: Final = 1
    levels: Final = (1, 2, 3, 4)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return what the facts are about, the same at every level."""
        return tuple(_TOPICS)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one conversation; who and what is in it decides the split."""
        world = _world(rng, level, _TOPICS[kind])
        cast = (kind, *world.people, *world.cities, *world.subjects["holder"])
        return Cluster(cast, late=lambda: [_dialogue(rng, kind, level, world)])


def _dialogue(rng: Random, kind: str, level: int, world: World) -> Dialogue:
    names = ["letter_case", "closing_word", *(["unit"] if "weight" in world.topics else [])]
    rng.shuffle(names)
    # One instruction at once, the others later; then each changes now and again.
    size = _TURNS[level]
    changing = range(0, size, size // 5) if level > 1 else range(1)
    standing, turns = Standing(), []
    for number in range(size):
        touched: set[Fact] = set()
        said = [_OPENING] if number == 0 else []
        if number in changing:
            name = names[changing.index(number) % len(names)]
            told, standing = _instruct(rng, standing, name)
            said.append(told)
        about = rng.choices(world.topics, k=rng.randint(1, 1 if level == 1 else 2))
        if number == 0:
            about = [*world.topics] * (2 if len(world.topics) > 1 else _FIRST)
        said += [_update(rng, world, level, topic, touched) for topic in about]
        asked = _question(rng, world, level)
        turns.append(_turn(world, standing, " ".join([*said, asked.text]), asked))
    return Dialogue(kind, tuple(turn.prompt for turn in turns), tuple(turns), _MAX_TOKENS)
