"""From records to rows: what is asked, what is known, and every row that cannot be asked.

Broken rows are counted and the first ones named with their lines, all in one message, before
anything is asked. Rows that repeat an earlier one are asked once. Not aware of formats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Final, final

from steelyard.domain.errors import BadInput
from steelyard.tasks.given import columns as choosing
from steelyard.tasks.given import scorers
from steelyard.tasks.given.columns import CHOICES, Columns
from steelyard.tasks.given.letters import MOST_CHOICES, lettered
from steelyard.tasks.given.records import Data, Record, columns_of
from steelyard.tasks.given.row import USUAL_TOKENS, Row

_SHOWN: Final = 5
_MOST_TOKENS: Final = 1 << 20
_LETTER_ONLY: Final = "Answer with the letter of the right choice only."


@final
@dataclass(slots=True)
class Reading:
    """Reads a file once; `repeated` and `unscored` are known when all rows have been taken."""

    data: Data
    columns: Columns
    repeated: list[str] = field(default_factory=list)
    unscored: int = 0
    _broken: list[str] = field(default_factory=list)
    _count: int = 0
    _labels: dict[str, str] = field(default_factory=dict)
    _asked: dict[str, tuple[str, str]] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """Yield every row that is asked; raise `BadInput` at the end if any could not be."""
        for record in self.data.records(self.columns.separator):
            self._count += 1
            try:
                row = self._row(record)
            except ValueError as why:
                self._broken.append(f"{record.where}: {why}"[:300])
                continue
            if row is not None:
                self.unscored += row.scorer["name"] == scorers.UNSCORED
                yield row
        self._refuse_broken()

    def _row(self, record: Record) -> Row | None:
        if record.trouble:
            raise ValueError(record.trouble)
        row = row_of(record, self.columns)
        if row.label:
            if row.label in self._labels:
                first = self._labels[row.label]
                raise ValueError(f"its id {row.label!r} is that of {first} already")
            self._labels[row.label] = record.where
        asked, known = row.asked, row.id
        if asked in self._asked:
            where, named = self._asked[asked]
            if named != known:
                raise ValueError(f"it asks what {where} asks, and knows another answer")
            self.repeated.append(record.where)
            return None
        self._asked[asked] = (record.where, known)
        return row

    def _refuse_broken(self) -> None:
        name = self.data.path.name
        if not self._count:
            raise BadInput(f"{name} holds no questions", hint="put one on each line")
        if not self._broken:
            return
        shown = "; ".join(self._broken[:_SHOWN])
        more = len(self._broken) - _SHOWN
        rest = f"; and {more:,} more" if more > 0 else ""
        raise BadInput(
            f"{name}: {len(self._broken):,} of {self._count:,} rows cannot be asked: {shown}{rest}",
            hint="mend or remove them; nothing was asked. Without a column of answers (leave "
            "`answer` out) what the model says is kept unscored",
        )


def begin(data: Data, path: Path | None) -> Reading:
    """Settle which column is what, by the YAML at `path` if there is one."""
    asked = Columns() if path is None else choosing.read(path)
    there = columns_of(data.records(asked.separator))
    if not there:
        # Nothing could be read: the rows themselves say why.
        list(Reading(data, asked).rows())
    chosen = choosing.resolved(asked, there)
    if chosen.choices and chosen.scorer is not None:
        raise BadInput(
            f"{chosen.at('scorer')}: choices have a scorer of their own, the letter",
            hint="leave out `scorer`, or `choices`",
        )
    if chosen.scorer and not chosen.answer and not scorers.stands_alone(chosen.scorer):
        raise BadInput(
            f"{chosen.at('scorer')}: the scorer {chosen.scorer['name']} needs known answers, and "
            "no column has them",
            hint="name it: `answer: COLUMN`",
        )
    return Reading(data, chosen)


def row_of(record: Record, columns: Columns) -> Row:
    """Return what a record asks; raise `ValueError` with what is wrong with it."""
    values = _present(record, columns)
    texts = _texts(values, columns)
    choices = _choices(values, columns)
    prompt = _prompt(columns.prompt, texts, choices)
    accepted = _accepted(values.get(columns.answer)) if columns.answer else ()
    if choices:
        accepted = (_letter(accepted, choices, columns.answer_as),) if columns.answer else ()
    spec = _scorer(columns, choices)
    if spec["name"] != scorers.UNSCORED:
        scorers.make(spec, accepted)
    cluster = texts.get(columns.cluster, "") if columns.cluster else ""
    return Row(
        prompt=prompt,
        scorer=spec,
        answer=accepted,
        system=choosing.filled(columns.system, texts).strip() if columns.system else "",
        cluster=cluster,
        kind=(texts.get(columns.kind, "") if columns.kind else "") or "question",
        max_tokens=_limit(columns.limit, values),
        label=texts.get(columns.id, "").strip() if columns.id else "",
        where=record.where,
    )


def _texts(values: Mapping[str, Any], columns: Columns) -> dict[str, str]:
    """Return the columns that are named as texts; what the others hold need not be one."""
    slots = (*choosing.slots(columns.prompt), *choosing.slots(columns.system))
    named = {columns.prompt, columns.system, columns.cluster, columns.kind, columns.id, *slots}
    return {key: _text(value) for key, value in values.items() if key in named}


def _present(record: Record, columns: Columns) -> Mapping[str, Any]:
    """Return the values; a column that this row lacks is refused, where it is asked."""
    template = choosing.is_template(columns.prompt) and columns.prompt not in record.values
    wanted = [columns.answer, *columns.choices[:1]]
    wanted += choosing.slots(columns.prompt) if template else [columns.prompt]
    for name in wanted:
        if name and name not in record.values and name != CHOICES:
            raise ValueError(f"it has no {name!r}")
    return record.values


def _prompt(template: str, texts: Mapping[str, str], choices: tuple[str, ...]) -> str:
    placed = choices and CHOICES in choosing.slots(template)
    known = {**texts, CHOICES: lettered(choices)} if choices else texts
    prompt = choosing.filled(template, known).strip()
    if not prompt:
        raise ValueError("the prompt is empty")
    if choices and not placed:
        return f"{prompt}\n\n{lettered(choices)}\n\n{_LETTER_ONLY}"
    return prompt


def _scorer(columns: Columns, choices: tuple[str, ...]) -> Mapping[str, Any]:
    if not columns.answer and not (columns.scorer and scorers.stands_alone(columns.scorer)):
        return {"name": scorers.UNSCORED}
    if choices:
        return {"name": scorers.CHOICES, "choices": list(choices)}
    return columns.scorer or {"name": "normalised"}


def _choices(values: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    if not columns.choices:
        return ()
    if len(columns.choices) > 1:
        found = [_text(values.get(name)).strip() for name in columns.choices]
        while found and not found[-1]:  # rows may have fewer than the most
            found.pop()
    else:
        found = [text.strip() for text in _listed(values.get(columns.choices[0]))]
    if not 1 < len(found) <= MOST_CHOICES:
        raise ValueError(f"it has {len(found)} choices, not 2 to {MOST_CHOICES}")
    if not all(found):
        raise ValueError("one of its choices is empty")
    if len(set(found)) < len(found):
        raise ValueError("two of its choices are the same")
    return tuple(found)


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            read = value.split("|")
        value = read if isinstance(read, list) else value.split("|")
    if not isinstance(value, list):
        raise ValueError(f"its choices are no list: {str(value)[:40]!r}")  # noqa: TRY004
    return [_text(one) for one in value]


def _letter(accepted: tuple[str, ...], choices: tuple[str, ...], how: str) -> str:
    letters = ascii_uppercase[: len(choices)]
    said = accepted[0].strip() if len(accepted) == 1 else ""
    if how != "letter_or_text":
        first = 1 if how == "number" else 0
        if said.isdecimal() and first <= int(said) < len(choices) + first:
            return letters[int(said) - first]
        raise ValueError(f"the answer {said[:40]!r} is no {how} of one of {len(choices)} choices")
    if said in choices:
        return letters[choices.index(said)]
    if len(said) == 1 and said.upper() in letters:
        return said.upper()
    raise ValueError(
        f"the answer {said[:40]!r} is none of the choices and no letter of one"
        + (" (say `answer_as: index` or `number` for places)" if said.isdecimal() else "")
    )


def _accepted(value: Any) -> tuple[str, ...]:
    """Return the accepted answers: a list of the file is a list of them."""
    if isinstance(value, list):
        return tuple(text for one in value if (text := _text(one)).strip())
    text = _text(value)
    return (text,) if text.strip() else ()


def _limit(limit: str | int, values: Mapping[str, Any]) -> int:
    if isinstance(limit, int):
        return limit
    said = _text(values.get(limit)).strip() if limit else ""
    if not said:
        return USUAL_TOKENS
    if not said.isdecimal() or not 1 <= int(said) <= _MOST_TOKENS:
        raise ValueError(f"max_tokens {said[:20]!r} is no whole number from 1 to {_MOST_TOKENS:,}")
    return int(said)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half a character") from None
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        raise ValueError("it holds bytes, not text")  # noqa: TRY004
    return json.dumps(value, ensure_ascii=False, default=str)
