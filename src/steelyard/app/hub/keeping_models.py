"""`models pin`, `unpin` and `remove`: what of the fetched models stays, and what goes.

Works on the Hugging Face cache of this machine and asks no hub.
"""

from __future__ import annotations

from collections.abc import Sequence

from steelyard.app.hub import pulling, stored_notes
from steelyard.domain.errors import BadInput
from steelyard.models import disk, find
from steelyard.models.hub import choosing, held
from steelyard.models.hub.held import Snapshot
from steelyard.models.hub.listing import Globs, RemoteFile, RemoteVariant


def pin_text(subject: str) -> str:
    """Pin the files of a model that is here, so that nothing of ours deletes them."""
    name, files = _meant(subject)
    stored_notes.pins().add((file.digest for file in files), name)
    return f"{name}: {len(files)} files pinned, {_size(files)}"


def unpin_text(subject: str) -> str:
    """Take the pins of a model away."""
    name, files = _meant(subject)
    pinned = set(stored_notes.pins().read())
    dropped = [file for file in files if file.digest in pinned]
    stored_notes.pins().drop(file.digest for file in dropped)
    return f"{name}: {len(dropped)} files unpinned"


def remove_text(subject: str, *, yes: bool) -> str:
    """Delete the files of a model that is here; refuse pinned ones and those in use."""
    name, files = _meant(subject)
    if not yes:
        raise BadInput(
            f"this would delete {len(files)} files of {name}, {_size(files)}: "
            + ", ".join(file.path for file in files[:8]),
            hint="add --yes if that is meant",
        )
    root, repo = find.hugging_face_cache(), pulling.target(subject).name
    freed = held.remove(root, repo, files, stored_notes.pins().read())
    stored_notes.claims().drop(file.digest for file in files)
    return f"{name}: {len(files)} files removed, {disk.size(freed)} are free again"


def _meant(subject: str) -> tuple[str, tuple[RemoteFile, ...]]:
    """Return the files that a subject stands for in every revision here, each digest once."""
    meant = pulling.target(subject)
    if meant.hub == "ollama":
        raise BadInput(
            f"{subject} would be Ollama's, whose store is its own",
            hint="write ORG/NAME[:QUANT]; `ollama rm NAME` removes one of Ollama's",
        )
    found = held.snapshots(find.hugging_face_cache(), meant.name)
    if not found:
        raise BadInput(
            f"nothing of {meant.name} is in {find.hugging_face_cache()}",
            hint="`steelyard models list` shows what is here",
        )
    files: dict[str, RemoteFile] = {}
    for one in found:
        for file in _of(one, meant.quants, meant.name, only=len(found) == 1):
            files.setdefault(file.digest, file)
    if not files:
        choosing.variants(found[0].offer(Globs()), meant.quants, Globs(), where=meant.name)
    name = meant.name + (f":{','.join(meant.quants)}" if meant.quants else "")
    return name, tuple(files.values())


def _of(one: Snapshot, quants: Sequence[str], where: str, *, only: bool) -> tuple[RemoteFile, ...]:
    if not quants:
        return one.files
    offer = one.offer(Globs())
    found: list[RemoteVariant] = []
    for quant in quants:
        try:
            found += choosing.variants(offer, (quant,), Globs(), where=where)
        except BadInput:  # an older revision need not have it
            if only:
                raise
    return tuple(file for variant in found for file in variant.files)


def _size(files: Sequence[RemoteFile]) -> str:
    return disk.size(sum(file.size_bytes for file in files))
