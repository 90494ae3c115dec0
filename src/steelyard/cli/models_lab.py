"""`steelyard models lab`: a mix of tensor types that loses less than the stock mix, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION, NAMES

_TEXT = click.Path(path_type=Path, dir_okay=False)


@click.command("lab")
@click.argument("subject", default="bundled")
@click.option("--stock", default="Q4_K_M", show_default=True, help="Quant to beat in its bytes.")
@click.option(
    "--imatrix",
    multiple=True,
    help="FILE, `compute` or `none`; several are compared.  [default: none, compute]",
)
@click.option("--imatrix-text", type=_TEXT, help="Text that the matrix is, or was, made from.")
@click.option("--search-text", type=_TEXT, help="Text to choose on.  [default: generated]")
@click.option("--held-out-text", type=_TEXT, help="Text that proves.  [default: a sweep's]")
@click.option("--types", type=NAMES, help="Tensor types to mix.  [default: those near its bits]")
@click.option(
    "--bands",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Parts that the layers are cut into.",
)
@click.option(
    "--search-positions",
    type=click.IntRange(448 * 4),
    default=2688,
    show_default=True,
    help="Positions to choose on.",
)
@click.option(
    "--positions",
    type=click.IntRange(448 * 8),
    default=16384,
    show_default=True,
    help="Held-out positions.",
)
@click.option("--budget", type=DURATION, help="Time for the search.  [default: until it is done]")
@click.option("--threads", type=click.IntRange(1, 1024), help="[default: one core is left free]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: labs/MODEL]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def lab(*, as_json: bool, **options: Any) -> int:
    """Search a mix of tensor types that loses less than a stock mix in the same bytes.

    SUBJECT is a full-precision GGUF file. Each group of tensors is measured with each type, the
    best mix that fits into the stock file's bytes is computed, and one winner is proved on a text
    that nothing was chosen on. Where it is better, the mix and its recipe are kept, in a folder
    that `steelyard sweep` takes. Exit code 1 where none was found.

    \b
    steelyard models lab bundled --stock Q4_K_M --out /tmp/lab
    steelyard models lab ~/models/qwen3-0.6b-f16.gguf --stock Q3_K_M --budget 2h
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.mixes import ground
    from steelyard.app.mixes import lab as mix_lab

    request = ground.LabRequest(**options)
    with Screen(quiet=as_json) as screen:
        told = mix_lab.perform(request, screen.emit)
    echo(told.json if as_json else told.text)
    return told.exit_code
