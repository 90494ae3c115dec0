"""What an engine has no route for (its tokens, its logits), asked of its own library in a child.

The child is `in_environment.py`, run by the interpreter of the engine's environment; it is started
with the first question and ends with the engine. Not aware of what the questions mean.
"""

from __future__ import annotations

import json
import select
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import DialectError, EngineError
from steelyard.platform import process

SCRIPT: Final = Path(__file__).with_name("in_environment.py")
_PATIENCE_S: Final = 120.0
_GRACE_S: Final = 1.0


@final
class Words:
    """The child, and one question at a time to it."""

    def __init__(self, argv: tuple[str, ...], env: Mapping[str, str], log: Path) -> None:
        self._argv, self._env, self._log = argv, env, log
        self._child: process.Child | None = None

    def ask(self, question: Mapping[str, object]) -> Mapping[str, Any]:
        """Return its answer; raise `EngineError` when none comes, `DialectError` when it fails."""
        if self._child is None:
            self._child = process.start(self._argv, log=self._log, env=self._env, pipes=True)
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None  # noqa: S101 - pipes were asked for
        assert stdout is not None  # noqa: S101
        try:
            stdin.write(json.dumps(question).encode() + b"\n")
            stdin.flush()
            ready, _, _ = select.select([stdout], [], [], _PATIENCE_S)
            line = stdout.readline() if ready else b""
        except OSError as error:
            line, why = b"", str(error)
        else:
            why = "it ended" if ready else f"it said nothing for {_PATIENCE_S:g} s"
        if not line:
            self.stop()
            raise EngineError(
                f"the engine's library gave no answer: {why}", hint=f"its log: {self._log}"
            )
        said: Mapping[str, Any] = json.loads(line)
        if "error" in said:
            raise DialectError(f"the engine's library refused: {said['error']}")
        return said

    def stop(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.stop(grace_s=_GRACE_S)
            self._child = None
