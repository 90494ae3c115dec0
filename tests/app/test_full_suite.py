"""`sweep --suite full` on the scripted engine: every family, and what a server does not take."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.app import served_stage, stage
from tests.app.stage import Stage
from tests.cli.test_eval_rag import tokens
from tests.runs.test_stretching import fitted
from tests.tasks.called_tools import asked
from tests.tasks.planting import Planted, key_of

from steelyard.domain.errors import CannotContain
from steelyard.domain.task import Task
from steelyard.platform import containment
from steelyard.runs.retrieval import Lengths
from steelyard.scripted.plan import prompt_key, told
from steelyard.tasks import registry
from steelyard.tasks.bm25 import Bm25
from steelyard.tasks.corpora import cut, furnished
from steelyard.tasks.registry import questions

ITEMS = 24
FAST = ("--suite", "full", "--items", str(ITEMS), "--repeats", "1", "--include-polluted")
LATE = ("tools", "rag", "code", "long_context", "vision")
pytestmark = pytest.mark.full
Swept = tuple[Stage, Path, subprocess.CompletedProcess[str]]


def task(family: str, level: int = 1) -> Task:
    return Task(family, level, ITEMS, revision=registry.family(family).revision)


def planted() -> dict[str, Any]:
    """Plant every right answer of the five families whose questions are made on the way."""
    plan = Planted(dict(stage.answers(ITEMS)))
    for item in asked(task("tools")):
        plan.plant(item)
    lengths = Lengths(tokens)
    for item in questions(task("rag")):
        assert item.source is not None
        passages = cut(item.source.corpus, 256, lengths)
        ranked = Bm25([passage.text for passage in passages]).ranked(item.source.question)
        prompt = furnished(item.prompt, [passages[at] for at in ranked[:5]])
        plan.answers[prompt_key([("user", prompt)])] = f"Answer: {item.answer}\nSources: none"
    for item in questions(task("code")):
        plan.answers[key_of(item.start())] = f"```python\n{item.answer}\n```"
    for item in questions(task("long_context", 2)):
        text = fitted(item).messages[0].content
        plan.answers[prompt_key([("user", text)])] = item.answer
    for item in questions(task("vision")):
        (turn,) = item.start().messages
        files = [(shown.kind, base64.b64decode(shown.data)) for shown in turn.media]
        plan.answers[prompt_key([("user", told(turn.content, files))])] = item.answer
    return {"answers": plan.answers, "calls": plan.calls}


@pytest.fixture(scope="module")
def contained() -> bool:
    try:
        containment.sandbox()
    except CannotContain:
        return False
    return True


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """One finished sweep of a ladder: nothing wrong but with Q2_K, which errs on a half."""
    made = stage.build(
        tmp_path_factory.mktemp("whole"),
        items=ITEMS,
        wrong_rate=0.0,
        variants={"*Q2_K*": {"wrong_rate": 0.5}},
        **planted(),
    )
    out = made.home / "out"
    done = made.run(
        "sweep", f"{made.ladder}@scripted", *FAST, "--quants", "Q8_0,Q2_K", "--out", str(out)
    )
    return made, out, done


def summary_of(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "sweep_summary.json").read_text())
    return loaded


def row(out: Path, label: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = summary_of(out)["per_quant"]
    return next(r for r in rows if r["variant"]["label"] == label and r["role"] != "aa")


def test_all_families_are_asked_of_every_variant_and_planted_losses_come_back(
    swept: Swept, contained: bool
) -> None:
    _, out, done = swept
    assert done.returncode in (0, 1), done.stderr
    families = [name for name in LATE if contained or name != "code"]
    whole, good, broken = (row(out, label) for label in ("F16", "Q8_0", "Q2_K"))
    assert set(whole["family_marks"]) >= set(families)
    for name in families:
        marks = whole["family_marks"][name]
        assert (marks["right"], marks["not_run"]) == (ITEMS, 0), name
        assert good["family_marks"][name]["right"] == ITEMS, name
        assert 0 < broken["family_marks"][name]["right"] < ITEMS, name
        verdict = broken["family_verdicts"][name]
        assert verdict["items"] == ITEMS
        assert verdict["flips_lost"] == ITEMS - broken["family_marks"][name]["right"], name
    assert broken["verdict"]["value"]["name"] == "worse"
    assert good["verdict"]["value"]["flips_lost"] == 0
    assert summary_of(out)["items"] == ITEMS * len(whole["family_marks"])


def test_what_no_sweep_asks_is_named_and_nothing_else_of_the_suite_is(
    swept: Swept, contained: bool
) -> None:
    _, out, _ = swept
    told = {each["what"] for each in summary_of(out)["not_measured"]}
    assert {"audio", "video"} <= told
    assert told & set(registry.FULL) == (set() if contained else {"code"})


def test_what_a_server_turns_out_not_to_take_is_named_and_counts_for_no_variant(
    tmp_path: Path,
) -> None:
    made = served_stage.build(tmp_path)
    blind = {"takes": [], "admits": False, "faults": [{"kind": "tools_ignored"}]}
    plan = served_stage.script(tmp_path, items=8, variants={"small": blind})
    with served_stage.serving(tmp_path, plan, "whole", "small") as up:
        out = made.home / "out"
        words = ("--suite", "full", "--items", "8", "--repeats", "1", "--include-polluted")
        done = made.run("sweep", up.url, *words, "--out", str(out))
    assert done.returncode in (0, 1), done.stderr
    told = {each["what"]: each["why"] for each in summary_of(out)["not_measured"]}
    assert told["tools"].endswith("(small)")
    assert "tools_prompted" in told["tools"]
    assert told["vision"].endswith("(small)")
    whole, small = row(out, "whole"), row(out, "small")
    assert not {"tools", "vision"} & whole["family_marks"].keys()
    assert {"long_context", "tools_prompted"} <= small["family_marks"].keys()
    assert small["marks"]["not_run"] == 0
    counts = [small["marks"][name] for name in ("right", "wrong", "invalid")]
    assert small["verdict"]["value"]["items"] == sum(counts) > 80
