"""What `models find` and `models pull` say, for people and as JSON. Nothing is fetched here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from steelyard.app import pulling
from steelyard.app.pulling import HubRequest, Pulled, PullPlan
from steelyard.domain.reading import Measured, Missing
from steelyard.models import disk
from steelyard.models.hub import choosing
from steelyard.models.hub.listing import Offer, RemoteFile, RemoteVariant
from steelyard.models.hub.remote import Remote


def find_text(request: HubRequest, *, as_json: bool) -> str:
    """List the variants that a hub offers of one model, and whether they may be fetched."""
    remote = pulling.look(request)
    found = remote.offer(request.globs)
    quants = pulling.target(request.subject).quants
    shown = found
    if quants:
        chosen = choosing.variants(found, quants, request.globs, where=remote.name)
        shown = Offer(chosen, found.others)
    return _found_json(remote, shown) if as_json else _found(remote, shown)


def plan_text(ahead: PullPlan, *, as_json: bool) -> str:
    """Say what a pull would fetch and whether there is room for it."""
    free = disk.free_bytes(ahead.landing.root)
    if as_json:
        return _dump(
            {
                **_about(ahead.remote),
                "into": str(ahead.landing.root),
                "files": [
                    {**_file(file), "here": file not in ahead.missing} for file in ahead.files
                ],
                "total_bytes": ahead.total_bytes,
                "part_bytes": ahead.part_bytes,
                "needed_bytes": ahead.needed_bytes,
                "free_bytes": free,
                "reserve_bytes": ahead.request.disk_reserve,
                "fits": ahead.needed_bytes + ahead.request.disk_reserve <= free,
            }
        )
    lines = [f"Pull of {ahead.remote.name} at {ahead.remote.commit[:12]}:"]
    for file in ahead.files:
        state = "to fetch" if file in ahead.missing else "here    "
        lines.append(f"  {state}  {disk.size(file.size_bytes):>10}  {file.path}")
    lines.append(pulling.summary(ahead))
    if ahead.needed_bytes + ahead.request.disk_reserve > free:
        lines.append("There is not enough room for it.")
    return "\n".join(lines)


def pulled_text(ahead: PullPlan, done: Pulled, *, as_json: bool) -> str:
    """Say where the files are now, and what it took."""
    if as_json:
        return _dump(
            {
                **_about(ahead.remote),
                "paths": [str(path) for path in done.paths],
                "total_bytes": ahead.total_bytes,
                "fetched_bytes": done.fetched_bytes,
                "resumed_bytes": done.resumed_bytes,
                "retries": done.retries,
                "seconds": round(done.seconds, 3),
            }
        )
    lines = [str(path) for path in done.paths]
    if not ahead.missing:
        return "\n".join([*lines, "everything was here already"])
    took = f"{disk.size(done.fetched_bytes)} fetched in {done.seconds:.1f} s"
    resumed = f", {disk.size(done.resumed_bytes)} taken over" if done.resumed_bytes else ""
    retries = f", {done.retries} retries" if done.retries else ""
    return "\n".join([*lines, f"{took}{resumed}{retries}; every digest is right"])


def _found(remote: Remote, offer: Offer) -> str:
    gated = f", gated: {remote.gated}" if remote.gated != "no" else ""
    private = ", private" if remote.private else ""
    lines = [
        f"{remote.name} at {remote.commit[:12]} ({remote.hub}{private}{gated})",
        f"  access: {remote.access.reason}",
        f"  {'claimed quant':<20} {'size':>10} {'files':>5}  first file",
    ]
    for one in offer.variants:
        absent = f"  ! {one.absent} shards are missing" if one.absent else ""
        marks = f"  [{', '.join(one.claim.marks)}]" if one.claim.marks else ""
        lines.append(
            f"  {one.label:<20} {disk.size(one.size_bytes):>10} {len(one.files):>5}  "
            f"{one.files[0].path}{marks}{absent}"
        )
    if not offer.variants:
        lines.append("  no model file fits")
    if offer.others:
        others = sum(file.size_bytes for file in offer.others)
        lines.append(f"  and {len(offer.others)} other files, {disk.size(others)}")
    if remote.hub == "ollama" and isinstance(remote.tags, Missing):
        lines.append(f"  other tags: {remote.tags}")
    lines.append("Quants are as the names claim; `models show` measures a file that is here.")
    return "\n".join(lines)


def _found_json(remote: Remote, offer: Offer) -> str:
    tags = remote.tags
    return _dump(
        {
            **_about(remote),
            "tags": list(tags.value)
            if isinstance(tags, Measured)
            else {"missing": tags.code, "detail": str(tags)},
            "variants": [_variant(one) for one in offer.variants],
            "others": [_file(file) for file in offer.others],
        }
    )


def _about(remote: Remote) -> dict[str, object]:
    return {
        "hub": remote.hub,
        "name": remote.name,
        "revision": remote.revision,
        "commit": remote.commit,
        "gated": remote.gated,
        "private": remote.private,
        "access": {"state": remote.access.state, "reason": remote.access.reason},
    }


def _variant(one: RemoteVariant) -> dict[str, object]:
    claim = one.claim.quant
    return {
        "label": one.label,
        "claimed_quant": None if isinstance(claim, Missing) else claim,
        "claimed_by": str(claim) if isinstance(claim, Missing) else "its name",
        "marks": list(one.claim.marks),
        "format": one.format,
        "size_bytes": one.size_bytes,
        "absent_shards": one.absent,
        "files": [_file(file) for file in one.files],
        "companions": [_file(file) for file in one.companions],
    }


def _file(file: RemoteFile) -> dict[str, object]:
    return {"path": file.path, "size_bytes": file.size_bytes, file.kind: file.digest}


def _dump(found: Mapping[str, object] | Sequence[object]) -> str:
    return json.dumps(found, indent=1, sort_keys=True)
