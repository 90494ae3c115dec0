"""A judge from the command line: what it says is counted apart, and its failures touch no mark."""

from __future__ import annotations

import csv
import json
import shlex
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.cli.test_eval import eventually, server, written
from tests.cli.test_faults import faulty_with
from tests.cli.test_own_files import FENCED, answered, key

from steelyard.judging.case import Matter
from steelyard.scripted.plan import Fault, FaultKind, prompt_key

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "judge.md"
RUBRIC = "The number is right."
ITEMS = 8
SCORES = (5, 5, 4, 4, 3, 2, 1, 1)
YAML = f"max_tokens: 32\nscorer:\n  judge:\n    rubric: {RUBRIC}\n    pass: 0.75\n"


def question(number: int) -> str:
    return f"What is {number} + 1?"


def said(number: int) -> str:
    return f"It is {number + 1}."


def matter(number: int, rubric: str = RUBRIC) -> Matter:
    return Matter(question(number), said(number), rubric, (str(number + 1),))


def write(yaml: str = YAML, items: int = ITEMS) -> dict[str, str]:
    """Write the file of questions, and return what the subject says to them."""
    rows = "".join(f"{question(n)},{n + 1}\n" for n in range(items))
    Path("q.csv").write_text(f"prompt,answer\n{rows}")
    Path("q.yaml").write_text(yaml)
    return {key(question(n)): said(n) for n in range(items)}


def verdicts(scores: tuple[int, ...] = SCORES, *, again: bool = True) -> dict[str, str]:
    """Return what the judge says of each, asked once or twice."""
    return {
        prompt_key((m.role, m.content) for m in matter(n).messages(again=second)): json.dumps(
            {"reason": f"Because of {n}.", "score": score}
        )
        for n, score in enumerate(scores)
        for second in ((False, True) if again else (False,))
    }


@contextmanager
def both(
    tmp_path: Path, said_by_judge: Mapping[str, str], *faults: Fault, **plan: Any
) -> Iterator[tuple[str, str]]:
    with (
        server(tmp_path / "subject", write()) as subject,
        server(tmp_path / "judge", said_by_judge, planned=faults, **plan) as judge,
    ):
        yield subject, judge


def record(out: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(out) / "record.json").read_text())
    return found


def asked_of_judge(tmp_path: Path, least: int = 0) -> int:
    """Return how many requests its log tells of, `least` or more where it is still up."""

    def lines() -> int:
        return len((tmp_path / "judge" / "truth.jsonl").read_text().splitlines())

    assert eventually(lambda: lines() >= least)
    return lines()


