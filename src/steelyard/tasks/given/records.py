"""Records of a user's file, one after the other: CSV, JSON lines, plain prompts, Parquet, folders.

A record that cannot be read is handed on with what is wrong with it, so that all of them can be
named at once. A file is never held whole. Not aware of what the columns mean.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import BadInput

ENDINGS: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt", ".md", ".parquet")
_TEXTS: Final = (".txt", ".md")
_LARGEST_CELL: Final = 1 << 26
_BATCH: Final = 1000
_LOOKED_AT: Final = 200  # rows of JSON need not have the same keys
_SEPARATORS: Final = (";", "\t", "|")
_DEEPEST: Final = 4  # objects within objects whose fields are columns
_CHUNK: Final = 1 << 20
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


@final
@dataclass(frozen=True, slots=True)
class Record:
    """One row by column, and where it stands; `trouble` says why there are no values."""

    where: str
    values: Mapping[str, Any]
    trouble: str = ""


@final
@dataclass(frozen=True, slots=True)
class Data:
    """What a path holds: its files in order, and the hash of their bytes and names."""

    path: Path
    files: tuple[Path, ...]
    content: str
    paired: bool = False

    def records(self, separator: str) -> Iterator[Record]:
        """Read every record; where there are several files, each place names its file."""
        if self.paired:
            yield from _pairs(self.path)
            return
        for file in self.files:
            several = len(self.files) > 1 or self.path.is_dir()
            for one in _records(file, separator, whole=self.path.is_dir()):
                where = f"{file.name}, {one.where}" if several and one.where else one.where
                yield Record(where or file.name, _with_nested(one.values), one.trouble)


def look(path: Path) -> Data:
    """Find the files of a path and hash them; raise `BadInput` for what holds no questions."""
    paired = path.is_dir() and (path / "data").is_dir()
    if paired:
        files = [*_visible(path / "data"), *_visible(path / "expected")]
    elif path.is_dir():
        files = [one for one in _visible(path) if one.suffix.lower() in ENDINGS]
        tables = [one for one in files if one.suffix.lower() not in _TEXTS]
        files = tables or files
    else:
        files = [path]
        if path.exists() and path.suffix.lower() not in ENDINGS:
            raise BadInput(
                f"questions are not read from {path.name}: its ending is none of "
                f"{', '.join(ENDINGS)}",
                hint="rename it, or write one JSON object a line as .jsonl",
            )
    if not files:
        raise BadInput(
            f"{path} holds no file of questions", hint=f"endings that are read: {' '.join(ENDINGS)}"
        )
    digest = hashlib.sha256()
    for file in files:
        if path.is_dir():
            digest.update(f"{file.relative_to(path).as_posix()}\0".encode())
        _hash(file, digest.update)
    return Data(path, tuple(files), digest.hexdigest(), paired)


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if one.is_file() and one.name[0] != ".")


def _hash(file: Path, update: Any) -> None:
    """Hash a file; a text that is not UTF-8 is refused with the line at which it is not."""
    binary = file.suffix.lower() == ".parquet"
    try:
        with file.open("rb") as stream:
            if binary:
                while data := stream.read(_CHUNK):
                    update(data)
                return
            for number, line in enumerate(stream, 1):
                update(line)
                _refuse_other_text(line, f"{file}, line {number}")
    except FileNotFoundError:
        raise BadInput(
            f"there is no file {file}", hint="--file takes a file or a folder of questions"
        ) from None
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}", hint="check the path") from None


def _refuse_other_text(line: bytes, where: str) -> None:
    try:
        line.decode()
    except UnicodeDecodeError:
        kind = "UTF-16" if line.startswith(_UTF16) else "no UTF-8"
        raise BadInput(f"{where}, is {kind}", hint="save it as UTF-8 and try again") from None


def _records(file: Path, separator: str, *, whole: bool) -> Iterator[Record]:
    match file.suffix.lower():
        case ".csv" | ".tsv":
            usual = "\t" if file.suffix.lower() == ".tsv" else ","
            yield from _csv(file, separator or usual)
        case ".parquet":
            yield from parquet_rows(file)
        case ".jsonl" | ".ndjson":
            yield from json_lines(file)
        case _ if whole:
            yield Record("", {"prompt": _text(file), "id": file.stem})
        case _:
            with file.open(encoding="utf-8-sig") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield Record(f"line {number}", {"prompt": line.strip()})


def _csv(file: Path, separator: str) -> Iterator[Record]:
    csv.field_size_limit(_LARGEST_CELL)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        table = csv.reader(stream, delimiter=separator, strict=True)
        try:
            heads = [head.strip() for head in next(table, [])]
            _refuse_heads(file, heads)
            begins = table.line_num + 1
            for cells in table:
                where, begins = f"line {begins}", table.line_num + 1
                if not cells:
                    continue
                if len(cells) != len(heads):
                    trouble = f"it has {len(cells)} cells, and the first line names {len(heads)}"
                    yield Record(where, {}, trouble)
                    continue
                # A line break in a quoted cell of a Windows file is one line break.
                plain = (cell.replace("\r\n", "\n") for cell in cells)
                yield Record(where, dict(zip(heads, plain, strict=True)))
        except csv.Error as error:
            hint = _other_separator(file, separator) or (
                "a quotation mark within a quoted cell is written twice; or use .jsonl"
            )
            raise BadInput(
                f"{file}, line {table.line_num}, is no CSV: {error}", hint=hint
            ) from None


def _other_separator(file: Path, separator: str) -> str:
    """Say which separator a file has whose first line has no `separator`; else nothing."""
    with file.open(encoding="utf-8-sig") as lines:
        first = lines.readline()
    other = next((mark for mark in _SEPARATORS if mark in first), "")
    return _separated_by(other) if other and separator not in first else ""


def _separated_by(mark: str) -> str:
    written = "\\t" if mark == "\t" else mark
    return f'write `separator: "{written}"` in the YAML beside it'


def _refuse_heads(file: Path, heads: list[str]) -> None:
    if not any(heads):
        raise BadInput(f"{file} names no columns", hint="name them in the first line")
    twice = sorted({head for head in heads if heads.count(head) > 1})
    if twice:
        raise BadInput(f"{file} has the column {twice[0]!r} twice", hint="rename one of them")
    other = next((mark for mark in _SEPARATORS if len(heads) == 1 and mark in heads[0]), "")
    if other:
        raise BadInput(
            f"{file} has one column, {heads[0]!r}: another separator than the comma",
            hint=_separated_by(other),
        )


def json_lines(file: Path) -> Iterator[Record]:
    """Read one JSON object a line; a line that is none has its trouble."""
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"line {number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Record(where, {}, f"it is no JSON ({error})")
                continue
            if not isinstance(value, dict):
                yield Record(where, {}, "it is no JSON object")
                continue
            yield Record(where, value)


def parquet_rows(file: Path) -> Iterator[Record]:
    """Read a Parquet file batch by batch; raise `BadInput` where it is none."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise BadInput(
            f"{file} is Parquet, and pyarrow is not installed",
            hint="pip install 'steelyard[parquet]'; CSV and JSONL need nothing more",
        ) from None
    number = 0
    try:
        with parquet.ParquetFile(file) as held:
            for batch in held.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(f"row {number}", row)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            f"{file} is no Parquet that can be read: {error}", hint="write it again"
        ) from None


