"""`steelyard engines speculate`: is a draft model worth it, and for which kind of text?"""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import NAMES


@click.command("speculate")
@click.argument("subject", default="bundled")
@click.option("--draft", help="The draft model's file.  [default: the bundled model's own]")
@click.option("--domains", type=NAMES, default="code,prose,json,maths", show_default=True)
@click.option("--prompts", type=click.IntRange(2), default=12, show_default=True, help="Of each.")
@click.option("--tokens", type=click.IntRange(8), default=96, show_default=True, help="At most.")
@click.option("--concurrency", type=NAMES, default="1,2,4", show_default=True)
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads. [default: as in a sweep]")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for speculation.json.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def speculate(
    *,
    subject: str,
    draft: str | None,
    domains: tuple[str, ...],
    prompts: int,
    tokens: int,
    concurrency: tuple[str, ...],
    threads: int | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> int:
    """Measure SUBJECT with and without a draft model: acceptance, speed-up, the same answers?

    \b
    steelyard engines speculate bundled --prompts 16
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.engines import speculating

    order = speculating.SpeculateOrder(
        subject, draft, domains, prompts, tokens, concurrency, threads, seed, out
    )
    with Screen(quiet=as_json) as screen:
        done = speculating.speculate(order, screen.emit, as_json=as_json)
    echo(done.text)
    return done.exit_code
