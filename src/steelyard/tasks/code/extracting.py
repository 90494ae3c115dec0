"""The function in an answer: strictly one fenced block and nothing else, flexibly wherever it is.

Text is parsed and never compiled or run here. Not aware of what the function has to do.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.task import Answer
from steelyard.tasks.scoring import is_cut, without_thought

_ONE_BLOCK: Final = re.compile(r"```(?:python|py)?[ \t]*\n((?:(?!```).)*?)\n?```", re.DOTALL)
_BLOCK: Final = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(```|\Z)", re.DOTALL)
_CODE_BEGINS: Final = re.compile(r"^(?:def|async def|import|from|class|@\w)\b.*", re.MULTILINE)
_MOST_CHARS: Final = 60_000
_MOST_LINES_OFF: Final = 80  # of talk behind code without a fence


@final
@dataclass(frozen=True, slots=True)
class Found:
    """The code in an answer by either reading; whether the flexible one defines the function."""

    strict: str | None
    flexible: str | None
    defines: bool = False


def find(answer: Answer, name: str) -> Found:
    """Find the code that defines a function of this name; else other code that is one's own."""
    text = without_thought(answer)
    if len(text) > _MOST_CHARS:
        return Found(None, None)
    whole = _ONE_BLOCK.fullmatch(text)
    strict = whole[1] if whole is not None and _names(whole[1]) is not None else None
    candidates = [strict] if strict is not None else _candidates(text, answer)
    best = None
    # The last one that fits: models try first and correct themselves below.
    for code in reversed(candidates):
        names = _names(code)
        if names is not None and name in names:
            return Found(strict, code, defines=True)
        if names and best is None:
            best = code
    return Found(strict, best if best is not None else strict)


def _candidates(text: str, answer: Answer) -> list[str]:
    cut = is_cut(answer)
    blocks = [code for code, end in _BLOCK.findall(text) if end or not cut]
    if blocks or cut:
        return blocks
    begins = _CODE_BEGINS.search(text)
    if begins is None:
        return []
    lines = text[begins.start() :].rstrip().splitlines()
    for off in range(min(_MOST_LINES_OFF, len(lines))):
        code = "\n".join(lines[: len(lines) - off])
        if _names(code):
            return [code]
    return []


def _names(code: str) -> frozenset[str] | None:
    """Return what the code defines at its outermost level; None if it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a model writes, nobody here wants to hear
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case _:
                pass
    return frozenset(found)
