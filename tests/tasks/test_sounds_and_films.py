"""Sounds and films with known answers: whoever reads samples or frames finds them."""

from __future__ import annotations

import base64
import io
import re
import struct
import wave
from functools import cache
from itertools import groupby
from random import Random

import numpy as np
import pytest
from tests.tasks import eyes
from tests.tasks.pace import takes_under

from steelyard.domain.task import Answer, Mark, Right, Task
from steelyard.tasks.items import Question
from steelyard.tasks.registry import family, questions

SETS = [(name, level) for name in ("audio", "video") for level in family(name).levels]
every_set = pytest.mark.parametrize(("name", "level"), SETS)
ORDER = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
WAYS = {(1, 0): "right", (-1, 0): "left", (0, -1): "up", (0, 1): "down"}


@cache
def items(name: str, level: int) -> list[Question]:
    return questions(Task(name, level=level, items=60))


def file_of(item: Question) -> bytes:
    (shown,) = item.start().messages[0].media
    assert shown.kind == item.family
    return base64.b64decode(shown.data)


# ── a second solver ─────────────────────────────────────────────────────────────────────────────


def tones(data: bytes) -> list[float]:
    """Return the pitch of each tone, by how often its samples change sign."""
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    loud = np.convolve(np.abs(heard) > 0, np.ones(800), "same") > 1  # pauses are longer than 50 ms
    edges = np.flatnonzero(np.diff(loud.astype(int)))
    assert len(edges) % 2 == 0
    found = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        part = heard[begin:end]
        part = part[part != 0]
        found.append(float(np.count_nonzero(np.diff(np.signbit(part)))) / len(part) * 8000)
    return found


def listened(item: Question) -> str:
    heard = tones(file_of(item))
    if (asked := re.search(r"How many (high |low )?tones", item.prompt)) is not None:
        kept = {"high ": lambda hertz: hertz > 700, "low ": lambda hertz: hertz < 700}.get(
            asked[1] or "", bool
        )
        return str(sum(map(kept, heard)))
    if "second tone higher or lower" in item.prompt:
        return "higher" if heard[1] > heard[0] else "lower"
    return ORDER[heard.index(max(heard))]


def frames(data: bytes) -> list[eyes.Pixels]:
    """Return the frames by the tables of the file, each checked to be a PNG."""
    assert data[4:12] == b"ftypqt  "

    def after(name: bytes) -> int:
        return data.rindex(name) + 4

    count = struct.unpack(">I", data[after(b"stsz") + 8 : after(b"stsz") + 12])[0]
    sizes = struct.unpack(f">{count}I", data[after(b"stsz") + 12 : after(b"stsz") + 12 + 4 * count])
    places = struct.unpack(f">{count}I", data[after(b"stco") + 8 : after(b"stco") + 8 + 4 * count])
    assert struct.unpack(">II", data[after(b"stts") + 8 : after(b"stts") + 16]) == (count, 1)
    return [eyes.decode(data[at : at + size]) for at, size in zip(places, sizes, strict=True)]


def looked(item: Question) -> str:
    seen = frames(file_of(item))
    if "one colour after another" in item.prompt:
        inks = [name_of(int(key)) for key, _ in groupby(int(frame[0, 0]) for frame in seen)]
        asked = re.search(r"comes (\w+)\?", item.prompt)
        assert asked is not None
        return inks[ORDER.index(asked[1])]
    spots = [spot(frame) for frame in seen]
    shown = [list(run) for there, run in groupby(spots, key=bool) if there]
    if "How many times" in item.prompt:
        return str(len(shown))
    asked = re.search(r"move the (\w+) time", item.prompt)
    run = shown[ORDER.index(asked[1]) if asked else 0]
    first, last = run[0], run[-1]
    assert first is not None
    assert last is not None
    return WAYS[int(np.sign(last[0] - first[0])), int(np.sign(last[1] - first[1]))]


def name_of(pixel: int) -> str:
    return next(n for n, (r, g, b) in eyes.NAMED.items() if pixel == r << 16 | g << 8 | b)


def spot(frame: eyes.Pixels) -> tuple[int, int] | None:
    """Return the middle of what is not white."""
    rows, columns = np.nonzero(frame != 0xFFFFFF)
    return (int(columns.min()), int(rows.min())) if len(rows) else None


# ── what must hold ──────────────────────────────────────────────────────────────────────────────


def agreed(name: str, level: int, count: int) -> None:
    for item in items(name, level)[:count]:
        found = listened(item) if name == "audio" else looked(item)
        assert found == item.answer, item.prompt
        mark = item.on(Answer(item.answer, "stop"))
        assert isinstance(mark, Mark)
        assert mark.outcome == Right()


@every_set
def test_whoever_hears_or_sees_it_finds_the_known_answer(name: str, level: int) -> None:
    agreed(name, level, 6)


@pytest.mark.full
@every_set
def test_whoever_hears_or_sees_it_finds_every_known_answer(name: str, level: int) -> None:
    agreed(name, level, 60)


@every_set
def test_no_item_comes_twice_and_a_file_is_the_same_every_time(name: str, level: int) -> None:
    found = items(name, level)
    assert len({item.id for item in found}) == 60
    assert len({file_of(item) for item in found[:12]}) == 12
    again = questions(Task(name, level=level, items=4))
    assert [file_of(item) for item in again] == [file_of(item) for item in found[:4]]


@every_set
def test_no_answer_is_commoner_than_chance_by_more_than_a_little(name: str, level: int) -> None:
    kinds: dict[str, list[str]] = {}
    for kind in family(name).kinds(level):
        for number in range(1000):
            (draft,) = family(name).draft(kind, level, Random(number)).drafts
            kinds.setdefault(kind, []).append(draft.answer)
    options = {"audio": {"pitch": {1: 2, 2: 3, 3: 5}[level]}, "video": {}}[name]
    for kind, said in kinds.items():
        top = max(map(said.count, set(said))) / len(said)
        assert top <= 1 / options.get(kind, 4) + 0.05, (kind, top)


@every_set
def test_a_set_is_drawn_without_its_files(name: str, level: int) -> None:
    assert takes_under(1, lambda: questions(Task(name, level=level, items=200, seed=3)))
