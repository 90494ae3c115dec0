"""What the name of a file, a folder or a repository claims about its quant. A claim, never a fact.

What a file really is, its tensors say once it is here (`models.artifacts`). Not aware of hubs.
The names are those of llama.cpp and its forks, of unsloth's dynamic quants (`UD-`), of the
importance-matrix marks that uploaders use (`i1-`, `imat`), and of the schemes that repositories of
safetensors carry in their own name (AWQ, GPTQ, EXL2, EXL3, MLX …).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, final

from steelyard.domain.reading import Missing

_EDGE: Final = r"(?:^|(?<=[-_./]))"
_END: Final = r"(?=$|[-_./])"
_SIZES: Final = r"(?:_(?:XXS|XXL|XS|XL|KSS|KS|KL|KT|NL|S|M|L|P))?"
_EYES: Final = r"(?:XXS|XXL|XS|XL|KSS|KS|KL|KT|BN|K|NL|S|M|L)"
# The longest alternative first: `Q4_K_M` must not be read as `Q4_K`.
_GGUF: Final = re.compile(
    _EDGE
    + r"(?P<quant>"
    + r"Q[1-8]_K" + _SIZES + r"(?:_R[48])?"
    + r"|Q4_0_[48]_[48]|Q[1-8]_[01](?:_R[48])?"
    + r"|IQ[1-6]_" + _EYES + r"(?:_XL)?(?:_R[48])?"
    + r"|Q8_KV|I2_S|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32|F64|FP16|FP32"
    + r"|FP8(?:_E[45]M[23])?|Q[2-8]"
    + r")" + _END,
    re.IGNORECASE,
)  # fmt: skip
_SHARD: Final = re.compile(r"-\d{5}-of-\d{5}$")
_SPELLED: Final = {"FP16": "F16", "FP32": "F32"}
_BITS: Final = r"(?P<bits>\d{1,2}(?:[._]\d{1,3})?)"
_SCHEMES: Final = (
    ("EXL3", re.compile(r"(?<![a-z])exl3(?![a-z])", re.IGNORECASE)),
    ("EXL2", re.compile(r"(?<![a-z])exl2(?![a-z])", re.IGNORECASE)),
    ("GPTQ", re.compile(r"(?<![a-z])gptq(?![a-z])", re.IGNORECASE)),
    ("AWQ", re.compile(r"(?<![a-z])awq(?![a-z])", re.IGNORECASE)),
    ("MLX", re.compile(r"(?<![a-z])mlx(?![a-z])", re.IGNORECASE)),
    ("BNB", re.compile(r"(?<![a-z])(?:bnb|bitsandbytes)(?![a-z])", re.IGNORECASE)),
    ("HQQ", re.compile(r"(?<![a-z])hqq(?![a-z])", re.IGNORECASE)),
    ("AQLM", re.compile(r"(?<![a-z])aqlm(?![a-z])", re.IGNORECASE)),
    ("NVFP4", re.compile(r"(?<![a-z])nvfp4(?![a-z])", re.IGNORECASE)),
    ("MXFP4", re.compile(r"(?<![a-z])mxfp4(?![a-z])", re.IGNORECASE)),
    ("FP8", re.compile(r"(?<![a-z])fp8(?![a-z0-9])", re.IGNORECASE)),
)
_WEIGHTS: Final = re.compile(r"(?<![a-z0-9])(w\d{1,2}a\d{1,2})(?![0-9])", re.IGNORECASE)
_BPW: Final = re.compile(
    r"(?<![\d.])" + _BITS + r"[-_ ]?(?:bpw|bit|bits)(?![a-z0-9])", re.IGNORECASE
)
_INT: Final = re.compile(r"(?<![a-z])int" + _BITS + r"(?![0-9])", re.IGNORECASE)
_BARE: Final = re.compile(r"^(?:main|branch)?[-_]?" + _BITS + r"$")
_IMATRIX: Final = re.compile(_EDGE + r"(?:i1|imat|imatrix)" + _END, re.IGNORECASE)
_ROLES: Final = (
    ("projector", re.compile(_EDGE + r"mmproj", re.IGNORECASE)),
    ("importance matrix", re.compile(_EDGE + r"imatrix(?:_unsloth)?\.\w+$", re.IGNORECASE)),
    ("adapter", re.compile(_EDGE + r"(?:lora|adapter)(?:[-_.]|$)", re.IGNORECASE)),
    ("vocabulary", re.compile(r"ggml-vocab-", re.IGNORECASE)),
)
# Pieces that somebody has to join by hand; llama.cpp's own shards end in `.gguf`.
_PIECE: Final = re.compile(r"\.gguf(?:\.part\d+of\d+|-split-[a-z]+)$", re.IGNORECASE)
_WEIGHT_FILES: Final = frozenset({".gguf", ".safetensors", ".bin", ".pt", ".pth", ".npz"})


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """What a name says: a quant if it says one, and marks such as `UD` or `imatrix`."""

    quant: str | Missing
    marks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The quant as people ask for it: `UD-Q4_K_XL`, `i1-Q4_K_M`, or `?`."""
        if isinstance(self.quant, Missing):
            return "?"
        dynamic = "UD-" if "UD" in self.marks else ""
        weighted = "i1-" if "i1" in self.marks else ""
        return f"{weighted}{dynamic}{self.quant}"


