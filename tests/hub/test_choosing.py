"""From a list of files to what is meant: shards together, globs everywhere, no guess."""

from __future__ import annotations

import pytest

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.models.hub import choosing, listing
from steelyard.models.hub.listing import Globs, Offer, RemoteFile

ALL = Globs()
PATHS = (
    *("m-Q4_K_M.gguf", "m-UD-Q4_K_XL.gguf", "m-Q8_0.gguf", "mmproj-F16.gguf", "README.md"),
    *("BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf"),
)


def files(*paths: str) -> list[RemoteFile]:
    return [RemoteFile(path, 1000 + len(path), "ab" * 32) for path in paths]


def offer(*paths: str, globs: Globs = ALL) -> Offer:
    return listing.offer(files(*(paths or PATHS)), "a/m", "main", globs)


def labels(found: Offer) -> set[str]:
    return {one.label for one in found.variants}


def chosen(found: Offer, *quants: str, globs: Globs = ALL) -> list[str]:
    picked = choosing.variants(found, quants, globs, where="a/m")
    return [file.path for file in choosing.files(found, picked, globs, where="a/m")]


def test_shards_are_one_variant_and_a_projector_is_none() -> None:
    found = offer()
    assert labels(found) == {"Q4_K_M", "UD-Q4_K_XL", "Q8_0", "BF16"}
    bf16 = next(one for one in found.variants if one.label == "BF16")
    assert len(bf16.files) == 2
    assert {file.path for file in found.others} == {"mmproj-F16.gguf", "README.md"}


def test_many_variants_and_no_choice_is_refused_with_all_of_them() -> None:
    with pytest.raises(BadInput, match=r"offers 4 variants.*BF16.*Q4_K_M") as caught:
        chosen(offer())
    assert "--include" in caught.value.hint


def test_a_quant_is_found_in_any_spelling() -> None:
    assert chosen(offer(), "q4-k-m") == ["m-Q4_K_M.gguf"]
    assert chosen(offer(), "Q4_K_XL") == ["m-UD-Q4_K_XL.gguf"]
    assert len(chosen(offer(), "bf16", "Q8_0")) == 3


def test_an_unknown_quant_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        chosen(offer(), "Q4_K_S")
    assert "Q4_K_M" in caught.value.hint


def test_globs_hold_for_everything_that_is_listed() -> None:
    assert labels(offer(globs=Globs(exclude=("*UD-*", "BF16/*")))) == {"Q4_K_M", "Q8_0"}
    wanted = Globs(include=("*Q8_0*", "README.md"))
    found = offer(globs=wanted)
    assert set(chosen(found, globs=wanted)) == {"m-Q8_0.gguf", "README.md"}


def test_a_shard_that_is_missing_or_left_out_is_refused() -> None:
    globs = Globs(exclude=("*00002-of*",))
    with pytest.raises(BadInput, match=r"is 2 files, and 1 of them"):
        chosen(offer(globs=globs), "BF16", globs=globs)


def test_two_models_with_one_quant_go_by_their_names() -> None:
    found = offer("small-Q8_0.gguf", "large-Q8_0.gguf")
    assert labels(found) == {"small-Q8_0", "large-Q8_0"}
    with pytest.raises(BadInput, match="may be"):
        chosen(found, "Q8_0")


def test_safetensors_come_with_what_an_engine_needs_beside_them() -> None:
    found = listing.offer(
        files(
            *("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
            *("model.safetensors.index.json", "config.json", "tokenizer.json", "README.md"),
            "original/params.json",
        ),
        "a/m-AWQ",
        "main",
        ALL,
    )
    assert labels(found) == {"AWQ"}
    assert set(chosen(found)) == {
        *("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        *("model.safetensors.index.json", "config.json", "tokenizer.json"),
    }


def test_nothing_that_fits_is_said() -> None:
    globs = Globs(include=("*.onnx",))
    with pytest.raises(BadInput, match="no model file"):
        chosen(offer(globs=globs), globs=globs)
