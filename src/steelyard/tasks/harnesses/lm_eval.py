"""lm-eval (EleutherAI's language model evaluation harness): its command line and result files.

Tried with 0.4.13. Not aware of how it is started.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from steelyard.domain.errors import BadInput, EngineError, UnknownName
from steelyard.domain.harness import HarnessScore
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.tasks.harnesses.order import Order

_DESCRIBE: Final = Path(__file__).with_name("describe_lm_eval.py")
_DESCRIBE_LIMIT_S: Final = 300.0
_WORDS: Final = 500
# What a Python needs to find its libraries, a home and a place for what is temporary; no secrets.
_NEEDED: Final = (
    *("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "HOME", "USERPROFILE", "XDG_CACHE_HOME", "HF_HOME"),
    *("TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL"),
)
# Whose score is a comparison of log-probabilities of given text.
_LOGLIKELIHOOD: Final = frozenset({"multiple_choice", "loglikelihood", "loglikelihood_rolling"})


def named(word: str) -> str:
    """Return a task's name, or the whole path of a task file of the user's."""
    if not word or any(letter in word for letter in ", \n"):
        raise BadInput(f"{word!r} is no task of lm-eval", hint="e.g. lm-eval:gsm8k")
    if word.endswith((".yaml", ".yml")):
        path = Path(word)
        if not path.is_file():
            raise BadInput(f"there is no task file {word}", hint="lm-eval:PATH.yaml names one")
        return str(path.absolute())
    return word


def command(order: Order) -> tuple[str, ...]:
    """Return the command that runs it; code that a model wrote is never allowed to run."""
    route = "completions" if order.loglikelihood else "chat/completions"
    told = {
        "model": order.model,
        "base_url": f"{order.url}/{route}",
        "num_concurrent": order.streams,
        "max_retries": 3,
    }
    return (
        *(str(order.python), "-I", "-m", "lm_eval", "run"),
        *("--model", "local-completions" if order.loglikelihood else "local-chat-completions"),
        *("--model_args", *(f"{name}={value}" for name, value in told.items())),
        *("--tasks", ",".join(order.tasks)),
        *("--limit", str(order.limit), "--seed", str(order.seed)),
        *([] if order.loglikelihood else ["--apply_chat_template"]),
        *("--output_path", str(order.out), "--log_samples"),
    )


def env(order: Order) -> Mapping[str, str]:  # noqa: ARG001 - as every harness has it
    """Return what it reads from its environment: a key that is none, for the proxy drops it."""
    return {"OPENAI_API_KEY": "none"}


def loglikelihoods(python: Path, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return which tasks compare log-probabilities; raise `UnknownName` for one it has not.

    lm-eval itself is asked, and no data set is fetched.
    """
    try:
        done = subprocess.run(
            [str(python), "-I", str(_DESCRIBE), *tasks],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=_needed(),
            timeout=_DESCRIBE_LIMIT_S,
            check=False,
        )
        said = done.stdout.decode(errors="replace").strip()
        if done.returncode != 0 or not said:
            raise ValueError(done.stderr.decode(errors="replace").strip()[-_WORDS:] or "no words")
        found = json.loads(said.split("\n")[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise EngineError(f"lm-eval does not tell its tasks: {error}") from None
    for task in found["unknown"]:
        raise UnknownName.among("task of lm-eval", task, found["near"] or ["gsm8k"])
    return tuple(name for name, kind in found["tasks"].items() if kind in _LOGLIKELIHOOD)


def _needed() -> dict[str, str]:
    """Return what it finds set while it tells its tasks: no key, no token, and no way to a hub."""
    mine = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    return {**mine, "HF_HUB_OFFLINE": "1"}


def scores(out: Path) -> tuple[HarnessScore, ...]:
    """Read the newest result file."""
    files = sorted(out.rglob("results_*.json"), key=lambda path: path.name)
    if not files:
        return ()
    whole = json.loads(files[-1].read_bytes())
    counts = whole.get("n-samples", {})
    return tuple(
        score
        for task, values in whole.get("results", {}).items()
        for score in _scores(task, values, counts.get(task, {}))
    )


def _scores(
    task: str, values: Mapping[str, Any], counts: Mapping[str, Any]
) -> Iterator[HarnessScore]:
    items = counts.get("effective")
    for key, value in values.items():
        metric, _, variant = key.partition(",")
        if isinstance(value, bool) or not isinstance(value, int | float) or not variant:
            continue  # its alias and its sizes
        if metric.endswith("_stderr"):
            continue
        yield HarnessScore(
            task,
            metric,
            _number(value),
            _number(values.get(f"{metric}_stderr,{variant}")),
            Measured(items, "derived") if isinstance(items, int) else Missing("not_told"),
            "" if variant == "none" else variant,
        )


def _number(value: object) -> Reading[float]:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return Measured(float(value), "derived")
    return Missing("not_told", "the harness gives no number")
