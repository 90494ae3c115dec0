"""Written lines as pictures: one code, a code behind a label, small and speckled notes.

No letter of a code looks like another (no O beside 0, no I beside 1). Level 1: one code in large
letters. Level 2: four labelled lines. Level 3: seven in small letters under specks.
"""

from __future__ import annotations

from random import Random
from re import compile as pattern_of
from typing import Final

from steelyard.media.canvas import Canvas
from steelyard.media.glyphs import width
from steelyard.tasks.pictures import scene
from steelyard.tasks.pictures.codes import CodeScorer
from steelyard.tasks.pictures.scene import Asked, Scene

_LETTERS: Final = "ACDEFHJKLMNPRTVWXY"
_DIGITS: Final = "34679"
_LABELS: Final = (
    "Order", "Ticket", "Batch", "Invoice", "Parcel", "Room", "Locker", "Permit", "Voucher", "Seat",
)  # fmt: skip
_LINES: Final = {1: 1, 2: 4, 3: 7}
_SPECKS: Final = 500
_SMALL: Final = 3
CODE: Final = pattern_of(rf"[{_LETTERS}{_DIGITS}]{{3}}-?[{_LETTERS}{_DIGITS}]{{3}}")


def make(rng: Random, level: int) -> Scene:
    """Draw labels and codes, and ask for one."""
    labels = rng.sample(_LABELS, _LINES[level])
    codes = [_code(rng) for _ in labels]
    lines = list(zip(labels, codes, strict=True))
    dirt = rng.getrandbits(32)
    if level == 1:
        key: tuple[str, ...] = ("code", codes[0])
        asked = [_asked("code", "Which code is written there?", codes[0])]
    else:
        key = ("note", *(f"{label} {code}" for label, code in lines))
        # Two questions, so that the line asked for first says nothing of the other.
        asked = [
            _asked("labelled", f"Which code is written behind {label}?", code)
            for label, code in rng.sample(lines, 2)
        ]
    return Scene(
        key, tuple(asked), lambda: _draw(lines, level, Random(dirt) if level == _SMALL else None)
    )


def _code(rng: Random) -> str:
    return "".join(rng.choices(_LETTERS, k=3)) + "-" + "".join(rng.choices(_DIGITS, k=3))


def _asked(kind: str, question: str, code: str) -> Asked:
    prompt = f"{question} Answer with the code only."
    return Asked(kind, prompt, code, CodeScorer(code, CODE))


def _draw(lines: list[tuple[str, str]], level: int, dirt: Random | None) -> Canvas:
    canvas = Canvas(scene.WIDTH, scene.HEIGHT)
    if level == 1:
        ((_, code),) = lines
        canvas.text((scene.WIDTH - width(code, 8)) // 2, 130, code, scale=8)
        return canvas
    if dirt is not None:  # before the letters: a speck on one could make it another
        for _ in range(_SPECKS):
            x, y = dirt.randrange(scene.WIDTH), dirt.randrange(scene.HEIGHT)
            canvas.box(x, y, 2, 2, "faint")
    scale, line = (2, 40) if level == _SMALL else (3, 66)
    for row, (label, code) in enumerate(lines):
        canvas.text(40, 36 + row * line, f"{label}: {code}", scale=scale)
    return canvas
