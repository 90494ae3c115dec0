"""What a person types becomes a source with an identity, or a complaint with the way out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.ids import content_id
from steelyard.domain.prompts import (
    FromFile,
    Images,
    Prefix,
    PromptSource,
    Recorded,
    ShareGpt,
    Synthetic,
)
from steelyard.domain.task import Message
from steelyard.workloads.sources import described, read


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("typed", "source"),
    [
        ("synthetic", Synthetic(512, 128)),
        ("synthetic:in=512,out=128", Synthetic()),
        ("synthetic:out=9", Synthetic(512, 9)),
        ("synthetic:in=300,out=20,in_sd=50,out_sd=2.5", Synthetic(300, 20, 50.0, 2.5)),
        ("prefix:prefix=1024,in=128,out=64,groups=8", Prefix()),
        ("prefix:groups=3, in=20", Prefix(1024, 20, 64, 3)),
        ("images", Images()),
        ("images:n=2,width=1024,height=768,in=20,out=9", Images(2, 1024, 768, 20, 9)),
    ],
)
def test_made_up_prompts_are_read_and_told_in_the_same_words(
    typed: str, source: PromptSource
) -> None:
    assert read(typed).source == source
    assert read(described(source)).source == source


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("synthetic:inn=5", "did you mean 'in'"),
        ("syntetic:in=512", "did you mean 'synthetic'"),
        ("synthetic:in=0", "no whole number above 0"),
        ("synthetic:in=15", "leaves no room for a beginning"),
        ("synthetic:in=5_0", "no whole number"),
        ("synthetic:in=-3", "no whole number"),
        ("synthetic:in=100,in=200", "given twice"),
        ("synthetic:in", "is no setting"),
        ("synthetic:in=512,", "is no setting"),
        ("synthetic:in_sd=nan", "no spread"),
        ("prefix:groups=0", "no whole number"),
        ("images:widht=9", "did you mean 'width'"),
        ("images:n=99", "too many or large"),
        ("images:width=9999", "too many or large"),
        ("sharegpt:", "names no file"),
        ("", "names no file"),
        ("/no/such/prompts.txt", "there is no file"),
        ("sharegpt:/no/such.json", "there is no file"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(typed: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(typed)
    assert says in f"{refused.value} {refused.value.hint}"
    assert refused.value.hint


def test_a_text_file_holds_a_prompt_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, "mine.txt", "\ufeffWhat is a river?\r\n\r\nName a\u2028stone.\n")
    prompts = read(str(path))
    assert [row.messages for row in prompts.rows] == [
        (Message("user", "What is a river?"),),
        (Message("user", "Name a\u2028stone."),),
    ]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert prompts.source == FromFile(digest, 2, "txt", 128)


def test_json_lines_hold_prompts_or_messages_and_the_length_of_the_answer(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Hello?", "max_tokens": 7, "id": 3},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Why?"},
            ]
        },
    ]
    path = written(tmp_path, "mine.jsonl", "\n".join(json.dumps(row) for row in rows))
    found = read(f"{path},out=32")
    assert [row.max_tokens for row in found.rows] == [7, None]
    assert found.rows[1].messages == (Message("system", "Be brief."), Message("user", "Why?"))
    assert isinstance(found.source, FromFile)
    assert found.source.output_tokens == 32


def test_a_table_has_its_prompts_in_the_column_of_that_name(tmp_path: Path) -> None:
    text = 'id,prompt,max_tokens\n1,"Two, three\nlines?",5\n2,Short?,\n'
    found = read(str(written(tmp_path, "mine.csv", text)))
    assert [(row.messages[0].content, row.max_tokens) for row in found.rows] == [
        ("Two, three\nlines?", 5),
        ("Short?", None),
    ]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.txt", "\n \n", "holds no prompts"),
        ("a.jsonl", '{"prompt": "x"}\n{"text": "y"}', "line 2 has not one of"),
        ("a.jsonl", '{"prompt": "x", "messages": []}', "line 1 has not one of"),
        ("a.jsonl", '{"prompt": "x"', "line 1 is not JSON"),
        ("a.jsonl", '{"prompt": 3}', "is no text"),
        ("a.jsonl", '{"prompt": "x", "max_tokens": 0}', "max_tokens 0"),
        ("a.jsonl", '{"prompt": "x", "max_tokens": true}', "max_tokens True"),
        ("a.jsonl", '{"messages": [{"role": "usr", "content": "x"}]}', "'usr' is no role"),
        ("a.jsonl", '{"messages": [{"role": "system", "content": "x"}]}', "is the user's"),
        ("a.jsonl", '{"messages": [{"role": "user", "content": [1]}]}', "is no text"),
        ("a.jsonl", '{"messages": {}}', "no list of messages"),
        ("a.jsonl", '\n{"messages": ["hi"]}', "line 2: None is no role"),
        ("a.csv", "question\nWhy?\n", "no column 'prompt'"),
        ("a.csv", "prompt,max_tokens\nWhy?,many\n", "max_tokens 'many'"),
        ("a.csv", 'prompt\n"Why?', "is no CSV"),
        ("a.json", "[]", "its ending is none of"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_line(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(BadInput) as refused:
        read(str(path))
    assert says in str(refused.value)
    assert name in str(refused.value)
    assert refused.value.hint


def test_a_file_that_is_not_utf8_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"fine\n\xff\xfe\n")
    with pytest.raises(BadInput, match="line 2, is not UTF-8"):
        read(str(path))


def test_a_folder_is_no_file_of_prompts(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read(str(tmp_path))


def test_blank_lines_between_rows_are_let_be(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"prompt": "One?"}\n\n{"prompt": "Two?"}\n')
    assert len(read(str(path)).rows) == 2


def test_a_file_with_a_comma_or_a_colon_in_its_name_is_itself(tmp_path: Path) -> None:
    comma = written(tmp_path, "mine,out=3.txt", "One?\n")
    assert read(str(comma)).source.kind == "file"
    with pytest.raises(UnknownName):
        read("mine:out.txt")


def test_sharegpt_gives_the_first_question_and_the_answer_after_it(tmp_path: Path) -> None:
    def talk(*turns: tuple[str, str]) -> dict[str, object]:
        return {"conversations": [{"from": who, "value": said} for who, said in turns]}

    whole = [
        talk(("gpt", "Welcome."), ("human", "Who?"), ("gpt", "Me."), ("human", "Really?")),
        talk(("human", "Nobody answers?")),
        talk(("human", " "), ("human", "Now?"), ("gpt", "Yes.")),
        {"conversations": "broken"},
        "broken",
    ]
    path = written(tmp_path, "talks.json", json.dumps(whole))
    found = read(f"sharegpt:{path}")
    assert [(row.messages[0].content, row.answer) for row in found.rows] == [
        ("Who?", "Me."),
        ("Now?", "Yes."),
    ]
    assert isinstance(found.source, ShareGpt)
    assert found.source.rows == 2
    assert isinstance(read(f"sharegpt:{path},out=64").source, ShareGpt)


@pytest.mark.parametrize("text", ["{}", "[]", '[{"conversations": []}]', "[" * 100_000, "x"])
def test_what_is_no_sharegpt_is_refused(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "talks.json", text)
    with pytest.raises(BadInput, match=r"talks\.json"):
        read(f"sharegpt:{path}")


def test_the_identity_is_the_content_and_not_the_path(tmp_path: Path) -> None:
    one = read(str(written(tmp_path, "one.txt", "Why?\n"))).source
    same = read(str(written(tmp_path, "two.txt", "Why?\n"))).source
    other = read(str(written(tmp_path, "three.txt", "Why not?\n"))).source
    assert content_id(one) == content_id(same) != content_id(other)


@pytest.mark.parametrize(
    "source",
    [
        Synthetic(100, 5, 3.0),
        Prefix(groups=2),
        FromFile("ab" * 32, 3, "csv", 9),
        ShareGpt("cd" * 32, 3),
        Recorded((5, 900), (1, 2)),
    ],
)
def test_a_source_goes_through_json_and_comes_back(source: PromptSource) -> None:
    assert decode(type(source), encode(source), source="it") == source
    assert described(source)


@pytest.mark.parametrize(
    ("prompts", "outputs"), [((), ()), ((5, 6), (7,)), ((5, 0), (7, 7)), ((5,), (0,))]
)
def test_recorded_lengths_come_in_pairs_above_nothing(
    prompts: tuple[int, ...], outputs: tuple[int, ...]
) -> None:
    with pytest.raises(BadInput):
        Recorded(prompts, outputs)
