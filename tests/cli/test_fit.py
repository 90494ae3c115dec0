"""`models synth` and `models fit` as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.models import small_shapes

import steelyard as package
from steelyard.models import gguf, synth

Steelyard = Callable[..., Said]
CONFIG = {
    "model_type": "qwen3",
    "hidden_size": 2560,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 9728,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
}


@pytest.fixture
def synthetic(tmp_path: Path) -> Path:
    words = gguf.read(Path(package.__file__).parent / "bundled" / "base.gguf")
    return synth.write(synth.plan(small_shapes.PLAIN, "Q8_0", words), tmp_path)


def rows(said: Said) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said.out)["rows"]
    return found


def folder(tmp_path: Path, **changes: object) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | changes))
    return tmp_path


def test_a_shape_becomes_a_file_that_is_shown_as_synthetic(
    steelyard: Steelyard, tmp_path: Path
) -> None:
    made = steelyard("models", "synth", "smollm2-135m", "--quant", "Q2_K", "--out", tmp_path)
    assert (made.code, "what it answers means nothing" in made.out) == (0, True)
    path = tmp_path / "synthetic-smollm2-135m-Q2_K.gguf"
    shown = steelyard("models", "show", path)
    assert shown.out.startswith("Q4_0 synthetic  ")
    listed = steelyard("models", "list", tmp_path)
    assert listed.out.rstrip().endswith("synthetic-smollm2-135m-Q2_K.gguf  synthetic")
    again = steelyard("models", "synth", "smollm2-135m", "--quant", "Q2_K", "--out", tmp_path)
    assert (again.code, "exists" in again.err) == (2, True)


def test_the_shapes_are_listed(steelyard: Steelyard) -> None:
    found = json.loads(steelyard("models", "synth", "--list", "--json").out)["shapes"]
    assert {
        key: value
        for key, value in next(one for one in found if one["name"] == "gemma-2-2b").items()
        if key != "context"
    } == {"name": "gemma-2-2b", "architecture": "gemma2", "parameters": 2614341888}


@pytest.mark.parametrize(
    ("words", "heard"),
    [
        (("models", "synth"), "name a SHAPE"),
        (("models", "synth", "qwen3-4"), "did you mean 'qwen3-4b'"),
        (("models", "synth", "qwen3-4b", "--quant", "Q9"), "no quant 'Q9'"),
        (("models", "synth", "qwen3-4b", "--quant", "IQ1_M"), "cannot be made here"),
        (("models", "fit", "no-such"), "no file, folder or known shape 'no-such'"),
        (("models", "fit", "qwen3-4b", "--context", "32x"), "write 8192 or 32k"),
        (("models", "fit", "qwen3-4b", "--memory", "much"), "write 10GB"),
        (("models", "fit", "qwen3-4b", "--quants", "Q9"), "no quant 'Q9'"),
        (("models", "fit", "qwen3-4b", "--kv-type", "q8_0"), "only with flash attention"),
        (("models", "fit", "none/there.gguf"), "there is no file none/there.gguf"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    steelyard: Steelyard, words: tuple[str, ...], heard: str
) -> None:
    said = steelyard(*words)
    assert (said.code, heard in said.err) == (2, True), said.err
    assert not any(Path.cwd().iterdir())


def test_a_file_of_random_weights_is_not_judged(steelyard: Steelyard, synthetic: Path) -> None:
    said = steelyard("sweep", synthetic, "--dry-run")
    assert said.code == 2
    assert "synthetic-small-Q8_0.gguf is synthetic" in said.err


def test_a_smaller_quant_fits_where_a_larger_one_does_not(steelyard: Steelyard) -> None:
    said = steelyard(
        *("models", "fit", "qwen3-4b", "--context", "8k", "--memory", "4.5GB", "--json")
    )
    by_quant = {row["quant"]: row for row in rows(said)}
    assert (by_quant["Q8_0"]["fit"], by_quant["Q2_K"]["fit"]) == ("no", "fits")
    longest = by_quant["Q2_K"]["longest_context"]
    assert longest % 256 == 0
    assert longest >= 8192
    # One step more would not fit: asked for exactly that, it does not.
    more = steelyard(
        *("models", "fit", "qwen3-4b", "--context", longest + 256, "--memory", "4.5GB"),
        *("--quants", "Q2_K", "--json"),
    )
    assert (more.code, rows(more)[0]["fit"]) == (1, "no")


def test_a_quantised_cache_and_flash_attention_reach_further(steelyard: Steelyard) -> None:
    words = ("models", "fit", "llama-3.1-8b", "--memory", "8GB", "--quants", "Q4_K_M", "--json")
    plain = rows(steelyard(*words))[0]["longest_context"]
    further = rows(steelyard(*words, "--kv-type", "q8_0", "--flash-attention"))[0]
    assert further["longest_context"] > 1.5 * plain


def test_a_name_in_a_store_is_judged_by_its_own_facts(
    steelyard: Steelyard, synthetic: Path, home: Path
) -> None:
    there = home.parent / "models"
    there.mkdir(parents=True)
    synthetic.rename(there / "mine.gguf")
    named = rows(steelyard("models", "fit", "mine", "--json"))
    assert [row["model"] for row in named] == ["mine.gguf"]
    assert named == rows(steelyard("models", "fit", there / "mine.gguf", "--json"))


def test_a_folder_with_nothing_but_a_config_is_enough(steelyard: Steelyard, tmp_path: Path) -> None:
    own = rows(steelyard("models", "fit", folder(tmp_path), "--json"))
    known = rows(steelyard("models", "fit", "qwen3-4b", "--json"))
    assert [(r["weights_bytes"], r["memory_bytes"]) for r in own] == [
        (r["weights_bytes"], r["memory_bytes"]) for r in known
    ]


@pytest.mark.parametrize(
    ("changes", "heard"),
    [
        ({"model_type": "mamba2"}, "'mamba2', whose layout is not known here"),
        ({"hidden_size": "wide"}, "its hidden_size is 'wide'"),
        ({"vocab_size": None}, "its vocab_size is None"),
    ],
)
def test_a_config_that_cannot_be_read_is_told(
    steelyard: Steelyard, tmp_path: Path, changes: dict[str, object], heard: str
) -> None:
    said = steelyard("models", "fit", folder(tmp_path, **changes))
    assert (said.code, heard in said.err) == (2, True), said.err


def test_speeds_without_a_calibration_are_a_reason(steelyard: Steelyard) -> None:
    said = steelyard("models", "fit", "qwen3-4b", "--json")
    assert rows(said)[0]["output_tps"]["value"]["missing"] == "not_calibrated"
    assert "takes about a minute" in steelyard("models", "fit", "qwen3-4b").out


def test_a_context_beyond_training_is_not_promised(steelyard: Steelyard) -> None:
    row = rows(steelyard("models", "fit", "gemma-2-2b", "--context", "32k", "--json"))[0]
    assert (row["context"], row["longest_context"]) == (8192, 8192)
    assert "trained for 8,192 tokens" in row["notes"]


def test_a_family_that_was_never_compared_is_marked(steelyard: Steelyard) -> None:
    row = rows(steelyard("models", "fit", "olmoe-1b-7b", "--json"))[0]
    assert row["notes"] == ["never compared with an engine: olmoe"]


@pytest.mark.full
@pytest.mark.alone
def test_a_calibration_gives_speeds_with_an_interval(steelyard: Steelyard) -> None:
    said = steelyard("models", "fit", "qwen3-0.6b", "--calibrate", "--quants", "Q4_K_M", "--json")
    speed = rows(said)[0]["output_tps"]
    assert 0 < speed["low"] < speed["value"] < speed["high"]
    kept = rows(steelyard("models", "fit", "qwen3-0.6b", "--quants", "Q4_K_M", "--json"))[0]
    assert kept["output_tps"] == speed
    assert len(json.loads(said.out)["calibration"]["tried"]) == 2
