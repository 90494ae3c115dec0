"""Every reason for which a request fails or an item is not run has a line that says what to do."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import steelyard
from steelyard.analysis import barred
from steelyard.analysis.failure_hints import hint
from steelyard.analysis.unrun import LASTING
from steelyard.domain.judging import WITHOUT_A_MARK
from steelyard.runs import doubtful

SOURCE = Path(steelyard.__file__).parent
ROOMS = ("analysis", "engines", "judging", "runs", "tasks")
DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "evaluate.md"


def made() -> Iterator[str]:
    """Yield each code that the source gives a failure or an item that was not run."""
    for room in ROOMS:
        for path in sorted((SOURCE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                called = node.func if isinstance(node, ast.Call) else None
                if isinstance(called, ast.Name) and called.id in ("Failed", "NotRun"):
                    assert isinstance(node, ast.Call)
                    yield from literal(path, node.args[0])


def literal(path: Path, word: ast.expr) -> Iterator[str]:
    if isinstance(word, ast.Constant):
        yield str(word.value)
    elif isinstance(word, ast.Name):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        value = getattr(importlib.import_module(".".join(parts)), word.id, None)
        if isinstance(value, str):
            yield value


CODES = sorted({*made(), *barred.WHY, *doubtful.HOPELESS, *LASTING} - WITHOUT_A_MARK)


def test_the_source_was_read() -> None:
    assert len(CODES) > 25
    assert {"no_sandbox", "no_passages", "prompt_cut", "scorer_failed", "unscorable"} <= {*CODES}


@pytest.mark.parametrize("code", CODES)
def test_a_code_that_is_made_has_its_line(code: str) -> None:
    assert hint(code)


def test_the_page_explains_what_an_item_may_not_be_run_for() -> None:
    page = DOCS.read_text()
    asked = {code for code in CODES if code in LASTING or code in doubtful.HOPELESS}
    asked |= {"stalled", "no_passages", "no_sandbox", "zero_tokens", "overloaded"}
    assert not {code for code in asked if f"`{code}`" not in page}
