"""Questions in a file of the user's: read once, laid on the shelf, and from there a task as others.

Not aware of subjects.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from steelyard.app.evals import tasks as shown
from steelyard.app.evals.texts import counted
from steelyard.domain.codec import encode
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.reading import Reading as Score
from steelyard.domain.run import RunRecord
from steelyard.domain.stream import Attempt
from steelyard.domain.task import Mark, Source, Task, item_of
from steelyard.platform import atomic
from steelyard.tasks import registry
from steelyard.tasks.given import columns, reading, records, shelf
from steelyard.tasks.given.reading import Reading
from steelyard.tasks.given.row import Row
from steelyard.tasks.rewording import CLEAN
from steelyard.tasks.varying import form_of, origin_of

ANSWERS: Final = "answers.jsonl"
_SHOWN: Final = 5
_FIRST: Final = 3


def task(path: Path, named: Path | None, emit: Emit) -> Task:
    """Read a file or folder and return all that it asks.

    Raises an error of ours, before anything is asked, where a row cannot be asked.
    """
    path = path.expanduser()
    found = _read(path, named)
    sha256, count = shelf.lay(found.rows())
    name = found.columns.name or re.sub(r"[^\w.-]", "_", path.resolve().stem)[:64] or "questions"
    if found.repeated:
        places = ", ".join(found.repeated[:_SHOWN])
        more = ", …" if len(found.repeated) > _SHOWN else ""
        what = "1 row repeats" if len(found.repeated) == 1 else f"{len(found.repeated)} rows repeat"
        emit(Noted(f"{name}: {what} an earlier one ({places}{more}) and is not asked twice"))
    source = Source(name, sha256, found.data.content, found.columns.settings())
    return Task(f"file:{name}", items=count, source=source)


def some(whole: Task, items: int | None, seed: int) -> Task:
    """Return a task with so many of the items, drawn by the seed; all of them for None."""
    if items is None or items == whole.items:
        return whole
    if items > whole.items:
        raise BadInput(
            f"{whole.family} has {whole.items} different questions; {items} were asked for",
            hint="leave --items out to ask all of them",
        )
    return replace(whole, items=items, seed=seed)


def show_text(asked: Task, *, as_json: bool) -> str:
    """Say what was read: how many rows, which columns, which scorer, and the first questions."""
    source = _source(asked)
    rows = list(islice(shelf.rows(source), _FIRST))
    if as_json:
        rest = {"rows": asked.items, "first": [_told(row) for row in rows]}
        return json.dumps({**json.loads(encode(source)), **rest}, indent=1, ensure_ascii=False)
    told = counted(asked.items, "question")
    lines = [f"{source.name}: {told}, sha256 {source.sha256[:12]}"]
    lines += [f"  {key:<10} {value}" for key, value in source.settings]
    questions = [row.question(asked.family) for row in rows]
    return "\n".join([*lines, "", shown.items_text(questions, answers=True)])


def sha256_of(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def keep(folder: Path, tasks: Sequence[Task]) -> None:
    """Put a copy of the items beside the evaluation."""
    for one in tasks:
        if one.source is not None:
            shelf.copy_to(one.source, folder)


def restore(folder: Path, tasks: Sequence[Task]) -> None:
    """Put the items of an evaluation where they are looked for."""
    for one in tasks:
        if one.source is not None:
            shelf.take_from(folder, one.source)


def write_answers(folder: Path, record: RunRecord) -> Path | None:
    """Write what was said to each row, one a line; return the file, or None where no file asked."""
    tasks = {one.section: one for one in record.spec.tasks if one.source is not None}
    given = {name: one.source for name, one in tasks.items() if one.source is not None}
    if not given:
        return None
    path = folder / ANSWERS
    with atomic.replacing(path) as stream:
        for section in record.sections:
            if section.name not in given:
                continue
            rows = {row.id: row for row in shelf.rows(given[section.name])}
            last = {one.sample: one for one in sorted(section.attempts, key=lambda a: a.tries)}
            rows = _in_forms(tasks[section.name], rows) or rows
            places = {item: place for place, item in enumerate(rows)}
            replies = _replies(record, section.name)
            known = [sample for sample in last if item_of(sample) in rows]
            for sample in sorted(known, key=lambda one: (places[item_of(one)], one)):
                row, mark = rows[item_of(sample)], section.marks.get(sample)
                told = _answered(section.name, item_of(sample), row, last[sample], mark)
                if mark is not None and mark.judge is not None:
                    told["judge"] = _judged(mark.judge, replies.get(sample, []))
                stream.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
    return path


def _in_forms(task: Task, rows: Mapping[str, Row]) -> dict[str, Row]:
    """Return the rows of a varied task in their forms, worded as they were asked."""
    if not task.vary:
        return {}
    return {
        item.id: replace(rows[origin_of(item.id)], prompt=item.prompt)
        for item in registry.questions(task)
    }


def _answered(
    name: str, item: str, row: Row, attempt: Attempt, mark: Mark | None
) -> dict[str, object]:
    outcome = None if mark is None else mark.outcome
    form = form_of(item)
    return {
        "task": name,
        "item": item,
        **({} if form == CLEAN else {"form": form}),
        **_told(row),
        "said": attempt.text,
        "finish_reason": attempt.finish_reason,
        "mark": None if outcome is None else outcome.kind,
        "why": getattr(outcome, "why", ""),
        "read": {} if mark is None else mark.extracted,
    }


def _judged(score: Score[float], replies: list[str]) -> dict[str, object]:
    match score:
        case Measured(value=value):
            return {"score": value, "why": "", "replies": replies}
        case Missing(code=code):
            return {"score": None, "why": code, "replies": replies}


def _replies(record: RunRecord, task: str) -> dict[str, list[str]]:
    """Return what a judge replied about each sample, word for word."""
    found: dict[str, list[str]] = {}
    attempts = () if record.judging is None else record.judging.attempts.get(task, ())
    for attempt in sorted(attempts, key=lambda a: (a.tries, a.ask)):
        found.setdefault(attempt.sample, []).append(attempt.text)
    return found


def _told(row: Row) -> dict[str, object]:
    known = list(row.answer) if len(row.answer) > 1 else "".join(row.answer)
    return {"row": row.where, "id": row.label, "prompt": row.prompt, "answer": known}


def _read(path: Path, named: Path | None) -> Reading:
    if named is not None and not named.is_file():
        raise BadInput(f"there is no file {named}", hint="--columns takes a YAML file")
    return reading.begin(records.look(path), named or columns.beside(path))


def _source(asked: Task) -> Source:
    if asked.source is None:
        raise ValueError(f"{asked.family} is generated")
    return asked.source
