"""`steelyard fidelity`: a reference's probabilities packed, and anything checked against them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def fidelity() -> None:
    """Pack a reference's probabilities, and check any quant or server against the pack.

    \b
    steelyard fidelity pack model-F16.gguf --out model.refpack
    steelyard fidelity check model.refpack model-Q4_K_M.gguf
    steelyard fidelity check model.refpack http://127.0.0.1:8080
    """  # noqa: D301 - \b is click's own mark


@fidelity.command("pack")
@click.argument("reference")
@click.option("--out", type=_FILE, help="The file to write.  [default: MODEL.refpack]")
@click.option(
    "--positions",
    type=click.IntRange(448, 100_000),
    default=4096,
    show_default=True,
    help="At least so many are scored.",
)
@click.option("--text", type=_FILE, help="Text to score on.  [default: a sweep's]")
@click.option("--threads", type=click.IntRange(1, 1024), help="[default: one core is left free]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def pack(*, as_json: bool, **options: Any) -> None:
    """Write the probabilities of REFERENCE, a GGUF file or name, into a file of at most 5 MB.

    Whoever has it needs neither the reference nor its logits to know how far a quant is from it.
    The file holds the tokens of the text.
    """
    from steelyard.app.fidelity import packing

    with Screen(quiet=as_json) as screen:
        done = packing.perform(packing.PackRequest(**options), screen.emit)
    echo(done.text(as_json=as_json))


@fidelity.command("check")
@click.argument("pack", type=_FILE)
@click.argument("subject")
@click.option("--top", type=click.IntRange(1), help="Tokens a server is to tell.  [default: twice]")
@click.option("--engine", help="What the server is; of a file: what is to serve it.")
@click.option("--model", help="The model to ask for, where the server has several.")
@click.option(
    "--timeout",
    type=DURATION,
    default="120s",
    show_default=True,
    help="The longest silence of one request.",
)
@click.option("--threads", type=click.IntRange(1, 1024), help="Of what computes here.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the API key.")
@click.option("--send-key-anywhere", is_flag=True, help="Even where it can be read on its way.")
@click.option("--cacert", type=click.Path(path_type=Path), help="Whose certificates to believe.")
@click.option("--insecure", is_flag=True, help="Believe any certificate.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def check(*, pack: Path, top: int | None, as_json: bool, **how: object) -> None:
    """Say how far SUBJECT is from the reference of PACK, in KL divergence.

    SUBJECT is a GGUF file (or a name that `steelyard models list` shows), or the address of a
    server that takes tokens as a prompt and tells the most probable next ones, as llama-server.
    """
    from steelyard.app.benches.request import BenchRequest
    from steelyard.app.fidelity import checking

    request = checking.CheckRequest(pack, BenchRequest.of(how), top)
    with Screen(quiet=as_json) as screen:
        done = checking.perform(request, screen.emit)
    echo(done.text(as_json=as_json))
