"""`steelyard`: the root command, and the one place where errors become words and exit codes.

No command imports anything heavy before it is called, so `--help` answers at once.
"""

from __future__ import annotations

import gc
import importlib
import signal
import sys
import time
from types import FrameType
from typing import Final, cast, final

import click
from click.exceptions import Exit

from steelyard import __version__
from steelyard.cli.shown import echo
from steelyard.domain.errors import SteelyardError, UnknownName

_COMMANDS: Final = (
    *("sweep", "bench", "eval", "proxy", "tune", "run", "models", "engines", "tasks", "results"),
    *("report", "rescore", "fidelity", "calibrate", "forge", "doctor"),
)
# A module is not named as a built-in function is.
_MODULES: Final = {"eval": "evaluate"}


@final
class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called.

    Inherits because click finds commands through this class.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a user's day."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module; none of them imports anything heavy at its top."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        name = _MODULES.get(cmd_name, cmd_name)
        command = getattr(importlib.import_module(f"steelyard.cli.{name}"), name)
        return cast("click.Command", command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for one that does not exist."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise UnknownName.among("command", args[0], _COMMANDS)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="steelyard")
def cli() -> None:
    """Steelyard weighs language models: which file to run here, what it loses, what it costs.

    Start with `steelyard sweep`: it weighs the bundled model, needs no network and ends with two
    recommendations and a report. Every number is measured, or absent with a reason.
    """


def main() -> None:
    """Run the command line; exit 0 done, 1 gate failed, 2 bad input, 3 not measured, 130 stop."""
    code = run(sys.argv[1:], since=(time.monotonic_ns(), time.process_time_ns()))
    gc.freeze()  # the interpreter would look through all of it once more before it ends
    sys.exit(code)


def run(arguments: list[str], *, since: tuple[int, int] | None = None) -> int:
    """Run one command line and return its exit code; errors become one clear message.

    Where the process is there for it alone, what its start took belongs to the command: `since` is
    the monotonic moment at which it was up and its work until then, in ns. The command finds them
    in the `obj` of its root context.
    """
    signal.signal(signal.SIGTERM, _terminated)
    try:
        result = cli.main(args=arguments, prog_name="steelyard", standalone_mode=False, obj=since)
    except Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        # What is kept and how to go on, the commands say that know it: `Interrupted`.
        echo("Interrupted.", err=True)
        return 130
    except OSError as error:
        echo(f"Error: {error.strerror or error}: {error.filename or 'no file named'}", err=True)
        return 3
    except SteelyardError as error:
        echo(f"Error: {error}", err=True)
        if error.hint:
            echo(f"  → {error.hint}", err=True)
        return error.exit_code
    return result if isinstance(result, int) else 0


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
