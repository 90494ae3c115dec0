"""Sounds: how many tones there are, and which is the highest, made from the seed.

No word is spoken, so that nothing is asked of a voice or a language. A sound's samples are made
when its question is put. Level 1: tones at even distances, two pitches compared. Level 2: uneven
distances, the highest of three. Level 3: two kinds of tones mixed, the highest of five.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Final, NamedTuple, final

from steelyard.domain.task import Media
from steelyard.media import wav
from steelyard.media.samples import packed
from steelyard.tasks.items import Cluster, Draft, alone
from steelyard.tasks.pictures import scene
from steelyard.tasks.pictures.scene import Asked

_ORDER: Final = ("first", "second", "third", "fourth", "fifth")
_MOST: Final = 7
_LOW: Final = (250, 450)  # hertz
_HIGH: Final = (900, 1500)
# A quarter higher at the least, which is two whole tones: nobody has to have a trained ear.
_APART: Final = 5, 4
_TONES: Final = {1: 2, 2: 3, 3: 5}


class Tone(NamedTuple):
    """A tone and the pause after it."""

    hertz: int
    milliseconds: int
    pause_ms: int


@final
class Audio:
    """The family behind `audio`."""

    name: Final = "audio"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return the kinds of sounds, the same at every level."""
        return ("count", "pitch")

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Make one sound, and ask about it."""
        tones, asked = (_count if kind == "count" else _pitch)(rng, level)
        key = (asked.prompt, *(" ".join(map(str, tone)) for tone in tones))
        show = cache(lambda: (_sound(tones),))
        return alone(Draft(kind, key, asked.prompt, asked.answer, 24, asked.scorer, show=show))


def _count(rng: Random, level: int) -> tuple[list[Tone], Asked]:
    count, even = rng.randint(1, _MOST), rng.randrange(300, 600, 20)
    wanted = "high" if rng.random() < 1 / 2 else "low"
    pitch = {"high": rng.randrange(*_HIGH, 10), "low": rng.randrange(*_LOW, 10)}
    kinds = [wanted] * count
    if level == 3:  # noqa: PLR2004 - as the module says
        kinds += ["low" if wanted == "high" else "high"] * rng.randint(1, 4)
        rng.shuffle(kinds)
    tones = [
        Tone(pitch[kind], rng.randrange(150, 350, 10), even if level == 1 else _pause(rng))
        for kind in kinds
    ]
    which = f"{wanted} tones" if level == 3 else "tones"  # noqa: PLR2004
    return tones, scene.number("count", f"How many {which} are in this sound?", count)


def _pitch(rng: Random, level: int) -> tuple[list[Tone], Asked]:
    count = _TONES[level]
    more, of = _APART
    steps = [rng.randrange(240, 320, 4)]
    while len(steps) < count:
        steps.append(steps[-1] * more // of + rng.randrange(0, 20, 2))
    hertz = rng.sample(steps, count)
    tones = [Tone(each, rng.randrange(400, 700, 20), _pause(rng)) for each in hertz]
    if level == 1:
        higher = "higher" if hertz[1] > hertz[0] else "lower"
        question = "Is the second tone higher or lower than the first?"
        return tones, scene.word("pitch", question, higher, ("higher", "lower"))
    options = _ORDER[:count]
    question = f"Which tone is the highest: the {', the '.join(options[:-1])} or the {options[-1]}?"
    return tones, scene.word("pitch", question, options[hertz.index(max(hertz))], options)


def _pause(rng: Random) -> int:
    return rng.randrange(250, 900, 10)


def _sound(tones: list[Tone]) -> Media:
    samples = wav.silence(300)
    for tone in tones:
        samples += wav.tone(tone.hertz, tone.milliseconds) + wav.silence(tone.pause_ms)
    return packed("audio", wav.TYPE, wav.encode(samples))
