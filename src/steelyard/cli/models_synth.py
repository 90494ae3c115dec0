"""`steelyard models synth`: model files of random weights in the shapes of published models."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import NAMES


@click.command("synth")
@click.argument("shape", required=False)
@click.option("--quant", "quants", type=NAMES, default="Q4_K_M", show_default=True, help="Or more.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder. [default: this one]")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--list", "listing", is_flag=True, help="List the shapes that there are.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def synth(
    *,
    shape: str | None,
    quants: tuple[str, ...],
    out: Path | None,
    seed: int,
    listing: bool,
    as_json: bool,
) -> None:
    """Write a model of random weights in the SHAPE of a published one: for memory and speed.

    The file takes the memory and reads the bytes that the real one does, and says of itself that
    it is synthetic. Nothing that judges answers takes it.

    \b
    steelyard models synth --list
    steelyard models synth llama-3.2-1b --quant Q8_0,Q4_K_M --out /tmp/synthetic
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app import synthesising

    if listing or as_json:
        echo(synthesising.shapes_text(as_json=as_json))
        return
    if shape is None:
        raise click.UsageError("name a SHAPE; --list shows which there are")
    order = synthesising.SynthOrder(shape, quants, out or Path.cwd(), seed)
    with Screen() as screen:
        text = synthesising.synth_text(order, screen.emit)
    echo(text)