def _with_nested(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values with those of nested objects by dotted names, such as `question.text`."""
    if not any(isinstance(value, dict) for value in values.values()):
        return values
    found, level = dict(values), values
    for _ in range(_DEEPEST):
        level = {
            f"{name}.{key}": value
            for name, inner in level.items()
            if isinstance(inner, dict)
            for key, value in inner.items()
        }
        # A column that is called so itself goes before.
        found |= {name: value for name, value in level.items() if name not in found}
    return found


def _pairs(folder: Path) -> Iterator[Record]:
    """Read `data/NAME` with `expected/NAME`, whatever their endings."""
    expected: dict[str, list[Path]] = {}
    for file in _visible(folder / "expected"):
        expected.setdefault(file.stem, []).append(file)
    for file in _visible(folder / "data"):
        known = expected.pop(file.stem, [])
        values = {"prompt": _text(file), "id": file.stem}
        if len(known) > 1:
            yield Record(f"data/{file.name}", {}, f"expected/ has {len(known)} files of that name")
        elif (folder / "expected").is_dir():
            answer = _text(known[0]) if known else ""
            yield Record(f"data/{file.name}", {**values, "answer": answer})
        else:
            yield Record(f"data/{file.name}", values)
    for files in expected.values():
        yield Record(f"expected/{files[0].name}", {}, "data/ has no file of that name")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8-sig")


def columns_of(records: Iterable[Record]) -> tuple[str, ...]:
    """Return the columns of the first records that could be read, in order."""
    first = (one for one in islice(records, _LOOKED_AT) if not one.trouble)
    return tuple(dict.fromkeys(name for one in first for name in one.values))
