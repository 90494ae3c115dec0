"""`models fit ORG/NAME`: judged by sizes and headers on a hub, with no weights fetched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from tests.hub.conftest import REPO, Said
from tests.hub.fake_hub import Hub, Repo
from tests.llamalib import tiny

from steelyard.app.hub import fitting

SIZE = 700_000


BIG = tiny.Shape(width=512, layers=4, feed_forward=2048, context=2048)


def test_a_file_on_a_hub_is_judged_as_the_same_file_here_and_stays_there(
    hub: Hub, steelyard: Callable[..., Said], tmp_path: Path, cache: Path
) -> None:
    file = tiny.write(tmp_path / "m-F16.gguf", BIG)
    hub.repos["org/m-GGUF"] = Repo({"m-F16.gguf": file.read_bytes()})
    there = json.loads(steelyard("models", "fit", "org/m-GGUF", "--json").out)["rows"]
    here = json.loads(steelyard("models", "fit", file, "--json").out)["rows"]
    for row in (*there, *here):
        del row["model"]
    assert there == here
    assert not cache.exists()


def test_of_many_files_only_the_smallest_one_s_header_is_read(
    hub: Hub, steelyard: Callable[..., Said], tmp_path: Path
) -> None:
    data = tiny.write(tmp_path / "m.gguf", BIG).read_bytes()
    names = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q2_K")
    sizes = {name: len(data) + 1000 * at for at, name in enumerate(reversed(names))}
    hub.repos["org/m-GGUF"] = Repo(
        {f"m-{name}.gguf": data + bytes(sizes[name] - len(data)) for name in names}
    )
    rows = json.loads(steelyard("models", "fit", "org/m-GGUF", "--json").out)["rows"]
    assert {row["quant"] for row in rows} == set(names)
    assert [path.rpartition("/")[2] for path in hub.sent] == [hashlib.sha256(data).hexdigest()]
    for row in rows:
        alike = row["quant"] != "Q2_K"
        assert row["memory_bytes"] > row["weights_bytes"]
        assert not alike or row["weights_bytes"] == sizes[row["quant"]]
        assert row["notes"] == [fitting._ALIKE] * alike
        if alike:
            assert "missing" in row["output_tps"]["value"]


def test_a_repository_is_taken_for_the_shape_that_it_is_named_after(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    hub.repos["org/Qwen3-4B-GGUF"] = Repo({"Qwen3-4B-Q4_K_M.gguf": bytes(SIZE)})
    said = steelyard("models", "fit", "org/Qwen3-4B-GGUF", "--json")
    (row,) = json.loads(said.out)["rows"]
    assert (row["quant"], row["weights_bytes"], row["fit"]) == ("Q4_K_M", SIZE, "fits")
    assert row["notes"] == ["taken for qwen3-4b by its name"]


def test_a_quant_that_is_not_offered_is_no_empty_answer(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    said = steelyard("models", "fit", f"{REPO}:Q9_X")
    assert (said.code, f"no quant in {REPO} 'Q9_X'" in said.err) == (2, True), said.err
    assert hub.sent == {}


def test_a_shape_that_nobody_knows_is_no_guess(steelyard: Callable[..., Said]) -> None:
    said = steelyard("models", "fit", f"{REPO}:Q8_0", "--json")
    (row,) = json.loads(said.out)["rows"]
    assert row["fit"]["missing"] == row["memory_bytes"]["missing"] == "unknown_shape"
    assert said.code == 0
    small = steelyard("models", "fit", f"{REPO}:Q8_0", "--memory", "100kB", "--json")
    (row,) = json.loads(small.out)["rows"]
    assert (row["fit"], small.code) == ("no", 1)


def test_globs_and_quants_choose_as_everywhere(hub: Hub, steelyard: Callable[..., Said]) -> None:
    names = ("m-Q8_0.gguf", "m-UD-Q4_K_XL.gguf", "m-Q4_K_M.gguf")
    hub.repos["org/m-GGUF"] = Repo({name: bytes(SIZE) for name in names})
    said = steelyard("models", "fit", "org/m-GGUF", "--exclude", "*UD-*", "--json")
    assert {row["quant"] for row in json.loads(said.out)["rows"]} == {"Q8_0", "Q4_K_M"}
    said = steelyard("models", "fit", "org/m-GGUF:q4_k_xl", "--json")
    assert [row["quant"] for row in json.loads(said.out)["rows"]] == ["UD-Q4_K_XL"]
    said = steelyard("models", "fit", "org/m-GGUF:Q5_K_M")
    assert (said.code, "there is no quant" in said.err) == (2, True)
    said = steelyard("models", "fit", "org/m-GGUF", "--include", "*Q2_K*")
    assert (said.code, "no model file of org/m-GGUF fits" in said.err) == (2, True)
