"""What `eval` says, and how it ends, where a server or a folder is not as it should be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.analysis.suite import ran
from tests.cli.test_eval import server
from tests.door import steelyard
from tests.engines.foreign import ONE_MODEL, Reply, serving

from steelyard.domain.task import Task
from steelyard.store.records import write_record

TASK = Task("math_words", level=2, items=40)
CHAT = "/v1/chat/completions"
FILE = "prompt,answer\n" + "".join(f"How much is {n} + 1?,{n + 1}\n" for n in range(3))


def answering(content: Any, wish: Any) -> Reply:
    """Answer as a server that sends its content in this form, streamed where it is asked to."""
    usage = {"prompt_tokens": 9, "completion_tokens": 3}
    said = {"role": "assistant", "content": content}
    whole = {"model": "small", "choices": [{"message": said, "finish_reason": "stop"}]}
    if not wish.get("stream"):
        return Reply({**whole, "usage": usage})
    pieces = [
        {"model": "small", "choices": [{"index": 0, "delta": said}]},
        {"model": "small", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"model": "small", "choices": [], "usage": usage},
    ]
    sent = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n"
    return Reply(sent.encode(), headers={"Content-Type": "text/event-stream"})


def sums(wish: Any) -> str:
    """Return the answer to the question of a file."""
    said = wish["messages"][-1]["content"]
    digits = "".join(c for c in said.partition("How much is ")[2].partition("+")[0] if c.isdigit())
    return str(int(digits or "0") + 1)


def marked(folder: Path, routes: Any, *words: str) -> tuple[int, dict[str, Any]]:
    (folder / "q.csv").write_text(FILE)
    with serving({"/v1/models": ONE_MODEL, **routes}) as there:
        asked = ("--engine", "openai", "--file", "q.csv", "--json", *words)
        done = steelyard(folder, "eval", there.url(), *asked)
    assert done.stdout, done.stderr
    marks: dict[str, Any] = json.loads(done.stdout)["overall"]["marks"]
    return done.returncode, marks


def test_answers_that_come_in_parts_are_read_and_other_forms_are_not_run(tmp_path: Path) -> None:
    def parts(wish: Any) -> Reply:
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}
        return answering([thought, {"type": "text", "text": sums(wish)}], wish)

    def odd(wish: Any) -> Reply:
        return answering({"text": sums(wish)}, wish)

    code, marks = marked(tmp_path, {CHAT: parts})
    assert (code, marks["right"]) == (0, 3)
    code, marks = marked(tmp_path, {CHAT: odd})
    assert (code, marks["not_run_why"]) == (3, {"malformed_content": 3})
    assert marks["wrong"] == marks["invalid"] == 0


def test_a_suite_leaves_tools_out_where_the_server_drops_them_and_says_so(tmp_path: Path) -> None:
    with server(tmp_path / "plan", {}, faults=("tools_ignored",), takes=()) as url:
        asked = ("eval", url, "--suite", "quick", "--items", "1", "--out", "out")
        done = steelyard(tmp_path, *asked)
    assert done.returncode == 0, done.stderr
    assert "tools is not asked: the server counts as many tokens with tools" in done.stderr
    assert "Not asked: tools, the server counts as many" in done.stdout
    assert "tools_ignored" not in done.stdout


def kept(folder: Path, name: str, marks: str) -> str:
    """Write a run of these marks down and return where."""
    (folder / name).mkdir()
    write_record(folder / name, ran(name, {TASK: marks}))
    return name


def test_a_gain_is_called_one_and_one_item_is_one(tmp_path: Path) -> None:
    first, second = kept(tmp_path, "first", "w" * 40), kept(tmp_path, "second", "r" * 40)
    done = steelyard(tmp_path, "eval", "compare", first, second)
    assert done.returncode == 0, done.stderr
    assert "% is gained: no loss is shown" in done.stdout
    assert "at most -" not in done.stdout
    one, other = kept(tmp_path, "one", "r"), kept(tmp_path, "other", "r")
    done = steelyard(tmp_path, "eval", "compare", one, other)
    assert "; 1 item cannot show a loss, however large it is" in done.stdout


def test_beside_a_loss_that_is_shown_none_that_could_be_foreseen_is_told(tmp_path: Path) -> None:
    first, second = kept(tmp_path, "first", "r" * 12), kept(tmp_path, "second", "r" * 8 + "wwww")
    done = steelyard(tmp_path, "eval", "compare", first, second)
    assert "% is lost; that it is below the margin" in done.stdout
    assert "show a loss from" not in done.stdout


def test_the_floor_of_a_few_items_is_not_told_as_zero(tmp_path: Path) -> None:
    names = [kept(tmp_path, name, "r" * 12) for name in ("first", "second", "again")]
    done = steelyard(tmp_path, "eval", "compare", *names[:2], "--again", names[2])
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("A/A"))
    assert "only a loss above its floor is called worse: math_words the margin, since 12" in line
    assert "0.0%" not in line


def test_where_nothing_could_be_measured_it_says_why_and_ends_in_three(tmp_path: Path) -> None:
    first, second = kept(tmp_path, "first", "rr--"), kept(tmp_path, "second", "--rr")
    for more in ((), ("--json",)):
        done = steelyard(tmp_path, "eval", "compare", first, second, *more)
        assert done.returncode == 3, done.stderr
        assert "no item was run on both sides" in done.stdout
    done = steelyard(tmp_path, "eval", "worth", kept(tmp_path, "none", "--"))
    assert done.returncode == 3, done.stderr
    assert "not known: " in done.stdout


def test_an_interrupted_evaluation_and_a_cut_record_say_how_to_go_on(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "spec.json").write_text("{}")
    for words in (("eval", "compare", "begun", "begun"), ("rescore", "begun")):
        done = steelyard(tmp_path, *words)
        assert done.returncode == 2
        assert "the evaluation in begun is not finished" in done.stderr
        assert "the same command with --out begun goes on" in done.stderr
    cut = tmp_path / kept(tmp_path, "cut", "rr") / "record.json"
    cut.write_text(cut.read_text()[:200])
    done = steelyard(tmp_path, "rescore", "cut")
    assert done.returncode != 0
    assert "an `eval` with the same --out" in done.stderr
    assert "campaign" not in done.stderr


def test_a_refused_key_is_told_in_the_servers_words_and_lies_nowhere(tmp_path: Path) -> None:
    key = "sk-planted-0123456789abcdef"

    def refuse(wish: Any) -> Reply:
        del wish
        message = f"Incorrect API key provided: {key}. \x1b[31mFind yours on the page."
        return Reply({"error": {"message": message, "type": "invalid_request_error"}}, 401)

    with serving({"/v1/models": ONE_MODEL, CHAT: refuse}) as there:
        done = steelyard(
            tmp_path,
            *("eval", there.url(), "--engine", "openai", "--tasks", "math_words,reading"),
            *("--items", "3", "--api-key-env", "PLANTED", "--out", "out"),
            env={**os.environ, "PLANTED": key},
        )
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("Incorrect API key provided: ***") == 1, done.stderr
    assert "name its variable with --api-key-env" in done.stderr
    assert "\x1b[31m" not in done.stdout + done.stderr
    assert key not in done.stdout + done.stderr
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert any(path.name == "record.json" for path in files)
    assert [str(path) for path in files if key.encode() in path.read_bytes()] == []


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("mine")
    with serving({"/v1/models": ONE_MODEL}) as there:
        for out in ("/proc/x", "file.csv"):
            asked = ("--engine", "openai", "--tasks", "logic", "--items", "3", "--out", out)
            done = steelyard(tmp_path, "eval", there.url(), *asked)
            assert done.returncode == 2
            assert f"{out}" in done.stderr
            assert "will be seen" not in done.stderr
            assert "Traceback" not in done.stderr
        assert there.asked == []
    assert (tmp_path / "file.csv").read_text() == "mine"
