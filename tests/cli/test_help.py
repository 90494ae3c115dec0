"""Help answers at once: each command in a fresh process, without anything heavy."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

from steelyard import __version__

HEAVY = ("pydantic", "sqlalchemy", "aiohttp", "numpy", "xllamacpp", "torch", "jinja2", "rich")
COMMANDS = (
    *(
        "",
        "sweep",
        "bench",
        "proxy",
        "calibrate",
        "engines bench",
        "run",
        "models",
        "models list",
        "models lab",
        "models show",
        "models quantise",
        "engines",
    ),
    *("engines list", "engines check", "results", "results list", "results show"),
    *("results compare", "results export", "results rebuild", "report", "forge", "forge bundled"),
    *(
        "models fit",
        "models frontier",
        "models synth",
        "models scan",
        "models copy",
        "models index",
    ),
    *("models find", "models pull", "models each", "models pin", "models unpin", "models remove"),
    *("engines compare", "engines install", "engines preflight", "engines probe"),
    *(
        "engines profiles",
        "engines profiles check",
        "engines profiles list",
        "engines profiles show",
    ),
    *("engines speculate", "engines uninstall", "models export", "tune"),
    *(
        "eval",
        "eval run",
        "eval choose",
        "eval power",
        "eval repeat",
        "eval compare",
        "eval gap",
        "eval worth",
        "tasks",
        "tasks list",
        "tasks show",
        "tasks sample",
        "tasks sets",
        "rescore",
    ),
    *("fidelity", "fidelity pack", "fidelity check"),
    *("engines cold", "engines offload", "engines parallel"),
    "doctor",
)
# One process looks at all commands in turn: what any of them imports is seen after it.
LOOK = f"""
import contextlib, io, json, sys
from steelyard.cli.main import run
found = {{}}
for words in {COMMANDS!r}:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        code = run([*words.split(), "--help"])
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    found[words] = [code, text.getvalue(), heavy]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def helped() -> dict[str, tuple[int, str, list[str]]]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    found: dict[str, tuple[int, str, list[str]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("words", COMMANDS)
def test_help_works_and_imports_nothing_heavy(
    helped: dict[str, tuple[int, str, list[str]]], words: str
) -> None:
    code, text, heavy = helped[words]
    assert code == 0
    assert f"Usage: steelyard {words}".strip() in text
    assert heavy == []


def test_no_command_is_left_out_here() -> None:
    import click

    from steelyard.cli.main import cli

    def names(group: click.Group, before: str) -> list[str]:
        context = click.Context(group)
        found = []
        for name in group.list_commands(context):
            below = group.get_command(context, name)
            found.append(f"{before}{name}")
            if isinstance(below, click.Group):
                found += names(below, f"{before}{name} ")
        return found

    assert sorted(["", *names(cli, "")]) == sorted(COMMANDS)


def test_a_words_only_process_says_its_version_quickly() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "steelyard.cli.main", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == f"steelyard, version {__version__}"
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert imported.isdisjoint(HEAVY)


def examples(text: str) -> list[str]:
    """Return the lines of a help text that a reader would type."""
    lines = [line.strip(" │") for line in text.splitlines()]
    return [line for line in lines if line.startswith("steelyard ")]


def test_the_examples_in_help_can_be_typed(helped: dict[str, tuple[int, str, list[str]]]) -> None:
    import click

    from steelyard.cli.main import cli

    lines = [line for _, text, _ in helped.values() for line in examples(text)]
    assert any(line.startswith("steelyard sweep ~/models") for line in lines)
    assert any(line.startswith("steelyard run ") for line in lines)
    assert any(line.startswith("steelyard models quantise ") for line in lines)
    for line in lines:
        words = shlex.split(line.partition(" > ")[0])[1:]
        command: click.Command = cli
        while isinstance(command, click.Group):
            _, below, words = command.resolve_command(click.Context(command), words)
            assert below is not None, line
            command = below
        command.make_context(command.name, words)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_produced(shell: str) -> None:
    program = "from steelyard.cli.main import main; import sys; sys.argv[0] = 'steelyard'; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "_STEELYARD_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "_STEELYARD_COMPLETE" in done.stdout
    assert "steelyard" in done.stdout


def test_completion_knows_the_commands_and_their_options() -> None:
    program = "from steelyard.cli.main import main; import sys; sys.argv[0] = 'steelyard'; main()"
    for typed, word, expected in (
        ("steelyard sw", 1, "sweep"),
        ("steelyard sweep --bu", 2, "--budget"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={
                **os.environ,
                "_STEELYARD_COMPLETE": "bash_complete",
                "COMP_WORDS": typed,
                "COMP_CWORD": str(word),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert expected in done.stdout, done.stdout + done.stderr
