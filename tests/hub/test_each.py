"""Fetch, run, delete: a real command on every variant of a real (if local) hub."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.hub.conftest import Q4, Q8, REPO, Said
from tests.hub.fake_hub import CHUNK, Fault, Hub, sha256
from tests.hub.test_pulls import blob, hear, snapshot, start, until

ALL = f"{REPO}:Q8_0,Q4_K_M"


def wait_for(path: Path) -> str:
    """A command that succeeds once another file has been fetched while it runs."""
    return (
        "import pathlib, sys, time\n"
        f"path, end = pathlib.Path({str(path)!r}), time.monotonic() + 30\n"
        "while not path.exists() and time.monotonic() < end: time.sleep(0.01)\n"
        "sys.exit(not (path.exists() and pathlib.Path(sys.argv[1]).is_file()))"
    )


def test_the_next_is_fetched_while_one_runs_and_all_is_gone_at_the_end(
    hub: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    second = blob(cache, sha256(hub.repos[REPO].files[Q4]))
    said = steelyard("models", "each", ALL, "--json", "--", sys.executable, "-c", wait_for(second))
    assert said.code == 0, said.err
    rows = json.loads(said.out)["rows"]
    assert [(row["label"], row["exit_code"], row["state"]) for row in rows] == [
        ("Q8_0", 0, "deleted"),
        ("Q4_K_M", 0, "deleted"),
    ]
    assert json.loads(said.out)["most_bytes"] == 800_000
    assert not (cache / "models--org--tiny-GGUF").exists()


def test_pins_keep_and_what_was_here_before_stay(
    cache: Path, steelyard: Callable[..., Said]
) -> None:
    steelyard("models", "pull", f"{REPO}:Q8_0")
    said = steelyard("models", "each", f"{ALL},BF16", "--keep", "BF16", "--", "test", "-f", "{}")
    assert said.code == 0, said.err
    assert "was here before" in said.out
    there = sorted(path.name for path in snapshot(cache).rglob("*.gguf"))
    assert there == [
        "tiny-BF16-00001-of-00002.gguf",
        "tiny-BF16-00002-of-00002.gguf",
        Q8,
    ]


def test_a_command_that_fails_is_told_and_the_others_run(
    steelyard: Callable[..., Said],
) -> None:
    said = steelyard(
        *("models", "each", ALL, "--json", "--"),
        *("sh", "-c", 'test "$1" != Q8_0', "sh", "{quant}", "{}"),
    )
    assert said.code == 3
    assert [row["exit_code"] for row in json.loads(said.out)["rows"]] == [1, 0]


def test_a_variant_that_cannot_be_fetched_is_told_and_the_others_run(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    digest = sha256(hub.repos[REPO].files[Q8])
    hub.faults[f"/cdn/{digest}"] = [Fault("wrong")] * 2
    said = steelyard("models", "each", ALL, "--json", "--", "true")
    assert said.code == 3
    first, second = json.loads(said.out)["rows"]
    assert first["exit_code"] is None
    assert "not those that" in first["state"]
    assert (second["exit_code"], second["state"]) == (0, "deleted")


def test_an_interrupt_ends_the_command_and_leaves_nothing_half(
    hub: Hub, cache: Path, tmp_path: Path
) -> None:
    digest = sha256(hub.repos[REPO].files[Q4])
    hub.faults[f"/cdn/{digest}"] = [Fault("held", at=CHUNK)]
    mark = tmp_path / "pid"
    script = f"import os,time; open({str(mark)!r},'w').write(str(os.getpid())); time.sleep(60)"
    each = start("models", "each", ALL, "--", sys.executable, "-c", script)
    until(lambda: mark.exists() and mark.read_text() != "" and hub.sent[f"/cdn/{digest}"] > 0)
    each.send_signal(signal.SIGTERM)
    each.communicate(timeout=20)
    assert each.returncode == 130
    assert not os.path.exists(f"/proc/{mark.read_text()}")  # noqa: PTH110
    assert not blob(cache, digest).exists()


def test_what_makes_no_sense_is_refused_before_a_byte(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    for words, cause in (
        ((ALL, "--", "no-such-command-here"), "there is no command"),
        ((ALL, "--keep", "Q2_K", "--", "true"), "not among what is run"),
        (("ollama:tiny", "--", "true"), "only what lies in the Hugging Face cache"),
        ((ALL, "--disk-reserve", "9000TB", "--", "true"), "there is room for 0 B"),
    ):
        said = steelyard("models", "each", *words)
        assert said.code == 2, said
        assert cause in said.err
    assert hub.sent == {}


def test_what_another_process_fetched_meanwhile_is_not_deleted(hub: Hub, cache: Path) -> None:
    digest = sha256(hub.repos[REPO].files[Q8])
    hub.faults[f"/cdn/{digest}"] = [Fault("held", at=CHUNK)]
    pull = start("models", "pull", f"{REPO}:Q8_0")
    until(lambda: hub.sent[f"/cdn/{digest}"] > 0)
    each = start("models", "each", f"{REPO}:Q8_0", "--json", "--", "test", "-f", "{}")
    hear(each, "another process fetches")
    hub.go.set()
    out, err = each.communicate(timeout=40)
    pull.communicate(timeout=20)
    assert (each.returncode, pull.returncode) == (0, 0), err
    (row,) = json.loads(out)["rows"]
    assert row["state"] == "kept: another process has fetched it"
    assert blob(cache, digest).exists()
    assert hub.sent[f"/cdn/{digest}"] == 500_000
