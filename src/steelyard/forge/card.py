"""The bundled model's card, for machines and for people, and its curve.

Every figure comes from the training log or from the marks of the exported file. Not aware of
networks or engines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from steelyard.domain.task import Answer, Mark
from steelyard.forge.evaluate import Tally, tally
from steelyard.forge.recipes import Recipe
from steelyard.stats.proportions import wilson
from steelyard.tasks.items import Question

Marked = tuple[Question, Answer, Mark]
_THINNED: Final = 160
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 300, 48, 36


def figures(found: Sequence[Marked]) -> dict[str, Any]:
    """Return right answers with Wilson intervals: overall, by family, by kind."""
    groups: dict[str, list[Marked]] = {"overall": list(found)}
    for entry in found:
        question = entry[0]
        groups.setdefault(question.family, []).append(entry)
        groups.setdefault(f"{question.family}.{question.kind}", []).append(entry)
    return {name: _figure(tally(group)) for name, group in groups.items()}


def _figure(counted: Tally) -> dict[str, Any]:
    low, high = wilson(counted.right, counted.items)
    figure: dict[str, Any] = {
        "right": counted.right,
        "items": counted.items,
        "share": round(counted.right / counted.items, 4),
        "interval95": [round(low, 4), round(high, 4)],
        "marks": counted.outcomes,
    }
    if counted.constraints:
        figure["adherence"] = round(counted.constraints_held / counted.constraints, 4)
    return figure


def training(recipe: Recipe, log: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a training was and what it took, from its recipe and its log."""
    last = log[-1]
    return {
        "recipe": asdict(recipe),
        "recipe_sha256": recipe.sha256,
        "steps": last["step"],
        "decay_from": last["decay_from"] or last["step"],
        "tokens": last["tokens"],
        "wall_s": last["wall_s"],
        "answer_loss": last["loss"],
    }


def thinned(log: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Keep the probed lines and an even choice of the others, with the families alone."""
    stride = max(1, len(log) // _THINNED)
    kept = [line for index, line in enumerate(log) if index % stride == 0 or line["exact_match"]]
    if kept and kept[-1] is not log[-1]:
        kept.append(log[-1])
    return [_families_only(line) for line in kept]


def _families_only(line: Mapping[str, Any]) -> dict[str, Any]:
    matches = line["exact_match"]
    families = {k: v for k, v in matches.items() if "." not in k} if matches else None
    return {**line, "exact_match": families}


def text(card: Mapping[str, Any]) -> str:
    """Write the card for people."""
    base, draft, held_out = card["base"], card["draft"], card["held_out"]
    rows = "\n".join(
        f"| {name} | {f['right']} of {f['items']} | {f['share']:.1%} | "
        f"{f['interval95'][0]:.1%} to {f['interval95'][1]:.1%} |"
        for name, f in held_out.items()
        if "." not in name
    )
    files = "\n".join(
        f"| `{name}` | {facts['bytes']:,} | `{facts['sha256']}` |"
        for name, facts in card["files"].items()
    )
    return f"""# Steelyard's bundled model

A Llama of {card["parameters"]:,} parameters ({base["recipe"]["layers"]} layers, hidden 256,
2,048-token vocabulary, context {card["context"]:,}), trained from scratch on generated text only,
so that a sweep has something to weigh offline. Its fresh weights held rough copying and look-up
circuits, laid in by rule; training started from there. It answers the shipped level of
Steelyard's four task families and little else. Licence: Apache-2.0, weights included. No text of
others was used.

## Held-out exact answers, F16 file, greedy, by the embedded llama.cpp and the chat template

| set | right | share | 95 % interval (Wilson) |
|---|---|---|---|
{rows}

Items: the default held-out sets (seed 0, level 1). No such passage, puzzle or form, and no such
story with the same numbers, occurs in the training text; bare sums of the same numbers do.
{card["remark"]}

## Training

Base: {base["tokens"]:,} tokens in {base["steps"]:,} steps, {base["wall_s"] / 60:.0f} minutes on
two shared CPU cores; the learning rate fell from step {base["decay_from"]:,} on. Recipe
`{base["recipe_sha256"][:16]}`. Draft (one layer, same vocabulary, for speculative decoding):
{draft["tokens"]:,} tokens in {draft["wall_s"] / 60:.0f} minutes, recipe
`{draft["recipe_sha256"][:16]}`. The log is `training_log.jsonl`; `steelyard forge bundled`
follows the same recipe. The last phase held passages of 4,096 tokens. Made with
{card["made_with"]}.

## Files

| file | bytes | sha256 |
|---|---|---|
{files}
"""


def curve(log: Sequence[Mapping[str, Any]]) -> str:
    """Draw exact match by family against tokens, and the answer loss, as SVG."""
    probed = [line for line in log if line["exact_match"]]
    most = max(line["tokens"] for line in log)
    names = [name for name in probed[0]["exact_match"] if "." not in name]
    colours = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e5ea2")
    lines = [
        _line([(p["tokens"] / most, p["exact_match"][n]) for p in probed], colour, n, index)
        for index, (n, colour) in enumerate(zip(names, colours, strict=False))
    ]
    losses = [(e["tokens"] / most, min(1.0, e["loss"] / 2)) for e in log]
    lines.append(_line(losses, "#888888", "answer loss / 2 (nats)", len(names)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12"><title>Held-out exact match and loss against '
        f"training tokens</title>{''.join(_axes(most))}{''.join(lines)}</svg>\n"
    )


def _axes(most: int) -> Iterable[str]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - 8}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.2f}</text>'
        x = _x(share)
        yield (
            f'<text x="{x:.1f}" y="{_HEIGHT - 18}" text-anchor="middle">'
            f"{share * most / 1e6:.1f} M</text>"
        )
    yield f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 3}" text-anchor="middle">training tokens</text>'


def _line(points: list[tuple[float, float]], colour: str, name: str, index: int) -> str:
    path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        f'<text x="{_LEFT + 8}" y="{20 + 15 * index}" fill="{colour}">{name}</text>'
    )


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - 24)


def _y(share: float) -> float:
    return 8 + (1 - share) * (_HEIGHT - _BOTTOM - 8)
