"""Room for a model: memory estimated and corrected, disk asked beforehand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.llamalib import tiny

from steelyard.domain.errors import BadInput, TooLittleRoom
from steelyard.domain.subject import EngineProfile
from steelyard.models import artifacts, disk, memory


def test_the_cache_grows_with_context_slots_and_type(tiny_model: Path) -> None:
    facts = artifacts.inspect(tiny_model)
    one = memory.parts(facts, EngineProfile(context_tokens=1024))
    # 2 layers x (K and V) x 2 heads x 64 x 2 bytes x 1024 tokens
    assert one.kv_cache == 2 * 2 * 2 * 64 * 2 * 1024
    assert one.weights == facts.tensor_bytes
    four = memory.parts(facts, EngineProfile(context_tokens=1024, slots=4))
    assert four.kv_cache == 4 * one.kv_cache
    eight = memory.parts(facts, EngineProfile(context_tokens=1024, kv_type="q8_0"))
    assert eight.kv_cache == one.kv_cache * 34 // 64
    flash = memory.parts(facts, EngineProfile(context_tokens=1024, flash_attention=True))
    # Every head's scores of every token, and a mask of floats; without them a mask of halves.
    assert one.compute - 4 * 512 * (4 + 1) * 1024 > 0
    assert flash.compute < one.compute / 2
    assert memory.estimate(facts, EngineProfile(context_tokens=1024)) == one.total


def test_a_history_corrects_by_its_median_and_never_wildly() -> None:
    assert memory.correction([]) == 1
    assert memory.correction([(100, 150), (100, 80), (200, 220)]) == pytest.approx(1.1)
    assert memory.correction([(100, 9000)]) == 3
    assert memory.correction([(0, 5), (100, 1)]) == 0.5


def test_no_memory_is_told_with_the_parts(tiny_model: Path) -> None:
    facts = artifacts.inspect(tiny_model)
    memory.require(facts, EngineProfile(), available=1 << 40)
    with pytest.raises(TooLittleRoom, match=r"F16 at 4096 tokens .* 50\.0 MB are free") as refused:
        memory.require(facts, EngineProfile(), available=50_000_000)
    assert "shorter context" in refused.value.hint
    assert memory.available_bytes() > 0


PROBE = """
import re, sys
from pathlib import Path
from steelyard.llamalib.decode import Decoder
with Decoder(Path(sys.argv[1]), context=2048, threads=1) as decoder:
    for block in decoder.logits([5] * 2048):
        pass
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_the_estimate_is_near_what_a_process_really_uses(tmp_path: Path) -> None:
    shape = tiny.Shape(width=512, layers=8, feed_forward=1536, heads=8, kv_heads=8, context=2048)
    model = tiny.write(tmp_path / "m.gguf", shape)
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, model], capture_output=True, text=True, check=True
    )
    used = int(re.findall(r"\d+", ended.stdout)[0]) * 1024
    estimated = memory.estimate(artifacts.inspect(model), EngineProfile(context_tokens=2048))
    assert 0.6 < estimated / used < 1.6


def test_no_disk_is_told_with_what_is_missing(tmp_path: Path) -> None:
    disk.require(tmp_path / "not" / "yet", 1, what="a test")
    with pytest.raises(TooLittleRoom, match="a test needs 1000000.0 TB"):
        disk.require(tmp_path, 10**18, what="a test")


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadInput, match="cannot be written to"):
        disk.require(tmp_path / "file" / "folder", 1, what="a test")
    assert [disk.size(n) for n in (0, 999, 1500, 2_500_000)] == ["0 B", "999 B", "1.5 kB", "2.5 MB"]
    assert disk.free_bytes(tmp_path / "not" / "yet") > 0
