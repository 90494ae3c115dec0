"""`models lab` as a user runs it: better or none, in the same bytes, with what it warns of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.cli.conftest import Said
from tests.llamalib import tiny
from tests.models import importances

from steelyard.models import artifacts, imatrix, ladder, mixes, shards
from steelyard.models.imatrix import Statistic
from steelyard.models.mixes import Recipe
from steelyard.runs import texts

Door = Callable[..., Said]
SMALL = ("--imatrix", "none", "--search-positions", "1792", "--positions", "3584")


@pytest.fixture(scope="session")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that is unsure enough of its tokens for types to make a difference."""
    path = tmp_path_factory.mktemp("unsure") / "unsure.gguf"
    return tiny.write(path, tiny.Shape(context=4096, tied=False, layers=1))


def test_what_cannot_be_searched_is_refused_before_anything_is_written(
    steelyard: Door, unsure: Path, tmp_path: Path
) -> None:
    low = ladder.quantise(unsure, "Q8_0", tmp_path / "low.gguf")
    text, other = tmp_path / "text.txt", tmp_path / "other.txt"
    text.write_text("a few words only")
    other.write_text(texts.search_text())
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").write_text("mine")
    matrix = importances.write(tmp_path / "m.gguf")
    for words, message in (
        ((low,), "already quantised (Q8_0)"),
        ((unsure, "--stock", "Q4_K_N"), "did you mean 'Q4_K_"),
        ((unsure, "--types", "Q4_K,Q4_X"), "'Q4_X'"),
        ((unsure, "--search-text", text), "belong together"),
        ((unsure, "--search-text", text, "--held-out-text", text), "has 14 tokens"),
        ((unsure, "--search-text", other, "--held-out-text", other), "share 100% of their tokens"),
        ((unsure, "--imatrix", "none.gguf"), "cannot be read"),
        ((unsure, "--imatrix", "none", "--imatrix-text", text), "has no effect"),
        ((unsure, "--imatrix", matrix, "--imatrix", "compute", "--imatrix-text", text), "one"),
        ((unsure, "--out", full), "no lab has worked there"),
        ((unsure, "--budget", "soon"), "no duration"),
    ):
        said = steelyard("models", "lab", *words)
        assert (said.code, said.out) == (2, ""), (words, said)
        assert message in said.err, said.err
        assert "Traceback" not in said.err
    assert not Path("labs").exists()
    assert [path.name for path in full.iterdir()] == ["letter.txt"]


def test_a_recipe_makes_its_file_again_and_says_where_it_does_not(
    steelyard: Door, unsure: Path, tmp_path: Path
) -> None:
    types = {**mixes.types_of(ladder.plan(unsure, "Q4_K_M")), "output.weight": "Q5_K"}
    source = artifacts.fingerprint(unsure).sha256
    draft = Recipe("Q4_K_M", types, source, made_by=ladder.maker())
    made = ladder.perform(
        mixes.of_recipe(shards.read_model(unsure), draft, None), tmp_path / "first.gguf"
    )
    raw = {
        "stock": "Q4_K_M",
        "types": types,
        "source_sha256": source,
        "made_by": ladder.maker(),
        "sha256": artifacts.fingerprint(made).sha256,
    }
    recipe = tmp_path / "mine.recipe.json"
    recipe.write_text(json.dumps(raw))
    words = ("models", "quantise", unsure, "--recipe", recipe, "--out", tmp_path / "out")
    said = steelyard(*words)
    assert said.code == 0, said.err
    assert "bit for bit" in said.err
    assert (tmp_path / "out" / "mine.gguf").read_bytes() == made.read_bytes()
    recipe.write_text(json.dumps({**raw, "source_sha256": "0" * 64, "sha256": "1" * 64}))
    assert "found for another file" in steelyard(*words).err
    recipe.write_text(json.dumps({**raw, "sha256": "1" * 64}))
    said = steelyard(*words)
    assert said.code == 3
    assert "the recipe says 1111" in said.err
    assert not list((tmp_path / "out").iterdir())


