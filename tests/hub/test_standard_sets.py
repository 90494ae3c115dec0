"""Standard sets from the fake hub: fetched, pinned, refused, and asked again without a network."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.cli.test_eval import server
from tests.hub.conftest import TOKEN, Said
from tests.hub.fake_hub import Fault, Hub, Repo, sha256

from steelyard.cli.main import run
from steelyard.scripted.plan import prompt_key
from steelyard.tasks.sets import catalogue

REPO = "datasets/openai/gsm8k"
GSM8K = catalogue.named("gsm8k")
PATH = GSM8K.parts[0].path


def table(folder: Path, rows: list[dict[str, Any]]) -> bytes:
    parquet.write_table(pa.Table.from_pylist(rows), folder / "table.parquet")
    return (folder / "table.parquet").read_bytes()


def gsm8k(folder: Path, count: int = 8) -> bytes:
    rows = [{"question": f"What is {n} + {n}?", "answer": f"#### {n + n}"} for n in range(count)]
    return table(folder, rows)


@pytest.fixture
def steelyard(
    hub: Hub, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Said]]:
    """Call the command in this process: what is fetched here is small."""
    del hub

    def call(*words: str | Path, **env: str) -> Said:
        capfd.readouterr()
        with monkeypatch.context() as changed:
            for name, value in env.items():
                changed.setenv(name, value)
            code = run([str(word) for word in words])
        return Said(code, *capfd.readouterr())

    handler = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> Repo:
    """Publish a small GSM8K at the commit that is pinned."""
    repo = Repo({PATH: gsm8k(tmp_path)}, licence="mit", commits=(GSM8K.revision,), small=10)
    hub.repos[REPO] = repo
    return repo


def planted(count: int = 8) -> dict[str, str]:
    asked = 'Work it out step by step, then end with a line "Answer: NUMBER".'
    return {
        prompt_key([("user", f"What is {n} + {n}?\n\n{asked}")]): f"Answer: {n + n}"
        for n in range(count)
    }


def test_a_set_is_fetched_once_pinned_asked_and_then_needs_no_network(
    hub: Hub, published: Repo, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    work = tmp_path / "work"
    with server(tmp_path / "server", planted()) as url:
        words = ("eval", url, "--json", "--set")
        said = steelyard(*words, "gsm8k", "--out", work / "one")
        assert said.code == 0, said.err
        assert json.loads(said.out)["overall"]["marks"]["right"] == 8
        licence, pinned = said.err.find("licence MIT"), said.err.find("pinned by this first fetch")
        assert -1 < licence < pinned
        asked = len(hub.seen)
        off = steelyard(*words, "gsm8k", "--out", work / "two", HF_HUB_OFFLINE="1")
        assert off.code == 0, off.err
    assert len(hub.seen) == asked
    pin = tmp_path / "home" / "sets" / "gsm8k" / GSM8K.revision / "pinned.json"
    assert json.loads(pin.read_text()) == {PATH: sha256(published.files[PATH])}
    same = steelyard("eval", "compare", work / "one", work / "two", "--json")
    assert json.loads(same.out)["tasks"][0]["task"] == "set:gsm8k"
    told = json.loads(steelyard("tasks", "sets", "--json").out)
    assert {one["name"]: one["here"] for one in told}["gsm8k"]


def test_other_bytes_than_those_that_were_pinned_are_refused(
    published: Repo, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    shown = steelyard("tasks", "sample", "set:gsm8k", "--items", "1")
    assert shown.code == 0, shown.err
    folder = tmp_path / "home" / "sets" / "gsm8k" / GSM8K.revision
    (folder / PATH).write_bytes(b"changed on disk")
    said = steelyard("tasks", "show", "set:gsm8k")
    assert (said.code, "is not what was fetched" in said.err) == (2, True), said.err
    (folder / PATH).unlink()
    published.files[PATH] = gsm8k(tmp_path, 9)
    said = steelyard("tasks", "show", "set:gsm8k")
    assert (said.code, "is pinned" in said.err) == (3, True), said.err
    assert not (folder / PATH).exists()


def test_a_set_whose_digest_the_catalogue_knows_is_refused_unseen(
    hub: Hub, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    arc = catalogue.named("arc_challenge")
    row = {"id": "1", "question": "a", "choices": {"text": ["b"], "label": ["A"]}, "answerKey": "A"}
    data = table(tmp_path, [row])
    hub.repos[f"datasets/{arc.repo}"] = Repo(
        {arc.parts[0].path: data}, commits=(arc.revision,), small=10
    )
    said = steelyard("tasks", "show", "set:arc_challenge")
    assert (said.code, "is pinned" in said.err) == (3, True), said.err
    assert sum(hub.sent.values()) == 0


def test_bytes_that_break_on_the_way_are_never_kept(
    hub: Hub, published: Repo, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    digest = f"/cdn/{sha256(published.files[PATH])}"
    hub.faults[digest] = [Fault("wrong", at=40), Fault("wrong", at=40)]
    said = steelyard("tasks", "show", "set:gsm8k")
    assert (said.code, "are not those that" in said.err) == (3, True), said.err
    assert not list((tmp_path / "home" / "sets").rglob("*.parquet"))
    assert steelyard("tasks", "show", "set:gsm8k").code == 0


def test_a_gated_set_says_how_to_get_in_and_lets_the_right_token_in(
    hub: Hub, published: Repo, steelyard: Callable[..., Said]
) -> None:
    published.gated, published.members = "auto", {TOKEN}
    said = steelyard("tasks", "show", "set:gsm8k")
    assert (said.code, "accept its licence at" in said.err) == (2, True), said.err
    assert f"{hub.origin}/datasets/openai/gsm8k" in said.err
    said = steelyard("tasks", "show", "set:gsm8k", HF_TOKEN="hf_other")
    assert (said.code, "no access to it" in said.err) == (2, True), said.err
    assert steelyard("tasks", "show", "set:gsm8k", HF_TOKEN=TOKEN).code == 0


def test_without_a_network_a_set_that_is_not_here_says_so(
    steelyard: Callable[..., Said],
) -> None:
    said = steelyard("tasks", "show", "set:gsm8k", HF_HUB_OFFLINE="1")
    assert (said.code, "HF_HUB_OFFLINE" in said.err) == (2, True), said.err
    said = steelyard("tasks", "show", "set:gsm8k")
    assert (said.code, "knows no openai/gsm8k" in said.err) == (2, True), said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("choose", "bundled", "missing.gguf", "--tasks", "set:gsm8k"),
            "there is no file missing.gguf",
        ),
        (("choose", "bundled", "http://:x", "--tasks", "set:gsm8k"), "http://:x"),
        (("run", "missing.gguf", "--set", "gsm8k"), "there is no file missing.gguf"),
        (("repeat", "missing.gguf", "--tasks", "set:gsm8k"), "there is no file missing.gguf"),
    ],
)
def test_a_wrong_subject_is_refused_before_a_set_is_fetched(
    hub: Hub,
    published: Repo,
    tmp_path: Path,
    steelyard: Callable[..., Said],
    words: tuple[str, ...],
    said: str,
) -> None:
    done = steelyard("eval", *words)
    assert (done.code, said in done.err) == (2, True), done.err
    assert not hub.seen
    assert published.files
    assert not list((tmp_path / "home").rglob("*.parquet"))
