"""How llama.cpp reaches this machine: by the wheel (default), or as programs found on PATH.

`describe` says which build it is, in words that belong into a record. Not aware of quant rules:
`native` hands the whole quantisation to llama-quantize.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias, final

from steelyard.domain.errors import BadInput, EngineError, UnknownName
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.llamalib import library

Name: TypeAlias = Literal["wheel", "native"]
NAMES: Final[tuple[Name, ...]] = ("wheel", "native")
_VERSION_LIMIT_S: Final = 20.0
_VERSION: Final = re.compile(r"version:\s*(\S.*)")


@final
@dataclass(frozen=True, slots=True)
class Build:
    """Which llama.cpp this is. `sha256` is of the shared object or of the server program."""

    runtime: Name
    version: Reading[str]
    sha256: Reading[str]
    facts: Mapping[str, str]

    def __str__(self) -> str:
        """Return one line for a record."""
        version = self.version.value if isinstance(self.version, Measured) else "unknown build"
        digest = self.sha256.value[:12] if isinstance(self.sha256, Measured) else "no hash"
        return f"{self.runtime}: {version} ({digest})"


class Runtime(Protocol):
    """One way to run llama.cpp."""

    @property
    def name(self) -> Name:
        """`wheel` or `native`."""

    def server(self) -> tuple[str, ...]:
        """Return the program that takes llama-server's arguments."""

    def describe(self) -> Build:
        """Return version and build facts."""


def find(name: str) -> Runtime:
    """Return a runtime by name; raise `UnknownName` for another word."""
    match name:
        case "wheel":
            return Wheel()
        case "native":
            return native()
        case _:
            raise UnknownName.among("runtime", name, NAMES)


def native() -> Native:
    """Return the runtime made of programs on PATH."""
    return Native()


@final
@dataclass(frozen=True, slots=True)
class Wheel:
    """The llama.cpp inside the wheel; its server runs behind `steelyard.llamalib.server`."""

    name: Name = "wheel"

    def server(self) -> tuple[str, ...]:
        """Return our own entry to the wheel's server."""
        library.shared_object()
        return (sys.executable, "-m", "steelyard.llamalib.server")

    def describe(self) -> Build:
        """Return the wheel's version and hash, and what llama.cpp says of itself."""
        import ctypes

        facts: dict[str, str] = {}
        for symbol in ("llama_version", "llama_print_system_info"):
            text = library.bind(symbol, ctypes.c_char_p)()
            facts[symbol] = text.decode() if text else ""
        version = f"{library.WHEEL} {library.version()} (llama.cpp {facts['llama_version']})"
        return Build(
            self.name,
            Measured(version, source="engine"),
            Measured(library.sha256(), source="client"),
            facts,
        )


@final
@dataclass(frozen=True, slots=True)
class Native:
    """The llama.cpp programs on PATH."""

    name: Name = "native"

    def server(self) -> tuple[str, ...]:
        """Return llama-server's path, or raise naming what is missing."""
        return (self.require("llama-server"),)

    def require(self, program: str) -> str:
        """Return the path of a program, or raise `BadInput`."""
        found = shutil.which(program)
        if found is None:
            raise BadInput(
                f"--runtime native needs {program} on PATH, and it is not there",
                hint="install llama.cpp, or use --runtime wheel",
            )
        return found

    def describe(self) -> Build:
        """Ask llama-server for its version and hash the program."""
        program = self.require("llama-server")
        return Build(self.name, _asked_version(program), _hashed(Path(program)), {})

    def quantise(
        self,
        source: Path,
        out: Path,
        quant: str,
        *,
        imatrix: Path | None = None,
        requantise: bool = False,
        threads: int | None = None,
    ) -> None:
        """Run llama-quantize; raise `EngineError` with its last words when it fails."""
        argv = [self.require("llama-quantize")]
        if requantise:
            argv.append("--allow-requantize")
        if imatrix is not None:
            argv += ["--imatrix", str(imatrix)]
        argv += [str(source), str(out), quant]
        if threads is not None:
            argv.append(str(threads))
        ended = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if ended.returncode != 0 or not out.exists():
            words = (ended.stderr or ended.stdout).decode("utf-8", "replace").strip().splitlines()
            raise EngineError(
                f"llama-quantize ended with {ended.returncode}: {' / '.join(words[-3:])}",
                hint="try --runtime wheel, or run the command by hand",
            )


def _asked_version(program: str) -> Reading[str]:
    try:
        ended = subprocess.run(
            [program, "--version"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Missing("not_reported", f"{program} --version failed: {error}")
    found = _VERSION.search((ended.stderr + ended.stdout).decode("utf-8", "replace"))
    if found is None:
        return Missing("not_reported", f"{program} --version names no version")
    return Measured(f"llama.cpp {found[1].strip()}", source="engine")


def _hashed(program: Path) -> Reading[str]:
    import hashlib

    try:
        with program.open("rb") as file:
            return Measured(hashlib.file_digest(file, "sha256").hexdigest(), source="client")
    except OSError as error:
        return Missing("unreadable", f"{program} cannot be read: {error.strerror}")
