"""What a run with its context full held: by the system, or by the engine where that is silent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.store import records

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls, RunRecord
from steelyard.domain.vitals import Vitals
from steelyard.runs import brim
from steelyard.runs.execute import ENGINE_LOG

MIB = 1 << 20
LOG = """\
load_tensors:   CPU_Mapped model buffer size =   100.00 MiB
load_tensors:   CPU_REPACK model buffer size =    30.00 MiB
llama_kv_cache:        CPU KV buffer size =    20.00 MiB
load_tensors:        CUDA0 model buffer size =    50.00 MiB
sched_reserve:        CPU compute buffer size =    10.00 MiB
"""
SILENT = Missing("not_exposed", "this system does not tell")


def record(peak: Reading[int], device: str | None = None) -> RunRecord:
    nothing = Missing("not_sampled")
    vitals = Vitals((), 2, peak, *([nothing] * 7))
    made = records.record()
    spec = replace(made.spec, controls=Controls(device=device))
    return replace(made, spec=spec, vitals=Measured(vitals, "client"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ENGINE_LOG).write_text(LOG)
    return tmp_path


def test_pages_that_the_system_may_take_back_are_not_counted(folder: Path) -> None:
    found = brim.held(record(Measured(200 * MIB, "client")), folder)
    assert found.memory_bytes == Measured(170 * MIB, "derived")
    assert found.gpu_bytes == Measured(0, "derived")


def test_without_a_log_all_that_it_held_counts(tmp_path: Path) -> None:
    found = brim.held(record(Measured(200 * MIB, "client")), tmp_path)
    assert found.memory_bytes == Measured(200 * MIB, "client")


def test_where_the_system_is_silent_the_engines_buffers_stand_for_it(folder: Path) -> None:
    found = brim.held(record(SILENT, "cuda:0"), folder)
    assert found.gpu_bytes == Measured(50 * MIB, "engine")
    assert found.memory_bytes == Measured(130 * MIB, "engine")
    assert brim.held(record(SILENT), folder.parent / "none").memory_bytes == SILENT


def test_prompt_and_answer_together_are_the_whole_context() -> None:
    for context in (256, 512, 4096, 32768):
        load = brim.full_load(context)
        assert load.prompt_tokens + load.output_tokens == context
        assert 32 <= load.output_tokens <= 128
        assert brim.look_load(context).prompt_tokens < load.prompt_tokens
