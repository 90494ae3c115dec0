"""The file of a reference pack: written whole or not at all, believed only with its hash.

Eight bytes of magic; four of the header's length (little-endian); the header, JSON in UTF-8; the
arrays, compressed by xz; and the SHA-256 of all that stands before. The header holds the `facts`
and of each array in turn its name, type and shape. Arrays lie byte plane by byte plane, which packs
them tighter. Log-probabilities are 16-bit codes of -log p / STEP; those of the top tokens, which
fall along a row, are kept as differences.
Not aware of models, or of what a divergence is.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import math
import struct
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from steelyard.domain.codec import from_plain
from steelyard.domain.errors import BadInput
from steelyard.domain.ids import plain
from steelyard.domain.pack import PACK_VERSION, PackFacts
from steelyard.platform import atomic

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint16]
Ids = npt.NDArray[np.uint32]
MOST_BYTES: Final = 5_000_000
STEP: Final = 1 / 2048  # nats; 16 bits reach down to 32 nats, a probability of 1e-14
_MAGIC: Final = b"SYARDPAK"
_HASH_BYTES: Final = 32
_MOST_UNPACKED: Final = 1 << 28


@final
@dataclass(frozen=True, slots=True)
class Rows:
    """Positions of the reference: top tokens and tokens drawn of the rest, by probability.

    `ids` and `codes` are (positions, top), `drawn_*` (positions, drawn); `tail` is the probability
    of all but the top tokens.
    """

    ids: Ids
    codes: Codes
    drawn_ids: Ids
    drawn_codes: Codes
    tail: npt.NDArray[np.float32]

    @property
    def top(self) -> Floats:
        """Natural log-probabilities of the top tokens."""
        return decoded(self.codes)

    @property
    def drawn(self) -> Floats:
        """Natural log-probabilities of the drawn tokens."""
        return decoded(self.drawn_codes)

    def cut(self, first: int, end: int) -> Rows:
        """Return some of the positions."""
        return Rows(*(getattr(self, field.name)[first:end] for field in fields(self)))


@final
@dataclass(frozen=True, slots=True)
class Pack:
    """A pack as it was read: `tokens` is (windows, window_tokens)."""

    facts: PackFacts
    tokens: Ids
    rows: Rows
    sha256: str
    size_bytes: int


def coded(logprobs: Floats) -> Codes:
    """Return the codes of log-probabilities; what is below the range counts as its end."""
    return np.clip(np.round(logprobs / -STEP), 0, (1 << 16) - 1).astype(np.uint16)


def decoded(codes: Codes) -> Floats:
    """Return the log-probabilities of codes, in nats."""
    found: Floats = codes.astype(np.float64) * -STEP
    return found


def write(path: Path, facts: PackFacts, tokens: Ids, rows: Rows) -> Pack:
    """Write a pack; raise `BadInput` for one that is too large to be carried about."""
    arrays = {
        "tokens": tokens.astype("<u4"),
        "ids": rows.ids.astype("<u4"),
        "codes": np.diff(rows.codes, axis=1, prepend=np.uint16(0)).astype("<u2"),
        "drawn_ids": rows.drawn_ids.astype("<u4"),
        "drawn_codes": rows.drawn_codes.astype("<u2"),
        "tail": rows.tail.astype("<f4"),
    }
    shapes = [(name, array.dtype.str, list(array.shape)) for name, array in arrays.items()]
    header = json.dumps({"facts": plain(facts), "arrays": shapes}, sort_keys=True).encode()
    packed = lzma.compress(b"".join(_planes(array) for array in arrays.values()))
    body = _MAGIC + struct.pack("<I", len(header)) + header + packed
    if len(body) + _HASH_BYTES > MOST_BYTES:
        raise BadInput(
            f"a pack of {facts.positions:,} positions takes {len(body):,} bytes, and "
            f"{MOST_BYTES:,} are the most",
            hint="ask for fewer --positions",
        )
    digest = hashlib.sha256(body)
    atomic.write(path, body + digest.digest())
    return Pack(facts, tokens, rows, digest.hexdigest(), len(body) + _HASH_BYTES)


def read(path: Path) -> Pack:
    """Read a pack; raise `BadInput` for a file that is none, is damaged, or is too new."""
    body, digest = _whole(path)
    start = len(_MAGIC) + 4
    (length,) = struct.unpack_from("<I", body, len(_MAGIC))
    try:
        header = json.loads(body[start : start + length])
        version = header["facts"]["version"]
        if version != PACK_VERSION:
            raise BadInput(
                f"{path.name} is a reference pack of version {version}; this Steelyard reads "
                f"version {PACK_VERSION}",
                hint="update Steelyard, or make the pack again",
            )
        facts = from_plain(PackFacts, header["facts"], source=str(path))
        arrays = _arrays(header["arrays"], body[start + length :])
        codes = np.cumsum(arrays["codes"], axis=1, dtype=np.uint16)
        rows = Rows(
            arrays["ids"], codes, arrays["drawn_ids"], arrays["drawn_codes"], arrays["tail"]
        )
        _require_fitting(facts, arrays["tokens"], rows)
    except (
        *(ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError),
        *(lzma.LZMAError, struct.error),
    ) as error:
        raise _damaged(path, f"its parts do not fit together ({error})") from None
    return Pack(facts, arrays["tokens"], rows, digest, len(body) + _HASH_BYTES)


def _whole(path: Path) -> tuple[bytes, str]:
    """Return all before the hash, and the hash, once they agree."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise BadInput(f"there is no file {path}", hint="check the path") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint="check the path") from None
    if not raw.startswith(_MAGIC):
        raise BadInput(
            f"{path.name} is no reference pack",
            hint="`steelyard fidelity pack REFERENCE` makes one; the pack comes before the subject",
        )
    body, digest = raw[:-_HASH_BYTES], raw[-_HASH_BYTES:]
    if len(raw) < len(_MAGIC) + 4 + _HASH_BYTES or hashlib.sha256(body).digest() != digest:
        raise _damaged(path, "its content does not have the hash that stands at its end")
    return body, digest.hex()


