"""lm-eval and Inspect as they are published, unmodified, against the embedded engine.

Their environments are made by the product; the data sets are small files of the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.domain.reading import Measured
from steelyard.store.records import read_record

pytestmark = pytest.mark.full

ROWS = [("What is 2 + 3?", "5"), ("What is 4 + 3?", "7"), ("What is 1 + 1?", "2")]
TASK = """
task: small_sums
dataset_path: json
dataset_kwargs:
  data_files:
    test: {rows}
test_split: test
output_type: {kind}
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  until: ["\\n"]
  max_gen_toks: 16
metric_list:
  - metric: {metric}
    aggregation: mean
    higher_is_better: true
"""
INSPECT = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

@task
def sums():
    rows = {rows!r}
    return Task([Sample(input=q, target=a) for q, a in rows], solver=generate(), scorer=includes())
"""


def steelyard(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "steelyard.cli.main", *words]
    return subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, check=False, timeout=900
    )


def test_both_run_unmodified_and_what_cannot_be_scored_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path / "home"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in ROWS))
    asked = {"fine": ("generate_until", "exact_match"), "chance": ("multiple_choice", "acc")}
    for name, (kind, metric) in asked.items():
        text = TASK.format(rows=rows, kind=kind, metric=metric)
        choices = 'doc_to_choice: ["5", "7", "2"]\n' if name == "chance" else ""
        (tmp_path / f"{name}.yaml").write_text(text + choices)
    (tmp_path / "sums.py").write_text(INSPECT.format(rows=ROWS))
    made = steelyard(tmp_path, "engines", "install", "lm-eval", "inspect")
    assert made.returncode == 0, made.stderr
    for word, name in (("lm-eval:fine.yaml", "small_sums"), ("inspect:sums.py@sums", "sums")):
        out = word.partition(":")[0]
        done = steelyard(tmp_path, "eval", "bundled", "--tasks", word, "--out", out)
        assert done.returncode == 0, done.stderr
        record = read_record(tmp_path / out)
        assert record.harness is not None
        (score,) = (s for s in record.harness.scores if s.metric in ("exact_match", "accuracy"))
        assert score.task == name
        assert isinstance(score.value, Measured)
        assert 0 <= score.value.value <= 1
        assert score.items == Measured(len(ROWS), "derived")
        attempts = record.sections[0].attempts
        assert len(attempts) == len(ROWS)
        assert all(isinstance(attempt.usage, Measured) for attempt in attempts)
    refused = steelyard(tmp_path, "eval", "bundled", "--tasks", "lm-eval:chance.yaml")
    assert refused.returncode == 2
    assert "log-probabilities" in refused.stderr
    unknown = steelyard(tmp_path, "eval", "bundled", "--tasks", "lm-eval:gsm8q")
    assert unknown.returncode == 2
    assert "gsm8k" in unknown.stderr
