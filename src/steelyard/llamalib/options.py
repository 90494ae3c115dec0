"""Which options llama.cpp's server takes here: those of the wheel's server, or of the one on PATH.

The wheel's are those that `llamalib.server` honours, with its checks of values; a program on PATH
is asked for its `--help`. Not aware of engine profiles.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from steelyard.domain.errors import BadInput, EngineError
from steelyard.llamalib import runtimes, server
from steelyard.llamalib.library import KV_TYPES

_HELP_LIMIT_S: Final = 30.0
# `-c,    --ctx-size N    size of the prompt context`: names, then a gap, then words. ik_llama.cpp
# sets names in by up to nine spaces, words that go on by more.
_ENTRY: Final = re.compile(r"^ {0,9}(-[\w-]+(?:,\s+-[\w-]+)*)")
_BEGINS: Final = re.compile(r"\n(?= {0,9}-[\w-])")
# What ik_llama.cpp alone has.
_IK_MARK: Final = "--run-time-repack"
_NAME: Final = re.compile(r"-[\w-]+")
_ALLOWED: Final = re.compile(r"allowed values: ([\w, \n]+)")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


@final
@dataclass(frozen=True, slots=True)
class Options:
    """What one llama.cpp understands: its options by each of their names, and types of its cache.

    `names` maps every spelling to all spellings of the same option.
    """

    source: str
    names: Mapping[str, tuple[str, ...]]
    kv_types: tuple[str, ...]
    parses: bool = field(default=False)

    @property
    def of_ik(self) -> bool:
        """Whether it is ik_llama.cpp's."""
        return _IK_MARK in self.names

    def refuse(self, words: Sequence[str]) -> None:
        """Raise `BadInput` for the first word that is no option, or a value that it refuses."""
        import difflib

        for word in words:
            name = word.partition("=")[0]
            if not name.startswith("-") or _NUMBER.fullmatch(word) or name in self.names:
                continue
            near = difflib.get_close_matches(name, self.names, n=1)
            raise BadInput(
                f"{self.source} has no option {name}",
                hint=f"did you mean {near[0]}?" if near else "its --help lists what it takes",
            )
        if self.parses:
            _parse(self.source, words)


def of(runtime: str) -> Options:
    """Return the options of a runtime; raise `BadInput` where it is not there."""
    if runtime == "wheel":
        return wheel()
    return native(runtimes.native().require("llama-server"))


def server_of(*, ik: bool) -> str:
    """Return the path of the `llama-server` on PATH; raise `BadInput` where it is of the other kin.

    One that does not list its options is taken for llama.cpp's: it will speak for itself.
    """
    if ik and shutil.which("llama-server") is None:
        raise BadInput(
            "ik_llamacpp needs the llama-server of ik_llama.cpp on PATH, and there is none",
            hint="build ik_llama.cpp and put its build/bin first on PATH",
        )
    program = runtimes.native().require("llama-server")
    try:
        is_ik = native(program).of_ik
    except EngineError:
        if ik:
            raise
        return program
    if is_ik and not ik:
        raise BadInput(
            f"{program} is ik_llama.cpp's server, not llama.cpp's",
            hint="name it behind the model: @ik_llamacpp; or put llama.cpp's first on PATH",
        )
    if ik and not is_ik:
        raise BadInput(
            f"{program} is llama.cpp's server, not ik_llama.cpp's: it has no {_IK_MARK}",
            hint="put the folder with ik_llama.cpp's llama-server first on PATH",
        )
    return program


@functools.cache
def wheel() -> Options:
    """Return what the wheel's server takes behind our own entry."""
    found: dict[str, tuple[str, ...]] = {}
    for action in server.parser()._actions:  # noqa: SLF001 - argparse shows them nowhere else
        found |= dict.fromkeys(action.option_strings, tuple(action.option_strings))
    return Options("the wheel's llama.cpp server", found, KV_TYPES, parses=True)


@functools.cache
def native(program: str) -> Options:
    """Ask a `llama-server` for its help and read it."""
    try:
        ended = subprocess.run(
            [program, "--help"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_HELP_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{program} --help failed: {error}") from None
    found = read_help((ended.stdout + ended.stderr).decode("utf-8", "replace"), program)
    if "--model" not in found.names:
        raise EngineError(
            f"the help of {program} lists no options", hint="try --runtime wheel instead"
        )
    return found


def read_help(text: str, program: str) -> Options:
    """Read the help text of llama-server."""
    names: dict[str, tuple[str, ...]] = {}
    kv_types: tuple[str, ...] = ()
    entries = _BEGINS.split(f"\n{text}")
    for entry in entries:
        head = _ENTRY.match(entry)
        if head is None:
            continue
        spellings = tuple(_NAME.findall(head[1]))
        names |= dict.fromkeys(spellings, spellings)
        if "--cache-type-k" in spellings and (allowed := _ALLOWED.search(entry)):
            words = re.split(r"[,\s]+", allowed[1].strip())
            kv_types = tuple(word for word in words if re.fullmatch(r"[a-z]+\d\w*", word))
    return Options(program, names, kv_types or KV_TYPES)


def _parse(source: str, words: Sequence[str]) -> None:
    """Let the parser itself look at the values; what it says goes into the message."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            server.parser().parse_args(["--model", "any", *words])
    except SystemExit:
        last = said.getvalue().strip().splitlines()[-1:]
        why = last[0].partition("error: ")[2] if last else "it cannot be read"
        raise BadInput(
            f"{source} refuses {' '.join(words)!r}: {why}", hint="mend extra_args"
        ) from None
