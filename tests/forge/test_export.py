"""The file says what the network says, to llama.cpp too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import gguf
import numpy as np
import pytest
import torch
from tests.forge.small import trainer

from steelyard.forge import evaluate, export, imatrix, proof
from steelyard.forge.card import curve, thinned
from steelyard.forge.network import HEAD_SIZE, Layer, Network, Shape, rotation
from steelyard.forge.recipes import BASE, DRAFT
from steelyard.forge.tokenizer import CHAT_TEMPLATE, Codec
from steelyard.models import imatrix as imatrix_files


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return trainer(tmp_path_factory.mktemp("codec")).codec


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(Shape(layers=2, feed_forward=256), seed=3)


@pytest.fixture(scope="module")
def path(network: Network, codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export") / "model.gguf"
    export.write_gguf(network, codec, target, name="test")
    return target


def test_the_header_names_shape_context_tokenizer_and_template(path: Path) -> None:
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert fields["general.architecture"] == "llama"
    assert fields["llama.context_length"] == 4096
    assert fields["llama.block_count"] == 2
    assert fields["tokenizer.ggml.pre"] == "qwen2"
    assert fields["tokenizer.chat_template"] == CHAT_TEMPLATE
    assert len(fields["tokenizer.ggml.tokens"]) == 2048
    assert fields["tokenizer.ggml.eos_token_id"] == 2


def test_every_weight_is_in_the_file(path: Path, network: Network) -> None:
    stored = {t.name: t.data for t in gguf.GGUFReader(path).tensors}
    assert stored.keys() == export.tensors(network).keys()
    assert sum(t.size for t in stored.values()) == sum(p.numel() for p in network.parameters())
    down = cast("Layer", network.layers[1]).down.weight.detach().half().numpy()
    assert np.array_equal(stored["blk.1.ffn_down.weight"], down)


def test_query_rows_stand_as_neighbours(path: Path, network: Network) -> None:
    stored = {t.name: t.data for t in gguf.GGUFReader(path).tensors}["blk.0.attn_q.weight"]
    rows = cast("Layer", network.layers[0]).qkv.weight.detach().half().numpy()[:256]
    assert np.array_equal(stored[0], rows[0])
    assert np.array_equal(stored[1], rows[HEAD_SIZE // 2])
    assert np.array_equal(stored[HEAD_SIZE + 2], rows[HEAD_SIZE + 1])


def test_the_rounded_network_holds_the_values_of_the_file(network: Network) -> None:
    exact = export.rounded(network)
    assert exact.embedding.weight.dtype == torch.float32
    assert torch.equal(exact.embedding.weight, network.embedding.weight.half().float())


def test_the_importance_matrix_is_what_flows_into_each_matrix(
    network: Network, codec: Codec, tmp_path: Path
) -> None:
    chunks = [codec.encode("Anna has the key. " * 200)[: imatrix.CHUNK]]
    found = imatrix.statistics(network, chunks)
    assert len(found) == 2 * 7
    first = found["blk.0.attn_q.weight"]
    hidden = network.embedding(torch.tensor(chunks)).detach()
    normed = torch.nn.functional.rms_norm(hidden, (256,), None, 1e-5)[0]
    expected = normed.double().square().sum(0).numpy()
    assert np.allclose(first.sums[0], expected, rtol=1e-4)
    assert first.counts.tolist() == [float(imatrix.CHUNK)]
    target = tmp_path / "imatrix.gguf"
    imatrix_files.write(target, found, chunks=1, chunk_tokens=imatrix.CHUNK, datasets=("t",))
    assert np.allclose(imatrix_files.read(target).statistics["blk.0.attn_q.weight"].sums, expected)


def test_the_proof_covers_short_and_long_prompts_with_log_probabilities(
    network: Network, codec: Codec
) -> None:
    made = json.loads(json.dumps(proof.answers(network, codec, "ab" * 32)))
    lengths = [len(prompt["tokens"]) for prompt in made["prompts"]]
    assert sum(length < 128 for length in lengths) >= 2
    assert max(p["first"] + len(p["top"]) for p in made["prompts"]) > 1024
    assert sum(len(prompt["top"]) for prompt in made["prompts"]) >= 512
    for prompt in made["prompts"]:
        assert prompt["first"] + len(prompt["top"]) == len(prompt["tokens"])
        for pairs in prompt["top"]:
            logprobs = [logprob for _, logprob in pairs]
            assert logprobs == sorted(logprobs, reverse=True)
            assert len(pairs) == proof.TOP
    prompt = made["prompts"][0]
    tokens = torch.tensor([prompt["tokens"]])
    logits = network.logits(network(tokens, *rotation(tokens.shape[1]), None))[0, 5]
    assert logits.log_softmax(-1).max().item() == pytest.approx(prompt["top"][5][0][1], abs=1e-4)


def test_llama_cpp_serves_the_file_and_every_item_is_marked(path: Path) -> None:
    pytest.importorskip("xllamacpp")
    found = evaluate.marks(path, items=3, threads=1)
    assert len(found) == 12
    assert evaluate.tally(found).items == 12


def test_the_log_is_thinned_but_keeps_every_probe_and_the_end() -> None:
    log: list[dict[str, Any]] = [
        {"step": step, "tokens": step * 100, "loss": 1.0, "exact_match": None}
        for step in range(20, 20_000, 20)
    ]
    log[7]["exact_match"] = {"logic": 0.5, "logic.rule": 0.25}
    kept = thinned(log)
    assert len(kept) < 260
    assert kept[-1]["step"] == 19_980
    assert {"logic": 0.5} in [line["exact_match"] for line in kept]
    assert curve(log).startswith("<svg")


def test_every_bundled_recipe_shares_one_vocabulary_and_has_its_own_hash() -> None:
    assert BASE.sha256 != DRAFT.sha256
