"""The options of `steelyard eval` that say who judges the answers to a file's questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from steelyard.cli.asking import together
from steelyard.domain.errors import BadInput

if TYPE_CHECKING:
    from steelyard.app.evals.judge import JudgeRequest

_OPTIONS: Final = (
    click.option(
        "--judge",
        metavar="SUBJECT",
        help="Who judges a --file whose scorer is `judge`: a model file, a name, or a server.",
    ),
    click.option("--judge-model", metavar="NAME", help="Its model, where the server has several."),
    click.option("--judge-engine", metavar="NAME", help="What that server is, or is to serve it."),
    click.option(
        "--judge-key-env", metavar="NAME", help="Variable that holds the key of that server."
    ),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def refused(why: str, hint: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a command that asks no judge say so, instead of not knowing the options."""

    def refuse(_: click.Context, option: click.Parameter, typed: str | None) -> None:
        if typed is not None:
            raise BadInput(f"{option.opts[0]}: {why}", hint=hint)

    names = ("--judge", "--judge-model", "--judge-engine", "--judge-key-env")
    return together(
        *(click.option(name, hidden=True, expose_value=False, callback=refuse) for name in names)
    )


def taken(typed: dict[str, Any]) -> JudgeRequest:
    """Take these options out of all that was typed."""
    from dataclasses import fields

    from steelyard.app.evals.judge import JudgeRequest

    return JudgeRequest(**{field.name: typed.pop(field.name) for field in fields(JudgeRequest)})


def named(request: JudgeRequest) -> dict[str, object]:
    """Return what was typed, by the names of the options."""
    from dataclasses import asdict

    return {name.replace("_", "-"): value for name, value in asdict(request).items()}
