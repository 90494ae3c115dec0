"""Items that a server did not answer for a while: a resume asks them again, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.app import stage

ITEMS = 12
FAST = ("--items", str(ITEMS), "--repeats", "1", "--quants", "Q8_0", "--include-polluted")


def records(out: Path) -> dict[str, dict[str, Any]]:
    """Return the first run of each file that was asked tasks; a busy machine makes repeats."""
    found = {}
    for path in (out / "runs").glob("*/record.json"):
        record = json.loads(path.read_text())
        if record["spec"].get("tasks") and not record["spec"].get("repeat"):
            found[record["spec"]["subject"]["artifact"]["name"]] = record
    return found


def not_run(record: dict[str, Any]) -> list[str]:
    return [
        item
        for section in record["sections"]
        for item, mark in section.get("marks", {}).items()
        if mark["outcome"]["kind"] == "not_run"
    ]


def row(out: Path) -> dict[str, Any]:
    summary = json.loads((out / "sweep_summary.json").read_text())
    (found,) = [one for one in summary["per_quant"] if one["variant"]["label"] == "Q8_0"]
    return dict(found)


def test_a_sweep_that_goes_on_asks_what_was_not_run_and_keeps_the_rest(tmp_path: Path) -> None:
    lost = sorted(stage.answers(ITEMS))[:6]
    fault = {"kind": "http_error", "prompts": lost}
    made = stage.build(tmp_path, items=ITEMS, variants={"*Q8_0*": {"faults": [fault]}})
    out = made.home / "out"
    first = made.run("sweep", f"{made.ladder}@scripted", *FAST, "--out", str(out))
    before = records(out)["tiny-Q8_0.gguf"]
    assert len(not_run(before)) == 6, first.stderr
    assert "items were not run (http_500): --resume asks them again" in first.stderr
    reason = row(out)["verdict"]["value"]["to_decide_items"]
    assert reason["detail"].startswith("ask again what was not run: `sweep --resume`")
    stage.write_script(made, items=ITEMS)
    again = made.run("sweep", "--resume", "--include-polluted", "--out", str(out))
    after = records(out)["tiny-Q8_0.gguf"]
    assert not not_run(after), again.stderr
    assert row(out)["marks"]["not_run"] == 0

    def sent(record: dict[str, Any]) -> dict[str, int]:
        return {
            f"{section['name']}/{one['sample']}": one["sent_ns"]
            for section in record["sections"]
            for one in section["attempts"]
            if one["outcome"]["kind"] == "completed"
        }

    kept = sent(before).items() & sent(after).items()
    assert len(kept) == len(sent(before))
    assert len(sent(after)) == len(kept) + 6
    assert after["vitals"] == before["vitals"]  # of the machine when it was measured
