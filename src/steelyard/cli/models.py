"""`steelyard models`: what model files are here, what they are, and quants made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from steelyard.cli import (
    models_export,
    models_fit,
    models_frontier,
    models_hub,
    models_lab,
    models_scan,
    models_synth,
)
from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo


@click.group()
def models() -> None:
    """List, show and quantise model files."""


@models.command("list")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_models(*, folders: tuple[Path, ...], as_json: bool) -> None:
    """List the models in FOLDERS, or where models usually lie on this machine.

    The short form of `steelyard models scan`, which also tells formats, stores and duplicates.
    """
    from steelyard.app.stores import stored_models

    echo(stored_models.list_text(folders, as_json=as_json))


@models.command("show")
@click.argument("subject")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show_model(*, subject: str, as_json: bool) -> None:
    """Show what a model file is: hash, bits per weight, tensor types, context, memory."""
    from steelyard.app.stores import stock

    with Screen(quiet=as_json) as screen:
        text = stock.show_text(subject, screen.emit, as_json=as_json)
    echo(text)


@models.command("quantise")
@click.argument("subject")
@click.argument("quants", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), help="Folder. [default: beside the file]")
@click.option(
    "--imatrix",
    help="Importance matrix file, or `compute` to make one from generated text.",
)
@click.option(
    "--recipe",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Make the mix of a recipe that `models lab` found.",
)
@click.option("--requantise", is_flag=True, help="Quantise from an already quantised file.")
@click.option("--runtime", type=click.Choice(["wheel", "native"]), default="wheel")
def quantise(
    *,
    subject: str,
    quants: tuple[str, ...],
    out: Path | None,
    imatrix: str | None,
    recipe: Path | None,
    requantise: bool,
    runtime: Literal["wheel", "native"],
) -> None:
    """Make QUANTS of a model, or the mix of a recipe, verified against the file's own header.

    \b
    steelyard models quantise bundled Q4_K_M Q3_K_M --out /tmp/ladder
    steelyard models quantise bundled --recipe mix.recipe.json --out /tmp/ladder
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.stores import stock

    if bool(quants) == (recipe is not None):
        raise click.UsageError("name QUANTS, or a mix with --recipe FILE, and not both")
    if recipe is not None and (requantise or runtime != "wheel" or imatrix == "compute"):
        raise click.UsageError(
            "a recipe is made by the wheel from full precision and with its own importance matrix: "
            "--requantise, --runtime native and --imatrix compute do not go with it"
        )
    with Screen() as screen:
        if recipe is not None:
            echo(stock.recipe_text(subject, recipe, out, imatrix, screen.emit))
            return
        order = stock.QuantiseOrder(subject, quants, out, imatrix, requantise, runtime)
        echo(stock.quantise_text(order, screen.emit))


for _command in (
    *(*models_scan.COMMANDS, *models_hub.COMMANDS),
    *(models_export.export, models_synth.synth, models_fit.fit, models_frontier.frontier),
    models_lab.lab,
):
    models.add_command(_command)
