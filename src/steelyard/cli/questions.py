"""The options that say which questions are asked, the same for all that asks or shows some."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from steelyard.cli.asking import together
from steelyard.cli.values import SECRET, WORDS

_FILE: Final = (
    click.option(
        "--file", type=click.Path(path_type=Path), help="Questions of your own, or a folder."
    ),
    click.option(
        "--columns", type=click.Path(path_type=Path), help="Which column of --file is what."
    ),
)
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
    click.option(
        "--private-seed", type=SECRET, help="Draw the items from a seed that only you know."
    ),
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
