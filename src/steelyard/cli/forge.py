"""`steelyard forge`: the bundled model, made again."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION


@click.group()
def forge() -> None:
    """Make the bundled model again from its recipe."""


@forge.command("bundled")
@click.option("--time", "limit_s", type=DURATION, help="Stop training after this, e.g. 90m.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to export. [default: here]")
def bundled(*, limit_s: float | None, out: Path | None) -> int:
    """Train the bundled model and its draft, then export them; goes on from its checkpoints.

    Needs the training stack: `python3 start.py forge bundled` installs it.
    """
    from steelyard.app import making

    with Screen() as screen:
        made = making.reproduce(limit_s, out or Path.cwd() / "bundled", screen.emit)
    echo(made)
    return 0
