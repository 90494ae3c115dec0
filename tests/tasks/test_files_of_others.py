"""Files as other programs write them: Windows tables, other separators, nested fields, schemas."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.domain.errors import BadInput
from steelyard.tasks.given import reading, records
from steelyard.tasks.given.row import Row


def rows(folder: Path, name: str, text: str, yaml: str = "") -> list[Row]:
    (folder / name).write_bytes(text.encode())
    (folder / "columns.of-the-test").write_text(yaml)
    return [
        *reading.begin(
            records.look(folder / name), folder / "columns.of-the-test" if yaml else None
        ).rows()
    ]


def test_a_line_break_in_a_cell_of_a_windows_file_is_one_line_break(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "q.csv", 'prompt,answer\r\n"one\r\ntwo",x\r\n')
    assert row.prompt == "one\ntwo"


def test_a_table_with_quoted_heads_and_semicolons_is_told_about_its_separator(
    tmp_path: Path,
) -> None:
    with pytest.raises(BadInput) as refused:
        rows(tmp_path, "q.csv", '"Prompt ";"Answer"\r\n"a";"b"\r\n')
    assert refused.value.hint == 'write `separator: ";"` in the YAML beside it'
    with pytest.raises(BadInput) as refused:
        rows(tmp_path, "q.csv", 'prompt,answer\n"a"b,c\n')
    assert "quotation mark" in (refused.value.hint or "")


def test_nested_fields_are_columns_by_their_dotted_names(tmp_path: Path) -> None:
    line = '{"q": {"text": "What?", "by": {"name": "Ann"}}, "a": {"b": "yes"}, "q.id": 7}\n'
    yaml = 'prompt: "{q.text} asks {q.by.name}"\nanswer: a.b\nid: q.id\n'
    (row,) = rows(tmp_path, "q.jsonl", line, yaml)
    assert (row.prompt, row.answer, row.label) == ("What? asks Ann", ("yes",), "7")


def test_a_schema_that_is_none_is_told_what_is_wrong_with_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        rows(tmp_path, "q.txt", "a\n", "scorer: {json_schema: {schema: {type: objekt}}}\n")
    assert "the schema is not a JSON schema: 'objekt'" in str(refused.value)
    assert "schema: {type: object" in (refused.value.hint or "")
