"""How a recipe lab's findings read: on a screen, and for programs. Not aware of files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from steelyard.analysis.mixes import GOAL, Proof, divergence
from steelyard.app.mixes.findings import Found, Stock
from steelyard.app.mixes.ground import shared_warnings
from steelyard.domain.ids import plain
from steelyard.domain.reading import Measured
from steelyard.domain.summary import Estimate
from steelyard.models.mixes import Choice


@final
@dataclass(frozen=True, slots=True)
class Report:
    """A search that has ended, and how long it took."""

    found: Found
    seconds: float


def as_text(report: Report) -> str:
    """Return the last screen."""
    return "\n".join(_lines(report))


def as_json(report: Report) -> str:
    """Return the same for programs."""
    found, ground = report.found, report.found.ground
    proof = found.proof
    out = {
        "model": ground.chosen.model,
        "source_sha256": ground.sha256,
        "stock": ground.stock.name,
        "stock_bytes": found.base.order.file_bytes,
        "mix_bytes": found.mix_bytes or None,
        "claim": "none" if proof is None else proof.claim,
        "reason": found.finished.reason,
        "seconds": round(report.seconds, 1),
        "search_text": _text(found, held_out=False),
        "held_out_text": _text(found, held_out=True),
        "measured_alone": found.finished.alone,
        "measured_around": found.finished.around,
        "importance": [_importance(found, number) for number in range(len(found.stocks))],
        "shared_by_search_and_held_out_text": ground.shared,
        "warnings": list(_warnings(found)),
        "importance_used": found.base.axis.name,
        "tried": [
            {"divergence": tried.divergence, "sum_of_parts": tried.foreseen}
            for tried in found.finished.tried
        ],
        "types": {name: choice.name for name, choice in _changed(found, everything=True)},
        "held_out": None
        if proof is None
        else {"mix": plain(proof.mix), "stock": plain(proof.stock), "ratio": plain(proof.ratio)},
        "kept": None
        if found.kept is None
        else {
            "mix": str(found.kept.mix),
            "recipe": str(found.kept.recipe),
            "folder": str(found.kept.folder),
            "sha256": found.kept.sha256,
        },
    }
    return json.dumps(out, indent=1, sort_keys=True)


def _lines(report: Report) -> Iterator[str]:
    found, ground = report.found, report.found.ground
    finished = found.finished
    yield (
        f"{ground.chosen.model} against {ground.stock.name}, {found.base.order.file_bytes:,} "
        f"bytes, in {report.seconds / 60:.1f} min"
    )
    yield (
        f"  on {ground.search.positions:,} positions of {ground.search.name} "
        f"({ground.search.sha256[:8]}): {finished.alone} types of single groups, "
        f"{len(finished.tried)} whole mixes, {finished.around} changes to the best of them"
    )
    for stock in found.stocks:
        used = "  (used)" if stock is found.base else ""
        yield f"  stock with {_matrix(stock)}: {_search_mean(found, stock):.6f} nats{used}"
    for tried in finished.tried:
        yield f"  mix: {tried.divergence:.6f} nats, its parts alone {tried.foreseen:.6f}"
    if found.proof is None:
        yield f"None found: {finished.reason}."
    else:
        yield from _proof(found, found.proof)
    if found.kept is None and found.earlier is not None:
        yield f"The mix of an earlier search stays where it is: {found.earlier}"
    for warning in _warnings(found):
        yield f"! {warning}"


def _warnings(found: Found) -> Iterator[str]:
    yield from shared_warnings(found.ground)
    for stock in found.stocks:
        yield from stock.axis.warnings


def _proof(found: Found, proof: Proof) -> Iterator[str]:
    ground, positions = found.ground, proof.positions
    yield (
        f"Held out: {positions:,} positions of {ground.held_out.name} "
        f"({ground.held_out.sha256[:8]}), KL divergence from {ground.path.name} in nats"
    )
    rows = [
        (
            f"{ground.stock.name}, {_matrix(stock)}",
            stock.order.file_bytes,
            divergence(sums, positions),
        )
        for stock, sums in zip(found.stocks, found.held_out, strict=True)
    ]
    rows.append(("the mix", found.mix_bytes, proof.mix))
    width = max(len(name) for name, _, _ in rows)
    for name, size, estimate in rows:
        yield f"  {name:<{width}}{size:>16,} bytes  {_interval(estimate, 6)}"
    yield (
        f"  the mix has {_interval(proof.ratio, 3)} of the divergence of {ground.stock.name}, "
        f"{_matrix(found.base)}"
    )
    yield _claim(proof)
    types = Counter(choice.name for _, choice in _changed(found, everything=True))
    yield (
        "Types: "
        + ", ".join(f"{name} in {count}" for name, count in types.most_common())
        + " groups"
    )
    for name, choice in _changed(found, everything=False):
        yield f"  {name}: {choice.name}"
    if found.kept is not None:
        yield f"Mix: {found.kept.mix}  sha256 {found.kept.sha256[:16]}"
        yield f"Recipe: {found.kept.recipe}"
        yield f"Whether it is also faster or righter: steelyard sweep {found.kept.folder}"


def _claim(proof: Proof) -> str:
    match proof.claim:
        case "none":
            return (
                "None found: on the held-out text the best mix is not shown to lose less than "
                "the stock mix. Nothing is kept."
            )
        case "better":
            return f"Better, but not shown to be better by {1 - GOAL:.0%}."
        case "better by a tenth":
            return f"Better, by {1 - GOAL:.0%} or more."


def _changed(found: Found, *, everything: bool) -> Iterator[tuple[str, Choice]]:
    """Yield the groups whose types are not the stock mix's, or all groups."""
    winner = found.finished.winner
    if winner is None:
        return
    for name, ways, at in zip(found.groups, found.ways, winner.choice, strict=True):
        if everything or at != 0:
            yield name, ways[at]


def _text(found: Found, *, held_out: bool) -> dict[str, object]:
    text = found.ground.held_out if held_out else found.ground.search
    return {"name": text.name, "sha256": text.sha256, "positions": text.positions}


def _importance(found: Found, number: int) -> dict[str, object]:
    stock = found.stocks[number]
    matrix = stock.axis.matrix
    return {
        "name": stock.axis.name,
        "sha256": None if matrix is None else matrix.sha256,
        "overlap_with_held_out": plain(stock.axis.overlap),
        "warnings": list(stock.axis.warnings),
        "stock_bytes": stock.order.file_bytes,
        "stock_search_divergence": _search_mean(found, stock),
        "stock_held_out_divergence": plain(
            divergence(found.held_out[number], found.ground.held_out.positions)
        )
        if found.held_out
        else None,
    }


def _search_mean(found: Found, stock: Stock) -> float:
    return stock.total / found.ground.search.positions


def _matrix(stock: Stock) -> str:
    name = stock.axis.name
    if stock.axis.matrix is None:
        return "no matrix"
    overlap = stock.axis.overlap
    shared = f", overlap {overlap.value:.1%}" if isinstance(overlap, Measured) else ""
    return f"matrix {name}{shared}"


def _interval(estimate: Estimate, digits: int) -> str:
    value, low, high = estimate.value, estimate.low, estimate.high
    if not isinstance(value, Measured):
        return str(value)
    if not (isinstance(low, Measured) and isinstance(high, Measured)):
        return f"{value.value:.{digits}f} (no interval: {low})"
    return f"{value.value:.{digits}f} [{low.value:.{digits}f}, {high.value:.{digits}f}]"
