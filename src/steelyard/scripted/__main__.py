"""`python -m steelyard.scripted --port P [--plan FILE] [--truth FILE] [llama-server's flags]`."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from steelyard.domain.errors import SteelyardError
from steelyard.scripted import header
from steelyard.scripted import plan as plans
from steelyard.scripted.server import Served, Server, load


def parser() -> argparse.ArgumentParser:
    """Return the parser: its own flags, and those of llama-server that it takes to heart."""
    flags = argparse.ArgumentParser(prog="steelyard.scripted", allow_abbrev=False)
    flags.add_argument("--plan", type=Path)
    flags.add_argument("--truth", type=Path, default=Path(os.devnull))
    flags.add_argument("--host", default="127.0.0.1")
    flags.add_argument("--port", type=int, required=True)
    flags.add_argument("--model", type=Path)
    flags.add_argument("--alias", default="scripted")
    flags.add_argument("--also", default="", help="further models, by name: B,C")
    flags.add_argument("--ctx-size", type=int, default=4096)
    flags.add_argument("--parallel", type=int, default=1)
    flags.add_argument("--threads", type=int, default=1)
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--n-gpu-layers", dest="gpu_layers", type=int, default=0)
    flags.add_argument("--gpus", type=int, default=1)
    return flags


def main(words: list[str]) -> int:
    """Serve until killed."""
    options = parser().parse_args(words)
    plan = plans.Plan() if options.plan is None else plans.read(options.plan)
    if options.model is not None:
        plan = plan.for_model(options.model.name)
    plan = plan.on_gpus(options.gpu_layers, options.gpus)
    served = Served(
        model_path=str(options.model or "none"),
        alias=options.alias,
        context_tokens=options.ctx_size // options.parallel,
        slots=options.parallel,
        threads=options.threads,
        seed=options.seed,
        meta=header.meta(options.model) if options.model is not None else {},
        others=tuple(name for name in options.also.split(",") if name),
    )
    load(plan, served)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
        listener.listen(1024)
        Server(listener, plan, served, options.truth).run()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SteelyardError as error:
        sys.exit(f"{error} ({error.hint})")
