"""How fast the ladder is made here: megaweights a second by quant, on one core and on all.

`python benchmarks/quantise.py [MODEL.gguf] [--imatrix FILE] [--quants Q8_0,Q4_K_M]`; without a
model the bundled one is taken.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import steelyard
from steelyard.llamalib.kernels import cores
from steelyard.models import artifacts, ladder

BUNDLED = Path(steelyard.__file__).parent / "bundled"
QUANTS = "F16,Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q4_0,Q3_K_M,Q2_K,IQ4_XS"


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("model", type=Path, nargs="?", default=BUNDLED / "base.gguf")
    flags.add_argument("--imatrix", type=Path, default=None)
    flags.add_argument("--quants", default=QUANTS)
    options = flags.parse_args()
    weights = artifacts.inspect(options.model).parameters
    print(f"{options.model.name}: {weights / 1e6:.1f} M weights, {cores()} cores")
    print(f"{'quant':10} {'bpw':>6} {'one core':>12} {'all cores':>12}   (M weights/s)")
    with tempfile.TemporaryDirectory() as folder:
        for quant in options.quants.split(","):
            out, rates = Path(folder, f"{quant}.gguf"), []
            for threads in (1, cores()):
                started_ns = time.monotonic_ns()
                ladder.quantise(
                    *(options.model, quant, out),
                    imatrix=options.imatrix,
                    requantise=True,
                    threads=threads,
                )
                rates.append(weights / 1e6 / ((time.monotonic_ns() - started_ns) * 1e-9))
            bpw = artifacts.inspect(out).file_bpw
            print(f"{quant:10} {bpw:6.3f} {rates[0]:12.2f} {rates[1]:12.2f}")


if __name__ == "__main__":
    main()
