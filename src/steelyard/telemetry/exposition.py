"""Prometheus' text exposition format 0.0.4 and OpenMetrics 1.0, read strictly.

What does not follow the grammar is refused with its line number, never skipped: a half-read page
of counters looks like a server that did half the work. Timestamps and exemplars are checked and
dropped. Not aware of engines or HTTP. Sources: Prometheus "Exposition formats"; OpenMetrics 1.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, final

from steelyard.domain.errors import DialectError

Labels = tuple[tuple[str, str], ...]

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*\"((?:[^\"\\]|\\.)*)\"\s*")
_NUMBER: Final = re.compile(
    r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf(?:inity)?)|nan", re.IGNORECASE
)
_ESCAPES: Final = {"\\": "\\", '"': '"', "n": "\n"}
_KINDS: Final = frozenset(
    {
        *("counter", "gauge", "histogram", "summary", "untyped"),
        *("unknown", "info", "stateset", "gaugehistogram"),
    }
)
# What may follow a family's name in a sample's, by type. OpenMetrics counters end in _total while
# their family does not; in the older format both do.
_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "counter": ("", "_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "summary": ("", "_sum", "_count", "_created"),
    "info": ("_info", ""),
}


@final
@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series; labels in order of their names."""

    name: str
    labels: Labels
    value: float


@final
@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its type and all its series."""

    name: str
    kind: str
    help: str
    unit: str
    samples: tuple[Sample, ...]


@final
@dataclass(slots=True)
class _Draft:
    """A family while its lines are read."""

    name: str
    kind: str = "untyped"
    help: str = ""
    unit: str = ""
    samples: list[Sample] = field(default_factory=list)


def parse(text: str, *, openmetrics: bool = False) -> tuple[Family, ...]:
    """Read a page; an OpenMetrics one must end in `# EOF`, so that a torn one is not believed.

    Raises `DialectError` with the line that is wrong.
    """
    families: dict[str, _Draft] = {}
    seen: set[tuple[str, Labels]] = set()
    ended = False
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r").strip(" \t")
        if not line:
            continue
        if ended:
            raise _wrong(number, "something follows # EOF")
        if line == "# EOF":
            ended = True
        elif line.startswith("#"):
            _describe(families, line, number)
        else:
            sample = _sample(line, number)
            if (sample.name, sample.labels) in seen:
                raise _wrong(number, f"{sample.name} has the same labels twice")
            seen.add((sample.name, sample.labels))
            _family_of(families, sample.name).samples.append(sample)
    if openmetrics and not ended:
        raise _wrong(text.count("\n") + 1, "the page ends without # EOF")
    return tuple(
        Family(draft.name, draft.kind, draft.help, draft.unit, tuple(draft.samples))
        for draft in families.values()
    )


def _describe(families: dict[str, _Draft], line: str, number: int) -> None:
    """Read # HELP, # TYPE and # UNIT; any other comment says nothing."""
    words = line[1:].strip().split(None, 2)
    if not words or words[0] not in {"HELP", "TYPE", "UNIT"}:
        return
    if len(words) < 2 or not _NAME.fullmatch(words[1]):  # noqa: PLR2004
        raise _wrong(number, f"# {words[0]} names no metric")
    rest = words[2] if len(words) > 2 else ""  # noqa: PLR2004
    family = families.setdefault(words[1], _Draft(words[1]))
    if words[0] == "HELP":
        family.help = _unescaped(rest, number)
    elif words[0] == "UNIT":
        family.unit = rest
    elif rest not in _KINDS:
        raise _wrong(number, f"{rest!r} is no type of metric")
    elif family.samples or family.kind != "untyped":
        raise _wrong(number, f"the type of {family.name} comes too late, or twice")
    else:
        family.kind = rest


def _sample(line: str, number: int) -> Sample:
    named = _NAME.match(line)
    if named is None:
        raise _wrong(number, "no metric name")
    rest = line[named.end() :]
    labels: Labels = ()
    if rest.lstrip(" \t").startswith("{"):
        rest, labels = _labels(rest.lstrip(" \t"), number)
    elif not rest.startswith((" ", "\t")):
        raise _wrong(number, f"no value after {named[0]}")
    values = rest.partition(" # ")[0].split()
    if not values or not _NUMBER.fullmatch(values[0]):
        raise _wrong(number, f"{named[0]} has no number for a value")
    if len(values) > 2 or not all(_NUMBER.fullmatch(stamp) for stamp in values[1:]):  # noqa: PLR2004
        raise _wrong(number, f"{named[0]} has more behind its value than a timestamp")
    return Sample(named[0], labels, float(values[0]))


def _labels(text: str, number: int) -> tuple[str, Labels]:
    """Read `{name="value",…}`; return what follows it, and the labels sorted."""
    found: dict[str, str] = {}
    at = 1
    while match := _LABEL.match(text, at):
        if match[1] in found:
            raise _wrong(number, f"the label {match[1]} is there twice")
        found[match[1]] = _unescaped(match[2], number)
        at = match.end()
        if text[at : at + 1] != ",":
            break
        at += 1
    at += len(text[at:]) - len(text[at:].lstrip(" \t"))
    if text[at : at + 1] != "}":
        raise _wrong(number, "labels that do not end in }")
    return text[at + 1 :], tuple(sorted(found.items()))


def _family_of(families: dict[str, _Draft], name: str) -> _Draft:
    """Return the declared family whose sample this is, or make an untyped one."""
    for owner in _owners(name):
        family = families.get(owner)
        if family and name.removeprefix(owner) in _SUFFIXES.get(family.kind, ("",)):
            return family
    return families.setdefault(name, _Draft(name))


def _owners(name: str) -> Iterator[str]:
    yield name
    for suffix in ("_total", "_created", "_bucket", "_sum", "_count", "_gsum", "_gcount", "_info"):
        if name.endswith(suffix):
            yield name.removesuffix(suffix)


def _unescaped(text: str, number: int) -> str:
    r"""Resolve `\\`, `\"` and `\n`; no other escape exists."""

    def resolved(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise _wrong(number, f"the escape \\{match[1]} does not exist")
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.|$)", resolved, text)


def _wrong(number: int, what: str) -> DialectError:
    return DialectError(
        f"line {number} of the server's metrics: {what}",
        hint="the server's /metrics does not speak the text format of Prometheus",
    )
