"""`steelyard models fit`: what runs here, at which context and how fast, before it is fetched."""

from __future__ import annotations

import re
from typing import Final, final

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import NAMES, SIZE

_TOKENS: Final = re.compile(r"(\d+)(k?)", re.IGNORECASE)
_KILO: Final = 1024


@final
class Tokens(click.ParamType[int]):
    """`8192` or `32k` (of 1,024): tokens. Inherits because click asks for it."""

    name = "tokens"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read a number of tokens, or fail with an example."""
        if isinstance(value, int):
            return value
        match = _TOKENS.fullmatch(str(value).strip())
        tokens = int(match[1]) * (_KILO if match[2] else 1) if match else 0
        if not 0 < tokens <= 1 << 30:
            self.fail(f"{value!r} is no number of tokens; write 8192 or 32k", param, ctx)
        return tokens


@click.command("fit")
@click.argument("subjects", nargs=-1)
@click.option("--context", type=Tokens(), help="Tokens of one slot. [default: 4096]")
@click.option("--memory", type=SIZE, help="Room, as 24GB. [default: what is free here]")
@click.option("--slots", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option("--quants", type=NAMES, help="Of shapes. [default: Q8_0 to Q2_K]")
@click.option(
    "--kv-type",
    type=click.Choice(["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]),
    default="f16",
    show_default=True,
    help="Type of the cache.",
)
@click.option("--include", multiple=True, help="Of files, only those that fit this glob.")
@click.option("--exclude", multiple=True, help="Of files, leave out those that fit this glob.")
@click.option("--flash-attention", is_flag=True)
@click.option("--threads", type=click.IntRange(1, 4096), help="[default: all cores but one]")
@click.option("--calibrate", is_flag=True, help="Measure this machine's rates first: a minute.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def fit(
    *,
    subjects: tuple[str, ...],
    context: int | None,
    memory: int | None,
    slots: int,
    quants: tuple[str, ...] | None,
    kv_type: str,
    flash_attention: bool,
    threads: int | None,
    calibrate: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    as_json: bool,
) -> int:
    """Say what runs here: memory, longest context and speed, before anything is fetched.

    A SUBJECT is a file, a folder with a config.json, a known shape (`models synth --list`), or
    ORG/NAME on the hub, of which only names and sizes are read. Without one all known shapes are
    judged. Exit code 1: nothing fits.

    \b
    steelyard models fit qwen3-4b llama-3.1-8b --context 32k --memory 24GB
    steelyard models fit ~/models/some.gguf --calibrate
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.hub import fit_texts, fitting

    request = fitting.FitRequest(
        subjects,
        context=context,
        memory=memory,
        slots=slots,
        quants=quants or fitting.QUANTS,
        kv_type=kv_type,
        flash_attention=flash_attention,
        threads=threads,
        calibrate=calibrate,
        include=include,
        exclude=exclude,
    )
    with Screen(quiet=as_json) as screen:
        found = fitting.fit(request, screen.emit)
    echo(fit_texts.as_json(found) if as_json else fit_texts.table(found))
    return 1 if all(row.fit == "no" for row in found.rows) else 0
