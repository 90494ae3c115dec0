"""`steelyard eval gap`: has a model seen the public items?"""

from __future__ import annotations

import click

from steelyard.cli.shown import echo


@click.command("gap")
@click.argument("public")
@click.argument("private")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def gap(*, public: str, private: str, as_json: bool) -> int:
    """Say how much better a subject is on public items than on private ones of the same making.

    PUBLIC and PRIVATE are two evaluations of one subject, asked alike but for --private: each the
    folder of an evaluation or the beginning of a run's id.

    \b
    steelyard eval FILE --out evals/public
    steelyard eval FILE --private --out evals/private
    steelyard eval gap evals/public evals/private
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.evals import gaps

    told = gaps.gap(public, private, as_json=as_json)
    echo(told.text)
    return told.exit_code
