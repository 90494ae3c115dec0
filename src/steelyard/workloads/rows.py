"""Rows of a file of prompts: the text of a user's file or of ShareGPT's JSON, read strictly.

Every complaint names the file and the line. Other keys and columns than those read are the user's
own and are let be. Not aware of paths, tokens or requests.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, assert_never, cast, final, get_args

from steelyard.domain.errors import BadInput
from steelyard.domain.prompts import Form
from steelyard.domain.task import Message, Role

_SHAREGPT: Final = (
    'it looks like [{"conversations": [{"from": "human", "value": …}, {"from": "gpt", …}]}]'
)


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One prompt of a file; `answer` is the recorded one, where there is one."""

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    answer: str = ""


def rows_of(data: bytes, form: Form, name: str) -> tuple[Row, ...]:
    """Read a user's file: a prompt a line, a JSON object a line, or CSV with a column `prompt`."""
    text = _text(data, name)
    match form:
        case "txt":
            lines = (line.strip() for line in text.split("\n"))
            rows = [Row((Message("user", line),)) for line in lines if line]
        case "jsonl":
            rows = list(_json_lines(text, name))
        case "csv":
            rows = list(_csv_rows(text, name))
        case _:
            assert_never(form)
    if not rows:
        raise BadInput(f"{name} holds no prompts", hint="put one prompt on each line")
    return tuple(rows)


def sharegpt_rows(data: bytes, name: str) -> tuple[Row, ...]:
    """Read ShareGPT's JSON: the first human turn and the first answer after it."""
    whole = _parsed(_text(data, name), name)
    if not isinstance(whole, list):
        raise BadInput(f"{name} is not ShareGPT's JSON: no list", hint=_SHAREGPT)
    rows = [row for each in whole if (row := _first_turns(each)) is not None]
    if not rows:
        raise BadInput(f"{name} holds no conversation that begins and is answered", hint=_SHAREGPT)
    return tuple(rows)


def _first_turns(each: object) -> Row | None:
    said = each.get("conversations") if isinstance(each, dict) else None
    asked: str | None = None
    for turn in said if isinstance(said, list) else ():
        who, value = (turn.get("from"), turn.get("value")) if isinstance(turn, dict) else ("", "")
        if not isinstance(value, str) or not value.strip():
            continue
        if who in {"human", "user"} and asked is None:
            asked = value
        elif who in {"gpt", "assistant"} and asked is not None:
            return Row((Message("user", asked),), answer=value)
    return None


def _json_lines(text: str, name: str) -> Iterator[Row]:
    # Not splitlines: JSON strings may hold the separators of Unicode that it would cut at.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        row = _parsed(line, where)
        if not isinstance(row, dict) or ("prompt" in row) == ("messages" in row):
            raise BadInput(
                f"{where} has not one of 'prompt' and 'messages'",
                hint='write {"prompt": "…"} or {"messages": [{"role": "user", "content": "…"}]}',
            )
        messages = (
            (Message("user", _said(row["prompt"], "prompt", where)),)
            if "prompt" in row
            else _messages(row["messages"], where)
        )
        yield Row(messages, _max_tokens(row.get("max_tokens"), where))


def _messages(raw: Any, where: str) -> tuple[Message, ...]:
    if not isinstance(raw, list) or not raw:
        raise BadInput(f"{where}: 'messages' is no list of messages", hint="give at least one")
    messages = []
    for one in raw:
        role = one.get("role") if isinstance(one, dict) else None
        if role not in get_args(Role):
            raise BadInput(
                f"{where}: {role!r} is no role", hint=f"roles are {', '.join(get_args(Role))}"
            )
        messages.append(Message(cast("Role", role), _said(one.get("content"), "content", where)))
    if not any(message.role == "user" for message in messages):
        raise BadInput(f"{where}: no message is the user's", hint="give one of role 'user'")
    return tuple(messages)


def _csv_rows(text: str, name: str) -> Iterator[Row]:
    table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if "prompt" not in (table.fieldnames or ()):
            raise BadInput(
                f"{name} has no column 'prompt'; its columns: {', '.join(table.fieldnames or ())}",
                hint="name the columns in the first line",
            )
        for row in table:
            where = f"{name}, line {table.line_num}"
            most = row.get("max_tokens")
            limit = int(most) if most and most.isascii() and most.isdigit() else most or None
            yield Row(
                (Message("user", _said(row["prompt"], "prompt", where)),), _max_tokens(limit, where)
            )
    except csv.Error as error:
        raise BadInput(
            f"{name}, line {table.line_num}, is no CSV: {error}",
            hint="quote it as CSV wants, or write it as .jsonl, which has no limit of length",
        ) from None


def _said(value: object, key: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{where}: {key!r} is no text", hint="only prompts of text are sent")
    return value


def _max_tokens(value: object, where: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadInput(
            f"{where}: max_tokens {value!r} is no whole number above 0", hint="leave it out"
        )
    return value


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{name}, line {line}, is not UTF-8", hint="save it as UTF-8") from None


def _parsed(text: str, where: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where} is not JSON: {error}", hint="write it again") from None
