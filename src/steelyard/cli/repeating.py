"""`steelyard eval repeat`: the same items with the same seeds, several times."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli import judge, questions, rag, wording
from steelyard.cli.asking import reached
from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import WORDS, Finite


@click.command("repeat")
@click.argument("subject")
@click.option("--times", type=click.IntRange(2, 100), default=3, show_default=True)
@click.option(
    "--items", type=click.IntRange(1, 5000), help="[default: 10 each; all of a file or set]"
)
@click.option(
    "--tasks", type=WORDS, help="NAME or NAME:LEVEL, e.g. math_words,logic:2.  [default: four]"
)
@questions.named
@click.option(
    "--temperature",
    type=Finite(0, 2),
    default=0.0,
    show_default=True,
    help="Above 0 it is tried whether the server keeps to the seed that it is sent.",
)
@questions.drawn
@click.option(
    "--streams",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Requests at a time: batches may change texts, 1 makes none.",
)
@click.option(
    "--show",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Items listed of those whose texts differ.",
)
@wording.options
@judge.refused(
    "repeats tell what stays the same of what is said, and no judge is asked",
    "`steelyard eval SUBJECT --file F --judge SUBJECT` has answers judged",
)
@rag.options
@reached
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the repeats.")
def repeat(
    *,
    tasks: tuple[str, ...] | None,
    sets: tuple[str, ...] | None,
    suite: str | None,
    file: Path | None,
    columns: Path | None,
    temperature: float,
    times: int,
    items: int | None,
    level: int | None,
    private_seed: str | None,
    streams: int,
    show: int,
    thinking: int,
    as_json: bool,
    out: Path | None,
    **how: object,
) -> int:
    """Ask SUBJECT the same items with the same seeds --times times: do texts and marks stay?

    A model file is served by an engine that is started anew for each time; a server that runs
    already is asked again. Each time is a run of its own. The same command with the --out of one
    that was interrupted goes on with it.
    """
    from steelyard.app.benches.request import BenchRequest
    from steelyard.app.evals import repeating
    from steelyard.app.evals.request import EvalRequest

    retrieval, worded = rag.taken(how), wording.taken(how)
    asked = EvalRequest(
        BenchRequest.of(how),
        tasks or (),
        items,
        level,
        streams,
        private_seed,
        out,
        file=file,
        sets=sets or (),
        columns=columns,
        rag=retrieval,
        temperature=temperature,
        suite=suite,
        thinking=thinking,
        wording=worded,
    )
    with Screen(quiet=as_json) as screen:
        done = repeating.repeat(repeating.RepeatRequest(asked, times, show), screen.emit)
    echo(done.text(as_json=as_json))
    return done.exit_code
