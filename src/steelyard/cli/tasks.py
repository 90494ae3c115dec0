"""`steelyard tasks`: the questions with known answers, to look at before they are asked."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli import questions
from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo


@click.group()
def tasks() -> None:
    """List the families of questions, show one, print items of it."""


@tasks.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_families(*, as_json: bool) -> None:
    """List the families that are installed."""
    from steelyard.app.evals import tasks as texts

    echo(texts.list_text(as_json=as_json))


@tasks.command("sets")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_sets(*, as_json: bool) -> None:
    """List the standard sets: size, licence, revision, how each differs from the usual way.

    Name one as `set:NAME`, or with `steelyard eval SUBJECT --set NAME`.
    """
    from steelyard.app.evals import standard_sets

    echo(standard_sets.list_text(as_json=as_json))


@tasks.command("show")
@click.argument("family", required=False)
@questions.from_file
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(*, family: str | None, file: Path | None, columns: Path | None, as_json: bool) -> None:
    """Show FAMILY: its levels and kinds, with one question of each kind and its answer.

    With --file show what was read from it: columns, scorer, the first questions.
    """
    from steelyard.app.evals import asked, own_files
    from steelyard.app.evals import tasks as texts

    given = asked.Given(family, file, columns)
    if (name := given.generated) is not None:
        echo(texts.show_text(name, as_json=as_json))
    else:
        with Screen(quiet=as_json) as screen:
            found = given.task(None, None, 0, None, screen.emit)
        echo(own_files.show_text(found, as_json=as_json))


@tasks.command("sample")
@click.argument("family", required=False)
@questions.from_file
@click.option("--level", type=click.IntRange(1), help="[default: the family's first]")
@click.option("--items", type=click.IntRange(1, 5000), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@questions.private
@click.option("--answers", is_flag=True, help="Print the known answers too.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, with the answers.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write their pictures, sounds or films into this folder, with the answers.",
)
def sample(
    *,
    family: str | None,
    file: Path | None,
    columns: Path | None,
    level: int | None,
    items: int,
    seed: int,
    private_seed: str | None,
    answers: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Print items of FAMILY, or of --file, as a run with this seed asks them.

    \b
    steelyard tasks sample logic --level 2 --items 3 --answers
    steelyard tasks sample vision --items 20 --out pictures
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.evals import asked
    from steelyard.app.evals import tasks as texts

    with Screen(quiet=as_json) as screen:
        task = asked.Given(family, file, columns).task(
            level, items, seed, private_seed, screen.emit
        )
    echo(texts.sample_text(task, answers=answers, as_json=as_json, out=out))
