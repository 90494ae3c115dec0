"""Text to a model's own tokens, by a child process: a crash of the native code is only a crash.

`python -m steelyard.llamalib.tokens --model F --text FILE --out FILE.json` writes the token ids.
Not aware of what the text is for.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from steelyard.llamalib import children, guardian
from steelyard.llamalib.decode import Decoder

_MODULE: Final = "steelyard.llamalib.tokens"
_SMALLEST_CONTEXT: Final = 64


def tokenise(model: Path, text: str) -> tuple[int, ...]:
    """Return the tokens of a text; no begin-of-text token is added."""
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        source, out = Path(folder, "text.txt"), Path(folder, "tokens.json")
        source.write_text(text, encoding="utf-8")
        argv = [sys.executable, "-m", _MODULE, "--model", str(model)]
        children.run([*argv, "--text", str(source), "--out", str(out)])
        return tuple(json.loads(out.read_bytes()))


def main(argv: Sequence[str] | None = None) -> int:
    """Be the child: tokenise and write, or report the error as a JSON line on stdout."""
    flags = argparse.ArgumentParser(prog=_MODULE, allow_abbrev=False)
    for name in ("--model", "--text", "--out"):
        flags.add_argument(name, type=Path, required=True)
    options = flags.parse_args(argv)
    guardian.bind()
    guardian.watch()
    return children.reporting(lambda: _write(options))


def _write(options: argparse.Namespace) -> None:
    text = options.text.read_text(encoding="utf-8")
    with Decoder(options.model, context=_SMALLEST_CONTEXT, threads=1) as decoder:
        options.out.write_text(json.dumps(list(decoder.tokenise(text, special=False))))


if __name__ == "__main__":
    sys.exit(main())
