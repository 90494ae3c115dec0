"""`steelyard eval`: tasks with known answers, asked of any subject; and two runs paired."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import click

from steelyard.cli import judge, questions, rag, wording
from steelyard.cli.asking import reached
from steelyard.cli.choose import choose
from steelyard.cli.eval_gap import gap
from steelyard.cli.eval_power import power
from steelyard.cli.progress import Screen
from steelyard.cli.repeating import repeat
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION, WORDS, Finite

_ASK = "run"


@final
class SubjectOrCommand(click.Group):
    """A group whose first word may be a subject as well: `eval FILE` is `eval run FILE`.

    Inherits because click finds commands through this class.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the usual command before words that name none."""
        return super().parse_args(ctx, self._full(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of words, whether or not they name one."""
        return super().resolve_command(ctx, self._full(args))

    def _full(self, args: list[str]) -> list[str]:
        known = {*self.commands, "-h", "--help"}
        return args if not args or args[0] in known else [_ASK, *args]


@click.group("eval", cls=SubjectOrCommand)
def evaluate() -> None:
    """Ask a model questions with known answers, and pair two such runs.

    \b
    steelyard eval bundled
    steelyard eval http://127.0.0.1:8080 --tasks math_words,logic:2 --items 300
    steelyard eval bundled --file questions.csv
    steelyard eval bundled --file essays.csv --judge judge-model.gguf
    steelyard eval bundled --tasks math_words --vary typos_10,json_broken
    steelyard eval bundled --tasks reading --guard unknown
    steelyard eval compare evals/FIRST evals/SECOND
    steelyard eval gap evals/PUBLIC evals/PRIVATE
    steelyard eval choose F16.gguf Q8_0.gguf Q4_K_M.gguf Q3_K_M.gguf
    steelyard eval repeat bundled --times 3
    steelyard eval power --lost 5 --won 2 --items 300
    """  # noqa: D301 - \b is click's own mark


@evaluate.command(_ASK)
@click.argument("subject")
@click.option(
    "--tasks",
    type=WORDS,
    help="NAME or NAME:LEVEL, e.g. math_words,logic:2; or those of a harness, lm-eval:NAME or"
    " inspect:NAME.  [default: four]",
)
@questions.named
@click.option(
    "--items", type=click.IntRange(1, 5000), help="[default: 100 each; all of a file or set]"
)
@click.option(
    "--samples",
    type=click.IntRange(1, 200),
    default=1,
    show_default=True,
    help="Answers to each item, each with its own seed; shows pass@k. Takes a temperature.",
)
@click.option(
    "--temperature",
    type=Finite(0, 2),
    default=0.0,
    show_default=True,
    help="0 always takes the likeliest token.",
)
@questions.drawn
@click.option("--streams", type=click.IntRange(1, 64), default=2, help="Requests at a time.")
@click.option(
    "--budget", help="Time it may take, e.g. 45m; of a harness also 2usd or 1e6tok, with commas."
)
@wording.options
@judge.options
@rag.options
@reached
@questions.by
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the evaluation.")
def ask(
    *,
    tasks: tuple[str, ...] | None,
    suite: str | None,
    sets: tuple[str, ...] | None,
    file: Path | None,
    columns: Path | None,
    items: int | None,
    samples: int,
    temperature: float,
    level: int | None,
    private_seed: str | None,
    streams: int,
    budget: str | None,
    thinking: int,
    by: str,
    as_json: bool,
    out: Path | None,
    **how: object,
) -> int:
    """Ask SUBJECT every item of the tasks and count right, wrong, invalid and not run.

    SUBJECT is the address of any OpenAI-compatible server, or a model file (or a name that
    `steelyard models list` shows), which is then served by an engine of ours. The same command
    with the --out of one that was interrupted goes on with it. A harness of somebody else's asks
    through a recording proxy (`steelyard engines install lm-eval inspect`); its scores are its own.
    """
    from steelyard.app.benches.request import BenchRequest
    from steelyard.app.evals import budgeted, evaluating, harnessed
    from steelyard.app.evals.request import ITEMS, EvalRequest

    names, chosen = tasks or (), sets or ()
    retrieval, judging, worded = rag.taken(how), judge.taken(how), wording.taken(how)
    if harnessed.named(names):
        asked = harnessed.request(
            BenchRequest.of(how), names, items or ITEMS, streams, budget, out,
            ours={
                "level": level, questions.private_option(private_seed): private_seed,
                "set": chosen, "file": file,
                "columns": columns, "suite": suite, "samples": samples, "temperature": temperature,
                "thinking": thinking, "vary": worded.vary, "guard": worded.guard,
                "by": by if by == "level" else None,
                **judge.named(judging),
            },
            retrieval=retrieval,
        )  # fmt: skip
        with Screen(quiet=as_json) as screen:
            ended = harnessed.evaluate(asked, screen.emit)
        echo(ended.text(as_json=as_json))
        return ended.exit_code
    context = click.get_current_context()
    seconds = None if budget is None else DURATION.convert(budget, None, context)
    request = EvalRequest(
        BenchRequest.of(how),
        names,
        items,
        level,
        streams,
        private_seed,
        out,
        file=file,
        sets=chosen,
        columns=columns,
        rag=retrieval,
        budget=seconds,
        samples=samples,
        suite=suite,
        temperature=temperature,
        judge=judging,
        thinking=thinking,
        wording=worded,
        began_ns=budgeted.command_began_ns(context.find_root().obj),
    )
    with Screen(quiet=as_json) as screen:
        done = evaluating.evaluate(request, screen.emit)
    echo(done.text(as_json=as_json, by_level=by == "level"))
    return done.exit_code


