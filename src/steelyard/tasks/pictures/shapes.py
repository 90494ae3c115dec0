"""Coloured shapes on a white ground: how many there are of a kind, and what stands beside what.

Shapes stand in the cells of a grid, somewhat off its middle, so that none touches another and left
and right leave no doubt. Level 1: three by three. Level 2: four by four. Level 3: five by five, and
a shape is told by its colour and its form.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from steelyard.media.canvas import Canvas
from steelyard.tasks.pictures import scene
from steelyard.tasks.pictures.scene import Asked, Scene

FORMS: Final = ("circle", "square", "triangle", "cross")
_GRID: Final = {1: 3, 2: 4, 3: 5}
_COLOURS: Final = {1: 4, 2: 5, 3: 4}
_BOTH: Final = 3
_MOST: Final = 6  # a count runs from 1 to here
_SIDES: Final = {
    "to the right of": (0, 1),
    "to the left of": (0, -1),
    "above": (-1, 0),
    "below": (1, 0),
}

Cell = tuple[int, int]


class Shape(NamedTuple):
    """A form in a colour."""

    colour: str
    form: str

    def __str__(self) -> str:
        return f"{self.colour} {self.form}"


def make(rng: Random, level: int) -> Scene:
    """Lay the shapes out, and ask about them."""
    grid = _GRID[level]
    colours = rng.sample(scene.COLOURS, _COLOURS[level])
    cells = [(row, column) for row in range(grid) for column in range(grid)]
    taken = rng.sample(cells, len(cells) * 2 // 3 + rng.randint(0, 1))
    # How many there are of one kind is drawn first: left to chance, one count would be commonest.
    counted = Shape(rng.choice(colours), rng.choice(FORMS))
    count = rng.randint(1, min(_MOST, len(taken) - 2))
    by_form = rng.random() < 1 / 2
    placed = {
        cell: _shape(rng, colours, counted, level, by_form=by_form, wanted=number < count)
        for number, cell in enumerate(taken)
    }
    asked = [_count(counted, count, level, by_form=by_form), _beside(rng, placed, grid, colours)]
    shifts = {cell: (rng.randint(-4, 4), rng.randint(-4, 4)) for cell in taken}
    key = [f"{row} {column} {placed[row, column]}" for row, column in sorted(placed)]
    return Scene(
        ("shapes", *key),
        tuple(one for one in asked if one is not None),
        lambda: _draw(placed, shifts, grid),
    )


def _shape(
    rng: Random, colours: list[str], counted: Shape, level: int, *, by_form: bool, wanted: bool
) -> Shape:
    """Draw a shape that is counted, or one that is not."""
    while True:
        found = Shape(rng.choice(colours), rng.choice(FORMS))
        if level == _BOTH:
            if wanted:
                return counted
            if found != counted:
                return found
        elif (found.form == counted.form if by_form else found.colour == counted.colour) == wanted:
            return found


def _count(counted: Shape, count: int, level: int, *, by_form: bool) -> Asked:
    if level == _BOTH:
        kinds = "crosses" if counted.form == "cross" else f"{counted.form}s"
        return scene.number("count_both", f"How many {counted.colour} {kinds} are there?", count)
    if by_form:
        kinds = "crosses" if counted.form == "cross" else f"{counted.form}s"
        return scene.number("count_form", f"How many {kinds} are there?", count)
    question = f"How many shapes are {counted.colour}?"
    return scene.number("count_colour", question, count)


def _beside(rng: Random, placed: dict[Cell, Shape], grid: int, colours: list[str]) -> Asked | None:
    """Ask what is next to a shape that is there once; None where no such has a neighbour."""
    shapes = list(placed.values())
    found = [
        (placed[cell], side, placed[there])
        for cell in sorted(placed)
        if shapes.count(placed[cell]) == 1
        for side, (down, right) in _SIDES.items()
        if (there := (cell[0] + down, cell[1] + right)) in placed and max(there) < grid
    ]
    if not found:
        return None
    one, side, other = rng.choice(found)
    if rng.random() < 1 / 2:
        question = f"What colour is the shape directly {side} the {one}?"
        told = f"It is one of {', '.join(sorted(colours))}."
        return scene.word("beside_colour", f"{question} {told}", other.colour, scene.COLOURS)
    question = f"Which form has the shape directly {side} the {one}?"
    told = f"It is one of {', '.join(FORMS)}."
    return scene.word("beside_form", f"{question} {told}", other.form, FORMS)


def _draw(placed: dict[Cell, Shape], shifts: dict[Cell, tuple[int, int]], grid: int) -> Canvas:
    canvas = Canvas(scene.HEIGHT, scene.HEIGHT)
    cell = scene.HEIGHT // grid
    size = cell * 3 // 10  # from the middle of a shape to its side
    for (row, column), shape in placed.items():
        right, down = shifts[row, column]
        x, y = column * cell + cell // 2 + right, row * cell + cell // 2 + down
        _put(canvas, shape, x, y, size)
    return canvas


def _put(canvas: Canvas, shape: Shape, x: int, y: int, size: int) -> None:
    match shape.form:
        case "circle":
            canvas.disc(x, y, size, shape.colour)
        case "square":
            canvas.box(x - size, y - size, 2 * size, 2 * size, shape.colour)
        case "triangle":
            corners = [(x, y - size), (x + size, y + size), (x - size, y + size)]
            canvas.polygon(corners, shape.colour)
        case _:
            thick = size * 2 // 3
            canvas.box(x - size, y - thick // 2, 2 * size, thick, shape.colour)
            canvas.box(x - thick // 2, y - size, thick, 2 * size, shape.colour)
