"""llama.cpp by way of its wheel: server, kernels, decoding, and a self-check before any of it."""
