"""Load shapes as people type them, and recorded traces as others publish them.

Each option has one reader and one example; what cannot be read is refused with the option, the
cause and the way out. Traces: JSON lines in the style of Mooncake (`timestamp` in ms,
`input_length`, `output_length`), CSV in the style of Azure (`TIMESTAMP` as ISO time or seconds,
`ContextTokens`, `GeneratedTokens`), or a JSON list of seconds. Not aware of clocks, schedules or
prompts.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.load import (
    Batching,
    Closed,
    Conversations,
    Load,
    Of,
    Open,
    Process,
    Ramp,
    Steps,
    Trace,
)
from steelyard.domain.slo import seconds

RAMP_EXAMPLE: Final = "rate:1..20/60s or streams:1..64/60s"
STEPS_EXAMPLE: Final = "rate:1,2,5/30s or streams:1,8,32/30s"
JSON_LINE_EXAMPLE: Final = '{"timestamp": 27482, "input_length": 6955, "output_length": 52}'
CONVERSATIONS_EXAMPLE: Final = "users=8,turns=4,think=2s"
_CV: Final[dict[Process, float]] = {"constant": 0.0, "poisson": 1.0, "gamma": 2.0}
_BATCHING: Final[dict[str, tuple[Batching, ...]]] = {
    "continuous": ("continuous",),
    "static": ("static",),
    "both": ("continuous", "static"),
}
_CV_MOST: Final = 100.0
_STREAMS_MOST: Final = 100_000
_TURNS_MOST: Final = 1_000
_DIGITS: Final = 18


@final
@dataclass(frozen=True, slots=True)
class Typed:
    """The load options of one command, as typed; None for what was not."""

    concurrency: str | None = None
    rate: str | None = None
    arrivals: str | None = None
    cap: int | None = None
    ramp: str | None = None
    steps: str | None = None
    trace: Path | None = None
    trace_speed: float | None = None
    conversations: str | None = None
    batching: str | None = None


@final
@dataclass(frozen=True, slots=True)
class _Row:
    """One request of a trace: when, and how long where that is known."""

    at_s: float
    prompt_tokens: int | None
    output_tokens: int | None


def loads(typed: Typed) -> tuple[Load, ...]:
    """Return the loads that a command asks for, one after the other; one stream without any."""
    shapes: dict[str, Callable[[], tuple[Load, ...]]] = {}
    if typed.concurrency is not None:
        shapes["--concurrency"] = lambda: concurrency(
            typed.concurrency or "", typed.batching or "continuous"
        )
    if typed.rate is not None:
        shapes["--rate"] = lambda: rates(typed.rate or "", typed.arrivals or "poisson", typed.cap)
    if typed.ramp is not None:
        shapes["--ramp"] = lambda: (ramp(typed.ramp or ""),)
    if typed.steps is not None:
        shapes["--steps"] = lambda: (steps(typed.steps or ""),)
    if typed.trace is not None:
        path, speed = typed.trace, 1.0 if typed.trace_speed is None else typed.trace_speed
        shapes["--trace"] = lambda: (trace(path, speed),)
    if typed.conversations is not None:
        shapes["--conversations"] = lambda: (conversations(typed.conversations or ""),)
    if len(shapes) > 1:
        raise BadInput(
            f"{' and '.join(shapes)} are different loads",
            hint="give one of them; run the other next",
        )
    _needs("--batching", typed.batching, "--concurrency", shapes)
    _needs("--arrivals", typed.arrivals, "--rate", shapes)
    _needs("--cap", typed.cap, "--rate", shapes)
    _needs("--trace-speed", typed.trace_speed, "--trace", shapes)
    return next(iter(shapes.values()))() if shapes else (Closed(1),)


def concurrency(text: str, batching: str = "continuous") -> tuple[Closed, ...]:
    """Read `1,8,32`: one closed loop each, or two of them where it is batched both ways."""
    levels = [_whole(part, "--concurrency", "1,8,32") for part in text.split(",")]
    if batching not in _BATCHING:
        raise UnknownName.among("kind of --batching", batching, _BATCHING)
    return tuple(
        Closed(level, batching=kind)
        for level in _once(levels, "--concurrency")
        for kind in _BATCHING[batching]
    )


def rates(text: str, arrivals: str = "poisson", cap: int | None = None) -> tuple[Open, ...]:
    """Read `5` or `1,2,5` requests a second, and how they are spaced."""
    process, cv = spacing(arrivals)
    if cap is not None and not 1 <= cap <= _STREAMS_MOST:
        raise BadInput(
            f"--cap {cap} lets nothing in flight" if cap < 1 else f"--cap {cap} is too many",
            hint=f"give 1 to {_STREAMS_MOST:,} requests in flight",
        )
    found = [_number(part, "--rate", "5 or 1,2,5") for part in text.split(",")]
    return tuple(Open(rate, process, cv, cap) for rate in _once(found, "--rate"))


def spacing(text: str) -> tuple[Process, float]:
    """Read `poisson`, `constant`, `gamma` or `gamma:CV`; the process and its variation."""
    name, colon, value = text.strip().lower().partition(":")
    process = next((known for known in _CV if known == name), None)
    if process is None:
        raise UnknownName.among("kind of --arrivals", name, _CV)
    if not colon:
        return process, _CV[process]
    if process != "gamma":
        raise BadInput(
            f"--arrivals {text!r}: {process} arrivals have no variation to set",
            hint=f"write {process}, or gamma:{value or 2}",
        )
    cv = _number(value, "--arrivals gamma", "gamma:2 (bursts) or gamma:0.5 (evener than chance)")
    if cv > _CV_MOST:
        raise BadInput(f"--arrivals {text!r} is too wild", hint=f"give at most {_CV_MOST:g}")
    return process, cv


def ramp(text: str) -> Ramp:
    """Read `rate:1..20/60s` or `streams:1..64/60s`."""
    of, middle, over_s = _split(text, "--ramp", RAMP_EXAMPLE)
    start, dots, end = middle.partition("..")
    if not dots:
        raise BadInput(f"--ramp {text!r} goes from nowhere", hint=f"write {RAMP_EXAMPLE}")
    first, last = (_level(part, of, "--ramp", RAMP_EXAMPLE) for part in (start, end))
    if first == last:
        raise BadInput(
            f"--ramp {text!r} stays where it is",
            hint=f"use --{'rate' if of == 'rate' else 'concurrency'} {first:g}",
        )
    return Ramp(of, first, last, over_s)


def steps(text: str) -> Steps:
    """Read `rate:1,2,5/30s` or `streams:1,8,32/30s`: each level for that long."""
    of, middle, each_s = _split(text, "--steps", STEPS_EXAMPLE)
    levels = tuple(_level(part, of, "--steps", STEPS_EXAMPLE) for part in middle.split(","))
    if not any(levels):
        raise BadInput(f"--steps {text!r} never sends", hint="give a rate above 0")
    return Steps(of, levels, each_s)


def conversations(text: str) -> Conversations:
    """Read `users=8,turns=4,think=2s`; turns and thinking may be left out."""
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise BadInput(
                f"--conversations {text!r}: {part!r} sets nothing",
                hint=f"write {CONVERSATIONS_EXAMPLE}",
            )
        if name not in ("users", "turns", "think"):
            raise UnknownName.among("part of --conversations", name, ("users", "turns", "think"))
        if name in found:
            raise BadInput(f"--conversations {text!r} sets {name} twice", hint="keep one of them")
        found[name] = value
    if "users" not in found:
        raise BadInput(
            f"--conversations {text!r} has no users", hint=f"write {CONVERSATIONS_EXAMPLE}"
        )
    users = _whole(found["users"], "--conversations users", "users=8")
    turns = _whole(found.get("turns", "4"), "--conversations turns", "turns=4", _TURNS_MOST)
    think = found.get("think", "0")
    think_s = 0.0 if think in ("0", "0s") else seconds(think, "--conversations think")
    return Conversations(users, turns, think_s)


def trace(path: Path, speed: float = 1.0) -> Trace:
    """Read a recorded load from a .jsonl, .csv or .json file."""
    if not 0 < speed < math.inf:
        raise BadInput(
            f"--trace-speed {speed:g} plays nothing", hint="1 is as recorded, 2 is twice as fast"
        )
    readers: dict[str, Callable[[str, Path], list[_Row]]] = {
        ".jsonl": _json_lines,
        ".csv": _csv_rows,
        ".json": _json_list,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInput(
            f"--trace {path}: a trace is a .jsonl, .csv or .json file",
            hint="docs/how-to/load-shapes.md shows all three",
        )
    try:
        content = path.read_bytes()
        rows = reader(content.decode("utf-8-sig"), path)
    except OSError as error:
        raise BadInput(
            f"--trace {path} cannot be read: {error.strerror}", hint="check path and rights"
        ) from None
    except csv.Error as error:
        raise BadInput(f"--trace {path} is no CSV: {error}", hint="mend or drop it") from None
    except UnicodeDecodeError as error:
        raise BadInput(
            f"--trace {path} is no text: byte {error.start} is not UTF-8", hint="save it as UTF-8"
        ) from None
    if not rows:
        raise BadInput(f"--trace {path} holds no request", hint="give one with at least one")
    for number, (before, after) in enumerate(pairwise(rows), start=2):
        if after.at_s < before.at_s:
            raise BadInput(
                f"--trace {path}: request {number} comes before the one above it",
                hint="sort the file by its times",
            )
    return Trace(
        tuple(row.at_s for row in rows),
        hashlib.sha256(content).hexdigest(),
        _lengths([row.prompt_tokens for row in rows], "prompt", path),
        _lengths([row.output_tokens for row in rows], "output", path),
        speed,
    )


def _json_lines(text: str, path: Path) -> list[_Row]:
    rows: list[_Row] = []
    start: float | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"--trace {path}, line {number}"
        entry = _parsed(line, where)
        if not isinstance(entry, dict) or "timestamp" not in entry:
            raise BadInput(
                f"{where}: there is no timestamp",
                hint=f"each line is like {JSON_LINE_EXAMPLE}",
            )
        at_ms = _finite(entry["timestamp"], where)
        start = at_ms if start is None else start
        lengths = (
            None if entry.get(key) is None else _count(entry[key], where)
            for key in ("input_length", "output_length")
        )
        # Differences in whole milliseconds are exact; those of large seconds are not.
        rows.append(_Row((at_ms - start) / 1000, *lengths))
    return rows


def _csv_rows(text: str, path: Path) -> list[_Row]:
    table = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    named = {(name or "").strip().lower(): name for name in table.fieldnames or ()}
    if "timestamp" not in named:
        raise BadInput(
            f"--trace {path}: its first line names no column TIMESTAMP",
            hint="begin the file with TIMESTAMP,ContextTokens,GeneratedTokens",
        )
    rows: list[_Row] = []
    first: float | datetime | None = None
    for entry in table:
        where = f"--trace {path}, line {table.line_num}"
        at = _moment(entry[named["timestamp"]] or "", where)
        first = at if first is None else first
        lengths = (
            _count(entry[named[key]] or "", where) if key in named else None
            for key in ("contexttokens", "generatedtokens")
        )
        rows.append(_Row(_since(first, at, where), *lengths))
    return rows


def _json_list(text: str, path: Path) -> list[_Row]:
    where = f"--trace {path}"
    entries = _parsed(text, where)
    if not isinstance(entries, list):
        raise BadInput(f"{where} is no list", hint="write seconds, as in [0, 0.4, 1.25]")
    moments = [_finite(entry, where) for entry in entries]
    return [_Row(at_s - moments[0], None, None) for at_s in moments]


def _moment(text: str, where: str) -> float | datetime:
    try:
        number = float(text)
    except ValueError:
        try:
            read = datetime.fromisoformat(text.strip())
        except ValueError:
            raise BadInput(
                f"{where}: {text!r} is no moment",
                hint="write seconds or an ISO time such as 2024-05-10 00:00:00.009930",
            ) from None
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    return _finite(number, where)


def _since(first: float | datetime, at: float | datetime, where: str) -> float:
    if isinstance(first, datetime) and isinstance(at, datetime):
        return (at - first).total_seconds()
    if isinstance(first, datetime) or isinstance(at, datetime):
        raise BadInput(
            f"{where}: the file mixes seconds and ISO times", hint="write all moments in one way"
        )
    return at - first


def _lengths(found: Sequence[int | None], what: str, path: Path) -> tuple[int, ...]:
    """Return the lengths where every request has one; none where none has."""
    known = tuple(length for length in found if length is not None)
    if known and len(known) < len(found):
        without = len(found) - len(known)
        raise BadInput(
            f"--trace {path}: {without} of {len(found)} requests have no {what} length",
            hint="give every request its length, or none",
        )
    return known


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where} is no JSON: {error}", hint="mend or drop it") from None


def _finite(value: Any, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(f"{where}: {value!r:.40} is no moment", hint="a moment is a finite number")
    return number


def _count(value: Any, where: str) -> int:
    text = str(value).strip()
    digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    if isinstance(value, bool) or not digits:
        raise BadInput(
            f"{where}: {value!r} is no number of tokens", hint="a length is a whole number"
        )
    return int(text)


def _split(text: str, option: str, example: str) -> tuple[Of, str, float]:
    """Take `rate:…/60s` apart into what changes, how, and how long."""
    head, colon, rest = text.strip().lower().partition(":")
    middle, slash, time = rest.rpartition("/")
    if not colon or not slash:
        raise BadInput(f"{option} {text!r} cannot be read", hint=f"write {example}")
    kinds: tuple[Of, ...] = ("rate", "streams")
    of = next((known for known in kinds if known == head.strip()), None)
    if of is None:
        raise UnknownName.among(f"kind of {option}", head.strip(), kinds)
    return of, middle, seconds(time, option)


def _level(text: str, of: Of, option: str, example: str) -> float:
    if of == "streams":
        return float(_whole(text, option, example))
    return 0.0 if text.strip() == "0" else _number(text, option, example)


def _number(text: str, option: str, example: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise BadInput(f"{option}: {text!r} is no number above 0", hint=f"write {example}")
    return number


def _whole(text: str, option: str, example: str, most: int = _STREAMS_MOST) -> int:
    typed = text.strip()
    if (
        not typed.isascii()
        or not typed.isdigit()
        or len(typed) > _DIGITS
        or not 1 <= int(typed) <= most
    ):
        raise BadInput(
            f"{option}: {text!r} is no whole number from 1 to {most:,}", hint=f"write {example}"
        )
    return int(typed)


def _once(levels: Sequence[Any], option: str) -> Sequence[Any]:
    for level in levels:
        if levels.count(level) > 1:
            raise BadInput(f"{option} names {level:g} twice", hint="name each level once")
    return levels


def _needs(option: str, value: object, other: str, given: dict[str, Any]) -> None:
    if value is not None and other not in given:
        raise BadInput(f"{option} says nothing without {other}", hint=f"give {other}, or drop it")
