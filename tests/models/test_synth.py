"""Files of random weights: in the true shapes, labelled, and loaded by a real llama.cpp."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.models import small_shapes
from tests.store import records

import steelyard
from steelyard.analysis import validity
from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls
from steelyard.domain.subject import Artifact, ArtifactFacts, EngineProfile, LayerCache, Subject
from steelyard.models import artifacts, gguf, memory, quants, shapes, synth
from steelyard.models.shapes import Shape
from steelyard.runs import filled
from steelyard.runs.filled import Filled
from steelyard.runs.places import place_for

_ROUNDED = 20_000  # the log rounds to hundredths of a MiB
WORDS = gguf.read(Path(steelyard.__file__).parent / "bundled" / "base.gguf")


def made(shape: Shape, quant: str, folder: Path) -> Path:
    return synth.write(synth.plan(shape, quant, WORDS), folder)


def served(path: Path, profile: EngineProfile, folder: Path) -> Filled:
    subject = Subject(Artifact(path.name, "gguf", "0" * 64), profile=profile)
    place = place_for(subject, folder / "run", {"0" * 64: path})
    return filled.look(subject, Controls(threads=2), place)


# As the publishers count them; two of the three Llamas carry 32 or 64 rope factors besides.
PUBLISHED = {
    "smollm2-135m": 134_515_008,
    "qwen2.5-0.5b": 494_032_768,
    "qwen3-0.6b": 596_049_920,
    "gemma-3-1b": 999_885_952,
    "llama-3.2-1b": 1_235_814_400 + 32,
    "gemma-2-2b": 2_614_341_888,
    "qwen3-4b": 4_022_468_096,
    "olmoe-1b-7b": 6_919_161_856,
    "llama-3.1-8b": 8_030_261_248 + 64,
    "qwen3-30b-a3b": 30_532_122_624,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_shape_has_as_many_weights_as_its_publisher_says(name: str) -> None:
    assert synth.parameters(shapes.find(name)) == PUBLISHED[name]


def test_a_quant_mixes_types_as_published_files_do() -> None:
    # Rows of 896 fit no block of 256, so llama.cpp takes blocks of 32 there.
    chosen = synth.targets(shapes.find("qwen2.5-0.5b"), quants.find("Q4_K_M"))
    types = {t.tensor.name: t.type.name for t in chosen}
    assert types["blk.3.attn_q.weight"] == "Q5_0"
    assert types["token_embd.weight"] == "Q8_0"
    assert types["blk.3.attn_q.bias"] == "F32"
    assert {types[f"blk.{n}.ffn_down.weight"] for n in range(24)} == {"Q4_K", "Q6_K"}


@pytest.mark.parametrize("shape", small_shapes.ALL, ids=lambda shape: shape.name)
def test_a_file_says_what_was_foreseen_of_it_without_a_file(shape: Shape, tmp_path: Path) -> None:
    found = artifacts.inspect(made(shape, "Q4_K_M", tmp_path))
    foreseen = synth.facts(shape, "Q4_K_M")
    assert found.synthetic
    assert plainly(found) == plainly(foreseen)


def plainly(facts: ArtifactFacts) -> ArtifactFacts:
    """Leave out what only a tokenizer in the file can tell."""
    assert facts.memory is not None
    memory_facts = replace(facts.memory, merges=0)
    return replace(facts, synthetic=False, chat_template_sha256=None, memory=memory_facts)


def test_the_label_is_in_the_name_and_in_the_metadata(tmp_path: Path) -> None:
    path = made(small_shapes.PLAIN, "Q8_0", tmp_path)
    head = gguf.read(path)
    assert path.name == "synthetic-small-Q8_0.gguf"
    assert head.text("general.name") == "synthetic small"
    assert head.value("steelyard.synthetic") is True
    assert head.text("steelyard.synthetic.shape") == "small"
    tokens = head.value("tokenizer.ggml.tokens")
    assert isinstance(tokens, gguf.Array)
    assert len(set(tokens.decode())) == tokens.length == 4096


@pytest.mark.parametrize("shape", small_shapes.ALL, ids=lambda shape: shape.name)
def test_llamacpp_serves_it_and_takes_what_was_foreseen(shape: Shape, tmp_path: Path) -> None:
    path = made(shape, "Q4_0", tmp_path)
    profile = EngineProfile(context_tokens=700, slots=2)
    found = served(path, profile, tmp_path)
    foreseen = memory.parts(artifacts.inspect(path), profile)
    assert found.tokens == 676
    assert isinstance(found.buffers, Measured)
    told = found.buffers.value
    # At the end of the file llama.cpp leaves out what it has copied into another order.
    assert told.weights <= foreseen.weights * 1.01 < told.weights + told.reordered + 50_000
    assert foreseen.kv_cache == pytest.approx(told.kv_cache, rel=0.01, abs=_ROUNDED)
    assert foreseen.copies == pytest.approx(told.reordered, rel=0.01, abs=_ROUNDED)
    assert foreseen.compute == pytest.approx(told.compute, rel=0.15)
    assert isinstance(found.resident, Measured)
    assert foreseen.total == pytest.approx(found.resident.value, rel=0.1)
    assert isinstance(found.output_tps, Measured)


def test_layers_of_one_kind_are_counted_together() -> None:
    windowed = synth.facts(shapes.find("gemma-3-1b"), "Q4_K_M").memory
    assert windowed is not None
    assert windowed.caches == (LayerCache(4, 256, 256), LayerCache(22, 256, 256, 512))
    uneven = synth.facts(shapes.find("openelm-270m"), "Q4_K_M").memory
    assert uneven is not None
    assert [(c.layers, c.keys) for c in uneven.caches] == [(5, 192), (7, 256), (4, 320)]
    # The last layer's feed-forward works on answers only.
    assert uneven.feed_forward == 4864


def test_a_mixture_reads_only_the_experts_that_are_asked() -> None:
    facts = synth.facts(shapes.find("qwen3-30b-a3b"), "Q8_0")
    assert facts.memory is not None
    read = sum(facts.memory.read_elements.values())
    assert read / facts.parameters == pytest.approx(0.1, abs=0.01)
    assert facts.active_bytes < facts.tensor_bytes / 8


def test_nothing_is_overwritten_and_names_are_checked(tmp_path: Path) -> None:
    path = made(small_shapes.PLAIN, "Q8_0", tmp_path)
    before = path.stat().st_mtime_ns
    with pytest.raises(BadInput, match="exists"):
        made(small_shapes.PLAIN, "Q8_0", tmp_path)
    assert path.stat().st_mtime_ns == before
    with pytest.raises(UnknownName, match="no shape 'qwen3-4'") as unknown:
        shapes.find("qwen3-4")
    assert "qwen3-4b" in unknown.value.hint


def test_a_run_of_random_weights_says_so_and_is_not_polluted_by_it() -> None:
    facts = replace(synth.facts(small_shapes.PLAIN, "Q8_0"), synthetic=True)
    plain = records.record()
    codes = {caution.code for caution in validity.cautions(plain)}
    marked = validity.cautions(replace(plain, facts=facts))
    assert {caution.code for caution in marked} - codes == {"SYNTHETIC_WEIGHTS"}
    assert not any(c.pollutes for c in marked if c.code == "SYNTHETIC_WEIGHTS")


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "quant", "profile"),
    [
        ("smollm2-135m", "Q4_K_M", EngineProfile(context_tokens=2048)),
        ("smollm2-135m", "Q8_0", EngineProfile(context_tokens=1024, slots=4)),
        (
            *("smollm2-135m", "Q4_0"),
            EngineProfile(context_tokens=2048, kv_type="q8_0", flash_attention=True),
        ),
        ("openelm-270m", "Q6_K", EngineProfile(context_tokens=2048)),
        ("gemma-3-1b", "Q4_0", EngineProfile(context_tokens=2048, flash_attention=True)),
        ("granite-3.1-1b-a400m", "Q4_K_M", EngineProfile(context_tokens=1024)),
    ],
)
def test_real_shapes_take_what_was_foreseen(
    name: str, quant: str, profile: EngineProfile, tmp_path: Path
) -> None:
    path = made(shapes.find(name), quant, tmp_path)
    found = served(path, profile, tmp_path)
    foreseen = memory.parts(artifacts.inspect(path), profile)
    assert isinstance(found.resident, Measured)
    assert foreseen.total == pytest.approx(found.resident.value, rel=0.05)
