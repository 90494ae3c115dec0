"""Whole pulls from the command line: killed, interrupted, doubled, refused, resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.hub.conftest import COMMAND, Q4, Q8, REPO, TOKEN, Said
from tests.hub.fake_hub import CHUNK, COMMIT, Fault, Hub, Repo, git_sha1, sha256

from steelyard.models.hub import holding, landing

SUBJECT = f"{REPO}:Q8_0"


def blob(cache: Path, digest: str) -> Path:
    return cache / "models--org--tiny-GGUF" / "blobs" / digest


def snapshot(cache: Path) -> Path:
    return cache / "models--org--tiny-GGUF" / "snapshots" / COMMIT


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def hear(running: subprocess.Popen[str], words: str) -> None:
    """Read what a command says until it says these words; one that is long silent is ended."""
    assert running.stderr is not None
    said, patience = "", threading.Timer(60.0, running.kill)
    patience.start()
    try:
        while words not in said:
            line = running.stderr.readline()
            assert line, f"it ended and never said {words!r}: {said}"
            said += line
    finally:
        patience.cancel()


def test_a_pull_lands_where_other_tools_look(
    hub: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    said = steelyard("models", "pull", f"{REPO}:BF16,Q8_0", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    data = hub.repos[REPO].files
    wanted = {name for name in data if "-BF16-" in name or "Q8" in name}
    assert set(found["paths"]) == {str(snapshot(cache) / name) for name in wanted}
    assert (snapshot(cache) / Q8).read_bytes() == data[Q8]
    assert os.readlink(snapshot(cache) / Q8) == f"../../blobs/{sha256(data[Q8])}"  # noqa: PTH115
    assert (cache / "models--org--tiny-GGUF/refs/main").read_text() == COMMIT
    # Nothing else was fetched, and a second pull asks for no file at all.
    assert sum(hub.sent.values()) == 800_000
    before = len(hub.seen)
    assert "everything was here already" in steelyard("models", "pull", SUBJECT).out
    assert len(hub.seen) == before + 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_pull_that_is_stopped_is_gone_on_with(
    hub: Hub, cache: Path, steelyard: Callable[..., Said], how: signal.Signals
) -> None:
    data = hub.repos[REPO].files[Q8]
    path, whole = f"/cdn/{sha256(data)}", blob(cache, sha256(data))
    part = whole.with_name(f"{whole.name}.incomplete")
    hub.faults[path] = [Fault("held", at=150_001)]
    pulling = start("models", "pull", SUBJECT)
    until(lambda: part.exists() and part.stat().st_size == 150_001)
    pulling.send_signal(how)
    _, err = pulling.communicate(timeout=20)
    assert pulling.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    if how != signal.SIGKILL:
        assert "are kept; the same command goes on from there" in err
    assert not whole.exists()
    assert not snapshot(cache).exists()
    kept = part.stat().st_size
    assert kept == 150_001
    said = steelyard("models", "pull", SUBJECT, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["resumed_bytes"] == kept
    # The rest came, and nothing but the rest.
    assert found["fetched_bytes"] == len(data) - kept
    assert hub.sent[path] == len(data)
    assert hub.asked(path)[-1].headers["range"] == f"bytes={kept}-{len(data) - 1}"
    assert (snapshot(cache) / Q8).read_bytes() == data


def test_two_pulls_of_one_file_fetch_it_once(hub: Hub, cache: Path) -> None:
    data = hub.repos[REPO].files[Q8]
    path = f"/cdn/{sha256(data)}"
    hub.faults[path] = [Fault("held", at=CHUNK)]
    first = start("models", "pull", SUBJECT)
    until(lambda: hub.sent[path] > 0)
    second = start("models", "pull", SUBJECT)
    hear(second, "another process fetches")
    hub.go.set()
    said = [one.communicate(timeout=30) for one in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert hub.sent[path] == len(data)
    assert (snapshot(cache) / Q8).read_bytes() == data


def test_a_pull_that_fails_leaves_no_name_and_the_way_out(
    hub: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    data = hub.repos[REPO].files[Q8]
    hub.faults[f"/cdn/{sha256(data)}"] = [Fault("reset", at=100_000)] * 9
    said = steelyard("models", "pull", SUBJECT, "--retries", "0")
    assert (said.code, said.out) == (3, "")
    assert "cannot be reached or broke off" in said.err
    assert "100.0 kB are kept; the same command goes on from there" in said.err
    assert not snapshot(cache).exists()
    assert not (cache / "models--org--tiny-GGUF" / "refs").exists()


def test_wrong_bytes_never_get_a_name(
    hub: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    data = hub.repos[REPO].files[Q8]
    hub.faults[f"/cdn/{sha256(data)}"] = [Fault("wrong", at=5)] * 2
    said = steelyard("models", "pull", SUBJECT)
    assert said.code == 3
    assert "are not those that" in said.err
    assert list(blob(cache, "x").parent.glob("*")) == []


def test_files_that_git_keeps_are_checked_too(
    hub: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    readme = hub.repos[REPO].files["README.md"]
    hub.faults[f"/{REPO}/resolve/{COMMIT}/README.md"] = [Fault("wrong")] * 2
    words = ("models", "pull", REPO, "--include", "README.md")
    assert steelyard(*words).code == 3
    assert steelyard(*words).code == 0
    assert blob(cache, git_sha1(readme)).read_bytes() == readme


def test_a_folder_gets_the_files_under_their_own_names(
    hub: Hub, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    out = tmp_path / "out"
    words = ("models", "pull", f"{REPO}:BF16", "--out", out)
    assert steelyard(*words).code == 0
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == [f"BF16/tiny-BF16-0000{n}-of-00002.gguf" for n in (1, 2)]
    assert "everything was here already" in steelyard(*words).out
    (out / names[0]).write_bytes(b"mine")
    sent = sum(hub.sent.values())
    said = steelyard(*words)
    assert said.code == 2
    assert "with other bytes" in said.err
    assert (out / names[0]).read_bytes() == b"mine"
    assert sum(hub.sent.values()) == sent


def test_a_dry_run_says_everything_and_writes_nothing(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    said = steelyard("models", "pull", f"{REPO}:BF16,Q8_0", "--dry-run", "--json")
    found = json.loads(said.out)
    assert found["needed_bytes"] == found["total_bytes"] == 800_000
    assert found["fits"] is True
    assert {row["here"] for row in found["files"]} == {False}
    assert "llamacpp" in found["loads"]["Q8_0"]["engines"]
    assert not (tmp_path / "hf").exists()


def test_what_nothing_here_loads_is_told_before_a_byte_is_fetched(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    hub.repos["org/m-GGUF"] = Repo({"m-IQ4_KS.gguf": bytes(5000), "m-Q4_K_M.gguf": bytes(5000)})
    hub.repos["org/m-EXL3"] = Repo({"model.safetensors": bytes(5000), "config.json": b"{}"})
    said = steelyard("models", "pull", "org/m-GGUF:IQ4_KS,Q4_K_M", "--dry-run")
    assert "Q4_K_M: loads here on llamacpp" in said.out
    assert "IQ4_KS: loads here on ik_llamacpp" in said.out
    said = steelyard("models", "pull", "org/m-EXL3", "--dry-run")
    assert "nothing here loads it: " in said.out
    assert "nearest: " in said.out
    assert hub.sent == {}
    assert "nothing here loads EXL3" in steelyard("models", "pull", "org/m-EXL3").err


def test_no_room_and_no_consent_are_refused_before_a_byte(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    said = steelyard("models", "pull", SUBJECT, "--disk-reserve", "9000TB")
    assert said.code == 2
    assert "of them kept back" in said.err
    hub.repos[REPO].claimed[Q8] = 21_000_000_000
    said = steelyard("models", "pull", SUBJECT)
    assert said.code == 2
    assert "21.0 GB" in said.err
    assert hub.sent == {}


def test_gated_and_private_models_open_with_the_right_token(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    find = steelyard("models", "find", "org/gated", "--json")
    assert json.loads(find.out)["access"]["state"] == "no_token"
    find = steelyard("models", "find", "org/gated", "--json", HF_TOKEN="hf_other")
    assert json.loads(find.out)["access"]["state"] == "not_granted"
    find = steelyard("models", "find", "org/gated", "--json", HF_TOKEN=TOKEN)
    assert json.loads(find.out)["access"]["state"] == "granted"
    for repo in ("org/gated", "org/private"):
        assert steelyard("models", "pull", repo, HF_TOKEN=TOKEN).code == 0
    assert not any("authorization" in seen.headers for seen in hub.seen if seen.server == "cdn")


def test_find_lists_claims_and_applies_globs(steelyard: Callable[..., Said]) -> None:
    found = json.loads(steelyard("models", "find", REPO, "--json", "--exclude", "BF16/*").out)
    assert [one["label"] for one in found["variants"]] == ["Q8_0", "Q4_K_M"]
    assert {one["claimed_by"] for one in found["variants"]} == {"its name"}
    text = steelyard("models", "find", f"{REPO}:Q8_0").out
    assert "Q8_0" in text
    assert "Q4_K_M" not in text


def test_an_ollama_model_gets_its_manifest_when_every_blob_is_there(
    hub: Hub, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    manifest, blobs = hub.models["library/tiny:latest"]
    model = next(digest for digest, data in blobs.items() if len(data) == 400_000)
    hub.faults[f"/cdn/{model}"] = [Fault("reset", at=100_000)]
    subject = f"ollama:{hub.origin}/library/tiny"
    place = tmp_path / "ollama/manifests" / hub.origin.removeprefix("http://") / "library/tiny"
    assert steelyard("models", "pull", subject, "--retries", "0").code == 3
    assert not (place / "latest").exists()
    assert steelyard("models", "pull", subject).code == 0
    assert json.loads((place / "latest").read_text()) == manifest
    held = {path.name: path.read_bytes() for path in (tmp_path / "ollama/blobs").iterdir()}
    assert held == {f"sha256-{digest}": data for digest, data in blobs.items()}
    assert hub.sent[f"/cdn/{model}"] == 400_000
    assert steelyard("models", "pull", subject, "--include", "*.gguf").code == 2


def test_what_is_pinned_or_in_use_is_not_deleted(
    hub: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    for quant in ("Q8_0", "Q4_K_M"):
        steelyard("models", "pull", f"{REPO}:{quant}")
    assert "1 files pinned" in steelyard("models", "pin", SUBJECT).out
    said = steelyard("models", "remove", REPO, "--yes")
    assert (said.code, "is pinned as" in said.err) == (2, True)
    said = steelyard("models", "remove", f"{REPO}:Q4_K_M")
    assert (said.code, "add --yes" in said.err) == (2, True)
    q4 = blob(cache, sha256(hub.repos[REPO].files[Q4]))
    for lock in ("lease", "lock"):
        with holding.shared(getattr(landing.blob_spot(cache, q4), lock)):
            said = steelyard("models", "remove", f"{REPO}:Q4_K_M", "--yes")
            assert (said.code, "is in use" in said.err) == (2, True)
    assert q4.exists()
    assert "300.0 kB are free again" in steelyard("models", "remove", f"{REPO}:Q4_K_M", "--yes").out
    assert [path.name for path in snapshot(cache).iterdir()] == [Q8]
    steelyard("models", "unpin", REPO)
    assert steelyard("models", "remove", REPO, "--yes").code == 0
    assert not (cache / "models--org--tiny-GGUF").exists()


def test_damaged_pins_delete_nothing(
    tmp_path: Path, cache: Path, steelyard: Callable[..., Said]
) -> None:
    steelyard("models", "pull", SUBJECT)
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "pins.json").write_text("{")
    said = steelyard("models", "remove", SUBJECT, "--yes")
    assert (said.code, "nobody knows what is pinned" in said.err) == (2, True)
    assert (snapshot(cache) / Q8).exists()
