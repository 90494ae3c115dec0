"""A private seed of the user's own, and public items beside private ones, at the command line."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.cli.test_eval import server
from tests.runs.scene import answers

from steelyard.domain.task import Task

Steelyard = Callable[..., Said]
SAMPLE = ("tasks", "sample", "math_words", "--items", "4", "--json")
ASKED = ("--tasks", "math_words,logic", "--items", "16")
PUBLIC = tuple(Task(family, items=16) for family in ("math_words", "logic"))


def seed_of(home: Path) -> Path:
    return home / "private-seed"


def prompts(said: Said) -> list[str]:
    assert said.code == 0, said.err
    return [row["prompt"] for row in json.loads(said.out)]


def test_the_seed_is_made_once_for_its_owner_alone_and_draws_the_same_items_ever_after(
    steelyard: Steelyard, home: Path
) -> None:
    first, again = steelyard(*SAMPLE, "--private"), steelyard(*SAMPLE, "--private")
    path = seed_of(home)
    seed = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in home.iterdir()] == ["private-seed"]
    assert "Your private seed was made and lies in" in first.err
    assert again.err == ""
    assert seed not in first.err
    assert prompts(first) == prompts(again) == prompts(steelyard(*SAMPLE, "--private-seed", seed))
    assert not set(prompts(first)) & set(prompts(steelyard(*SAMPLE)))
    path.unlink()
    assert not set(prompts(steelyard(*SAMPLE, "--private"))) & set(prompts(first))


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("own-" + "a" * 64, 0o644, "others on this machine may read"),
        ("own-" + "a" * 63, 0o600, "holds no private seed of ours"),
        ("", 0o600, "holds no private seed of ours"),
    ],
)
def test_a_seed_that_others_may_read_or_that_is_none_is_refused(
    steelyard: Steelyard, home: Path, text: str, mode: int, why: str
) -> None:
    home.mkdir(parents=True)
    seed_of(home).write_text(text)
    seed_of(home).chmod(mode)
    said = steelyard(*SAMPLE, "--private")
    assert (said.code, said.out) == (2, "")
    assert why in " ".join(said.err.split())
    assert "aaaa" not in said.err


def test_both_seeds_at_once_and_a_file_are_refused(steelyard: Steelyard) -> None:
    both = steelyard(*SAMPLE, "--private", "--private-seed", "word")
    assert (both.code, both.out) == (2, "")
    assert "--private and --private-seed" in both.err
    Path("q.csv").write_text("question,answer\na,b\n")
    file = steelyard("tasks", "sample", "--file", "q.csv", "--private")
    assert file.code == 2
    assert "private seed" in file.err
    harness = steelyard("eval", "http://127.0.0.1:9", "--tasks", "lm-eval:arc_easy", "--private")
    assert harness.code == 2
    assert "--private is for tasks of ours" in harness.err


def test_a_sweep_takes_it_and_a_resume_tells_no_seed(steelyard: Steelyard, home: Path) -> None:
    planned = steelyard("sweep", "--private", "--dry-run", "--json")
    assert planned.code == 0, planned.err
    assert '"private_seed": "*** (sha256' in planned.out
    seed = seed_of(home).read_text().strip()
    assert seed not in planned.out + planned.err
    folder = Path("begun")
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps({"private_seed": "another"}))
    said = steelyard("sweep", "--resume", "--out", folder, "--private")
    assert said.code == 2
    assert "*** (sha256" in said.err
    assert seed not in said.err


@pytest.fixture(scope="module")
def planted() -> dict[str, str]:
    """All right answers of the public items; of private ones nobody planted any."""
    return {key: answer for task in PUBLIC for key, answer in answers(task).items()}


def test_who_knows_the_public_items_alone_shows_a_gap(
    steelyard: Steelyard, tmp_path: Path, home: Path, planted: dict[str, str]
) -> None:
    with server(tmp_path / "engine", planted) as url:
        for name, more in (("public", ()), ("private", ("--private",))):
            done = steelyard("eval", url, *ASKED, *more, "--out", name)
            assert done.code == 0, done.err
    seed = seed_of(home).read_text().strip()
    said = steelyard("eval", "gap", "private", "public")
    assert said.code == 0, said.err
    assert "100.0 of 100 more right on the public items than on private ones" in said.out
    assert "it may have seen the public ones" in said.out
    assert "SIMULATED" in said.out
    assert seed not in said.out
    found = gap_of(steelyard)
    assert [row["name"] for row in found["families"]] == ["math_words", "logic"]
    assert found["overall"]["gap"]["value"]["value"] == 1.0
    assert found["seed"] in said.out
    assert found["seed"] in shown(steelyard, "private")

    refused = steelyard("eval", "compare", "public", "private")
    assert refused.code == 2
    assert "`steelyard eval gap`" in refused.err
    alike = steelyard("eval", "gap", "public", "public")
    assert alike.code == 2
    assert "one is to have public items, the other private ones" in " ".join(alike.err.split())


def gap_of(steelyard: Steelyard) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(steelyard("eval", "gap", "public", "private", "--json").out)
    return found


def shown(steelyard: Steelyard, folder: str) -> str:
    run = json.loads((Path(folder) / "record.json").read_text())["id"]
    return steelyard("results", "show", run, "--json").out
