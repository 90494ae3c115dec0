"""The options that say which questions are asked, the same for all that asks or shows some."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

import click

from steelyard.cli.asking import Command, together
from steelyard.cli.shown import echo
from steelyard.cli.values import SECRET, WORDS
from steelyard.domain.errors import BadInput
from steelyard.domain.private import is_made

_FILE: Final = (
    click.option(
        "--file", type=click.Path(path_type=Path), help="Questions of your own, or a folder."
    ),
    click.option(
        "--columns", type=click.Path(path_type=Path), help="Which column of --file is what."
    ),
)
_PRIVATE: Final = together(
    click.option(
        "--private", is_flag=True, help="Draw the items from a seed of your own, kept for you."
    ),
    click.option(
        "--private-seed", type=SECRET, help="Draw the items from a seed that only you know."
    ),
)


def private(command: Command) -> Command:
    """Add both ways to ask private items; the command is given the seed as `private_seed`."""

    @functools.wraps(command)
    def seeded(*args: Any, private: bool, private_seed: str | None, **options: Any) -> Any:
        return command(*args, private_seed=_seed(private_seed, own=private), **options)

    return _PRIVATE(seeded)


def private_option(seed: str | None) -> str:
    """Return the name of the option that said so, for one that refuses it."""
    return "private" if seed is not None and is_made(seed) else "private-seed"


def _seed(typed: str | None, *, own: bool) -> str | None:
    if not own:
        return typed
    if typed is not None:
        raise BadInput(
            "--private and --private-seed each say from which seed the items are drawn",
            hint="leave one of them out",
        )
    from steelyard.app.evals import own_seed

    found = own_seed.own()
    if found.new:
        echo(f"Your private seed was made and lies in {found.path}: keep it to yourself", err=True)
    return found.seed


from_file: Final = together(*_FILE)
named: Final = together(
    click.option(
        "--suite",
        help="quick or quality: every family that the subject can be asked, from level 2 on. Not"
        " the quick one of a sweep, which has four families at level 1.",
    ),
    click.option(
        "--set", "sets", type=WORDS, help="Standard sets, e.g. gsm8k,mmlu; `tasks sets` lists them."
    ),
    *_FILE,
)
drawn: Final = together(
    click.option(
        "--level", type=click.IntRange(1), help="Of tasks that name none.  [default: first]"
    ),
    private,
    click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=0, show_default=True),
)
by: Final = together(
    click.option(
        "--by",
        type=click.Choice(["family", "level"]),
        default="family",
        show_default=True,
        help="A row for each family, or for each of its levels as well.",
    ),
)
