"""Settings in force, read from lines that llama.cpp really writes while it loads."""

from __future__ import annotations

import pytest

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import AppliedControl, Controls
from steelyard.domain.subject import EngineProfile
from steelyard.engines.wires.llama_log import settings_readback

LOG = """0.00.016.214 I llama_context: n_batch               = 256
0.00.016.214 I llama_context: n_ubatch              = 64
0.00.016.215 I llama_context: flash_attn            = enabled
0.00.018.292 I llama_kv_cache: size =    3.25 MiB (  1024 cells,   4 layers,  2/2 seqs), \
K (q8_0):    2.12 MiB, V (q4_0):    1.12 MiB
"""
# As documented for builds with a GPU.
OFFLOADED = """llama_model_load_from_file_impl: using device CUDA1 (NVIDIA A100) - 81000 MiB free
load_tensors: offloaded 33/33 layers to GPU
"""
PROFILE = EngineProfile(
    context_tokens=512,
    slots=2,
    batch_tokens=256,
    micro_batch_tokens=64,
    kv_type="q8_0",
    kv_type_v="q4_0",
    flash_attention=True,
)


def read(profile: EngineProfile, log: str, device: str | None = None) -> dict[str, AppliedControl]:
    found = settings_readback(profile, Controls(device=device), log)
    return {control.name: control for control in found}


def test_each_setting_is_read_back_as_it_is_in_force() -> None:
    found = read(PROFILE, LOG)
    assert {name: control.applied for name, control in found.items()} == {
        "batch_tokens": Measured("256", "engine"),
        "micro_batch_tokens": Measured("64", "engine"),
        "flash_attention": Measured("on", "engine"),
        "kv_type": Measured("q8_0", "engine"),
        "kv_type_v": Measured("q4_0", "engine"),
        "device": Measured("cpu", "engine"),
    }


def test_what_a_profile_leaves_at_the_usual_is_not_asked_about() -> None:
    assert read(EngineProfile(), LOG).keys() == {"device"}


def test_a_batch_that_the_context_cuts_is_asked_for_as_cut_and_shows_the_profiles() -> None:
    found = read(EngineProfile(context_tokens=256, batch_tokens=4096), LOG)["batch_tokens"]
    assert (found.asked, found.overrides) == ("256", "4096")


@pytest.mark.parametrize("name", ["batch_tokens", "kv_type", "kv_type_v", "flash_attention"])
def test_a_log_that_does_not_tell_is_missing_and_not_a_mismatch(name: str) -> None:
    found = read(PROFILE, "server is listening\n")[name].applied
    assert isinstance(found, Missing)
    assert found.code == "not_controllable"


def test_a_device_and_its_layers_are_read_back() -> None:
    found = read(EngineProfile(gpu_layers=999), LOG + OFFLOADED, "cuda:1")
    assert found["device"].applied == Measured("cuda:1", "engine")
    assert (found["gpu_layers"].asked, found["gpu_layers"].applied) == (
        "33",
        Measured("33", "engine"),
    )


def test_the_processor_overrides_layers_on_a_gpu_and_both_are_shown() -> None:
    found = read(EngineProfile(gpu_layers=20), LOG, "cpu")["gpu_layers"]
    assert (found.asked, found.overrides, found.applied) == ("0", "20", Measured("0", "engine"))


def test_a_draft_model_is_seen_where_it_was_loaded() -> None:
    drafted = EngineProfile(draft_sha256="cd" * 32)
    assert read(drafted, LOG)["draft_model"].applied == Measured("off", "engine")
    log = f"{LOG}common_speculative_init_result: loading draft model 'd.gguf'\n"
    assert read(drafted, log)["draft_model"].applied == Measured("on", "engine")


def test_several_gpus_are_asked_for_by_their_names_and_read_back_by_theirs() -> None:
    two = OFFLOADED + "llama_model_load_from_file_impl: using device CUDA2 (NVIDIA A100)\n"
    found = read(EngineProfile(gpu_layers=999, gpus=2), LOG + two, "cuda:1")["device"]
    assert (found.asked, found.applied) == ("cuda:1, cuda:2", Measured("cuda:1, cuda:2", "engine"))