def test_scores_stand_apart_from_right_and_wrong_with_who_gave_them(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    with both(tmp_path, verdicts()) as (subject, judge):
        words = ("eval", subject, "--file", "q.csv", "--judge", judge, "--out", "out")
        done = steelyard(*words)
        assert done.code == 0, done.err
        calls = asked_of_judge(tmp_path, ITEMS + 1)
        again = steelyard("rescore", "out")
        assert "every mark is the same as it was" in again.out, again.err
        assert asked_of_judge(tmp_path) == calls == ITEMS + 1  # and one to try the schema
    assert "The judge is unproven" in done.out
    assert "file:q from 0.75 on" in done.out
    kept = record()
    judging = kept["judging"]
    assert judging["bound"] == "schema with lengths"
    assert len(judging["rubrics"]["file:q"]) == 64
    (section,) = kept["sections"]
    ended = max(one["done_ns"] for one in section["attempts"])
    assert min(one["sent_ns"] for one in judging["attempts"]["file:q"]) > ended
    rows = answered("out")
    assert [one["mark"] for one in rows] == ["right"] * 4 + ["wrong"] * 4
    assert [one["judge"]["score"] for one in rows] == [(n - 1) / 4 for n in SCORES]
    assert rows[2]["read"]["judge_reason"] == "Because of 2."
    found = json.loads(steelyard("rescore", "out", "--json").out)["evaluation"]
    (task,) = found["tasks"]
    assert (task["marks"]["right"], task["marks"]["wrong"], task["marks"]["not_run"]) == (4, 4, 0)
    score = task["judge"]["score"]
    assert (score["n"], score["value"]["value"]) == (ITEMS, pytest.approx(0.53125))
    assert score["low"]["value"] < 0.53125 < score["high"]["value"]
    assert task["judge"]["unscorable"] == {}
    assert found["judging"]["again"] == found["judging"]["failed"] == 0


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("json_broken", "not_json"),
        pytest.param("json_wrapped", "wrapped", marks=pytest.mark.full),
        pytest.param("json_off_scale", "off_scale", marks=pytest.mark.full),
        pytest.param("zero_tokens", "zero_tokens", marks=pytest.mark.full),
        pytest.param("http_error", "http_500", marks=pytest.mark.full),
        pytest.param("error_in_stream", "error_in_stream", marks=pytest.mark.full),
    ],
)
def test_a_judge_that_fails_is_named_and_its_answers_are_neither_right_nor_wrong(
    fault: FaultKind, why: str, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    """Half of the cases are touched, asked once or twice; the others are marked as planned."""
    plan = verdicts()
    touched = {prompt for n, prompt in enumerate(plan) if n // 2 % 2}
    with both(tmp_path, plan, Fault(fault, prompts=tuple(touched))) as (subject, judge):
        words = ("eval", subject, "--file", "q.csv", "--judge", judge, "--out", "out", "--json")
        done = steelyard(*words)
    assert done.code == 0, done.err
    (task,) = json.loads(done.out)["tasks"]
    marks = task["marks"]
    assert marks["not_run_why"] == {"unscorable": ITEMS // 2}
    assert (marks["right"], marks["wrong"], marks["invalid"]) == (2, 2, 0)
    assert task["judge"]["unscorable"] == {why: ITEMS // 2}
    assert task["judge"]["score"]["n"] == ITEMS // 2
    replies = record()["judging"]["attempts"]["file:q"]
    assert len(replies) == ITEMS // 2 * 3  # each that failed was asked twice, and is kept
    rows = [one["judge"] for one in answered("out") if one["why"] == "unscorable"]
    assert {one["why"] for one in rows} == {why}
    assert {len(one["replies"]) for one in rows} == {2}
    again = steelyard("rescore", "out")
    assert "every mark is the same as it was" in again.out, again.err


@pytest.mark.full
def test_a_first_reply_that_is_none_costs_one_more_request_and_no_mark(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    first = verdicts(again=False)
    with both(tmp_path, verdicts(), Fault("json_wrapped", prompts=tuple(first))) as (
        subject,
        judge,
    ):
        words = ("eval", subject, "--file", "q.csv", "--judge", judge, "--out", "out", "--json")
        found = json.loads(steelyard(*words).out)
    (task,) = found["tasks"]
    assert (task["marks"]["right"], task["marks"]["wrong"], task["marks"]["not_run"]) == (4, 4, 0)
    assert found["judging"]["again"] == ITEMS
    seeds = [
        json.loads(line)["seed"]
        for line in (tmp_path / "judge" / "truth.jsonl").read_text().splitlines()
    ]
    assert len(set(seeds)) == 2 * ITEMS + 1


@pytest.mark.full
def test_requests_of_a_judge_that_failed_are_sent_again_by_the_same_command(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    known = {matter(n).messages()[1].content: reply for n, reply in enumerate(replies())}
    with (
        server(tmp_path / "subject", write()) as subject,
        faulty_with(tmp_path / "judge", "down", known) as judge,
    ):
        words = ("eval", subject, "--file", "q.csv", "--judge", judge, "--out", "out", "--json")
        first = json.loads(steelyard(*words).out)["tasks"][0]
        assert first["judge"]["unscorable"] == {"http_500": ITEMS}
        (tmp_path / "judge" / "answers.json.paid").touch()
        second = steelyard(*words)
    (task,) = json.loads(second.out)["tasks"]
    assert (second.code, task["judge"]["score"]["n"], task["judge"]["unscorable"]) == (0, ITEMS, {})


@pytest.mark.full
def test_a_judge_that_is_cut_off_gives_no_score(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    endless = dict.fromkeys(verdicts(), "so " * 2000)
    with both(tmp_path, endless) as (subject, judge):
        done = steelyard("eval", subject, "--file", "q.csv", "--judge", judge, "--json")
    (task,) = json.loads(done.out)["tasks"]
    assert done.code == 3
    assert task["marks"]["not_run_why"] == {"unscorable": ITEMS}
    assert task["judge"]["unscorable"] == {"truncated": ITEMS}
    assert task["judge"]["score"]["value"]["code"] == "no_samples"


@pytest.mark.full
@pytest.mark.parametrize(
    ("plan", "why"),
    [({"keeps_prompt_tokens": 60}, "prompt_cut"), ({"ctx_size": 600}, "context_overflow")],
)
def test_a_judge_that_cannot_be_shown_everything_gives_no_score(
    plan: dict[str, int], why: str, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    with both(tmp_path, verdicts(), **plan) as (subject, judge):
        done = steelyard("eval", subject, "--file", "q.csv", "--judge", judge, "--json")
    (task,) = json.loads(done.out)["tasks"]
    assert task["judge"]["unscorable"] == {why: ITEMS}, done.err
    assert task["marks"]["right"] == task["marks"]["wrong"] == 0


@pytest.mark.full
def test_a_server_that_takes_no_schema_is_asked_in_words(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    with both(tmp_path, verdicts(), Fault("schema_refused")) as (subject, judge):
        words = ("eval", subject, "--file", "q.csv", "--judge", judge, "--out", "out", "--json")
        found = json.loads(steelyard(*words).out)
    assert found["judging"]["bound"] == "words"
    assert found["overall"]["marks"]["right"] == 4
    assert found["judging"]["calls"] == ITEMS + 2


def test_a_judge_without_quota_is_asked_no_more_and_goes_on_later_without_the_subject(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    known = {matter(n).messages()[1].content: reply for n, reply in enumerate(replies())}
    with (
        server(tmp_path / "subject", write()) as subject,
        faulty_with(tmp_path / "judge", "quota", known) as judge,
    ):
        words = ("eval", subject, "--file", "q.csv", "--judge", judge, "--out", "out", "--json")
        first = steelyard(*words)
        log, asked = tmp_path / "subject" / "truth.jsonl", Path("out") / "spool.bin"
        before = written(log, asked)
        (task,) = json.loads(first.out)["tasks"]
        assert (first.code, task["judge"]["unscorable"]) == (3, {"quota": ITEMS}), first.err
        with urllib.request.urlopen(f"{judge}/asked") as answer:  # noqa: S310
            assert json.load(answer)["asked"] < ITEMS
        (tmp_path / "judge" / "answers.json.paid").touch()
        second = steelyard(*words)
        (task,) = json.loads(second.out)["tasks"]
        assert (second.code, task["judge"]["score"]["n"]) == (0, ITEMS), second.err
        assert written(log, asked) == before
        third = steelyard(*words)
        assert (third.code, "finished evaluation" in third.err) == (2, True)


def replies() -> Iterator[str]:
    for number, score in enumerate(SCORES):
        yield json.dumps({"reason": f"Because of {number}.", "score": score})


@pytest.mark.full
def test_what_a_check_can_tell_needs_no_judge(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    yaml = YAML + "    first: {regex: {pattern: 'It is [5-9]'}}\n"
    with (
        server(tmp_path / "subject", write(yaml)) as subject,
        server(tmp_path / "judge", verdicts()) as judge,
    ):
        words = ("eval", subject, "--file", "q.csv", "--judge", judge, "--out", "out", "--json")
        done = steelyard(*words)
    (task,) = json.loads(done.out)["tasks"]
    assert (task["judge"]["unasked"], task["judge"]["score"]["n"]) == (4, 4), done.err
    assert (task["marks"]["right"], task["marks"]["wrong"]) == (0, ITEMS)
    assert asked_of_judge(tmp_path) == 4 + 1


@pytest.mark.full
def test_without_a_pass_mark_answers_are_scored_and_nothing_is_right_or_wrong(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    planted = write(YAML.replace("    pass: 0.75\n", ""))
    with (
        server(tmp_path / "subject", planted) as subject,
        server(tmp_path / "judge", verdicts()) as judge,
    ):
        done = steelyard("eval", subject, "--file", "q.csv", "--judge", judge, "--out", "out")
    assert done.code == 0, done.err
    assert "8 answers scored and not marked: there is no pass mark" in done.out
    shown = steelyard("results", "show", record()["id"])
    assert "The judge is unproven" in shown.out, shown.err
    assert {one["why"] for one in answered("out")} == {"only_scored"}


@pytest.mark.full
def test_two_runs_meet_only_where_one_judge_marked_both(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    with both(tmp_path, verdicts()) as (subject, judge):
        for out in ("one", "two"):
            words = ("eval", subject, "--file", "q.csv", "--judge", judge, "--out", out)
            assert steelyard(*words).code == 0
        compared = steelyard("eval", "compare", "one", "two", "--json")
        assert compared.code == 0, compared.err
        same = json.loads(compared.out)
        assert same["judged"]["file:q"]["loss"]["value"]["value"] == 0
        text = json.loads(Path("two/record.json").read_text())
        text["judging"]["judge"]["artifact"]["name"] = "another-judge"
        Path("two/record.json").write_text(json.dumps(text))
        other = steelyard("eval", "compare", "one", "two")
    assert other.code == 2
    assert "another-judge" in other.err
    assert "each has a scale of its own" in other.err


@pytest.mark.full
def test_another_judge_does_not_go_on_with_the_work_of_one(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    known = {matter(n).messages()[1].content: reply for n, reply in enumerate(replies())}
    with (
        server(tmp_path / "subject", write()) as subject,
        server(tmp_path / "other", verdicts()) as other,
        faulty_with(tmp_path / "judge", "quota", known) as judge,
    ):
        words = ("eval", subject, "--file", "q.csv", "--out", "out", "--judge")
        assert steelyard(*words, judge).code == 3
        done = steelyard(*words, other)
    assert (done.code, "begun with another judge" in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    ("yaml", "words", "told"),
    [
        (YAML, (), "asks a judge, and none is named"),
        (YAML, ("--judge-model", "m"), "asks a judge, and none is named"),
        ("scorer: exact\n", ("--judge", "nobody.gguf"), "--judge is for a --file whose scorer"),
        ("scorer: exact\n", ("--judge-model", "m"), "--judge-model is for a --file whose scorer"),
        (YAML, ("--judge", "nobody.gguf"), "nobody.gguf"),
        (YAML, ("--judge", "bundled", "--budget", "5m"), "--budget says how long the subject"),
        ("scorer: judge\n", ("--judge", "bundled"), "the scorer judge has no rubric"),
        ("scorer: {judge: {rubric: ' '}}\n", (), "not a text that says what"),
        ("scorer: {judge: {rubric: r, pass: 0}}\n", (), "pass is 0, not a score above 0"),
        ("scorer: {judge: {rubric: r, first: judge}}\n", (), "judge has no rubric"),
        ("scorer: {judge: {rubric: r, first: code_tests}}\n", (), "cannot go before a judge"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_asked(
    yaml: str, words: tuple[str, ...], told: str, steelyard: Callable[..., Said]
) -> None:
    write(yaml)
    done = steelyard("eval", "bundled", "--file", "q.csv", "--out", "out", *words)
    assert done.code == 2
    assert told in done.err
    assert not Path("out").exists()


def test_the_key_of_a_judge_is_read_from_its_own_variable_and_kept_nowhere(
    tmp_path: Path, steelyard: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-of-the-judge-only")
    with both(tmp_path, verdicts()) as (subject, judge):
        words = ("eval", subject, "--file", "q.csv", "--out", "out", "--judge", judge)
        lacking = steelyard(*words, "--judge-key-env", "NO_SUCH")
        assert (lacking.code, "the variable NO_SUCH is not set" in lacking.err) == (2, True)
        done = steelyard(*words, "--judge-key-env", "JUDGE_KEY")
    assert done.code == 0, done.err
    held = [path for path in Path("out").rglob("*") if path.is_file()]
    assert held
    assert not [path for path in held if b"sk-of-the-judge-only" in path.read_bytes()]


@pytest.mark.full
def test_replies_of_another_model_that_slipped_in_are_no_scores(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    known = {matter(n).messages()[1].content: reply for n, reply in enumerate(replies())}
    with (
        server(tmp_path / "subject", write()) as subject,
        faulty_with(tmp_path / "judge", "wrong_model", known) as judge,
    ):
        words = ("eval", subject, "--file", "q.csv", "--judge", judge, "--streams", "1", "--json")
        (task,) = json.loads(steelyard(*words).out)["tasks"]
    assert task["judge"]["unscorable"] == {"other_model": 2}
    assert task["marks"]["right"] + task["marks"]["wrong"] == ITEMS - 2


@pytest.mark.full
def test_what_the_page_types_does_what_it_says(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    blocks = FENCED.findall(PAGE.read_text())
    files = [text for kind, text in blocks if kind]
    for name, text in zip(("replies.csv", "replies.yaml"), files, strict=True):
        Path(name).write_text(text)
    commands = [line for kind, text in blocks if not kind for line in text.splitlines()]
    rubric = (
        "The reply apologises, promises what is expected and nothing else, and has two sentences.\n"
    )
    planted, judged = {}, {}
    for row in csv.DictReader(Path("replies.csv").read_text().splitlines()):
        planted[key(row["prompt"])] = "We are sorry. It is on its way."
        shown = Matter(row["prompt"], "We are sorry. It is on its way.", rubric, (row["answer"],))
        told = prompt_key((m.role, m.content) for m in shown.messages())
        judged[told] = '{"reason": "Polite.", "score": 4}'
    with server(tmp_path / "subject", planted) as one, server(tmp_path / "judge", judged) as two:
        for command in commands:
            words = command.replace("http://127.0.0.1:8080", one).replace(
                "http://127.0.0.1:8081", two
            )
            said = steelyard(*shlex.split(words)[1:])
            assert said.code == 0, said.err
    assert [one["mark"] for one in answered("evals/replies")] == ["right", "right"]


@pytest.mark.full
def test_a_real_engine_keeps_a_tiny_judge_to_the_schema(steelyard: Callable[..., Said]) -> None:
    """The bundled model judges nonsense; that every reply can be read is the engine's doing."""
    items = 12
    write("max_tokens: 24\nscorer: {judge: {rubric: The number is right.}}\n", items)
    done = steelyard("eval", "bundled", "--file", "q.csv", "--judge", "bundled", "--json")
    assert done.code == 0, done.err
    (task,) = json.loads(done.out)["tasks"]
    assert task["judge"]["unscorable"] == {}
    assert task["judge"]["score"]["n"] + task["judge"]["unasked"] == items
    assert json.loads(done.out)["judging"]["again"] == 0
