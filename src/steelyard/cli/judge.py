"""The options of `steelyard eval` that say who judges the answers to a file's questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

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


def taken(typed: dict[str, Any]) -> JudgeRequest:
    """Take these options out of all that was typed."""
    from dataclasses import fields

    from steelyard.app.evals.judge import JudgeRequest

    return JudgeRequest(**{field.name: typed.pop(field.name) for field in fields(JudgeRequest)})


def named(request: JudgeRequest) -> dict[str, object]:
    """Return what was typed, by the names of the options."""
    from dataclasses import asdict

    return {name.replace("_", "-"): value for name, value in asdict(request).items()}