def of_gguf(path: str) -> Claim:
    """Return what the name of a GGUF file claims, and where it is silent, that of its folder."""
    where = PurePosixPath(path)
    stem = _SHARD.sub("", where.name.removesuffix(".gguf"))
    # A file in `UD-Q4_K_XL/` may carry a shorter name of its own.
    for text in (stem, *reversed(where.parts[:-1])):
        found = list(_GGUF.finditer(text))
        if not found:
            continue
        last = found[-1]
        quant = last["quant"].upper()
        before = text[: last.start()].upper()
        return Claim(_SPELLED.get(quant, quant), _marks(before, path))
    return Claim(Missing("not_claimed", f"{where.name} names no quant"), _marks("", path))


def of_repository(repo: str, revision: str) -> Claim:
    """Return what the name of a repository of safetensors claims, with the bits where it says so.

    Uploaders of EXL2 and GPTQ put each width on a branch of its own: `revision` counts too.
    """
    name = repo.rpartition("/")[2]
    if repo.lower().startswith("mlx-community/"):
        name = f"{name}-mlx"
    scheme = next((label for label, pattern in _SCHEMES if pattern.search(name)), None)
    if scheme is None and (weights := _WEIGHTS.search(name)):
        return Claim(weights[1].upper())
    if scheme is None:
        return Claim(Missing("not_claimed", f"{repo} names no quant: perhaps as published"))
    bits = _BPW.search(revision) or _BARE.match(revision) or _BPW.search(name)
    bits = bits or _INT.search(name)
    width = "" if bits is None or scheme in {"FP8", "NVFP4", "MXFP4"} else bits["bits"]
    label = f"{scheme}-{width.replace('_', '.')}" if width else scheme
    return Claim(label)


def role(path: str) -> str | None:
    """Say what a weight file is that is no language model by itself, or None for one that is."""
    where = PurePosixPath(path)
    if _PIECE.search(where.name):
        return "a piece of a file, to be joined by hand"
    if where.suffix not in _WEIGHT_FILES | {".dat"}:
        return None
    # The folder may be what says it: `mmproj/m-F16.gguf`.
    told = (what for what, pattern in _ROLES if any(pattern.search(part) for part in where.parts))
    return next(told, None)


def same(label: str, wanted: str) -> bool:
    """Whether two spellings name one quant: case and `-` for `_` do not matter."""
    return _plain(label) == _plain(wanted)


def _plain(label: str) -> str:
    return label.upper().replace("-", "_").replace("FP16", "F16").replace("FP32", "F32")


def _marks(before: str, path: str) -> tuple[str, ...]:
    found: list[str] = []
    if re.search(r"(?:^|[-_./])UD[-_]$", before) or "/UD-" in f"/{path.upper()}":
        found.append("UD")
    if re.search(r"(?:^|[-_./])I1[-_]$", before):
        found.append("i1")
    if _IMATRIX.search(path.rpartition("/")[2]):
        found.append("imatrix")
    return tuple(found)
