"""Training that can be broken off at any moment and goes on from its last checkpoint.

`python -m steelyard.forge.train --recipe base --folder DIR [--end-at UNIX_SECONDS]`. SIGTERM and
SIGINT write a checkpoint and end. Matrices learn by Muon, embedding and norms by AdamW, in
bfloat16 arithmetic over float32 weights. With `--end-at`, or when the file `decay` appears in the
folder, the decay phase is set to end in time; the log records the step it began at, which with
the recipe tells all that a repetition needs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor

from steelyard.domain.errors import BadInput
from steelyard.forge import mix
from steelyard.forge.circuits import lay_circuits
from steelyard.forge.network import Network, Shape, rotation
from steelyard.forge.probe import exact_matches
from steelyard.forge.recipes import RECIPES, Recipe
from steelyard.forge.tokenizer import Codec

CHECKPOINT_NS: Final = 180 * 10**9
LOG_EVERY: Final = 20
PROBE_EVERY: Final = 500
CREW_EVERY: Final = 16
_DECAY_SHARE: Final = 0.18


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """One line of the training log."""

    step: int
    tokens: int
    wall_s: float
    loss: float  # mean cross-entropy of answer tokens since the last line, nats
    prompt_loss: float | None  # of prompt tokens; none were asked for while repeats are taught
    rate: float  # share of the plateau's learning rate
    decay_from: int | None
    exact_match: dict[str, float] | None = None


@final
class Crew:
    """How many threads work: one or all, whichever was faster a moment ago.

    Threads share each step evenly, so beside a busy neighbour two of them wait for the slower.
    """

    def __init__(self, limit: int) -> None:
        self.choices = tuple(sorted({1, limit}))
        self.took_ns = dict.fromkeys(self.choices, 0)
        self.turn = 0

    def before(self) -> int:
        """Return the number of threads for the next step."""
        if self.turn < len(self.choices):
            return self.choices[self.turn]
        return min(self.choices, key=lambda threads: self.took_ns[threads])

    def after(self, threads: int, took_ns: int) -> None:
        """Remember what a step took."""
        self.took_ns[threads] = took_ns
        self.turn = (self.turn + 1) % CREW_EVERY


@final
class Trainer:
    """Owns weights, optimisers and the step counter; everything else is read from the recipe."""

    def __init__(self, recipe: Recipe, folder: Path, *, compiled: bool = True) -> None:
        self.recipe, self.folder = recipe, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.codec = _codec(recipe, folder)
        self.network = Network(
            Shape(recipe.layers, feed_forward=recipe.feed_forward), seed=recipe.seed
        )
        lay_circuits(self.network, mix.marked(self.codec), recipe.seed)
        named = list(self.network.named_parameters())
        matrices = [p for n, p in named if p.dim() > 1 and "embedding" not in n]
        vectors = [p for n, p in named if p.dim() == 1 or "embedding" in n]
        self.optimisers: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(
                matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay, ns_steps=4
            ),
            torch.optim.AdamW(
                vectors, lr=recipe.vector_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
            ),
        )
        self.step, self.tokens, self.wall_s = 0, 0, 0.0
        self.steps, self.decay_from = recipe.steps, recipe.steps - recipe.decay_steps
        self._loss: Callable[..., Tensor] = self.network.loss
        if compiled:
            self._loss = torch.compile(
                self.network.loss, dynamic=False, options={"cpp.dynamic_threads": True}
            )
        self._rotation = {n: rotation(n) for n in (recipe.positions, recipe.long_positions)}

    @property
    def decaying(self) -> bool:
        """Whether the learning rate is on its way down."""
        return self.step >= self.decay_from

    def rate(self) -> float:
        """Return the share of the plateau's learning rate at this step."""
        warm = (self.step + 1) / max(1, self.recipe.warmup_steps)
        left = (self.steps - self.step) / max(1, self.steps - self.decay_from)
        return max(0.0, min(1.0, warm, left))

    def decay_within(self, steps: int) -> None:
        """Begin the decay now and end after `steps`."""
        self.decay_from, self.steps = self.step, self.step + max(1, steps)

    def advance(self) -> tuple[float, float]:
        """Take one step; return the mean losses of answer and of prompt tokens."""
        long = mix.is_long(self.recipe, self.step, decaying=self.decaying)
        batch = mix.batch(self.recipe, self.codec, self.step, long=long)
        rate = self.rate()
        for optimiser, base in zip(
            self.optimisers, (self.recipe.matrix_rate, self.recipe.vector_rate), strict=True
        ):
            for group in optimiser.param_groups:
                group["lr"] = base * rate
        where, ids, weights = map(torch.from_numpy, (batch.where, batch.ids, batch.weights))
        mask = None if long else document_mask(torch.from_numpy(batch.documents))
        turning = self._rotation[batch.tokens.shape[1]]
        with torch.autocast("cpu", torch.bfloat16):
            # Too few steps are long for their compilation to pay.
            loss = self.network.loss if long else self._loss
            losses = loss(torch.from_numpy(batch.tokens), mask, turning, (where, ids, weights))
        mean = (losses * weights).sum() / weights.sum()
        mean.backward()  # type: ignore[no-untyped-call, unused-ignore]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += batch.tokens.size
        said = weights == 1
        found = losses.detach()
        prompt = found[~said].mean().item() if not bool(said.all()) else float("nan")
        return found[said].mean().item(), prompt

    def save(self) -> None:
        """Write a checkpoint: whole, or not at all."""
        state: dict[str, Any] = {
            "recipe": self.recipe.sha256,
            "network": self.network.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "clock": (self.step, self.tokens, self.wall_s, self.steps, self.decay_from),
        }
        unfinished = self.folder / "checkpoint.tmp"
        torch.save(state, unfinished)
        unfinished.replace(self.folder / "checkpoint.pt")

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, if it has one of this recipe."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        if state["recipe"] != self.recipe.sha256:
            raise BadInput(
                f"{path} was made by another recipe than {self.recipe.name!r}",
                hint="choose another folder, or remove that one to start anew",
            )
        self.network.load_state_dict(state["network"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.tokens, self.wall_s, self.steps, self.decay_from = state["clock"]
        return True


def document_mask(documents: Tensor) -> Tensor:
    """Return (rows, 1, n, n): a position sees itself and its own document's past."""
    same = documents[:, :, None] == documents[:, None, :]
    return same.tril()[:, None]


def _codec(recipe: Recipe, folder: Path) -> Codec:
    path = folder / "tokenizer.json"
    if not path.exists():
        Codec.trained(mix.tokenizer_texts(recipe)).save(path)
    return Codec.load(path)


def train(
    trainer: Trainer,
    *,
    end_at_ns: int | None = None,
    threads: int = 2,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Progress], None] = lambda _: None,
) -> bool:
    """Train to the end of the plan, or until `stop`. Return whether the plan is done.

    `end_at_ns` is on the monotonic clock: the decay then begins when its share of the remaining
    time has come, whatever the plan says.
    """
    saved = last = time.monotonic_ns()
    recent: deque[float] = deque(maxlen=100)
    crew = Crew(threads)
    sums: list[tuple[float, float]] = []
    while trainer.step < trainer.steps and not stop():
        working = crew.before()
        torch.set_num_threads(working)
        sums.append(trainer.advance())
        now = time.monotonic_ns()
        crew.after(working, now - last)
        recent.append((now - last) / 1e9)
        trainer.wall_s += recent[-1]
        last = now
        _mind_the_clock(trainer, end_at_ns, now, sum(recent) / len(recent))
        if trainer.step % LOG_EVERY == 0 or trainer.step == trainer.steps:
            tell(_progress(trainer, sums))
            sums.clear()
        if now - saved > CHECKPOINT_NS:
            trainer.save()
            saved = now
    trainer.save()
    return trainer.step >= trainer.steps


