"""What `models pull` says, for people and as JSON. Nothing is fetched here."""

from __future__ import annotations

import json
from collections.abc import Mapping

from steelyard.app import loadable
from steelyard.app.hub import pulling
from steelyard.app.hub.pulling import Pulled, PullPlan
from steelyard.domain.reading import Measured, Reading
from steelyard.models import disk
from steelyard.models.hub.listing import RemoteFile, RemoteVariant
from steelyard.models.hub.remote import Remote


def plan_text(ahead: PullPlan, *, as_json: bool) -> str:
    """Say what a pull would fetch and whether there is room for it."""
    free = disk.free_bytes(ahead.landing.root)
    if as_json:
        return dump(
            {
                **about(ahead.remote),
                "into": str(ahead.landing.root),
                "files": [{**file(one), "here": one not in ahead.missing} for one in ahead.files],
                "loads": {one.label: _loads(one) for one in ahead.variants},
                "total_bytes": ahead.total_bytes,
                "part_bytes": ahead.part_bytes,
                "needed_bytes": ahead.needed_bytes,
                "free_bytes": free,
                "reserve_bytes": ahead.request.disk_reserve,
                "fits": ahead.needed_bytes + ahead.request.disk_reserve <= free,
            }
        )
    lines = [f"Pull of {ahead.remote.name} at {ahead.remote.commit[:12]}:"]
    for one in ahead.files:
        state = "to fetch" if one in ahead.missing else "here    "
        lines.append(f"  {state}  {disk.size(one.size_bytes):>10}  {one.path}")
    lines += [f"  {variant.label}: {_loaded(variant)}" for variant in ahead.variants]
    lines.append(pulling.summary(ahead))
    if ahead.needed_bytes + ahead.request.disk_reserve > free:
        lines.append("There is not enough room for it.")
    return "\n".join(lines)


def _loaded(one: RemoteVariant) -> str:
    found = loadable.remote(one)
    able = ", ".join(found.engines)
    return f"loads here on {able}" if able else f"nothing here loads it: {found.why}"


def _loads(one: RemoteVariant) -> dict[str, object]:
    found = loadable.remote(one)
    return {"engines": list(found.engines)} | ({"why": found.why} if found.why else {})


def pulled_text(ahead: PullPlan, done: Pulled, *, as_json: bool) -> str:
    """Say where the files are now, and what it took."""
    if as_json:
        return dump(
            {
                **about(ahead.remote),
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


def about(remote: Remote) -> dict[str, object]:
    """Return what a hub says of a model as a whole."""
    return {
        "hub": remote.hub,
        "name": remote.name,
        "revision": remote.revision,
        "commit": remote.commit,
        "gated": remote.gated,
        "private": remote.private,
        "licence": told(remote.licence),
        "access": {"state": remote.access.state, "reason": remote.access.reason},
    }


def told(reading: Reading[str] | Reading[int]) -> object:
    """Return a reading for a program: its value, or why there is none."""
    if isinstance(reading, Measured):
        return reading.value
    return {"missing": reading.code, "detail": str(reading)}


def file(one: RemoteFile) -> dict[str, object]:
    """Return a file with the digest that it must have."""
    return {"path": one.path, "size_bytes": one.size_bytes, one.kind: one.digest}


def dump(found: Mapping[str, object]) -> str:
    """Return JSON as every command prints it."""
    return json.dumps(found, indent=1, sort_keys=True)
