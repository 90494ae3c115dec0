"""`eval --suite quality`: every family that the subject can be asked, and why others are not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.cli.test_eval import server
from tests.door import steelyard

from steelyard.app.evals import comparing, rescoring
from steelyard.store.records import read_record, write_record


def test_the_suite_asks_every_family_that_the_subject_takes_and_names_the_others(
    tmp_path: Path,
) -> None:
    with server(tmp_path / "plan", {}, takes=("audio",)) as url:
        asked = ("eval", url, "--suite", "quality", "--items", "1", "--out", "out")
        done = steelyard(tmp_path, *asked)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Not asked: vision")]
    assert "by its own word the model takes none" in line
    assert "vision is not asked" in done.stderr
    spec = json.loads((tmp_path / "out" / "spec.json").read_text())
    families = list(dict.fromkeys(task["family"] for task in spec["tasks"]))
    assert {(task["family"], task["level"]) for task in spec["tasks"]} >= {("logic", 2), ("rag", 3)}
    assert [name for name in families if name != "code"] == [
        *("math_words", "reading", "logic", "formats", "multi_turn", "business", "robustness"),
        *("tools", "rag"),
    ]
    assert "Not asked: long_context, " in done.stdout
    assert "tokens of context; the longest questions take 4,096" in done.stdout
    # Programs are run in a sandbox only: where there is none, that is said.
    assert ("code" in families) != ("Not asked: code" in done.stdout)
    later_reports_name_them_too(tmp_path, line)


def later_reports_name_them_too(folder: Path, line: str) -> None:
    """What was left out is in the record, so whoever reads it can tell."""
    out, other = folder / "out", folder / "other"
    record = read_record(out)
    assert record.left_out.keys() >= {"vision", "long_context"}
    assert line in rescoring.rescore_text(str(out), as_json=False)
    assert line in rescoring.rescore_text(record.id, as_json=False)  # out of the store
    told = json.loads(rescoring.rescore_text(str(out), as_json=True))
    assert told["evaluation"]["left_out"] == record.left_out
    other.mkdir()
    write_record(other, replace(record, id="another", left_out={}))
    shown = comparing.compare(str(out), str(other), 0.03, as_json=False).text
    assert line.replace("Not asked:", f"Not asked in run {record.id}:") in shown
    assert "Not asked in run another" not in shown
    by_level_is_an_option_of_three_doors(folder)


def by_level_is_an_option_of_three_doors(folder: Path) -> None:
    """Families come first; JSON has both whatever was typed."""
    for words in (("eval", "compare", "out", "other"), ("rescore", "out")):
        usual, levels = (
            steelyard(folder, *words, *more).stdout for more in ((), ("--by", "level"))
        )
        assert "\nlogic " in usual
        assert "\nlogic/l2 " not in usual
        assert "\nlogic/l2 " in levels
    told = json.loads(steelyard(folder, "eval", "compare", "out", "other", "--json").stdout)
    families = [one["task"] for one in told["families"]]
    assert set(families) == set(told["pooled"])
    assert told["pooled"]["logic"]["tasks"] == ["logic/l2", "logic/l3"]
    assert {one["task"] for one in told["tasks"]} >= {"logic/l2", "logic/l3"}


def test_a_suite_that_does_not_exist_or_is_mixed_with_tasks_is_refused(tmp_path: Path) -> None:
    for words, says in (
        (("--suite", "qualty"), "did you mean 'quality'"),
        (("--suite", "quality", "--tasks", "logic"), "--suite says what is asked"),
    ):
        done = steelyard(tmp_path, "eval", "bundled", *words)
        assert done.returncode == 2
        assert says in done.stderr


def test_families_without_other_forms_are_left_out_of_a_varied_suite_and_named(
    tmp_path: Path,
) -> None:
    with server(tmp_path / "plain", {}, takes=("image",)) as url:
        done = steelyard(
            *(tmp_path, "eval", url, "--suite", "quick", "--items", "1"),
            *("--vary", "typos_10", "--out", "out"),
        )
    assert done.returncode == 0, done.stderr
    spec = json.loads((tmp_path / "out" / "spec.json").read_text())
    families = {task["family"] for task in spec["tasks"]}
    assert families >= {"math_words", "reading", "logic", "formats", "multi_turn", "rag"}
    assert not families & {"tools", "vision", "long_context", "robustness"}
    for family, why in (
        ("tools", "its items call tools by a schema"),
        ("vision", "its items show pictures"),
        ("long_context", "its prompts are written to a length"),
        ("robustness", "it asks its items in every form already"),
    ):
        (line,) = [one for one in done.stdout.splitlines() if f"Not asked: {family}, " in one]
        assert f"it has no other forms: {why}" in line


def test_a_suite_at_one_level_asks_each_family_there_and_names_those_that_have_none(
    tmp_path: Path,
) -> None:
    with server(tmp_path / "plain", {}, takes=("audio",)) as url:
        asked = ("eval", url, "--suite", "quick", "--level", "4", "--items", "1", "--out", "out")
        done = steelyard(tmp_path, *asked)
    assert done.returncode == 3, done.stderr  # one of the two was not run
    assert "! 1 of 2 items not run, over 1 %: no verdict rests on it" in done.stdout
    spec = json.loads((tmp_path / "out" / "spec.json").read_text())
    asked_of = [(task["family"], task["level"]) for task in spec["tasks"]]
    assert asked_of == [("multi_turn", 4), ("tools", 4)]
    assert "Not asked: logic, it has no level 4" in done.stdout
