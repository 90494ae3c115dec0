"""What llama.cpp's log says of its buffers, in lines as b9870 and the wheel write them."""

from __future__ import annotations

from steelyard.domain.reading import Measured, Missing
from steelyard.engines.wires import llama_buffers

MIB = 1 << 20
ON_A_GPU = """\
load_tensors: offloaded 20/33 layers to GPU
load_tensors:   CPU_Mapped model buffer size =  1918.35 MiB
load_tensors:        CUDA0 model buffer size =  2500.50 MiB
llama_kv_cache:        CPU KV buffer size =   192.00 MiB
llama_kv_cache:      CUDA0 KV buffer size =   320.00 MiB
llama_context:  CUDA_Host  output buffer size =     0.49 MiB
sched_reserve:      CUDA0 compute buffer size =   669.50 MiB
sched_reserve:  CUDA_Host compute buffer size =    16.01 MiB
"""
ON_APPLE = """\
load_tensors: Metal_Mapped model buffer size =  4403.50 MiB
sched_reserve:      MTL0 compute buffer size =   100.00 MiB
"""
ON_THE_PROCESSOR = """\
load_tensors:   CPU_Mapped model buffer size =     5.67 MiB
load_tensors:   CPU_REPACK model buffer size =     3.00 MiB
llama_kv_cache:        CPU KV buffer size =     0.25 MiB
sched_reserve:        CPU compute buffer size =     6.02 MiB
"""


def test_only_what_lies_on_the_gpu_is_counted_as_its_memory() -> None:
    gpu = int((2500.50 + 320 + 669.50) * MIB)
    assert llama_buffers.on_devices(ON_A_GPU) == Measured(gpu, "engine")
    assert llama_buffers.on_devices(ON_APPLE) == Measured(int(4503.5 * MIB), "engine")
    assert llama_buffers.on_devices(ON_THE_PROCESSOR) == Measured(0, "engine")


def test_a_log_without_sizes_is_no_zero() -> None:
    found = llama_buffers.on_devices("srv: listening")
    assert isinstance(found, Missing)
    assert found.code == "not_reported"


def test_weights_kept_once_more_stand_apart() -> None:
    found = llama_buffers.read(ON_THE_PROCESSOR)
    assert isinstance(found, Measured)
    assert (found.value.weights, found.value.reordered) == (int(5.67 * MIB), 3 * MIB)
