"""`engines bench`: bare prefill and decoding speed of a subject's files, as text or JSON."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from steelyard.app import subjects
from steelyard.app.results.files import COULD_NOT_MEASURE, Told
from steelyard.domain.errors import BadInput, ConformanceError, UnsupportedSubject
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.serverside import NO_SPEED, RawSpeed, Sidecar
from steelyard.domain.subject import Artifact, Subject
from steelyard.llamalib import bench
from steelyard.llamalib.kernels import cores
from steelyard.models import disk
from steelyard.runs import sidecar
from steelyard.runs.places import default_threads


@final
@dataclass(frozen=True, slots=True)
class BenchOrder:
    """What `engines bench` was asked for; without `threads`, those that a sweep would use."""

    subject: str
    threads: int | None
    prompt: int
    output: int
    depths: tuple[str, ...]
    repeats: int
    runtime: Literal["auto", "wheel", "native"]
    out: Path | None


def bench_text(order: BenchOrder, emit: Emit, *, as_json: bool) -> Told:
    """Time every file of the subject, one after the other; store `sidecar.json` where asked."""
    chosen = subjects.require_gguf(subjects.choose(order.subject), "timing the bare engine")
    if chosen.engine != "llamacpp":
        raise UnsupportedSubject(
            f"raw speed is llama.cpp's, and {order.subject} is for {chosen.engine}",
            hint="name a GGUF file without an engine, or with @llamacpp",
        )
    plan = bench.Plan(
        threads=order.threads or default_threads(cores()),
        prompt=order.prompt,
        output=order.output,
        depths=_depths(order.depths),
        repeats=order.repeats,
    )
    by = bench.program(order.runtime)
    if order.out is not None:
        disk.require(order.out, 0, what="the sidecar")
    names = subjects.labels(chosen.files)
    _require_proved(by, plan.threads, emit)
    found = [
        sidecar.measure(path, subjects.verified(names[path], path, emit), plan, by, emit)
        for path, _ in chosen.files
    ]
    written = sidecar.write(order.out, found) if order.out is not None else None
    failed = any(speed.state in NO_SPEED for one in found for speed in one.speeds)
    text = sidecar.text(found) if as_json else _table(found, written)
    return Told(text, COULD_NOT_MEASURE if failed else 0)


def _require_proved(by: bench.Program, threads: int, emit: Emit) -> None:
    """Raise `ConformanceError` where the library that is to be timed computes something else.

    `llama-bench` has no answers to show: the `llama-server` of its build is asked.
    """
    from steelyard.app import proving  # brings numpy

    if by != "wheel" and shutil.which("llama-server") is None:
        emit(
            Noted(
                "its arithmetic is not proved: no llama-server of its build is on PATH",
                warning=True,
            )
        )
        return
    runtime = "wheel" if by == "wheel" else "native"
    any_model = Subject(Artifact("none", "gguf", ""), "llamacpp", runtime)
    found = proving.proved(any_model, Controls(threads=threads), None, emit)
    if isinstance(found, Measured) and not found.value.passed:
        raise ConformanceError(
            found.value.found, hint="choose another runtime or build: this one computes wrong"
        )


def _depths(words: Sequence[str]) -> tuple[int, ...]:
    for word in words:
        if not word.isdecimal():
            raise BadInput(
                f"{word!r} is no depth", hint="write token counts with commas: --depth 0,2048"
            )
    found = tuple(int(word) for word in words)
    if len(set(found)) < len(found):
        raise BadInput("a depth is there twice", hint="name each depth once")
    return found


def _table(found: Sequence[Sidecar], written: Path | None) -> str:
    first = found[0]
    lines = [
        f"Raw speed by {first.program} ({first.build}), threads: {first.threads}, repetitions: "
        f"{first.repeats}. Tokens a second, mean ± standard deviation:",
        "",
    ]
    for one in found:
        lines.append(f"{one.model}  {one.state}")
        lines += [f"  {speed.name:<16} {_words(speed)}" for speed in one.speeds]
    lines += ["", *(f"{line}." for line in sidecar.MAPPING.values())]
    if written is not None:
        lines.append(f"Stored in {written}.")
    return "\n".join(lines)


def _words(speed: RawSpeed) -> str:
    if isinstance(speed.mean_tps, Missing):
        return f"{speed.state}: {speed.detail}"
    spread = f" ± {speed.sd_tps.value:,.1f}" if isinstance(speed.sd_tps, Measured) else ""
    return f"{speed.mean_tps.value:>10,.1f}{spread}"
