"""`steelyard models export`: a GGUF file as the folder that other engines load."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo


@click.command("export")
@click.argument("subject")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["safetensors", "mlx"]),
    required=True,
    help="`safetensors` is Hugging Face's folder; `mlx` is mlx-lm's.",
)
@click.option(
    "--bits", type=click.Choice(["4", "8"]), help="Quantise for mlx, by mlx-lm's own converter."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
def export(
    *, subject: str, layout: Literal["safetensors", "mlx"], bits: str | None, out: Path
) -> None:
    """Write an unquantised GGUF file of the Llama architecture as a folder for MLX or Transformers.

    \b
    steelyard models export bundled --format safetensors --out /tmp/bundled
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app import exporting_models

    order = exporting_models.ExportOrder(subject, layout, int(bits) if bits else None, out)
    with Screen() as screen:
        text = exporting_models.export_text(order, screen.emit)
    echo(text)
