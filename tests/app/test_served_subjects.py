"""What a sweep of a server takes and refuses before any model is asked anything."""

from __future__ import annotations

import contextlib
import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import ports
from tests.app.served_stage import Up, script, serving
from tests.engines.replica import replaying

from steelyard.app.sweeps import foreseeing, served_subjects
from steelyard.app.sweeps.spec import SweepRequest
from steelyard.cli.main import run
from steelyard.domain.errors import UnsupportedSubject
from steelyard.domain.progress import Noted, Progress
from steelyard.domain.reading import Measured
from steelyard.domain.subject import ServedFacts

FAST = ("--items", "4", "--repeats", "1")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("asked")
    names = ("whole", "swift", "broken", "text-embed")
    with serving(folder, script(folder, items=1), *names) as server:
        yield server


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(*words: str) -> tuple[int, str, str]:
    """Run `steelyard sweep WORDS` in this process."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(["sweep", *words])
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert "Traceback" not in err.getvalue()
    return code, out.getvalue(), err.getvalue()


def test_a_dry_run_asks_no_model_anything_and_writes_nothing(up: Up, home: Path) -> None:
    before, there = up.answered, sorted(home.rglob("*"))
    code, out, err = ask(up.url, *FAST, "--dry-run", "--reference", "swift")
    assert code == 0, err
    assert "swift      reference" in out
    assert "whole      candidate" in out
    assert "left out, since by their names they do not chat: text-embed" in err
    assert up.answered == before
    assert sorted(home.rglob("*")) == there


def test_named_models_are_taken_in_their_order_the_first_as_the_reference(up: Up) -> None:
    told: list[Progress] = []
    request = SweepRequest(up.url, models=("swift", "whole"), items=4, dry_run=True)
    sweep = foreseeing.foresee(request, told.append).sweep
    assert [v.label for v in sweep.variants] == ["swift", "whole"]
    assert sweep.reference.label == "swift"
    assert (sweep.engine, sweep.runtime, sweep.fidelity_positions) == ("openai", "attached", 0)
    # Nobody was told to leave anything out: what is named is meant.
    assert not any("left out" in e.text for e in told if isinstance(e, Noted))
    assert all(load.load is not None and load.prompts is not None for load in sweep.workloads)


def test_a_reference_that_is_not_among_the_named_is_one_more(up: Up) -> None:
    request = SweepRequest(up.url, models=("broken",), reference="whole", items=4, dry_run=True)
    sweep = foreseeing.foresee(request, lambda _: None).sweep
    assert [v.label for v in sweep.variants] == ["whole", "broken"]


WRONG: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no such engine": (("--engine", "olama"), ("no engine 'olama'", "did you mean 'ollama'")),
    "another engine": (("--engine", "ollama"), ("does not answer as ollama does",)),
    "started here": (("--engine", "mlx"), ("mlx is started here",)),
    "no such model": (("--models", "whole,swfit"), ("no model at", "did you mean 'swift'")),
    "one model": (("--models", "whole"), ("there is one", "steelyard bench")),
    "of files": (("--quants", "Q8_0"), ("--quants is for an engine that is started here",)),
    "of runtimes": (("--runtime", "native"), ("--runtime is for an engine",)),
    "no such reference": (("--reference", "wole"), ("no model in this sweep", "'whole'")),
    "no such variable": (("--api-key-env", "NOT_SET"), ("NOT_SET is not set",)),
    "too little context": (("--context", "256"), ("needs 512 tokens", "--context is 256")),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_one_clear_message(up: Up, case: str) -> None:
    words, said = WRONG[case]
    code, out, err = ask(up.url, *words, "--dry-run")
    assert code == 2, out + err
    for part in said:
        assert part in err


def test_nobody_who_listens_is_said_at_once() -> None:
    code, _, err = ask(f"http://127.0.0.1:{ports.free()}", "--dry-run")
    assert (code, "nobody listens at" in err) == (3, True)


def test_many_models_are_listed_and_not_guessed_among(tmp_path: Path) -> None:
    names = [f"model-{number}" for number in range(12)]
    with serving(tmp_path, script(tmp_path, items=1), *names) as server:
        code, _, err = ask(server.url, "--dry-run")
    assert code == 2
    assert "serves 12 models" in err
    assert "model-11" in err


def test_a_server_without_room_for_the_least_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, script(tmp_path, items=1), "a", "b", context=256) as server:
        code, _, err = ask(server.url, "--dry-run", "--items", "4")
    assert (code, "a has 256 there" in err) == (2, True), err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bundled", "--models", "a,b"), "--models is for servers"),
        (("bundled", "--against", "http://127.0.0.1:1"), "--against is for servers"),
        (("bundled", "--insecure"), "--insecure is for servers"),
        (("bundled", "--engine", "vllm"), "vllm is not started here"),
        (("bundled", "--engine", "lamacpp"), "did you mean 'llamacpp'"),
        (("bundled", "--engine", "openai"), "openai is any server at an address"),
        (("bundled@llamacpp", "--engine", "mlx"), "names the engine llamacpp, and --engine mlx"),
    ],
)
def test_what_says_nothing_of_a_file_is_refused_with_it(words: tuple[str, ...], said: str) -> None:
    code, _, err = ask(*words, "--dry-run")
    assert (code, said in err) == (2, True), err


def test_llamacpp_can_be_said_and_is_what_it_is_without() -> None:
    plain = ask("--dry-run", "--json", *FAST)
    said = ask("bundled", "--engine", "llamacpp", "--dry-run", "--json", *FAST)
    assert plain[0] == said[0] == 0
    assert json.loads(plain[1]) == json.loads(said[1])


def test_servers_of_two_engines_are_not_one_sweep() -> None:
    with replaying("vllm") as one, replaying("sglang") as other:
        request = SweepRequest(one.url, against=(other.url,), dry_run=True, items=4)
        with pytest.raises(UnsupportedSubject, match="is vllm and .* is sglang") as caught:
            foreseeing.foresee(request, lambda _: None)
    assert "--compare" in caught.value.hint


def test_what_a_server_says_of_its_model_is_its_fact_and_a_digest_shows_a_second_name() -> None:
    with replaying("ollama") as one, replaying("ollama") as other:
        request = SweepRequest(one.url, against=(other.url,), dry_run=True, items=4)
        ahead = foreseeing.foresee(request, lambda _: None)
        asked = [at for at, _ in one.asked]
    first, second = ahead.sweep.variants
    assert first.label == f"llama3.2:latest (127.0.0.1:{one.port})"
    assert isinstance(first.facts, ServedFacts)
    assert isinstance(first.facts.quant, Measured)
    assert isinstance(first.facts.digest, Measured)
    assert (ahead.sweep.engine, first.facts.alone) == ("ollama", True)
    # One digest at two addresses: two servers of one model may still differ in speed.
    assert not any("digest" in skip.reason for skip in ahead.plan.skipped)
    at_one = {first.artifact.sha256: one.url, second.artifact.sha256: one.url}
    assert served_subjects.the_same(ahead.sweep.variants, at_one) == {
        second.label: f"by the server's digest it is the same as {first.label}"
    }
    assert second.reference is None
    assert not any("chat" in at or "generate" in at for at in asked)
