"""`steelyard eval power`: what so many items would show, before they are asked."""

from __future__ import annotations

import click

from steelyard.cli.shown import echo
from steelyard.cli.values import Finite


@click.command("power")
@click.option(
    "--lost", type=Finite(0, 100, min_open=True), required=True, help="Per cent that flip to wrong."
)
@click.option(
    "--won",
    type=Finite(0, 100),
    default=0.0,
    show_default=True,
    help="Per cent that flip to right.",
)
@click.option(
    "--items", type=click.IntRange(1, 100_000), multiple=True, help="As planned; may be repeated."
)
@click.option(
    "--compared",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Tasks or runs in one table: they share the error.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def power(*, lost: float, won: float, items: tuple[int, ...], compared: int, as_json: bool) -> None:
    """Say how likely so many items show a loss, and how many it takes.

    \b
    steelyard eval power --lost 5 --won 2 --items 300
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.evals.power import Planned, power_text

    planned = Planned(lost / 100, won / 100, items, compared)
    echo(power_text(planned, as_json=as_json))
