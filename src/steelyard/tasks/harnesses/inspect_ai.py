"""Inspect (inspect-ai with inspect-evals): its command line and its logs.

Tried with inspect-ai 0.3.285 and inspect-evals 0.26. Not aware of how it is started.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from steelyard.domain.errors import BadInput
from steelyard.domain.harness import HarnessScore
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.tasks.harnesses.order import Order

_SERVICE: Final = "steelyard"  # it reads STEELYARD_BASE_URL and STEELYARD_API_KEY
_NAME: Final = re.compile(r"[\w-]+(/[\w-]+)*")


def named(word: str) -> str:
    """Return a task of inspect-evals, or `PATH.py@TASK` of the user's with its whole path."""
    file, _, task = word.partition("@")
    if file.endswith(".py"):
        path = Path(file)
        if not path.is_file():
            raise BadInput(f"there is no file {file}", hint="inspect:PATH.py@TASK names a task")
        return f"{path.absolute()}@{task}" if task else str(path.absolute())
    if not _NAME.fullmatch(word):
        raise BadInput(f"{word!r} is no task of Inspect", hint="e.g. inspect:gsm8k")
    return word if "/" in word else f"inspect_evals/{word}"


def command(order: Order) -> tuple[str, ...]:
    """Return the command that runs it; what a task itself sets is left as it is."""
    return (
        *(str(order.python), "-I", "-m", "inspect_ai", "eval", *order.tasks),
        *("--model", f"openai-api/{_SERVICE}/{order.model}"),
        *("--limit", str(order.limit), "--seed", str(order.seed)),
        *("--max-connections", str(order.streams), "--max-retries", "3"),
        *("--log-dir", str(order.out), "--log-format", "json"),
        *("--display", "plain", "--ctl-server", "false"),
    )


def env(order: Order) -> Mapping[str, str]:
    """Return where it finds the proxy, and a key that is none."""
    name = _SERVICE.upper()
    return {f"{name}_BASE_URL": order.url, f"{name}_API_KEY": "none"}


def scores(out: Path) -> tuple[HarnessScore, ...]:
    """Read every log."""
    logs = [json.loads(path.read_bytes()) for path in sorted(out.rglob("*.json"))]
    return tuple(score for log in logs if isinstance(log, dict) for score in _scores(log))


def unfinished(out: Path) -> tuple[str, ...]:
    """Return which tasks did not come to their end, by their logs."""
    logs = [json.loads(path.read_bytes()) for path in sorted(out.rglob("*.json"))]
    return tuple(
        f"{log['eval']['task']}: {log['status']}"
        for log in logs
        if isinstance(log, dict) and "eval" in log and log.get("status") != "success"
    )


def _scores(log: Mapping[str, Any]) -> Iterator[HarnessScore]:
    results = log.get("results") or {}
    task = str((log.get("eval") or {}).get("task", ""))
    for score in results.get("scores", ()):
        metrics = score.get("metrics", {})
        stderr = _number((metrics.get("stderr") or {}).get("value"))
        counted = score.get("scored_samples", results.get("completed_samples"))
        items: Reading[int] = Missing("not_told")
        if isinstance(counted, int):
            items = Measured(counted, "derived")
        for name, metric in metrics.items():
            if name != "stderr":
                value = _number(metric.get("value"))
                yield HarnessScore(task, name, value, stderr, items, str(score.get("name", "")))


def _number(value: object) -> Reading[float]:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return Measured(float(value), "derived")
    return Missing("not_told", "the harness gives no number")
