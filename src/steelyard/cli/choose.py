"""`steelyard eval choose`: the cheapest candidate that is good enough, asked until that is sure."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli import judge, questions, wording
from steelyard.cli.asking import reached
from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION, WORDS, Finite


@click.command("choose")
@click.argument("reference")
@click.argument("candidates", nargs=-1, required=True)
@click.option(
    "--tasks", type=WORDS, help="NAME or NAME:LEVEL, e.g. math_words,logic:2.  [default: four]"
)
@click.option(
    "--margin",
    type=Finite(0.1, 50),
    default=3.0,
    show_default=True,
    help="Points of right answers below which a loss is acceptable.",
)
@click.option(
    "--items-max",
    type=click.IntRange(20, 100_000),
    default=1600,
    show_default=True,
    help="The most items that any subject is asked, over all tasks together.",
)
@click.option("--every", is_flag=True, help="Reach a verdict on every candidate.")
@click.option("--fixed", is_flag=True, help="Ask everything, and judge once at the end.")
@click.option("--no-aa", is_flag=True, help="Leave out the reference asked once more at the end.")
@click.option("--budget", type=DURATION, help="Time it may take, e.g. 45m.")
@questions.drawn
@click.option("--streams", type=click.IntRange(1, 64), default=2, help="Requests at a time.")
@wording.options
@judge.refused(
    "a choice asks families, whose answers are known, and no judge",
    "`steelyard eval SUBJECT --file F --judge SUBJECT` has answers judged",
)
@reached
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the choice.")
def choose(
    *,
    reference: str,
    candidates: tuple[str, ...],
    tasks: tuple[str, ...] | None,
    margin: float,
    items_max: int,
    every: bool,
    fixed: bool,
    no_aa: bool,
    budget: float | None,
    level: int | None,
    private_seed: str | None,
    streams: int,
    thinking: int,
    as_json: bool,
    out: Path | None,
    **how: object,
) -> int:
    """Find the cheapest CANDIDATE that loses less than the margin against REFERENCE.

    Files are looked at from the smallest up, servers in the order named (URL#MODEL names one of a
    server's models). Each is asked until its verdict is sure; once one is good enough, the dearer
    ones are asked nothing. With --vary each item is asked in one of its forms, the same of all. The
    same command with the --out of one that was interrupted goes on.
    """
    from steelyard.app.benches.request import BenchRequest
    from steelyard.app.choosing import choosing
    from steelyard.app.choosing.request import ChooseRequest
    from steelyard.app.evals import budgeted
    from steelyard.app.evals.request import EvalRequest

    worded = wording.taken(how)
    bench = BenchRequest.of({"subject": reference, **how})
    asked = EvalRequest(
        bench,
        tasks or (),
        items_max,
        level,
        streams,
        private_seed,
        out,
        thinking=thinking,
        wording=worded,
        began_ns=budgeted.command_began_ns(click.get_current_context().find_root().obj),
    )
    request = ChooseRequest(asked, candidates, margin / 100, every, fixed, budget, not no_aa)
    with Screen(quiet=as_json) as screen:
        done = choosing.choose(request, screen.emit)
    echo(done.text(as_json=as_json))
    return done.exit_code