def test_quantising_a_mixture_names_the_experts_that_its_matrix_hardly_saw(
    steelyard: Door, tmp_path: Path
) -> None:
    shape = tiny.Shape(experts=4, layers=1)
    model = tiny.write(tmp_path / "moe.gguf", shape)
    plain = imatrix.read(importances.write(tmp_path / "plain.gguf", shape))
    planted = {
        name: Statistic(found.sums, np.array([900, 900, 3, 900], np.float32))
        if "_exps" in name
        else found
        for name, found in plain.statistics.items()
    }
    matrix = tmp_path / "rare.gguf"
    imatrix.write(matrix, planted, chunks=1, chunk_tokens=512, datasets=())
    said = steelyard("models", "quantise", model, "Q4_K_M", "--imatrix", matrix)
    assert said.code == 0, said.err
    assert "rare.gguf saw too little of 1 of 4 experts of layer 0: expert 2 3 tokens" in said.err
    assert (
        "too little"
        not in steelyard(
            *("models", "quantise", model, "Q5_K_M", "--imatrix", tmp_path / "plain.gguf")
        ).err
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name QUANTS"),
        (("Q4_K_M", "--recipe", "x.json"), "not both"),
        (("--recipe", "x.json", "--requantise"), "do not go with it"),
        (("--recipe", "x.json"), "cannot be read"),
        (("--recipe", "letter.json"), "is not JSON"),
        (("--recipe", "needy.json"), "which is not beside it"),
    ],
)
def test_a_recipe_that_cannot_be_made_is_refused(
    steelyard: Door, unsure: Path, words: tuple[str, ...], message: str
) -> None:
    Path("letter.json").write_text("Dear Sir")
    needy = {"stock": "Q4_K_M", "types": {}, "source_sha256": "0" * 64}
    needy["imatrix"] = {"sha256": "0" * 64, "file": "gone.gguf"}
    Path("needy.json").write_text(json.dumps(needy))
    said = steelyard("models", "quantise", unsure, *words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert not list(Path().glob("*.gguf"))


@pytest.mark.full
def test_where_only_the_stock_mix_is_allowed_none_is_found_and_nothing_is_kept(
    steelyard: Door, unsure: Path
) -> None:
    said = steelyard("models", "lab", unsure, "--stock", "Q8_0", "--types", "Q8_0", *SMALL)
    assert said.code == 1, said.err
    assert "None found: no other mix of these types that fits into the bytes" in said.out
    assert sorted(path.name for path in Path("labs/unsure").iterdir()) == [
        *("lock", "measurements.jsonl", "unsure-Q8_0.lab.json")
    ]
    found = json.loads(Path("labs/unsure/unsure-Q8_0.lab.json").read_text())
    assert (found["claim"], found["kept"], found["held_out"]) == ("none", None, None)


@pytest.mark.full
def test_a_matrix_made_from_the_held_out_text_is_warned_of_with_the_share(
    steelyard: Door, unsure: Path
) -> None:
    Path("same.txt").write_text(texts.fidelity_text()[:60_000])
    words = ("--stock", "Q8_0", "--types", "Q8_0", "--imatrix", "compute", *SMALL[2:])
    said = steelyard("models", "lab", unsure, *words, "--imatrix-text", "same.txt")
    assert said.code == 1
    assert "100.0% of the held-out text stands in the text of the importance matrix" in said.err
    assert "overlap 100.0%" in said.out


@pytest.mark.full
def test_on_the_bundled_model_the_mix_is_better_in_the_same_bytes_and_can_be_made_again(
    steelyard: Door,
) -> None:
    words = ("models", "lab", "bundled", "--stock", "Q4_K_M", "--bands", "1", "--json")
    limits = ("--types", "IQ3_S,Q4_K,Q6_K", "--imatrix", "compute", "--positions", "8960")
    said = steelyard(*words, *limits)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["claim"] != "none"
    mix, stock = Path(found["kept"]["mix"]), Path("labs/bundled/models/bundled-Q4_K_M.gguf")
    assert mix.stat().st_size == found["mix_bytes"] <= found["stock_bytes"]
    assert stock.stat().st_size == found["stock_bytes"]
    assert found["held_out"]["ratio"]["high"]["value"] < 1
    assert not Path("labs/bundled/scratch").exists()
    assert found["importance"][0]["overlap_with_held_out"]["value"] < 0.05
    made = steelyard("models", "quantise", "bundled", "--recipe", found["kept"]["recipe"])
    assert made.code == 0, made.err
    assert Path("bundled-Q4_K_M-mix.gguf").read_bytes() == mix.read_bytes()
    planned = steelyard("sweep", "labs/bundled/models", "--dry-run")
    assert planned.code == 0, planned.err
    assert "Q4_K_M" in planned.out
    again = steelyard(*words, *limits)
    assert json.loads(again.out)["held_out"] == found["held_out"]


@pytest.mark.full
def test_an_interrupt_keeps_what_was_measured_and_leaves_no_mix_and_no_process(
    unsure: Path, home: Path
) -> None:
    argv = [sys.executable, "-m", "steelyard.cli.main", "models", "lab", str(unsure)]
    argv += [*SMALL, "--types", "Q4_K"]
    journal = Path("labs/unsure/measurements.jsonl")
    env = {**os.environ, "STEELYARD_HOME": str(home)}
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while time.monotonic() < end and not (journal.exists() and lines(journal) >= 3):
        time.sleep(0.05)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"no mix is written" in err
    assert not psutil.wait_procs(started, timeout=10)[1]
    kept = lines(journal)
    assert kept >= 3
    assert sorted(path.name for path in journal.parent.iterdir()) == ["lock", "measurements.jsonl"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    assert len({line["event"]["key"] for line in events(journal)}) == lines(journal) > kept


def lines(journal: Path) -> int:
    return len(journal.read_bytes().splitlines())


def events(journal: Path) -> list[dict[str, dict[str, str]]]:
    return [json.loads(line) for line in journal.read_bytes().splitlines()]