def _planes(array: npt.NDArray[Any]) -> bytes:
    flat = np.ascontiguousarray(array).view(np.uint8).reshape(-1, array.dtype.itemsize)
    return flat.T.tobytes()


def _arrays(shapes: list[Any], packed: bytes) -> dict[str, npt.NDArray[Any]]:
    kinds = {str(name): np.dtype(kind) for name, kind, _ in shapes}
    counts = {str(name): tuple(int(size) for size in shape) for name, _, shape in shapes}
    sizes = {name: kinds[name].itemsize * math.prod(counts[name]) for name in kinds}
    total = sum(sizes.values())
    if not 0 < total <= _MOST_UNPACKED:
        raise ValueError(f"{total} bytes unpacked")
    # No more than the header says: a small file must not unpack to all of the memory.
    unpacking = lzma.LZMADecompressor()
    raw = unpacking.decompress(packed, max_length=total + 1)
    if len(raw) != total or not unpacking.eof:
        raise ValueError(f"it does not unpack to {total} bytes")
    found: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for name, size in sizes.items():
        planes = np.frombuffer(raw, np.uint8, size, at).reshape(kinds[name].itemsize, -1)
        found[name] = np.ascontiguousarray(planes.T).view(kinds[name]).reshape(counts[name])
        at += size
    return found


def _require_fitting(facts: PackFacts, tokens: Ids, rows: Rows) -> None:
    scored = facts.windows * (facts.window_tokens - facts.score_from)
    wide, few = (facts.positions, facts.top), (facts.positions, facts.drawn)
    fitting = (
        all(each.dtype.kind == "u" for each in (tokens, rows.ids, rows.codes, rows.drawn_ids))
        and rows.drawn_codes.dtype.kind == "u"
        and rows.tail.dtype.kind == "f"
        and tokens.shape == (facts.windows, facts.window_tokens)
        and facts.positions == scored
        and rows.ids.shape == rows.codes.shape == wide
        and rows.drawn_ids.shape == rows.drawn_codes.shape == few
        and rows.tail.shape == (facts.positions,)
        and max(int(part.max()) for part in (tokens, rows.ids, rows.drawn_ids)) < facts.vocabulary
    )
    if not fitting:
        raise ValueError("shapes or tokens are not those of its facts")


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(
        f"{path.name} is a damaged reference pack: {why}", hint="copy it again, or make it again"
    )
