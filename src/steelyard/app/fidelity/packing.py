"""`fidelity pack`: a model's own probabilities on a text, in a file that can be carried about.

Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np

from steelyard import __version__
from steelyard.app import subjects
from steelyard.app.fidelity import texts as words
from steelyard.app.mixes import ground
from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.pack import PACK_VERSION, PackFacts
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.subject import ArtifactFacts
from steelyard.llamalib import library, tokens
from steelyard.llamalib.kernels import cores
from steelyard.models import shards
from steelyard.platform import atomic
from steelyard.runs import divergence, reference_packs, texts
from steelyard.runs.divergence import Text
from steelyard.runs.fidelity import SCORED, WINDOW
from steelyard.runs.places import default_threads
from steelyard.runs.reference_packs import Source
from steelyard.store import packs
from steelyard.store.packs import MOST_BYTES, Pack

SUFFIX: Final = ".refpack"
# Tokenizers that make the same of this are taken for one: cases, digits, spaces, other scripts.
PROBE: Final = (
    'The  steelyard weighs 1,234.5 kg; "cheap" isn\'t free.\n\tdef f(x): return x ** 2  # naïve\n'
    "Ünïcödé — 你好, Привет, مرحبا 🙂 AAAA aaaa 00017"
)
_TOPS: Final = (256, 128, 64, 32, 16)
_DRAWN: Final = 16
_CODE_BITS: Final = 13  # of one log-probability once it is compressed, with room to spare
_TOKENS: Final = "tokenizer.ggml.tokens"


@final
@dataclass(frozen=True, slots=True)
class PackRequest:
    """What was typed; None for what was not."""

    reference: str
    out: Path | None
    positions: int
    text: Path | None
    threads: int | None


@final
@dataclass(frozen=True, slots=True)
class Packed:
    """A pack that was written."""

    path: Path
    pack: Pack

    def text(self, *, as_json: bool) -> str:
        """Say what is in it, as lines or as JSON."""
        if as_json:
            return json.dumps(words.pack_plain(self.pack, self.path), indent=1, sort_keys=True)
        return words.pack_text(self.pack, self.path)


def perform(request: PackRequest, emit: Emit) -> Packed:
    """Score the reference and write its pack. Raises `BadInput` before anything long begins."""
    path, facts, out = _ground(request)
    vocabulary = vocabulary_sha256(path)
    positions = math.ceil(request.positions / SCORED) * SCORED
    top = _top(positions, facts)
    text = _text(request, path, positions)
    if subjects.reference_kind(facts) != "native":
        poor = f"{path.name} is quantised itself ({facts.quant}): a poor reference"
        emit(Noted(poor, warning=True))
    sha256 = subjects.verified(facts.quant, path, emit).artifact.sha256
    with tempfile.TemporaryDirectory(prefix="steelyard-pack-") as folder:
        source = Source(path, facts, Path(folder), request.threads or default_threads(cores()))
        rows, floor = reference_packs.condensed(source, text, top, _DRAWN, emit)
    told = PackFacts(
        version=PACK_VERSION,
        model=path.name,
        model_sha256=sha256,
        quant=facts.quant,
        vocabulary=facts.vocabulary,
        vocabulary_sha256=vocabulary,
        probe_tokens=tokens.tokenise(path, PROBE),
        text=text.name,
        text_sha256=text.sha256,
        window_tokens=WINDOW,
        score_from=WINDOW - SCORED,
        windows=len(text.windows),
        positions=text.positions,
        top=top,
        drawn=_DRAWN,
        floor=floor,
        engine=f"{library.WHEEL} {library.version()}",
        made_by=f"steelyard {__version__}",
    )
    kept = np.array([window.tokens for window in text.windows], np.uint32)
    return Packed(out, packs.write(out, told, kept, rows))


def _ground(request: PackRequest) -> tuple[Path, ArtifactFacts, Path]:
    """Find the reference and where its pack is to lie; refuse what makes no pack."""
    chosen = subjects.require_gguf(subjects.choose_one(request.reference), "a reference pack")
    path, facts = chosen.files[0]
    if facts.synthetic:
        raise UnsupportedSubject(
            f"{path.name} is synthetic: its weights are random, and nothing need be near to them",
            hint="pack a real model",
        )
    out = request.out or Path(f"{chosen.model}{SUFFIX}")
    if out.exists():
        raise BadInput(f"{out} is there already", hint="give another --out, or remove it")
    atomic.require_writable(out)
    return path, facts, out


def _text(request: PackRequest, path: Path, positions: int) -> Text:
    """Return the text in windows of so many positions; refuse one that is too short."""
    name, text = "fidelity's text", texts.fidelity_text()
    if request.text is not None:
        name, text = request.text.name, ground.read_text(request.text)
    cut = divergence.read(name, text, path, positions)
    if cut.positions < positions:
        raise BadInput(
            f"{name} makes {cut.positions:,} positions, and {positions:,} are needed",
            hint="give a longer text with --text, or fewer --positions",
        )
    return cut


def vocabulary_sha256(path: Path) -> str:
    """Return the hash of a model's token texts, in order; raise `BadInput` where it has none."""
    entry = shards.read_model(path).head.entries.get(_TOKENS)
    if entry is None:
        raise BadInput(
            f"{path.name} carries no vocabulary ({_TOKENS})", hint="convert the model again"
        )
    return hashlib.sha256(entry.raw).hexdigest()


def _top(positions: int, facts: ArtifactFacts) -> int:
    """Return how many tokens of a position have room, as far as their vocabulary allows."""
    each = (facts.vocabulary.bit_length() + _CODE_BITS) / 8
    room = MOST_BYTES / positions / each - _DRAWN
    most = facts.vocabulary // 2
    fitting = [min(top, most) for top in _TOPS if top <= room]
    if not fitting:
        few = int(MOST_BYTES / each / (_TOPS[-1] + _DRAWN))
        raise BadInput(
            f"{positions:,} positions do not fit into the {MOST_BYTES:,} bytes of a pack",
            hint=f"about {few:,} do",
        )
    return fitting[0]
