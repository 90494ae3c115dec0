"""Files of questions as people really save them, and the rows that cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from steelyard.domain.errors import BadInput
from steelyard.domain.task import Source, Task
from steelyard.tasks import registry
from steelyard.tasks.given import columns, reading, records, shelf
from steelyard.tasks.given.row import Row
from steelyard.tasks.items import Question


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def rows(path: Path, yaml: str = "") -> list[Row]:
    named = columns.beside(path)
    if yaml:
        named = path.parent / "columns-of-the-test.yaml"
        named.write_text(yaml)
    return list(reading.begin(records.look(path), named).rows())


def refused(path: Path, yaml: str = "") -> str:
    with pytest.raises(BadInput) as found:
        rows(path, yaml)
    return f"{found.value} → {found.value.hint}"


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def asked(found: list[Row]) -> list[tuple[str, tuple[str, ...]]]:
    return [(row.prompt, row.answer) for row in found]


def test_a_csv_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    text = (
        '\ufeffprompt,answer,note\r\n"Two ""quoted""\r\nlines, and a comma",yes,1\r\n\r\nü?,é,\r\n'
    )
    found = rows(file(tmp_path, "q.csv", text))
    assert asked(found) == [('Two "quoted"\nlines, and a comma', ("yes",)), ("ü?", ("é",))]
    assert [row.where for row in found] == ["line 2", "line 5"]
    other = file(tmp_path, "semi.csv", "prompt;answer\na,b;c\n")
    assert "separator" in refused(other)
    assert asked(rows(other, 'separator: ";"\n')) == [("a,b", ("c",))]
    assert asked(rows(file(tmp_path, "q.tsv", "prompt\tanswer\na\tb\n"))) == [("a", ("b",))]


def test_the_same_rows_come_from_every_format(tmp_path: Path) -> None:
    table = [{"prompt": "a?", "answer": "1"}, {"prompt": "b?", "answer": "2"}]
    lines = "".join(json.dumps(row) + "\n" for row in table)
    parquet.write_table(pa.Table.from_pylist(table), tmp_path / "q.parquet")
    wanted = [("a?", ("1",)), ("b?", ("2",))]
    assert asked(rows(file(tmp_path, "q.jsonl", f"\ufeff{lines}"))) == wanted
    assert asked(rows(tmp_path / "q.parquet")) == wanted
    assert asked(rows(file(tmp_path, "q.csv", "prompt,answer\na?,1\nb?,2\n"))) == wanted
    file(tmp_path, "folder/one.csv", "prompt,answer\na?,1\n")
    file(tmp_path, "folder/two.jsonl", '{"prompt": "b?", "answer": 2}\n')
    assert asked(rows(tmp_path / "folder")) == wanted
    file(tmp_path, "pairs/data/a.txt", "a?")
    file(tmp_path, "pairs/data/b.md", "b?")
    file(tmp_path, "pairs/expected/a.json", "1")
    file(tmp_path, "pairs/expected/b.txt", "2")
    assert asked(rows(tmp_path / "pairs")) == wanted
    file(tmp_path, "pairs/expected/c.txt", "3")
    assert "expected/c.txt: data/ has no file of that name" in refused(tmp_path / "pairs")


def test_what_no_setting_names_need_not_be_text(tmp_path: Path) -> None:
    picture = {"bytes": b"\x89PNG", "path": "a.png"}
    table = pa.table({"prompt": ["2 + 2"], "answer": ["4"], "image": [picture], "raw": [b"\xff"]})
    parquet.write_table(table, tmp_path / "pictures.parquet")
    assert asked(rows(tmp_path / "pictures.parquet")) == [("2 + 2", ("4",))]
    assert "bytes, not text" in refused(tmp_path / "pictures.parquet", "prompt: image.bytes\n")
    half = json.dumps({"prompt": "2 + 2", "answer": "4", "note": {"text": "\ud83d"}})
    assert asked(rows(file(tmp_path, "half.jsonl", half))) == [("2 + 2", ("4",))]


def test_prompts_without_answers_have_no_scorer(tmp_path: Path) -> None:
    lines = rows(file(tmp_path, "q.txt", "one\n\n two \n"))
    assert [(row.prompt, row.scorer["name"]) for row in lines] == [("one", "none"), ("two", "none")]
    file(tmp_path, "texts/a.txt", "first\nsecond")
    file(tmp_path, "texts/b.md", "third")
    assert [row.prompt for row in rows(tmp_path / "texts")] == ["first\nsecond", "third"]


def test_columns_are_taken_as_the_yaml_says(tmp_path: Path) -> None:
    table = '{"q": "a {b}", "x": ["1", "one"], "who": "c", "n": 7, "most": 9}\n'
    path = file(tmp_path, "q.jsonl", table)
    file(
        tmp_path,
        "q.yaml",
        'prompt: "{{say}} {q}"\nanswer: x\nsystem: Be {who}.\nid: n\ncluster: who\n'
        "max_tokens: most\nscorer: {contains: {all: true}}\n",
    )
    (row,) = rows(path)
    assert (row.prompt, row.system, row.label) == ("{say} a {b}", "Be c.", "7")
    assert (row.cluster, row.max_tokens, row.answer) == ("c", 9, ("1", "one"))
    question = row.question("file:q")
    assert [m.role for m in question.start().messages] == ["system", "user"]
    assert Row.read(row.line()) == row


@pytest.mark.parametrize(
    ("answer", "how", "letter"),
    [
        ("b", "letter_or_text", "B"),
        ("Jupiter", "letter_or_text", "B"),
        ("1", "index", "B"),
        ("2", "number", "B"),
    ],
)
def test_choices_are_lettered_and_their_answer_found(
    tmp_path: Path, answer: str, how: str, letter: str
) -> None:
    path = file(tmp_path, "q.csv", f"prompt,x,y,z,answer\nLargest?,Mars,Jupiter,,{answer}\n")
    (row,) = rows(path, f"choices: [x, y, z]\nanswer_as: {how}\n")
    assert row.answer == (letter,)
    assert row.prompt.startswith("Largest?\n\nA. Mars\nB. Jupiter\n\nAnswer with the letter")
    placed = 'prompt: "{choices}\\n{prompt}"\nchoices: [x, y]\nanswer_as: ' + how
    assert rows(path, placed)[0].prompt == "A. Mars\nB. Jupiter\nLargest?"


BROKEN = """prompt,answer,id
a?,,1
,b,2
c?,c,3
d?,d,3
e?,e
c?,other,5
f?,f,6
c?,c,7
"""


def test_every_broken_row_is_counted_and_the_first_are_named(tmp_path: Path) -> None:
    said = refused(file(tmp_path, "q.csv", BROKEN))
    assert "q.csv: 5 of 8 rows cannot be asked" in said
    assert "line 2: the answer is empty; line 3: the prompt is empty" in said
    assert "line 5: its id '3' is that of line 4 already" in said
    assert "line 6: it has 2 cells, and the first line names 3" in said
    assert "line 7: it asks what line 4 asks, and knows another answer" in said
    many = "prompt,answer\n" + "a,\n" * 60
    assert "60 of 60 rows" in refused(file(tmp_path, "many.csv", many))
    assert "and 55 more" in refused(tmp_path / "many.csv")


def test_a_row_that_repeats_another_is_named_and_asked_once(tmp_path: Path) -> None:
    path = file(tmp_path, "q.csv", "prompt,answer\na,1\nb,2\na,1\n")
    found = reading.begin(records.look(path), None)
    assert asked(list(found.rows())) == [("a", ("1",)), ("b", ("2",))]
    assert found.repeated == ["line 4"]


@pytest.mark.parametrize(
    ("name", "text", "yaml", "said"),
    [
        ("q.csv", "question,answer\na,1\n", "", "no column is called prompt"),
        ("q.csv", "question,answer\na,1\n", "prompt: qestion", "did you mean 'question'"),
        ("q.csv", "question,answer\na,1\n", 'prompt: "{qestion}"', "did you mean 'question'"),
        ("q.csv", "prompt,answer\na,1\n", "promt: prompt", "line 1: unknown key 'promt'"),
        ("q.csv", "prompt,answer\na,1\n", "system: sistem", "no column 'sistem'"),
        ("q.csv", "prompt,answer\na,1\n", "max_tokens: 0", "max_tokens is 0"),
        ("q.csv", "prompt\na\n", "scorer: exact", "needs known answers"),
        ("q.csv", "prompt,answer\na,x\n", "scorer: numeric", "line 2: the answer 'x' is no number"),
        ("q.csv", "prompt,answer,choices\na,x,u|v\n", "", "line 2: the answer 'x' is none of the"),
        ("q.csv", "prompt,answer,choices\na,x,x|x\n", "", "two of its choices are the same"),
        ("q.csv", "prompt,answer,choices\na,x,x|y\n", "scorer: exact", "a scorer of their own"),
        ("q.csv", "prompt,prompt\na,b\n", "", "column 'prompt' twice"),
        ("q.csv", 'prompt\n"a', "", "is no CSV"),
        ("q.csv", "", "", "names no columns"),
        ("q.csv", "prompt,answer\n", "", "holds no questions"),
        ("q.jsonl", '{"prompt": 1\n[1]\n', "", "line 2: it is no JSON object"),
        ("q.jsonl", '{"prompt": "a", "answer": "b"}\n{"prompt": "c"}\n', "", "it has no 'answer'"),
        ("q.txt", "\n", "", "holds no questions"),
        ("q.xlsx", "x", "", "its ending is none of"),
        ("q.parquet", "x", "", "is no Parquet"),
    ],
)
def test_a_file_that_cannot_be_asked_says_why(
    tmp_path: Path, name: str, text: str, yaml: str, said: str
) -> None:
    assert said in refused(file(tmp_path, name, text), yaml)


def test_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_bytes("prompt,answer\na,b\nüber,c\n".encode("latin-1"))
    assert f"{path}, line 3, is no UTF-8" in refused(path)
    path.write_bytes("prompt,answer\na,b\n".encode("utf-16"))
    assert "is UTF-16" in refused(path)


def laid(path: Path) -> Task:
    found = reading.begin(records.look(path), None)
    sha256, count = shelf.lay(found.rows())
    return Task("file:q", items=count, source=Source("q", sha256))


def test_items_are_found_by_their_hash_and_a_change_is_refused(tmp_path: Path, home: Path) -> None:
    text = "prompt,answer\n" + "".join(f"q{n},{n}\n" for n in range(50))
    task = laid(file(tmp_path, "q.csv", text))
    assert task.source is not None
    assert [q.prompt for q in registry.drawn(task) if isinstance(q, Question)][:2] == ["q0", "q1"]
    few = [q.id for q in registry.drawn(Task("file:q", items=5, seed=1, source=task.source))]
    again = [q.id for q in registry.drawn(Task("file:q", items=5, seed=1, source=task.source))]
    others = [q.id for q in registry.drawn(Task("file:q", items=5, seed=2, source=task.source))]
    assert few == again != others
    shelf.copy_to(task.source, tmp_path)
    (held,) = (home / "items").iterdir()
    held.write_bytes(held.read_bytes().replace(b"q7", b"q8"))
    with pytest.raises(BadInput, match="were changed"):
        registry.drawn(Task("file:q", items=9, source=task.source))
    held.unlink()
    with pytest.raises(BadInput, match="not on this machine"):
        registry.drawn(Task("file:q", items=9, source=task.source))
    shelf.take_from(tmp_path, task.source)
    assert len(registry.drawn(Task("file:q", items=9, source=task.source))) == 9


def test_ids_do_not_depend_on_where_a_row_stands(tmp_path: Path) -> None:
    first = rows(file(tmp_path, "a.csv", "prompt,answer\na,1\nb,2\n"))
    other = rows(file(tmp_path, "b.csv", "answer,prompt\n2,b\n1,a\n"))
    assert {row.id for row in first} == {row.id for row in other}
    assert len({row.id for row in first}) == 2
