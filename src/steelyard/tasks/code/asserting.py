"""Puts a program to tests that somebody wrote, inside the sandbox; its text is sent there.

The tests are Python that raises where something is wrong. What passed is said under a word, so that
a mere print or exit does not pass; a program that looks for the word finds it. A stand-in for the
little of numpy that published tests use is there for them.
"""

import json
import os
import sys
import types
from typing import Any

_WORDS_MOST = 160


def main(case: str, results: int) -> None:
    """Run the program, then its tests, and say how far it came."""
    wanted = json.loads(case)

    def say(line: dict[str, Any]) -> None:
        os.write(results, json.dumps(line).encode() + b"\n")

    space: dict[str, Any] = {"__name__": "solution"}
    try:
        exec(compile(wanted["source"], "solution", "exec"), space)  # noqa: S102 - in the sandbox
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its own doing
        say({"failed": _words(error)})
        return
    sys.modules.setdefault("numpy", _numbers())
    word = wanted["word"]
    try:
        exec(compile(wanted["tests"], "tests", "exec"), space)  # noqa: S102 - as above
    except BaseException as error:  # noqa: BLE001 - as above
        say({"wrong": _words(error)})
        return
    say({"passed": word})


def _numbers() -> types.ModuleType:
    module = types.ModuleType("numpy")

    class ndarray:  # noqa: N801 - numpy's own name
        """No array is ever made here."""

    contents = {"ndarray": ndarray, "float32": float, "float64": float, "allclose": _all_close}
    vars(module).update(contents)
    return module


def _all_close(first: Any, second: Any, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(
            _all_close(a, b, rtol, atol) for a, b in zip(first, second, strict=True)
        )
    return bool(abs(first - second) <= atol + rtol * abs(second))


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:_WORDS_MOST]
    except BaseException:  # noqa: BLE001 - it may be made to fail here too
        return type(error).__name__[:_WORDS_MOST]
