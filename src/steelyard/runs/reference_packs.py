"""Making the positions of a reference pack, and weighing a file or a server with one.

A file is decoded by llama.cpp in a child process, part by part, as its probabilities have room. A
server is stepped through the same windows. Not aware of the pack's file, or of what is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from steelyard.analysis import packed
from steelyard.analysis.packed import Told
from steelyard.domain.errors import EngineError, SteelyardError, UnsupportedSubject
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.subject import ArtifactFacts
from steelyard.llamalib import evaluate, passages
from steelyard.llamalib.passages import Passage
from steelyard.models import disk
from steelyard.platform import clock
from steelyard.runs import stepping
from steelyard.runs.bench import Bench
from steelyard.runs.divergence import Text
from steelyard.store.packs import Floats, Pack, Rows

_SEED: Final = 13  # of the drawn tokens: the same reference and text make the same pack
_BLOCK_BYTES: Final = 1 << 26
_BYTES_PER_LOGPROB: Final = 4
_NS_PER_S: Final = 1e9
# What servers allow where they refuse more: vLLM's usual limit, and that of OpenAI's completions.
_FEWER: Final = (20, 5)
_TRIED: Final = 8


@final
@dataclass(frozen=True, slots=True)
class Source:
    """A model file, a folder for its probabilities while they are needed, and threads."""

    model: Path
    facts: ArtifactFacts
    folder: Path
    threads: int


@final
@dataclass(frozen=True, slots=True)
class Served:
    """What a server told: one for each position that it was not silent at."""

    positions: tuple[Told, ...]
    silent: int
    told: int


def text_of(pack: Pack) -> Text:
    """Return the windows of a pack's tokens."""
    cut = tuple(
        Passage(tuple(int(token) for token in window), pack.facts.score_from)
        for window in pack.tokens
    )
    return Text(pack.facts.text, pack.facts.text_sha256, cut)


def condensed(source: Source, text: Text, top: int, drawn: int, emit: Emit) -> tuple[Rows, float]:
    """Return the positions of a pack, and what the reference diverges from them by, in nats."""
    draws = np.random.default_rng(_SEED)
    found: list[Rows] = []
    floor = 0.0
    for block in _blocks(source, text, emit):
        logprobs = block.astype(np.float64)
        rows = packed.condense(logprobs, top, drawn, draws)
        floor += float(_known(rows, logprobs).sum())
        found.append(rows)
    if not np.isfinite(floor):
        raise SteelyardError(
            f"{source.model.name} computes log-probabilities that are no numbers: no reference"
        )
    joined = (np.concatenate([getattr(r, field.name) for r in found]) for field in fields(Rows))
    return Rows(*joined), floor / text.positions


def weigh(source: Source, pack: Pack, emit: Emit) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the divergence at each position, and whether the top token is the reference's."""
    kld: list[Floats] = []
    same: list[npt.NDArray[np.bool_]] = []
    done = 0
    for block in _blocks(source, text_of(pack), emit):
        rows = pack.rows.cut(done, done + len(block))
        done += len(block)
        kld.append(_known(rows, block))
        same.append(block.argmax(axis=1) == rows.ids[:, 0])
    found = np.concatenate(kld)
    if not np.isfinite(found).all():
        raise SteelyardError(
            f"{source.model.name} computes log-probabilities that are no numbers",
            hint="the file overflows: weigh it with `steelyard sweep`",
        )
    return found, np.concatenate(same)


def ask(bench: Bench, pack: Pack, top: int | None, emit: Emit) -> Served:
    """Step a server through the windows. Raises `UnsupportedSubject` for one that tells nothing."""
    prompts = [
        window.tokens[:end]
        for window in text_of(pack).windows
        for end in range(window.score_from, len(window.tokens))
    ]
    asked = _allowed(bench, prompts, top or min(2 * pack.facts.top, pack.facts.vocabulary))
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted("stepping", len(prompts), f"{asked} tokens a position"))
    found: dict[int, Told | None] = {}
    fewest = asked
    for number, answer in _step(bench, prompts, asked):
        found[number] = packed.told(pack.rows, number, answer) if answer else None
        fewest = min(fewest, len(answer) or fewest)
        emit(Advanced("stepping", len(found)))
    emit(PhaseEnded("stepping", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    inorder = [found[number] for number in range(len(prompts))]
    told = tuple(one for one in inorder if one is not None)
    if not told:
        raise UnsupportedSubject("the server told no log-probabilities at any position")
    return Served(told, len(inorder) - len(told), fewest)


def _allowed(bench: Bench, prompts: Sequence[Sequence[int]], top: int) -> int:
    """Return how many tokens the server tells of one position: as asked, or as it allows.

    More than one prompt is tried, since llama-server tells nothing where a character is not
    complete.
    """
    why = ""
    for count in (top, *(few for few in _FEWER if few < top)):
        try:
            for prompt in prompts[:_TRIED]:
                ((_, answer),) = _step(bench, [prompt], count)
                if answer:
                    return count
            why = why or "its answers hold none"
        except EngineError as error:
            why = why or bench.cover(str(error))
    raise UnsupportedSubject(
        f"the server does not tell the most probable tokens by number: {why}",
        hint="give the model's file, or serve it with llama-server",
    )


def _step(
    bench: Bench, prompts: Sequence[Sequence[int]], top: int
) -> Iterator[tuple[int, stepping.Answer]]:
    return stepping.step(bench.client, bench.prepared, prompts, top, stall_ns=bench.stall_ns)


def _known(rows: Rows, logprobs: npt.NDArray[Any]) -> Floats:
    positions = np.arange(len(logprobs))[:, None]
    top, drawn = logprobs[positions, rows.ids], logprobs[positions, rows.drawn_ids]
    return packed.known(rows, top.astype(np.float64), drawn.astype(np.float64))


def _blocks(source: Source, text: Text, emit: Emit) -> Iterator[npt.NDArray[np.float32]]:
    """Score the windows and yield their log-probabilities, a bounded block at a time."""
    parts = text.parts(source.facts)
    row = source.facts.vocabulary * _BYTES_PER_LOGPROB
    largest = max(sum(window.scored for window in part) for part in parts)
    disk.require(source.folder, largest * row, what="token probabilities")
    step = max(1, _BLOCK_BYTES // (2 * row))
    out = source.folder / "logprobs.npy"
    started_ns, done = clock.monotonic_ns(), 0
    emit(PhaseStarted("scoring", text.positions, source.model.name))
    for part in parts:
        tokens = passages.write(source.folder / "passages.json", part)
        evaluate.scored(
            source.model,
            tokens,
            out,
            context=len(part[0].tokens),
            threads=source.threads,
            log=out.with_suffix(".log"),
            progress=_advance(emit, done),
        )
        table = np.load(out, mmap_mode="r")
        for first in range(0, len(table), step):
            yield table[first : first + step]
        done += len(table)
        del table
        out.unlink()
    emit(PhaseEnded("scoring", (clock.monotonic_ns() - started_ns) / _NS_PER_S))


def _advance(emit: Emit, before: int) -> Callable[[int, int], None]:
    return lambda done, _total: emit(Advanced("scoring", before + done))
