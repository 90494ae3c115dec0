"""The options of `steelyard eval` that say how items are worded: their forms, and a guard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from steelyard.cli.asking import together

if TYPE_CHECKING:
    from steelyard.app.evals.wording import Wording

options: Final = together(
    click.option(
        "--vary",
        metavar="FORMS",
        help="Ask each item clean and in these forms: all, or some of paraphrase_1 to _4, typos_5,"
        " _10, _15, dropped_5, _10, _15, lower_case, upper_case, json, json_broken.",
    ),
    click.option(
        "--guard",
        metavar="NAME|TEXT",
        help="What the model is told before each question, in the system message: unknown,"
        " sources, check, or a sentence of your own.",
    ),
)


def taken(typed: dict[str, Any]) -> Wording:
    """Take these options out of all that was typed."""
    from steelyard.app.evals.wording import Wording

    return Wording(typed.pop("vary"), typed.pop("guard"))
