"""Pictures with known answers: what is in the pixels is what is said to be, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import cache
from random import Random

import pytest
from tests.tasks import eyes
from tests.tasks.pace import takes_under

from steelyard.domain.task import Answer, Invalid, Mark, Media, Right, Task, Wrong
from steelyard.media import png
from steelyard.media.canvas import INKS, Canvas
from steelyard.media.glyphs import GLYPHS
from steelyard.tasks.items import Draft, Question
from steelyard.tasks.pictures.codes import CodeScorer
from steelyard.tasks.registry import questions
from steelyard.tasks.vision import Vision

LEVELS = pytest.mark.parametrize("level", Vision.levels)
FIRST = pytest.mark.parametrize(
    "level", [1, *(pytest.param(level, marks=pytest.mark.full) for level in Vision.levels[1:])]
)
SLACK = 0.05


@cache
def items(level: int, count: int = 300) -> list[Question]:
    return questions(Task("vision", level=level, items=count))


def picture(item: Question) -> bytes:
    (shown,) = item.start().messages[0].media
    assert (shown.kind, shown.type) == ("image", "image/png")
    return base64.b64decode(shown.data)


def agreed(level: int, count: int) -> None:
    for item in items(level)[:count]:
        found = eyes.solve(item.kind, picture(item), item.prompt)
        assert found == item.answer, (item.kind, item.prompt)


@LEVELS
def test_whoever_reads_the_pixels_finds_the_known_answer(level: int) -> None:
    agreed(level, 26)  # each kind of picture twice


@pytest.mark.full
@LEVELS
def test_whoever_reads_the_pixels_finds_every_known_answer(level: int) -> None:
    agreed(level, 300)


@FIRST
def test_a_standard_set_is_drawn_in_under_two_seconds_of_one_core(level: int) -> None:
    def draw() -> None:
        for item in questions(Task("vision", level=level, items=200, seed=5)):
            item.start()

    assert takes_under(2, draw)


@LEVELS
def test_no_item_comes_twice_and_no_picture_is_drawn_before_it_is_asked_for(level: int) -> None:
    found = items(level)
    assert len({item.id for item in found}) == len(found) == 300
    assert len({(picture(item), item.prompt) for item in found[:60]}) == 60
    again = questions(Task("vision", level=level, items=12))
    assert [item.id for item in again] == [item.id for item in found[:12]]
    assert [picture(item) for item in again] == [picture(item) for item in found[:12]]
    assert not {i.id for i in questions(Task("vision", level, 300, split="train"))} & {
        item.id for item in found
    }


@LEVELS
def test_the_known_answer_is_right_and_that_of_another_item_wrong(level: int) -> None:
    for item, other in zip(items(level), items(level)[::-1], strict=True):
        mark = item.on(Answer(item.answer, "stop"))
        assert isinstance(mark, Mark)
        assert mark.outcome == Right()
        assert mark.constraints == {"answer_form": True}
        if other.kind == item.kind and other.answer != item.answer:
            assert told(item, other.answer) == Wrong()
        assert told(item, "I'm sorry, I can't see any picture.") == Invalid("refused")


def told(item: Question, text: str) -> object:
    mark = item.on(Answer(text, "stop"))
    assert isinstance(mark, Mark)
    return mark.outcome


@FIRST
def test_no_question_is_answered_by_a_habit_without_looking(level: int) -> None:
    """The commonest answer, and a word of the question, against chance over what may be said."""
    kinds: dict[str, list[Draft]] = {}
    family = Vision()
    for kind in family.kinds(level):
        for number in range(1000):
            for draft in family.draft(kind, level, Random(number)).drafts:
                kinds.setdefault(draft.kind, []).append(draft)
    for kind, asked in kinds.items():
        said = Counter(item.answer for item in asked)
        # As many words as there are options; of a number four at the least.
        options = {"shapes/beside_colour": {2: 5}.get(level, 4), "shapes/beside_form": 4}
        chance = 1 / options.get(kind, 4)
        top = said.most_common(1)[0][1] / len(asked)
        assert top <= chance + SLACK, (kind, said.most_common(3))
        if kind == "shapes/beside_form":
            # That the neighbour is no twin of the shape that is named.
            forms = ("circle", "square", "triangle", "cross")
            hits = sum(
                item.answer == next(f for f in forms if f"{f}?" not in item.prompt)
                for item in asked
            )
            assert hits / len(asked) <= chance + SLACK


# sha256 over the pixels of one picture of each kind: a change of these is another revision.
PIXELS = {
    1: "10a882960022de9e",
    2: "e6e18d198c108cc2",
    3: "942b26a053405d4e",
}


@LEVELS
def test_the_pixels_of_a_revision_never_change(level: int) -> None:
    found = hashlib.sha256()
    for item in items(level)[:24]:
        found.update(eyes.decode(picture(item)).astype(">i4").tobytes())
    assert found.hexdigest()[:16] == PIXELS[level]


def test_every_letter_differs_from_every_other_in_more_than_one_dot() -> None:
    names = sorted(GLYPHS)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            pairs = zip(GLYPHS[one], GLYPHS[other], strict=True)
            apart = sum((a ^ b).bit_count() for a, b in pairs)
            assert apart > 1 or {one, other} <= set(".,:"), (one, other)


def test_what_lies_outside_a_canvas_is_left_out() -> None:
    canvas = Canvas(4, 3)
    canvas.box(-2, 1, 4, 9, "red")
    canvas.disc(3, 0, 1, "blue")
    red, blue, white = (INKS[ink] for ink in ("red", "blue", "white"))
    wanted = [white, white, blue, blue, red, red, white, blue, red, red, white, white]
    assert canvas.rgb() == bytes(part for pixel in wanted for part in pixel)
    assert eyes.decode(png.encode(canvas)).shape == (3, 4)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("NDT-934", Right()),
        ("`ndt-934`.", Right()),
        ("The code is NDT934.", Right()),
        ("NDT-943", Wrong()),
        ("It may be NDT-934 or NDT-943.", Invalid("unparsable")),
        ("", Invalid("unparsable")),
    ],
)
def test_a_code_is_read_out_of_a_sentence_and_two_codes_are_none(
    said: str, outcome: object
) -> None:
    assert code().mark(Answer(said, "stop")).outcome == outcome


def code() -> CodeScorer:
    scorer = next(item.scorer for item in items(1) if item.kind == "writing/code")
    assert isinstance(scorer, CodeScorer)
    return CodeScorer("NDT-934", scorer.pattern)


def test_a_picture_is_no_part_of_what_tells_two_items_apart() -> None:
    one, other = items(1)[0], questions(Task("vision", items=1))[0]
    assert one == other
    assert one.show is not other.show
    assert isinstance(one.start().messages[0].media[0], Media)