@evaluate.command("compare")
@click.argument("first")
@click.argument("second")
@click.option("--margin", type=Finite(0.1, 50), default=3.0, help="Points of loss.")
@click.option("--again", metavar="RUN", help="FIRST once more: gives the A/A floor.")
@click.option(
    "--explore", is_flag=True, help="Also say which kinds of items differ: a hint, no verdict."
)
@questions.by
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def compare(
    *,
    first: str,
    second: str,
    margin: float,
    again: str | None,
    explore: bool,
    by: str,
    as_json: bool,
) -> int:
    """Pair SECOND with FIRST, item by item: what is lost, and whether that is shown.

    The verdicts are those of families, over all their levels.

    Each is the folder of an evaluation or the beginning of a run's id.
    """
    from steelyard.app.evals import comparing

    told = comparing.compare(
        first,
        second,
        margin / 100,
        again=again,
        explore=explore,
        by_level=by == "level",
        as_json=as_json,
    )
    echo(told.text)
    return told.exit_code


@evaluate.command("worth")
@click.argument("run")
@click.option("--tariff", type=Finite(0, min_open=True), help="The price of a kWh.")
@click.option("--watts", type=Finite(0, min_open=True), help="Power at work, by a meter.")
@click.option("--idle-watts", type=Finite(0), help="Power while it waits.  [default: 0]")
@click.option(
    "--duty",
    type=Finite(0, 100, min_open=True),
    help="Per cent of the time at work.  [default: 100]",
)
@click.option("--device-price", type=Finite(0), help="The machine's.  [default: 0]")
@click.option("--years", type=Finite(0, min_open=True), help="In use.  [default: 4]")
@click.option("--hosted", metavar="RUN", help="An evaluation of a service that tells its charges.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def worth(*, run: str, tariff: float | None, hosted: str | None, as_json: bool, **paid: Any) -> int:
    """Say what a right answer of RUN took, what it costs, and from when the machine pays.

    RUN is the folder of an evaluation or the beginning of a run's id.
    """
    from steelyard.app.evals import paying

    order = paying.ordered(run, tariff, hosted, paid)
    told = paying.worth_told(order, as_json=as_json)
    echo(told.text)
    return told.exit_code


evaluate.add_command(choose)
evaluate.add_command(gap)
evaluate.add_command(power)
evaluate.add_command(repeat)
