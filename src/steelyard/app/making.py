"""`forge bundled`: the bundled model, trained and exported again. Torch is reached late."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from steelyard.domain.errors import BadInput, Interrupted
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.platform import clock, settings

_NS_PER_S = 1e9
_NEEDED = ("torch", "tokenizers", "gguf", "xllamacpp")


def reproduce(limit_s: float | None, out: Path, emit: Emit) -> str:
    """Train base and draft, going on from their checkpoints, and export into `out`.

    `limit_s` bounds the training, not the export; the learning rates then fall in time. Raises
    `BadInput` where the training stack is missing, `Interrupted` after Ctrl+C.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BadInput(
            f"making models needs {', '.join(missing)}",
            hint="run it as `python3 start.py forge bundled`, which installs the training stack",
        )
    from steelyard.forge import bundled
    from steelyard.forge.train import Progress

    begun: dict[str, int] = {}

    def tell(name: str, line: Progress, steps: int) -> None:
        phase = f"training the {name} model"
        if name not in begun:
            begun[name] = clock.monotonic_ns()
            emit(PhaseStarted(phase, total=steps))
        emit(Advanced(phase, line.step, f"loss {line.loss:.3f}, {line.tokens:,} tokens"))
        if line.step >= steps:
            emit(PhaseEnded(phase, (clock.monotonic_ns() - begun[name]) / _NS_PER_S))

    work = settings.load().forge / "bundled"
    try:
        card = bundled.reproduce(out, work, limit_s=limit_s, tell=tell)
    except KeyboardInterrupt:
        raise Interrupted(
            "training was interrupted",
            hint=f"checkpoints are in {work}; the same command goes on from the last one",
        ) from None
    overall = card["held_out"]["overall"]
    return (
        f"exported to {out}: {overall['right']} of {overall['items']} held-out items right "
        f"({overall['share']:.1%}); the card is {out / 'card.md'}"
    )
