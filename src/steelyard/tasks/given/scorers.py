"""Scorers by name: which settings each takes, what it wants as a known answer, and the scorer.

A scorer is data until it is needed (`{"name": "numeric", "relative": 0.01}`), so that it can stand
in a file and lie beside stored answers. Not aware of where rows come from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from string import ascii_uppercase
from typing import Any, Final, TypeAlias, final

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.tasks import json_text
from steelyard.tasks.code.suites import SuiteScorer, called_by
from steelyard.tasks.given.judged import JudgeScorer
from steelyard.tasks.given.letters import LetterScorer
from steelyard.tasks.given.structures import ListScorer, MatchScorer, SchemaScorer, refuse_schema
from steelyard.tasks.given.texts import (
    ContainsScorer,
    EditScorer,
    ExactScorer,
    NormalisedScorer,
    PatternScorer,
    Unscored,
)
from steelyard.tasks.items import Examiner, Scorer
from steelyard.tasks.numbers import as_number
from steelyard.tasks.scoring import NumberScorer
from steelyard.tasks.sets.calls import CallsScorer
from steelyard.tasks.sets.instructions import InstructionsScorer

Settings: TypeAlias = Mapping[str, Any]
CHOICES: Final = "choices"
UNSCORED: Final = "none"
INSTRUCTIONS: Final = "instructions"
CALLS: Final = "calls"
_OURS: Final = frozenset({CHOICES, UNSCORED, INSTRUCTIONS, CALLS})  # no file names them
_BY_THEMSELVES: Final = frozenset({UNSCORED, INSTRUCTIONS, CALLS})
CODE: Final = "code_tests"
JUDGE: Final = "judge"
FIRST: Final = "first"


@final
@dataclass(frozen=True, slots=True)
class Kind:
    """One scorer by name: its settings, each with what it must be, and how it is made.

    `make` raises `ValueError` for a known answer that it cannot use. Where `answers` is not
    "needed", one of the settings may stand in for the known answer. `needs` are settings that
    cannot be left out.
    """

    what: str
    settings: Mapping[str, tuple[str, Callable[[Any], bool]]]
    make: Callable[[Settings, tuple[str, ...]], Examiner]
    instead: str = ""
    needs: tuple[str, ...] = ()


def make(spec: Settings, accepted: Sequence[str]) -> Examiner:
    """Return the scorer of one item; raise `ValueError` where the known answer is of no use."""
    kind = KINDS[str(spec["name"])]
    settings = {key: value for key, value in spec.items() if key != "name"}
    if not accepted and not stands_alone(spec):
        raise ValueError("the answer is empty")
    return kind.make(settings, tuple(accepted))


def checked(raw: object, where: str) -> dict[str, Any]:
    """Return a scorer as it was written, `NAME` or `{NAME: {setting: value}}`, as data."""
    told = {raw: None} if isinstance(raw, str) else raw
    if not isinstance(told, dict) or len(told) != 1:
        raise BadInput(f"{where}: scorer is no name of one", hint=_HINT)
    ((name, settings),) = told.items()
    if name not in KINDS or name in _OURS:
        raise UnknownName.among("scorer", str(name), set(KINDS) - _OURS)
    kind = KINDS[name]
    settings = {} if settings is None else settings
    if not isinstance(settings, dict):
        raise BadInput(f"{where}: {name} has no settings but a bare value", hint=_HINT)
    for key, value in settings.items():
        if key not in kind.settings:
            raise UnknownName.among(f"setting of the scorer {name}", str(key), kind.settings)
        said, fits = kind.settings[key]
        if not fits(value):
            shown = json.dumps(value, default=str)
            if key == "schema":
                raise BadInput(f"{where}: {_no_schema(value)}", hint=_SCHEMA_HINT)
            raise BadInput(f"{where}: {key} is {shown}, not {said}", hint=_HINT)
    for key in kind.needs:
        if key not in settings:
            raise BadInput(f"{where}: the scorer {name} has no {key}", hint=_NEEDS[name])
    return {"name": name, **settings, **_first(settings, where)}


def _first(settings: Settings, where: str) -> dict[str, Any]:
    """Return the scorer that goes before a judge, as data."""
    if FIRST not in settings:
        return {}
    before = checked(settings[FIRST], where)
    if before["name"] in {JUDGE, CODE}:
        raise BadInput(
            f"{where}: {before['name']} cannot go before a judge",
            hint="`first` takes a scorer that reads the answer, e.g. `first: {json_schema: …}`",
        )
    return {FIRST: before}


def stands_alone(spec: Settings) -> bool:
    """Say whether a scorer needs no known answer for each row."""
    instead = KINDS[str(spec["name"])].instead
    if FIRST in spec and not stands_alone(spec[FIRST]):
        return False
    return spec["name"] in _BY_THEMSELVES or bool(instead and instead in spec)


# ── what a setting may hold ─────────────────────────────────────────────────────────────────────


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _bound(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e300  # noqa: PLR2004


def _switch(value: Any) -> bool:
    return isinstance(value, bool)


def _pattern(value: Any) -> bool:
    try:
        re.compile(value)
    except (re.error, TypeError, OverflowError, RecursionError):
        return False
    return True


def _schema(value: Any) -> bool:
    return not _no_schema(value)


def _no_schema(value: Any) -> str:
    """Say what is wrong with a schema."""
    try:
        refuse_schema(value)
    except ValueError as error:
        return str(error)
    return ""


def _names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


# ── how each is made ────────────────────────────────────────────────────────────────────────────


def _one(accepted: Sequence[str], what: str) -> str:
    if len(accepted) != 1:
        raise ValueError(f"the answer is a list, not {what}")
    return accepted[0]


def _number(settings: Settings, accepted: tuple[str, ...]) -> Scorer:
    text = _one(accepted, "one number")
    bare = text.strip().lstrip("$€£").strip()
    value = as_number(bare) if _NUMBER.fullmatch(bare) else None
    if value is None:
        raise ValueError(f"the answer {text[:40]!r} is no number")
    bounds = [Fraction(str(settings.get(key, 0))) for key in ("tolerance", "relative")]
    worked = bool(settings.get("worked", False))
    return NumberScorer(value, worked, absolute=bounds[0], relative=bounds[1])


def _regex(settings: Settings, accepted: tuple[str, ...]) -> Scorer:
    pattern = settings.get("pattern") or _one(accepted, "one pattern")
    if not _pattern(pattern):
        raise ValueError(f"the answer {str(pattern)[:40]!r} is no regular expression")
    flags = {key: settings.get(key, False) for key in ("whole", "ignore_case")}
    return PatternScorer(str(pattern), **flags)


def _json_schema(settings: Settings, accepted: tuple[str, ...]) -> Scorer:
    schema = settings.get("schema")
    if schema is None:
        schema = json_text.whole_object(_one(accepted, "one schema"))
        refuse_schema(schema)
    return SchemaScorer(json.dumps(schema, sort_keys=True))


def _json_fields(settings: Settings, accepted: tuple[str, ...]) -> Scorer:
    text = _one(accepted, "one JSON object")
    wanted = json_text.whole_object(text)
    if not wanted:
        raise ValueError(f"the answer {text[:40]!r} is no JSON object with fields")
    fields = tuple(settings.get("fields", ()))
    if missing := [name for name in fields if name not in wanted]:
        raise ValueError(f"the answer has no field {missing[0]!r}")
    return MatchScorer(text, fields)


def _list(settings: Settings, accepted: tuple[str, ...]) -> Scorer:
    wanted = accepted if len(accepted) > 1 else _split(accepted[0])
    if not wanted:
        raise ValueError("the answer names nothing")
    return ListScorer(wanted, settings.get("precision", 1.0), settings.get("recall", 1.0))


def _split(text: str) -> tuple[str, ...]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = re.split(r"[,;\n]", text)
    found = value if isinstance(value, list) else [text]
    return tuple(part for one in found if (part := str(one).strip()))


def _code(settings: Settings, accepted: tuple[str, ...]) -> Examiner:
    tests = _one(accepted, "one text of tests")
    function = settings.get("function") or called_by(tests)
    if function is None:
        raise ValueError("the tests do not tell which function they call: set `function`")
    return SuiteScorer(
        str(function),
        tests,
        before=str(settings.get("before", "")),
        reference=str(settings.get("reference", "")),
    )


def _judge(settings: Settings, accepted: tuple[str, ...]) -> Scorer:
    first: Any = make(settings[FIRST], accepted) if FIRST in settings else None
    return JudgeScorer(settings["rubric"], accepted, settings.get("pass"), first)


def _rubric(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _above_nothing(value: Any) -> bool:
    return _share(value) and value > 0


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _letter(settings: Settings, accepted: tuple[str, ...]) -> Scorer:
    choices = tuple(settings["choices"])
    letter = _one(accepted, "one letter")
    if letter not in ascii_uppercase[: len(choices)]:
        raise ValueError(f"the answer {letter!r} is the letter of no choice")
    return LetterScorer(letter, choices, bool(settings.get("worked", False)))


# A larger exponent would be a number of a million digits.
_NUMBER: Final = re.compile(
    r"[-+\u2212]?[\d,]{0,400}\.?\d{1,400}(?:/\d{1,400}|[eE][-+]?\d{1,3})?\.?"
)
_CASE: Final = {"ignore_case": ("true or false", _switch)}
_NEEDS: Final = {
    JUDGE: "`scorer: {judge: {rubric: What a good answer does.}}`; `pass: 0.75` is optional"
}
_HINT: Final = "`scorer: exact`, or `scorer: {numeric: {tolerance: 0.01}}`"
_SCHEMA_HINT: Final = "`schema: {type: object, required: [item]}`, or a file beside the YAML"
KINDS: Final[Mapping[str, Kind]] = {
    "exact": Kind("the very text", {}, lambda _, accepted: ExactScorer(accepted)),
    "normalised": Kind("the same words", {}, lambda _, accepted: NormalisedScorer(accepted)),
    "numeric": Kind(
        "a number within a tolerance",
        {
            "tolerance": ("a number from 0 on", _bound),
            "relative": ("a share from 0 to 1", _share),
            "worked": ("true or false", _switch),
        },
        _number,
    ),
    "regex": Kind(
        "a regular expression that matches",
        {
            "pattern": ("a regular expression", _pattern),
            "whole": ("true or false", _switch),
            **_CASE,
        },
        _regex,
        instead="pattern",
    ),
    "json_schema": Kind(
        "JSON that a schema holds of",
        {"schema": ("a JSON schema without references out of it", _schema)},
        _json_schema,
        instead="schema",
    ),
    "json_fields": Kind(
        "fields of a JSON object",
        {"fields": ("a list of names", _names)},
        _json_fields,
    ),
    "list": Kind(
        "a list in any order",
        {"precision": ("a share from 0 to 1", _share), "recall": ("a share from 0 to 1", _share)},
        _list,
    ),
    "contains": Kind(
        "texts that the answer holds",
        {"all": ("true or false", _switch), **_CASE},
        lambda s, accepted: ContainsScorer(
            accepted, every=s.get("all", False), ignore_case=s.get("ignore_case", True)
        ),
    ),
    "edit_distance": Kind(
        "at most so many edits away",
        {"most": ("a share from 0 to 1", _share)},
        lambda s, accepted: EditScorer(accepted, s.get("most", 0.1)),
    ),
    CODE: Kind(
        "a Python function that passes the tests in the answer",
        {
            "function": ("a function's name", lambda value: _text(value) and value.isidentifier()),
            "before": ("Python that goes before it", _text),
            "reference": ("a program that passes", _text),
        },
        _code,
    ),
    JUDGE: Kind(
        "what a judge says by a rubric",
        {
            "rubric": ("a text that says what a good answer does", _rubric),
            "pass": ("a score above 0, up to 1", _above_nothing),
            FIRST: ("another scorer", bool),
        },
        _judge,
        instead="rubric",
        needs=("rubric",),
    ),
    CHOICES: Kind("the letter of a choice", {}, _letter),
    INSTRUCTIONS: Kind(
        "instructions that can be verified", {}, lambda s, _: InstructionsScorer.of(s["checks"])
    ),
    CALLS: Kind("calls of functions", {}, lambda s, _: CallsScorer.of(s)),
    UNSCORED: Kind(
        "nothing: the answer is kept",
        {},
        lambda s, _: Unscored(s.get("why", "no_known_answer")),
    ),
}