def _mind_the_clock(trainer: Trainer, end_at_ns: int | None, now: int, pace_s: float) -> None:
    """Begin the decay when the time that is left, or a file, says so."""
    if trainer.decaying:
        return
    asked = trainer.folder / "decay"
    left_s = None if end_at_ns is None else (end_at_ns - now) / 1e9
    if asked.exists():
        left_s = float(asked.read_text() or 0) or 600.0
        asked.unlink()
    elif left_s is None or left_s > _DECAY_SHARE / (1 - _DECAY_SHARE) * trainer.wall_s:
        return
    # A long batch costs about half as much again as a short one.
    trainer.decay_within(int(left_s / (pace_s * (1 + 0.5 * trainer.recipe.long_share))))


def _progress(trainer: Trainer, sums: list[tuple[float, float]]) -> Progress:
    probed = trainer.step % PROBE_EVERY < LOG_EVERY or trainer.step == trainer.steps
    prompts = [prompt for _, prompt in sums if prompt == prompt]  # noqa: PLR0124 - not a number
    return Progress(
        step=trainer.step,
        tokens=trainer.tokens,
        wall_s=round(trainer.wall_s, 1),
        loss=round(sum(answer for answer, _ in sums) / len(sums), 4),
        prompt_loss=round(sum(prompts) / len(prompts), 4) if prompts else None,
        rate=round(trainer.rate(), 4),
        decay_from=trainer.decay_from if trainer.decaying else None,
        exact_match=exact_matches(trainer.network, trainer.codec) if probed else None,
    )


def append_log(folder: Path, line: Progress) -> None:
    """Add one line to the folder's `log.jsonl`."""
    with (folder / "log.jsonl").open("a") as stream:
        stream.write(json.dumps(asdict(line)) + "\n")


def main(arguments: list[str]) -> int:
    """Train in the foreground, resuming; log to the folder and to standard output."""
    parser = argparse.ArgumentParser(prog="steelyard.forge.train")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="base")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--end-at", type=float, help="unix seconds; decay so as to be done then")
    parser.add_argument("--eager", action="store_true", help="without the compiler")
    chosen = parser.parse_args(arguments)
    recipe = RECIPES[chosen.recipe]
    if chosen.steps:
        recipe = replace(recipe, steps=chosen.steps)
    torch.set_num_threads(chosen.threads)
    told_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: told_to_stop.append(got))
    trainer = Trainer(recipe, chosen.folder, compiled=not chosen.eager)
    trainer.resume()

    def tell(line: Progress) -> None:
        append_log(trainer.folder, line)
        sys.stdout.write(json.dumps(asdict(line)) + "\n")
        sys.stdout.flush()

    left = None if chosen.end_at is None else chosen.end_at - time.time()  # noqa: TID251
    end_at_ns = None if left is None else time.monotonic_ns() + int(left * 1e9)
    done = train(
        trainer,
        end_at_ns=end_at_ns,
        threads=chosen.threads,
        stop=lambda: bool(told_to_stop),
        tell=tell,
    )
    return 0 if done else 143


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
