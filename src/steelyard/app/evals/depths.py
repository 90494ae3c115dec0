"""Long contexts of a run, by length and depth: the items are drawn again, and the table written.

A record keeps marks by item id; the same task gives the same items on every machine. Computes no
number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis.depths import by_length
from steelyard.app.evals.texts import interval, percent, table
from steelyard.domain.errors import BadInput
from steelyard.domain.evaluation import Evaluation, LengthCell, LengthScore
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.task import sample_key
from steelyard.reports.figures import NOTHING
from steelyard.tasks.registry import drawn

_WHY: Final = {
    "prompt_cut": "the server counted fewer prompt tokens than were sent: it cut the prompt",
    "canary_missing": "a check word never came back and no count shows that the prompt came whole",
    "context_overflow": "the server refused the prompt for its length",
}
_SURELY_NONE: Final = 8


def with_lengths(found: Evaluation, record: RunRecord) -> Evaluation:
    """Add to an evaluation what its long contexts say."""
    return replace(found, lengths=lengths(record))


def lengths(record: RunRecord) -> tuple[LengthScore, ...]:
    """Score every task whose questions are stretched, the shortest first.

    A task whose items another version of Steelyard made has no depths to tell.
    """
    sections = {s.name: s for s in record.sections if s.kind == "task"}
    found = []
    for task in record.spec.tasks:
        section = sections.get(task.section)
        if section is None or not any(a.prompt_tokens_wanted for a in section.attempts):
            continue
        try:
            items = drawn(task)
        except BadInput:
            continue
        long = {item.id: item for item in items if item.start().stretch is not None}
        tokens = [ask.tokens for item in long.values() if (ask := item.start().stretch)]
        kinds = {
            sample_key(key, number): item.kind
            for key, item in long.items()
            for number in range(task.samples)
        }
        found.append(by_length(section, kinds, max(tokens, default=0), record))
    return tuple(sorted(found, key=lambda score: score.tokens))


def text(found: Sequence[LengthScore]) -> str:
    """Return right answers by length and depth, by kind, and how surely the prompts arrived."""
    return "\n".join(_lines(found)) if found else ""


def _lines(found: Sequence[LengthScore]) -> Iterator[str]:
    heads = tuple(f"{score.tokens:,} tokens" for score in found)
    yield "Right by depth and length: share, 95 %, items run"
    yield _grid("depth", heads, found, lambda score: score.depths)
    yield "Right by kind and length"
    yield _grid("kind", heads, found, lambda score: score.kinds)
    for score in found:
        yield from _told(score)


def _grid(
    first: str,
    heads: tuple[str, ...],
    found: Sequence[LengthScore],
    cells: Callable[[LengthScore], tuple[LengthCell, ...]],
) -> str:
    names = list(dict.fromkeys(cell.name for score in found for cell in cells(score)))
    rows = [(f"  {first}", *heads, "")]
    for name in names:
        by_length = [{c.name: c for c in cells(score)}.get(name) for score in found]
        rows.append((f"  {_named(name)}", *map(_cell, by_length), ""))
    return table(rows)


def _named(name: str) -> str:
    return f"{name[1:]} %" if name[1:].isdigit() else name


def _cell(cell: LengthCell | None) -> str:
    if cell is None:
        return NOTHING
    return f"{percent(cell.right.value)} {interval(cell.right)} n={cell.right.n}"


def _told(score: LengthScore) -> Iterator[str]:
    sent, came = _span(score.wanted_tokens), _span(score.prompt_tokens)
    yield f"  {score.task}: prompts of {sent} tokens by our count, {came} by the server's"
    asked = "on" if score.reuse_prefix else "off"
    yield (
        f"    prefix cache: asked {asked}, in force {_said(score.prefix_cache)};"
        f" {_cached(score.cached_tokens)}"
    )
    answers = score.check_words["answers"]
    back = {p: n for p, n in score.check_words.items() if p != "answers"}
    yield (
        f"    check words repeated in {answers} answers: "
        f"{', '.join(f'{position} {times}' for position, times in back.items())}"
    )
    never = [position for position, times in back.items() if not times]
    if never and answers >= _SURELY_NONE and "canary_missing" not in score.not_run_why:
        yield (
            f"    never came back: {', '.join(never)}, though the server counted the prompts whole:"
            " the model does not follow, or the count is not to be believed"
        )
    for why, times in score.not_run_why.items():
        yield f"    {times} not run, {why}{': ' + _WHY[why] if why in _WHY else ''}"


def _span(found: Reading[tuple[int, int]]) -> str:
    match found:
        case Measured(value=(least, most)):
            return f"{least:,}" if least == most else f"{least:,} to {most:,}"
        case _:
            return NOTHING


def _said(found: Reading[str]) -> str:
    return found.value if isinstance(found, Measured) else f"{NOTHING} ({found})"


def _cached(found: Reading[int]) -> str:
    if isinstance(found, Missing):
        return "what was cached is not told"
    return f"{found.value:,} cached tokens told"
