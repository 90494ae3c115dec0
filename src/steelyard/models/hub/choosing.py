"""Which files of a repository are meant by `REPO[:QUANT[,QUANT…]]` and the globs beside it.

A repository with many quants is never fetched whole because nobody chose. Not aware of sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.models import disk
from steelyard.models.hub import names
from steelyard.models.hub.listing import Globs, Offer, RemoteFile, RemoteVariant

_SHOWN: Final = 8


def variants(
    found: Offer, quants: Sequence[str], globs: Globs, *, where: str
) -> tuple[RemoteVariant, ...]:
    """Return the variants that are meant.

    Raises `BadInput` where that is not one clear answer, and `UnknownName` for a quant that is not
    offered.
    """
    if quants:
        chosen = [_named(found, quant, where) for quant in quants]
    elif globs.include or len(found.variants) <= 1:
        chosen = list(found.variants)
    else:
        raise BadInput(
            f"{where} offers {len(found.variants)} variants, and none was chosen: "
            f"{_listed(found.variants)}",
            hint=f"name them: {where}:{found.variants[-1].label}, or choose files with --include",
        )
    for one in chosen:
        if one.absent:
            raise BadInput(
                f"{one.label} of {where} is {len(one.files) + one.absent} files, and {one.absent} "
                "of them are not there or are left out",
                hint="widen --include, narrow --exclude, or choose another variant",
            )
    return tuple(dict.fromkeys(chosen))


def files(
    found: Offer, chosen: Sequence[RemoteVariant], globs: Globs, *, where: str
) -> tuple[RemoteFile, ...]:
    """Return every file to fetch: those of the variants, and others that `--include` asks for."""
    wanted = [file for one in chosen for file in (*one.files, *one.companions)]
    if globs.include:
        wanted += found.others
    unique = tuple({file.path: file for file in wanted}.values())
    if not unique:
        raise BadInput(
            f"{where} holds no model file that was asked for"
            + (f"; it holds {_paths(found.others)}" if found.others else ""),
            hint="choose files with --include, e.g. --include '*.gguf'",
        )
    return unique


def _named(found: Offer, quant: str, where: str) -> RemoteVariant:
    fits = [one for one in found.variants if names.same(one.label, quant)]
    if not fits:  # `Q4_K_M` also means the only one that is `i1-Q4_K_M` or `UD-Q4_K_M`
        fits = [one for one in found.variants if names.same(_bare(one), quant)]
    if not fits and quant.casefold().endswith((".gguf", ".safetensors")):
        fits = [one for one in found.variants if any(f.path == quant for f in one.files)]
    if len(fits) > 1:
        raise BadInput(
            f"{quant} of {where} may be {_listed(fits)}",
            hint=f"name one as it is listed: {where}:{fits[0].label}",
        )
    if not fits:
        raise UnknownName.among(f"quant in {where}", quant, [one.label for one in found.variants])
    return fits[0]


def _bare(one: RemoteVariant) -> str:
    return one.claim.label.removeprefix("i1-").removeprefix("UD-")


def _listed(found: Sequence[RemoteVariant]) -> str:
    return ", ".join(f"{one.label} ({disk.size(one.size_bytes)})" for one in found)


def _paths(found: Sequence[RemoteFile]) -> str:
    shown = ", ".join(file.path for file in found[:_SHOWN])
    return f"{shown} and {len(found) - _SHOWN} more" if len(found) > _SHOWN else shown
