"""A sweep of models that somebody else's server serves, through the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.app import served_stage
from tests.app.served_stage import Up, script, serving
from tests.app.stage import Stage
from tests.engines.places import WHEEL
from tests.engines.replica import replaying

from steelyard.app import subjects
from steelyard.domain.run import Controls, Place
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.domain.summary import SERVED_VERSION
from steelyard.engines import host
from steelyard.engines.api import dialect
from steelyard.models import artifacts, ladder
from steelyard.reports import contract

ITEMS = 40
# So few items can show no loss of three points.
FAST = ("--items", str(ITEMS), "--repeats", "1", "--include-polluted", "--margin", "6")
pytestmark = pytest.mark.full
Swept = tuple[Stage, Up, Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    """One finished sweep of three models of one server."""
    folder = tmp_path_factory.mktemp("served")
    made = served_stage.build(folder)
    names = ("whole", "swift", "broken", "text-embed")
    with serving(folder, script(folder, items=ITEMS, ttft_s=0.015), *names) as up:
        out = made.home / "out"
        done = made.run("sweep", up.url, *FAST, "--out", str(out))
        yield made, up, out, done


def summary_of(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "sweep_summary.json").read_text())
    return loaded


def row(out: Path, label: str, role: str = "candidate") -> dict[str, Any]:
    rows: list[dict[str, Any]] = summary_of(out)["per_quant"]
    return next(r for r in rows if r["variant"]["label"] == label and r["role"] == role)


def test_the_planted_faster_model_is_found_and_the_planted_worse_one_is_avoided(
    swept: Swept,
) -> None:
    _, _, out, done = swept
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    picks = {pick["name"]: pick for pick in summary_of(out)["recommendation"]}
    assert picks["best_value_quant"]["label"] == "swift"
    assert row(out, "swift")["verdict"]["value"]["name"] == "no loss shown"
    assert row(out, "broken")["verdict"]["value"]["name"] == "worse"
    assert "AVOID broken" in done.stdout
    assert summary_of(out)["simulated"] is True


def test_planted_shares_and_speeds_come_back(swept: Swept) -> None:
    _, _, out, _ = swept
    whole, swift = row(out, "whole", "reference"), row(out, "swift")
    assert whole["marks"]["right_share"]["value"]["value"] == pytest.approx(0.8, abs=0.12)
    assert row(out, "broken")["marks"]["right_share"]["value"]["value"] == pytest.approx(
        0.4, abs=0.12
    )
    slow, fast = (
        next(s for s in r["speeds"] if s["metric"] == "ttft_s")["estimate"]["value"]["value"]
        for r in (whole, swift)
    )
    assert slow > fast


def test_what_nobody_can_know_of_a_server_is_missing_with_its_reason(swept: Swept) -> None:
    _, _, out, done = swept
    found = row(out, "swift")
    assert found["memory_bytes"]["missing"] == "shared_server"
    assert found["load_s"]["missing"] == "attached"
    assert found["fidelity"]["missing"] == "not_here"
    assert found["vibe_delta"]["missing"] == "not_here"
    assert found["variant"]["facts"]["kind"] == "served"
    picks = {pick["name"]: pick for pick in summary_of(out)["recommendation"]}
    assert picks["minimum_viable_quant"]["label"] is None
    assert picks["minimum_viable_quant"]["utility_value"]["missing"] == "sizes_unknown"
    assert "does not say how large its model is" in " ".join(done.stdout.split())
    assert summary_of(out)["efficiency_frontier"] == []
    schema = contract.shipped(SERVED_VERSION)
    jsonschema.Draft202012Validator(schema).validate(summary_of(out))


def test_a_model_that_does_not_chat_is_left_out_by_its_name(swept: Swept) -> None:
    _, _, out, done = swept
    assert "text-embed" in done.stderr
    assert {r["variant"]["label"] for r in summary_of(out)["per_quant"]} == {
        *("whole", "whole A/A", "swift", "broken")
    }


def test_the_page_says_whose_word_it_is_and_whose_machine(swept: Swept) -> None:
    _, _, out, _ = swept
    page = (out / "report.html").read_text()
    assert "No file was seen here" in page
    assert "client&#39;s machine" in page
    assert "Models, by the server" in page
    assert "not applicable: this openai is somebody else" in page


def test_the_sweep_is_in_the_database_like_any_other(swept: Swept) -> None:
    made, _, _, _ = swept
    listed = made.run("results", "list", "--simulated")
    assert "swift" in listed.stdout, listed.stderr


def test_the_same_records_give_the_same_summary_byte_for_byte(swept: Swept) -> None:
    made, _, out, _ = swept
    before = (out / "sweep_summary.json").read_bytes()
    again = made.run("report", str(out), "--include-polluted")
    assert again.returncode == 0, again.stderr
    assert (out / "sweep_summary.json").read_bytes() == before


def test_two_servers_of_one_model_each_are_compared(tmp_path: Path) -> None:
    made, plan = served_stage.build(tmp_path), script(tmp_path, items=ITEMS)
    (tmp_path / "b").mkdir()
    with (
        serving(tmp_path, plan, "whole") as first,
        serving(tmp_path / "b", script(tmp_path / "b", items=ITEMS, wrong_rate=0.7), "whole") as b,
    ):
        out = made.home / "out"
        done = made.run("sweep", first.url, "--against", b.url, *FAST, "--out", str(out))
        answered = (first.answered, b.answered)
    assert done.returncode in (0, 1), done.stderr
    (candidate,) = [r for r in summary_of(out)["per_quant"] if r["role"] == "candidate"]
    assert candidate["variant"]["label"] == f"whole (127.0.0.1:{b.port})"
    assert candidate["verdict"]["value"]["name"] == "worse"
    assert min(answered) > ITEMS
    # Alone on its server, what the process holds is the model's.
    assert "value" in candidate["memory_bytes"]


def test_a_server_that_goes_away_ends_the_sweep_and_a_resume_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    made, plan, port = served_stage.build(tmp_path), script(tmp_path, items=ITEMS), 0
    out = made.home / "out"
    (made.home / "openai").mkdir()  # a folder that is called like the engine is not meant
    with serving(tmp_path, plan, "whole", "swift") as up:
        port = up.port
        child = subprocess.Popen(
            made.argv("sweep", up.url, "--engine", "openai", *FAST, "--out", str(out)),
            env=made.env,
            cwd=made.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + 60
        while not list((out / "runs").glob("*/record.json")) and time.monotonic() < until:
            time.sleep(0.05)
    _, said = child.communicate(timeout=120)
    assert child.returncode in (1, 3), said
    assert "nobody listens" in said or "refused" in said
    assert "Traceback" not in said
    with serving(tmp_path, plan, "whole", "swift", port=port):
        done = made.run("sweep", "--resume", "--include-polluted", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert row(out, "swift")["verdict"]["value"]["name"] == "no loss shown"


@pytest.mark.parametrize("name", ["ollama", "tgi", "vllm"])
def test_every_kind_of_server_is_swept_by_its_own_dialect(name: str, tmp_path: Path) -> None:
    made, out = served_stage.build(tmp_path), tmp_path / "home" / "out"
    words = ("--items", "2", "--repeats", "1", "--include-polluted", "--out", str(out))
    with replaying(name) as first, replaying(name) as second:
        done = made.run("sweep", first.url, "--engine", name, "--against", second.url, *words)
        refused = [*first.refused, *second.refused]
    # It says the same words to everybody, none of them an answer: nothing qualifies.
    assert done.returncode == 1, done.stdout + done.stderr
    assert refused == []
    rows = summary_of(out)["per_quant"]
    assert {found["outcome"] for found in rows} == {"completed"}
    assert {found["marks"]["not_run"] for found in rows} == {0}
    assert all(proof["passed"] for proof in summary_of(out)["proofs"])


@pytest.mark.alone  # tokens that a busy machine hands over in one burst have no times
def test_a_real_llama_cpp_tells_sizes_so_that_the_smallest_is_known(tmp_path: Path) -> None:
    made, out = served_stage.build(tmp_path), tmp_path / "home" / "out"
    files = [subjects.bundled("base.gguf"), tmp_path / "base-Q4_K_M.gguf"]
    ladder.quantise(files[0], "Q4_K_M", files[1])
    with ExitStack() as stack:
        urls = [_llama(stack, file, tmp_path / file.stem) for file in files]
        words = ("--engine", "llamacpp", "--against", urls[1], "--items", "5", "--repeats", "1")
        done = made.run("sweep", urls[0], *words, "--include-polluted", "--yes", "--out", str(out))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    whole, small = row(out, "base.gguf", "reference"), row(out, "base-Q4_K_M.gguf")
    for found, file in zip((whole, small), files, strict=True):
        facts = artifacts.inspect(file)
        assert found["variant"]["facts"]["parameters"]["value"] == facts.parameters
        assert found["variant"]["facts"]["tensor_bytes"]["value"] == facts.tensor_bytes
        assert "value" in found["memory_bytes"]
        assert found["outcome"] == "completed"
    summary = summary_of(out)
    assert summary["simulated"] is False
    proofs = {proof["name"]: proof for proof in summary["proofs"]}
    assert "parameters, tensor bytes, vocabulary as planned" in proofs["served model"]["found"]
    page = (out / "report.html").read_text()
    assert "against bits per weight" in page


def _llama(stack: ExitStack, model: Path, folder: Path) -> str:
    """Start a llama.cpp of somebody else's for one file; return its address."""
    folder.mkdir()
    artifact = artifacts.fingerprint(model)
    subject = Subject(artifact, profile=EngineProfile(context_tokens=2560, slots=2))
    place = Place(WHEEL, {artifact.sha256: model}, folder)
    up = stack.enter_context(host.start(dialect("llamacpp"), subject, Controls(threads=1), place))
    return f"http://127.0.0.1:{up.port}"


def test_an_interrupt_keeps_what_had_finished(tmp_path: Path) -> None:
    made, plan = served_stage.build(tmp_path), script(tmp_path, items=25)
    out = made.home / "out"
    with serving(tmp_path, plan, "whole", "swift") as up:
        child = subprocess.Popen(
            made.argv("sweep", up.url, "--items", "25", "--out", str(out)),
            env=made.env,
            cwd=made.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        until = time.monotonic() + 60
        while not list((out / "runs").glob("*/record.json")) and time.monotonic() < until:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
    assert child.returncode == 130, said
    assert "--resume" in said
