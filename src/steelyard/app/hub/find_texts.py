"""What `models find` says of a model on a hub, for people and as JSON. No model file is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steelyard.app.hub import pulling
from steelyard.app.hub.pull_texts import about, dump, file, told
from steelyard.app.hub.pulling import HubRequest
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.models import disk
from steelyard.models.hub import choosing, names, ollama, ollama_tags
from steelyard.models.hub.listing import Offer, RemoteVariant
from steelyard.models.hub.ollama_tags import Names, Tagged
from steelyard.models.hub.remote import Remote

_CLAIMED: Final = "Quants are as the names claim; `models show` measures a file that is here."
_NO_BRANCHES: Final = Missing("not_asked", "branches are not listed; name one with --revision")
_BY: Final[Mapping[str, str]] = {
    "registry": "as the registry lists them",
    "page": "as the page of the site links them",
}


def find_text(request: HubRequest, *, as_json: bool) -> str:
    """List the variants that a hub offers of one model, and whether they may be fetched."""
    meant = pulling.target(request.subject)
    if meant.hub == "ollama":
        return _ollama(request, meant.name, as_json=as_json)
    remote = pulling.look(request)
    found = remote.offer(request.globs)
    if meant.quants:
        chosen = choosing.variants(found, meant.quants, request.globs, where=remote.name)
        found = Offer(chosen, found.others)
    return _told(remote, found, _NO_BRANCHES, as_json=as_json)


def _ollama(request: HubRequest, text: str, *, as_json: bool) -> str:
    """List the tags of a name; of NAME:TAG, or where nobody tells the tags, that one."""
    pulling.refuse_revision(request)
    name = ollama.parse(text)
    at, asked = ollama.asked_of(name, request.timeout)
    tags = ollama_tags.listed(name, at, asked, request.patience)
    if isinstance(tags, Missing) or name.tagged:
        remote = pulling.look(request)
        return _told(remote, remote.offer(request.globs), tags, as_json=as_json)
    rows = ollama_tags.described(name, tags.value, request.globs, at, request.patience)
    whole = name.shown.rpartition(":")[0]
    if as_json:
        return dump(
            {
                "hub": "ollama",
                "name": whole,
                "page": asked.page,
                **_tags(tags),
                "variants": [_row(row) for row in rows],
            }
        )
    lines = [
        f"{whole} (ollama), {len(rows)} of {len(tags.value.tags)} tags, {_BY[tags.value.source]}",
        f"  {'tag':<32} {'claimed quant':<16} {'size':>10}  id",
    ]
    for row in rows:
        size = row.size_bytes
        shown = disk.size(size.value) if isinstance(size, Measured) else "–"
        note = "" if row.weights else "  no weights: it runs at Ollama's own"
        why = f"  {size}" if isinstance(size, Missing) else note
        lines.append(f"  {row.tag:<32} {row.claim.label:<16} {shown:>10}  {row.id}{why}")
    if not rows:
        lines.append("  no tag fits")
    if tags.value.more:
        lines.append(f"  the list goes on at {asked.page}/tags")
    return "\n".join([*lines, "Tags of one id are one model. " + _CLAIMED])


def _told(remote: Remote, offer: Offer, tags: Reading[Names], *, as_json: bool) -> str:
    if as_json:
        return dump(
            {
                **about(remote),
                **_tags(tags),
                "variants": [_variant(one) for one in offer.variants],
                "others": [file(one) for one in offer.others],
            }
        )
    gated = f", gated: {remote.gated}" if remote.gated != "no" else ""
    private = ", private" if remote.private else ""
    licence = remote.licence
    lines = [
        f"{remote.name} at {remote.commit[:12]} ({remote.hub}{private}{gated})",
        f"  access: {remote.access.reason}",
        f"  licence: {licence.value if isinstance(licence, Measured) else licence}",
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
        lines.append(_others(offer))
    if remote.hub == "ollama":
        said = ", ".join(tags.value.tags) if isinstance(tags, Measured) else str(tags)
        lines.append(f"  tags: {said}")
    return "\n".join([*lines, _CLAIMED])


def _others(offer: Offer) -> str:
    """Say what else is there: how many files, and those that are weights of another kind."""
    size = sum(one.size_bytes for one in offer.others)
    roles = [f"{one.path} ({role})" for one in offer.others if (role := names.role(one.path))]
    named = f": {', '.join(roles)}" if roles else ""
    return f"  and {len(offer.others)} other files, {disk.size(size)}{named}"


def _tags(tags: Reading[Names]) -> dict[str, object]:
    if isinstance(tags, Missing):
        return {"tags": {"missing": tags.code, "detail": str(tags)}}
    found = tags.value
    return {"tags": list(found.tags), "tags_source": found.source, "tags_go_on": found.more}


def _row(row: Tagged) -> dict[str, object]:
    claim = row.claim.quant
    return {
        "label": row.tag,
        "claimed_quant": None if isinstance(claim, Missing) else claim,
        "claimed_by": str(claim) if isinstance(claim, Missing) else "its config",
        "size_bytes": told(row.size_bytes),
        "id": row.id,
        "weights": row.weights,
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
        "files": [file(each) for each in one.files],
        "companions": [file(each) for each in one.companions],
    }
