"""Mixes of tensor types: groups, ways to store them, and recipes that make the same bytes again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.llamalib import tiny
from tests.models import importances

from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput, UnknownName, UnsupportedSubject
from steelyard.llamalib.decode import Decoder
from steelyard.models import artifacts, gguf, imatrix, ladder, mixes, quants, shards
from steelyard.models.mixes import Matrix, Recipe

ID = "0" * 16


def tensors(path: Path) -> list[gguf.Tensor]:
    return [tensor for _, tensor in shards.read_model(path).tensors()]


def test_groups_hold_every_matrix_once_and_cut_the_layers_evenly(tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "deep.gguf", tiny.Shape(layers=6, tied=False))
    found = mixes.groups(tensors(path), bands=2)
    names = [tensor.name for group in found for tensor in group.tensors]
    able = [t.name for t in tensors(path) if "norm" not in t.name]
    assert sorted(names) == sorted(able)
    by_name = {group.name: [t.name for t in group.tensors] for group in found}
    assert by_name["ffn_down 3-5"] == [f"blk.{n}.ffn_down.weight" for n in (3, 4, 5)]
    assert by_name["output"] == ["output.weight"]
    assert len(found) == 2 + 7 * 2
    one_each = mixes.groups(tensors(path), bands=64)
    assert [len(group.tensors) for group in one_each] == [1] * (2 + 7 * 6)


def test_experts_and_router_are_told_apart(tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "moe.gguf", tiny.Shape(experts=4))
    names = {group.name for group in mixes.groups(tensors(path), bands=1)}
    assert "ffn_down_exps 0-1" in names
    assert not any("gate_inp" in name for name in names)


def test_ways_to_store_a_group_begin_with_the_stock_mixs_and_come_once(tiny_model: Path) -> None:
    own = mixes.types_of(ladder.plan(tiny_model, "Q4_K_M"))
    group = next(g for g in mixes.groups(tensors(tiny_model), 1) if g.name == "attn_v 0-1")
    ways = mixes.choices(group, own, ("Q4_K", "Q6_K", "IQ4_XS", "IQ2_XS"), None, 32)
    assert [way.name for way in ways] == ["Q4_K+Q6_K", "Q4_K", "Q6_K", "IQ4_XS"]
    assert [way.plain for way in ways] == [True, True, True, False]
    assert ways[1].size_bytes == 2 * 128 * 144
    matrix = imatrix.read(importances.write(tiny_model.parent / "importances.gguf"))
    more = mixes.choices(group, own, ("IQ2_XS",), matrix, 32)
    assert [way.name for way in more] == ["Q4_K+Q6_K", "IQ2_XS"]


def test_types_that_no_row_fits_are_no_way_to_store_it(tmp_path: Path) -> None:
    odd = tiny.write(tmp_path / "odd.gguf", tiny.Shape(width=192, heads=3, kv_heads=3))
    own = mixes.types_of(ladder.plan(odd, "Q4_0"))
    group = next(g for g in mixes.groups(tensors(odd), 1) if g.name == "attn_q 0-1")
    ways = mixes.choices(group, own, ("Q4_K", "Q5_0"), None, 32)
    assert [way.name for way in ways] == ["Q4_0", "Q5_0"]
    assert "Q5_0" in mixes.allowed_types(quants.find("Q4_0"), tensors(odd), None)


def test_the_types_to_choose_from_are_near_the_stock_mixs_bits(tiny_model: Path) -> None:
    found = mixes.allowed_types(quants.find("Q4_K_M"), tensors(tiny_model), None)
    assert {"Q3_K", "IQ4_XS", "Q4_K", "Q5_K", "Q6_K"} <= set(found)
    assert {"IQ1_S", "F16", "Q4_0"}.isdisjoint(found)
    asked = mixes.allowed_types(quants.find("Q4_K_M"), tensors(tiny_model), ("q5_k", "Q4_K"))
    assert asked == ("Q5_K", "Q4_K")
    with pytest.raises(UnknownName, match="Q4_X"):
        mixes.allowed_types(quants.find("Q4_K_M"), tensors(tiny_model), ("Q4_X",))


def test_the_stock_mixs_types_make_the_stock_files_weights(
    tiny_model: Path, tmp_path: Path
) -> None:
    stock = ladder.quantise(tiny_model, "Q4_K_M", tmp_path / "stock.gguf")
    types = mixes.types_of(ladder.plan(tiny_model, "Q4_K_M"))
    order = mixes.order(shards.read_model(tiny_model), "Q4_K_M", types, None, ID)
    mix = ladder.perform(order, tmp_path / "mix.gguf")
    assert mix.stat().st_size == order.file_bytes
    one, other = gguf.read(stock), gguf.read(mix)
    assert weights(one) == weights(other)
    assert "general.file_type" not in other.entries
    assert other.text("steelyard.recipe") == ID


def test_only_what_is_named_is_changed(tiny_model: Path, tmp_path: Path) -> None:
    model, name = shards.read_model(tiny_model), "blk.1.ffn_up.weight"
    order = mixes.order(model, "Q4_K_M", {name: "IQ4_XS"}, None, ID)
    made = gguf.read(ladder.perform(order, tmp_path / "one.gguf"))
    before = {tensor.name: tensor.type.name for tensor in model.head.tensors}
    after = {tensor.name: tensor.type.name for tensor in made.tensors}
    assert after == {**before, name: "IQ4_XS"}
    with Decoder(tmp_path / "one.gguf", context=32, threads=1) as decoder:
        assert decoder.tokenise("ab") == [257]


def test_a_recipe_makes_the_same_bytes_again_after_a_round_through_its_file(
    tiny_model: Path, tmp_path: Path
) -> None:
    matrix_path = importances.write(tmp_path / "m.gguf")
    matrix, model = imatrix.read(matrix_path), shards.read_model(tiny_model)
    types = {**mixes.types_of(ladder.plan(tiny_model, "Q4_K_M")), "blk.0.ffn_up.weight": "IQ3_XXS"}
    recipe = Recipe("Q4_K_M", types, "source", Matrix(matrix.sha256, "m.gguf"), bytes=7)
    again = decode(Recipe, encode(recipe), source="here")
    assert again == recipe
    renamed = imatrix.read(Path(shutil.copy(matrix_path, tmp_path / "renamed.gguf")))
    made = [
        ladder.perform(mixes.of_recipe(model, each, known), tmp_path / f"{n}.gguf", threads=n + 1)
        for n, (each, known) in enumerate(((recipe, matrix), (again, renamed)))
    ]
    assert len({artifacts.fingerprint(path).sha256 for path in made}) == 1
    assert gguf.read(made[0]).text("steelyard.recipe") == recipe.id
    assert replace(recipe, notes=("other",), sha256="x").id == recipe.id
    assert replace(recipe, imatrix=None).id != recipe.id


def test_a_recipe_for_something_else_is_refused_with_what_is_wrong(
    tiny_model: Path, tmp_path: Path
) -> None:
    model = shards.read_model(tiny_model)
    whole = mixes.types_of(ladder.plan(tiny_model, "Q4_K_M"))
    good = Recipe("Q4_K_M", whole, "source")
    less = {name: kind for name, kind in whole.items() if "blk.0" not in name}
    matrix = imatrix.read(importances.write(tmp_path / "m.gguf"))
    for recipe, given, error, words in (
        (replace(good, types=less), None, UnsupportedSubject, "says nothing of 'blk.0"),
        (
            replace(good, types={**whole, "blk.9.x.weight": "Q4_K"}),
            None,
            UnsupportedSubject,
            "'blk.9.x.weight'",
        ),
        (replace(good, schema="steelyard.recipe/9"), None, BadInput, "schema"),
        (good, matrix, BadInput, "no importance matrix"),
        (replace(good, imatrix=Matrix("f" * 64, "m.gguf")), matrix, BadInput, "f" * 16),
        (replace(good, imatrix=Matrix("f" * 64, "m.gguf")), None, BadInput, "f" * 16),
        (replace(good, types={**whole, "token_embd.weight": "Q9_K"}), None, UnknownName, "Q9_K"),
        (
            replace(good, types={**whole, "blk.0.ffn_up.weight": "IQ2_XS"}),
            None,
            UnsupportedSubject,
            "needs an importance matrix",
        ),
    ):
        with pytest.raises(error, match=words.replace(".", r"\.")):
            mixes.of_recipe(model, recipe, given)


def test_a_recipe_file_with_a_wrong_key_names_it() -> None:
    raw = json.loads(encode(Recipe("Q4_K_M", {}, "source"))) | {"typs": {}}
    with pytest.raises(BadInput, match="typs"):
        decode(Recipe, json.dumps(raw), source="x.json")


def weights(header: gguf.Header) -> dict[str, bytes]:
    raw = header.path.read_bytes()
    return {t.name: raw[t.start : t.start + t.size_bytes] for t in header.tensors}
