"""Facts measured from the tensor table, against sums worked by hand, and the fingerprint."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from tests.llamalib import tiny
from tests.models.forged import ARCH, key, row, text, whole

from steelyard.domain.errors import UnreadableModel
from steelyard.models import artifacts, ladder

EMBED = 512 * 256
LAYER = 2 * 256 * 256 + 2 * 128 * 256 + 3 * 512 * 256
VECTORS = 5 * 256


def test_the_facts_of_the_tiny_model_are_those_it_was_made_with(tiny_model: Path) -> None:
    facts = artifacts.inspect(tiny_model)
    assert facts.parameters == EMBED + 2 * LAYER + VECTORS
    assert facts.tensor_bytes == 2 * (EMBED + 2 * LAYER) + 4 * VECTORS
    assert facts.file_bpw == pytest.approx(8 * facts.tensor_bytes / facts.parameters)
    body = 2 * LAYER + VECTORS
    assert facts.body_bpw == pytest.approx(8 * (4 * LAYER + 4 * VECTORS) / body)
    assert facts.type_elements == {"F16": EMBED + 2 * LAYER, "F32": VECTORS}
    assert (facts.architecture, facts.quant, facts.layers) == ("llama", "F16", 2)
    assert (facts.kv_heads, facts.head_dim, facts.embedding_length) == (2, 64, 256)
    assert (facts.context_tokens, facts.vocabulary) == (1024, 512)
    template = hashlib.sha256(tiny.TEMPLATE.encode()).hexdigest()
    assert facts.chat_template_sha256 == template
    # Tied embeddings are read whole for every token, as the output.
    assert facts.active_bytes == facts.tensor_bytes


def test_untied_embeddings_are_read_one_row_a_token(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "untied.gguf", tiny.Shape(tied=False))
    facts = artifacts.inspect(model)
    assert facts.active_bytes == facts.tensor_bytes - 2 * EMBED + 2 * 256


def test_bits_follow_the_types_and_not_the_name(tiny_model: Path, tmp_path: Path) -> None:
    made = ladder.quantise(tiny_model, "Q8_0", tmp_path / "tiny-Q2_K.gguf")
    facts = artifacts.inspect(made)
    matrices = EMBED + 2 * LAYER
    assert facts.quant == "Q8_0"
    assert facts.tensor_bytes == matrices // 32 * 34 + 4 * VECTORS
    assert facts.file_bpw == pytest.approx(8.5, abs=0.05)


def test_of_a_mixture_only_the_experts_used_are_active(tmp_path: Path) -> None:
    number = [
        key(f"llama.{name}", 4, struct.pack("<I", value))
        for name, value in (("expert_count", 8), ("expert_used_count", 2), ("block_count", 1))
    ]
    rows = (
        row("output.weight", (64, 10), 0, 0),
        row("token_embd.weight", (64, 10), 0, 2560),
        row("blk.0.ffn_up_exps.weight", (64, 4, 8), 0, 5120),
    )
    path = tmp_path / "moe.gguf"
    path.write_bytes(whole(ARCH, *number, rows=rows, data=bytes(5120 + 8192)))
    facts = artifacts.inspect(path)
    assert (facts.experts, facts.experts_used) == (8, 2)
    assert facts.active_bytes == 2560 + 4 * 64 + 8192 * 2 // 8


def test_a_file_that_is_no_language_model_says_so(tmp_path: Path) -> None:
    rows, data = (row("a.weight", (4,), 0, 0),), bytes(16)
    cases = {
        "nameless": (whole(rows=rows, data=data), "names no architecture"),
        "matrix": (
            whole(ARCH, key("general.type", 8, text("imatrix")), rows=rows, data=data),
            "importance matrix",
        ),
        "odd": (
            whole(ARCH, key("llama.block_count", 8, text("many")), rows=rows, data=data),
            "block_count = 'many'",
        ),
    }
    for name, (content, sentence) in cases.items():
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(content)
        with pytest.raises(UnreadableModel, match=sentence):
            artifacts.inspect(path)


def test_the_fingerprint_is_the_files_hash_and_one_byte_changes_it(
    tiny_model: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    found = artifacts.fingerprint(tiny_model, lambda done, total: seen.append((done, total)))
    content = bytearray(tiny_model.read_bytes())
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert (found.name, found.format, found.size_bytes) == (tiny_model.name, "gguf", len(content))
    assert seen[-1] == (len(content), len(content))
    content[-100] ^= 1
    (tmp_path / "changed.gguf").write_bytes(content)
    assert artifacts.fingerprint(tmp_path / "changed.gguf").sha256 != found.sha256


def test_the_fingerprint_of_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="No such file"):
        artifacts.fingerprint(tmp_path / "none.gguf")
