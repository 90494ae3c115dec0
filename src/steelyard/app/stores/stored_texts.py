"""What was found in stores, as text and as JSON.

Everything that a file, a server or a disk names is printed so that it cannot move the cursor. Not
aware of how it was found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from steelyard.domain.ids import plain
from steelyard.domain.subject import ArtifactFacts
from steelyard.models import disk
from steelyard.models.stores.api import StoredFile
from steelyard.models.stores.duplicates import Same, Verified
from steelyard.models.stores.scanning import Found, Scanned

_DEL: Final = 0x7F
# Bytes of a file's name that are no UTF-8, as Python carries them.
_RAW: Final = range(0xDC80, 0xDD00)
_HEAD: Final = (
    f"  {'quant':<10} {'bpw':>6} {'weights':>9} {'context':>8} {'size':>9}  {'format':<11}  model"
)
_HINT: Final = (
    "  likely: size, beginning and end agree; claimed: their stores say so; --hash verifies"
)
_NOTHING: Final = "no model found; name a folder, or use `bundled`"


def shown(text: str) -> str:
    """Return text that cannot move the cursor, change colours or turn the direction of writing."""
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in text)


def listed(found: Sequence[tuple[str, ArtifactFacts]], scanned: Scanned) -> Iterator[str]:
    """Yield the short list: a line a model, then what is broken."""
    yield f"{'quant':<10} {'bpw':>6} {'weights':>9} {'context':>8}  file"
    for path, facts in found:
        yield (
            f"{shown(facts.quant):<10} {facts.file_bpw:6.2f} {_count(facts.parameters):>9} "
            f"{facts.context_tokens:>8}  {shown(path)}{'  synthetic' if facts.synthetic else ''}"
        )
    yield from _complaints(scanned)
    if not found:
        yield _NOTHING


def lines(
    scanned: Scanned, same: Sequence[Same], verified: Verified | None, seconds: float
) -> Iterator[str]:
    """Yield the thorough report: by store, then duplicates, then what is broken, then the sums."""
    by_store: dict[tuple[str, str], list[Found]] = {}
    for one in scanned.found:
        by_store.setdefault((one.store.name, one.store.where), []).append(one)
    for (kind, where), group in by_store.items():
        yield f"{kind}  {shown(where)}"
        yield _HEAD
        yield from map(_row, group)
        yield ""
    if same:
        yield "the same bytes"
        yield from map(_same_line, same)
        if any(one.evidence != "verified" for one in same):
            yield _HINT
        yield ""
    damaged = verified.damaged if verified else ()
    yield from _complaints(scanned)
    yield from (f"! {shown(one.where)}: {shown(one.why)}" for one in damaged)
    size = disk.size(sum(one.entry.size_bytes for one in scanned.found))
    wasted = disk.size(sum(one.wasted_bytes for one in same))
    bad = len(scanned.unusable) + len(damaged)
    yield (
        f"{len(scanned.found)} models, {size}; {len(scanned.asides)} other files; "
        f"{wasted} in duplicates; {bad} broken; {seconds:.1f} s"
    )
    if not scanned.found:
        yield _NOTHING


def report(scanned: Scanned, same: Sequence[Same], verified: Verified | None) -> dict[str, Any]:
    """Return the same for machines."""
    models = [
        {
            "store": one.store.name,
            "where": one.store.where,
            "name": one.entry.name,
            "aliases": list(one.entry.aliases),
            "path": None if one.entry.path is None else str(one.entry.path),
            "format": one.details.layout,
            "bytes": one.entry.size_bytes,
            "files": [_file(each, verified) for each in one.entry.files],
            "beside": [_file(each, verified) for each in one.entry.beside],
            "origin": dict(one.entry.origin),
            "said": dict(one.details.said),
            "facts": table(one.details.facts),
        }
        for one in scanned.found
    ]
    others = [
        {"store": entry.store, "name": entry.name, "path": str(entry.path), "role": role}
        for entry, role in scanned.asides
    ]
    duplicates = [
        {
            "evidence": one.evidence,
            "bytes": one.size_bytes,
            "wasted_bytes": one.wasted_bytes,
            "sha256": one.sha256,
            "paths": [str(path) for path in one.paths],
        }
        for one in same
    ]
    damaged = [
        {"path": one.where, "why": one.why} for one in (verified.damaged if verified else ())
    ]
    return {
        "models": models,
        "others": others,
        "duplicates": duplicates,
        "broken": [*broken(scanned), *damaged],
    }


def broken(scanned: Scanned) -> list[dict[str, str]]:
    """Return what is broken, with the reason."""
    return [{"path": one.where, "why": one.why} for one in scanned.unusable]


def table(value: object) -> dict[str, Any]:
    """Return facts as JSON has them."""
    found = plain(value)
    return dict(found) if isinstance(found, dict) else {}


def document(value: object) -> str:
    """Return the text of a JSON document."""
    return json.dumps(value, indent=1, sort_keys=True)


def _file(one: StoredFile, verified: Verified | None) -> dict[str, Any]:
    known = verified.digests.get(one.path) if verified and one.path is not None else None
    how = "verified" if known else "claimed" if one.sha256 else "unknown"
    return {
        "name": one.name,
        "path": None if one.path is None else str(one.path),
        "bytes": one.size_bytes,
        "sha256": known or one.sha256,
        "sha256_is": how,
    }


def _row(one: Found) -> str:
    facts, entry = one.details.facts, one.entry
    notes = [f"{len(entry.files)} files"] if len(entry.files) > 1 else []
    notes += ["synthetic"] if facts.synthetic else []
    notes += ["no chat template"] if facts.chat_template_sha256 is None else []
    notes += [f"also {shown(', '.join(entry.aliases))}"] if entry.aliases else []
    noted = f"  ({'; '.join(notes)})" if notes else ""
    return (
        f"  {shown(facts.quant):<10} {facts.file_bpw:6.2f} {_count(facts.parameters):>9} "
        f"{facts.context_tokens:>8} {disk.size(entry.size_bytes):>9}  "
        f"{one.details.layout:<11}  {shown(entry.name)}{noted}"
    )


def _same_line(one: Same) -> str:
    paths = " = ".join(shown(str(path)) for path in one.paths)
    return f"  {one.evidence:<8} {disk.size(one.wasted_bytes):>9} to gain: {paths}"


def _complaints(scanned: Scanned) -> Iterator[str]:
    return (f"! {shown(one.where)}: {shown(one.why)}" for one in scanned.unusable)


def _escaped(code: int) -> str:
    return f"\\x{code & 0xFF:02x}" if code <= _DEL or code in _RAW else f"\\u{code:04x}"


def _count(number: int) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return str(number)
