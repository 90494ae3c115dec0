"""Notes with times, in no order, and questions on them that no habit answers: `reading` at length.

Everybody goes once to each place and once to one that has no name here; every thing comes once to
everybody and once to somebody without a name. Only the times tell what holds in the end, so that
no person, place or thing stands out by how often, how early or how late it is mentioned. What the
notes do not say is asked of those who occur in them, in the words of the other questions. Not
aware of levels or scorers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias, final

from steelyard.tasks.items import coin
from steelyard.tasks.words import NAMES, OBJECTS, PLACES

UNKNOWN: Final = "unknown"
_THINGS: Final = 3
_DAY: Final = range(8 * 60, 20 * 60)  # minutes after midnight
_CHORES: Final = ("cleans", "paints", "repairs")
_NO_PLACE: Final = "a place that the notes do not name"
_NOBODY: Final = "a person whom the notes do not name"
_PREFACE: Final = "These notes of one day are in no order."
# Of three answers to who came first each is as likely; elsewhere "unknown" is one among more.
_UNSAID: Final = ("where_person", "who_has", "two_hop", "order", "order", "order")

# Minutes after midnight and where it leads, in order of time; what has no name is empty.
Path: TypeAlias = Sequence[tuple[int, str]]


@final
@dataclass(frozen=True, slots=True)
class Posed:
    """One question; `options` are the words that its answer may be, none for a number."""

    kind: str
    question: str
    answer: str
    options: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Chore:
    """What two people do to one thing, each with the time or without one, the first one first."""

    does: str
    thing: str
    done: tuple[tuple[int | None, str], ...]

    @property
    def known(self) -> bool:
        """Say whether both times are told."""
        return all(at is not None for at, _ in self.done)


@final
@dataclass(frozen=True, slots=True)
class Notes:
    """What happened in a day. `pair` are two places, of which `count` people see the first first.

    `sentences` tell all of it, without order.
    """

    walks: dict[str, Path]
    owners: dict[str, Path]
    chores: tuple[Chore, ...]
    pair: tuple[str, str]
    count: int
    sentences: tuple[str, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """Every place that has a name."""
        return tuple(sorted({to for path in self.walks.values() for _, to in path if to}))


def draw(rng: Random, people: int, places: int, chores: int) -> Notes:
    """Draw the notes of a day with so many people, places and chores."""
    names, stops = rng.sample(NAMES, people), rng.sample(PLACES, places)
    words = rng.sample(OBJECTS, _THINGS + chores)
    steps = people * (places + 1) + _THINGS * (people + 1) + 2 * chores
    times = rng.sample(_DAY, steps)
    pair = (stops[0], stops[1])
    # How many see the first place first is drawn first: left to chance, half of them mostly would.
    count = rng.randint(0, people)
    walks = {
        who: _ordered(_path(rng, times, stops), pair, first=at < count)
        for at, who in enumerate(rng.sample(names, people))
    }
    owners = {thing: _path(rng, times, names) for thing in words[:_THINGS]}
    # Of one chore it is told who was first, of one it is not; of any more, either.
    told = [True, False, *(coin(rng) for _ in range(chores - 2))]
    done = tuple(
        _chore(rng, times, thing, names, known=known)
        for thing, known in zip(words[_THINGS:], told, strict=True)
    )
    said = [
        *(_note(at, f"{who} goes to {f'the {to}' if to else _NO_PLACE}")
          for who, path in walks.items() for at, to in path),
        *(_note(at, f"the {thing} comes to {to or _NOBODY}")
          for thing, path in owners.items() for at, to in path),
        *(_note(at, f"{who} {chore.does} the {chore.thing}")
          for chore in done for at, who in chore.done),
    ]  # fmt: skip
    rng.shuffle(said)
    return Notes(walks, owners, done, pair, count, (_PREFACE, *said))


def _path(rng: Random, times: list[int], stops: list[str]) -> Path:
    """Go to every stop and to the one without a name."""
    taken = sorted(times.pop() for _ in range(len(stops) + 1))
    return list(zip(taken, rng.sample([*stops, ""], len(stops) + 1), strict=True))


def _ordered(path: Path, pair: tuple[str, str], *, first: bool) -> Path:
    """Return the path on which the first place of the pair comes first, or the second one."""
    order = [to for _, to in path]
    if (order.index(pair[0]) < order.index(pair[1])) == first:
        return path
    swapped = dict(zip(pair, pair[::-1], strict=True))
    return [(at, swapped.get(to, to)) for at, to in path]


def _chore(rng: Random, times: list[int], thing: str, names: list[str], *, known: bool) -> Chore:
    does, people = rng.choice(_CHORES), rng.sample(names, 2)
    taken: list[int | None] = [*sorted(times.pop() for _ in people)]
    if not known:
        taken[rng.randrange(2)] = None
    return Chore(does, thing, tuple(zip(taken, people, strict=True)))


def _note(at: int | None, said: str) -> str:
    when = "At an hour that is not told" if at is None else f"At {at // 60:02d}:{at % 60:02d}"
    return f"{when} {said}."


def unsaid_form(rng: Random) -> str:
    """Draw what kind of question is to be asked of what the notes do not say."""
    return rng.choice(_UNSAID)


def questions(rng: Random, notes: Notes, unsaid: str) -> tuple[Posed, ...] | None:
    """Ask one question of each kind; None where there is none of some kind to be asked."""
    wanted = (
        ("where_person", "where_person", True),
        ("who_has", "who_has", True),
        ("two_hop", "two_hop", True),
        ("order", "order", True),
        ("unsaid", unsaid, False),
    )
    made = [_posed(rng, notes, kind, form, known=known) for kind, form, known in wanted]
    one, other = notes.pair
    asked = f"How many people go to the {one} before they go to the {other}?"
    return (*(p for p in made if p), Posed("count", asked, str(notes.count))) if all(made) else None


def _posed(rng: Random, notes: Notes, kind: str, form: str, *, known: bool) -> Posed | None:
    """Ask a question of one form whose answer is told, or is not."""
    if form == "order":
        return _order(rng, notes, kind, known=known)
    where = _ends(notes.walks)
    who = _ends(notes.owners)
    options = (*(notes.walks if form == "who_has" else notes.places), UNKNOWN)
    if form == "where_person":
        answers, question = where, "Where is {} at the end?"
    elif form == "who_has":
        answers, question = who, "Who has the {} at the end?"
    else:
        answers = {
            thing: where.get(owner, "") for thing, owner in who.items() if owner in ("", *where)
        }
        question = "Where is the one who has the {} at the end?"
    fitting = [subject for subject, answer in answers.items() if bool(answer) == known]
    if not fitting:
        return None
    subject = rng.choice(fitting)
    return Posed(kind, question.format(subject), answers[subject] or UNKNOWN, options)


def _ends(paths: dict[str, Path]) -> dict[str, str]:
    """Return where each path ends, save the one whose end is the last note of all of them.

    Whoever takes the latest note of all for the answer would else be right too often.
    """
    latest = max(paths, key=lambda subject: paths[subject][-1])
    return {subject: path[-1][1] for subject, path in paths.items() if subject != latest}


def _order(rng: Random, notes: Notes, kind: str, *, known: bool) -> Posed:
    chore = rng.choice([chore for chore in notes.chores if chore.known == known])
    (_, first), (_, second) = chore.done
    one, other = rng.sample((first, second), 2)
    return Posed(
        kind,
        f"Who {chore.does} the {chore.thing} first, {one} or {other}?",
        first if known else UNKNOWN,
        (one, other, UNKNOWN),
    )
