"""`models fit ORG/NAME`: judged by what a hub lists, with nothing fetched."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.hub.conftest import REPO, Said
from tests.hub.fake_hub import Hub, Repo

SIZE = 700_000


def test_a_repository_is_taken_for_the_shape_that_it_is_named_after(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    hub.repos["org/Qwen3-4B-GGUF"] = Repo({"Qwen3-4B-Q4_K_M.gguf": bytes(SIZE)})
    said = steelyard("models", "fit", "org/Qwen3-4B-GGUF", "--json")
    (row,) = json.loads(said.out)["rows"]
    assert (row["quant"], row["weights_bytes"], row["fit"]) == ("Q4_K_M", SIZE, "fits")
    assert row["notes"] == ["taken for qwen3-4b by its name"]
    assert hub.sent == {}


def test_a_quant_that_is_not_offered_is_no_empty_answer(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    said = steelyard("models", "fit", f"{REPO}:Q9_X")
    assert (said.code, f"no quant in {REPO} 'Q9_X'" in said.err) == (2, True), said.err
    assert hub.sent == {}


def test_a_shape_that_nobody_knows_is_no_guess(hub: Hub, steelyard: Callable[..., Said]) -> None:
    said = steelyard("models", "fit", f"{REPO}:Q8_0", "--json")
    (row,) = json.loads(said.out)["rows"]
    assert row["fit"]["missing"] == row["memory_bytes"]["missing"] == "unknown_shape"
    assert (said.code, hub.sent) == (0, {})
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
