"""`eval --vary` and `--guard` on servers whose answers are planted, and what they say before."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.conftest import Said
from tests.cli.test_eval import server
from tests.cli.test_own_files import answered, key
from tests.runs.test_judged_conversations import planted

from steelyard.app.choosing.deal import deal
from steelyard.domain.task import Task
from steelyard.tasks import guards, varying
from steelyard.tasks.conversation import Conversation
from steelyard.tasks.registry import drawn

ROOT = Path(__file__).parents[2]
SUMS = Task("math_words", level=2, items=6, vary=("typos_10", "json_broken"))
TOTAL = 3 * SUMS.items
SERVERS = ("http://127.0.0.1:9", "http://127.0.0.1:8")
READ = Task("reading", items=8)


def right(*tasks: Task, but: str = "") -> dict[str, str]:
    """Plant the right answers; a form of this name gets nonsense."""
    found: dict[str, str] = {}
    for item in (item for task in tasks for item in drawn(task)):
        if isinstance(item, Conversation):
            found |= planted(item)
        else:
            wrong = but and item.id.endswith(f"~{but}")
            found[key(item.prompt, getattr(item, "system", ""))] = "-7" if wrong else item.answer
    return found


def form_line(said: str, form: str) -> list[str]:
    return next(line for line in said.splitlines() if line.startswith(f"  {form} ")).split()


def test_a_named_family_is_asked_in_named_forms_paired_told_before_and_marked_again(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    with server(tmp_path / "frail", right(SUMS, but="json_broken")) as url:
        said = steelyard("eval", url, "--tasks", "math_words:2", "--items", "6",
                         "--vary", "typos_10,json_broken", "--out", "frail")  # fmt: skip
    assert said.code == 0, said.err
    assert f"6 items × 3 forms, the clean one among them = {TOTAL} requests" in said.err
    assert "6 items: beside another run" in said.err  # its forms are no further items
    record = json.loads(Path("frail/record.json").read_text())
    (section,) = record["sections"]
    assert len(section["attempts"]) == TOTAL
    assert len(set(section["clusters"].values())) == 6
    assert form_line(said.out, "json_broken")[-5:] == ["0.0", "%", "6", "6", "0"]
    assert form_line(said.out, "typos_10")[-5:] == ["100.0", "%", "6", "0", "0"]
    assert "spread 100.0 points" in said.out
    assert "worst case, right in every form 0.0 %" in said.out
    assert re.search(r"flip rate against the clean item 50\.0 %", said.out)
    again = steelyard("rescore", "frail").out
    assert "every mark is the same as it was" in again
    assert form_line(again, "json_broken") == form_line(said.out, "json_broken")
    told = json.loads(steelyard("rescore", "frail", "--json").out)["evaluation"]["forms"]
    forms = {one["form"]: one for one in told["varied:math_words/l2"]["forms"]}
    assert (forms["json_broken"]["pairs"], forms["json_broken"]["lost"]) == (6, 6)
    assert forms["typos_10"].get("lost", 0) == 0


def test_two_models_are_compared_in_the_same_forms_and_not_with_a_plain_run(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    words = ("--tasks", "math_words:2", "--items", "6")
    for name, but in (("good", ""), ("frail", "json_broken")):
        with server(tmp_path / name, right(SUMS, but=but)) as url:
            steelyard("eval", url, *words, "--vary", "typos_10,json_broken", "--out", name)
            if not but:
                steelyard("eval", url, *words, "--out", "plain")
    both = steelyard("eval", "compare", "good", "frail").out
    assert re.search(r"varied:math_words/l2 +100\.0% +66\.7% +\+33\.3%", both), both
    refused = steelyard("eval", "compare", "good", "plain")
    assert refused.code == 2
    assert "other vary, so other items" in refused.err


def test_a_file_of_the_users_is_varied_and_its_answers_name_the_forms(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    Path("q.csv").write_text(
        "prompt,answer\nHow many legs does a spider have? Answer with the number.,8\n"
    )
    with server(tmp_path / "none", {}) as url:
        said = steelyard("eval", url, "--file", "q.csv", "--vary", "all", "--out", "mine")
    assert said.code == 0, said.err
    rows = answered("mine")
    assert rows[0]["item"] + "~json" in {row["item"] for row in rows}
    assert "form" not in rows[0]
    by_form = {row["form"]: row for row in rows[1:]}
    assert by_form["upper_case"]["prompt"].startswith("HOW MANY LEGS DOES a SPIDER")
    assert all("8" not in row["prompt"] and row["answer"] == "8" for row in rows)


@pytest.mark.full
def test_conversations_are_varied_at_every_turn(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    talk = Task("multi_turn", items=4, vary=("json", "upper_case"))
    with server(tmp_path / "talk", right(talk)) as url:
        said = steelyard("eval", url, "--tasks", "multi_turn", "--items", "4",
                         "--vary", "json,upper_case", "--out", "talk")  # fmt: skip
    assert "varied:multi_turn/l1  100.0%" in said.out, said.out
    told = re.search(r"= (\d+) requests", said.err)
    assert told
    (section,) = json.loads(Path("talk/record.json").read_text())["sections"]
    assert int(told[1]) == len(section["attempts"])


def test_the_effect_of_a_guard_is_paired_and_the_guard_is_named(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    guarded = replace(READ, guard=guards.GUARDS["unknown"])
    bare = {**dict.fromkeys(list(right(READ))[:2], "nowhere")}
    with server(tmp_path / "one", {**right(READ), **bare, **right(guarded)}) as url:
        words = ("--tasks", "reading", "--items", "8", "--out")
        steelyard("eval", url, *words, "bare")
        said = steelyard("eval", url, *words, "guarded", "--guard", "unknown")
        again = steelyard("eval", url, *words, "guarded", "--guard", "sources")
    assert "guard, in the system message before every question: unknown: " in said.err
    assert "guard unknown: 'If what you are given" in said.out
    both = steelyard("eval", "compare", "bare", "guarded")
    assert both.code == 0, both.err
    assert "differs the guard (none → unknown: 'If what you are given" in both.out
    assert re.search(r"reading/l1 +75\.0%.* +100\.0%.* +-25\.0% .* 0 +2 ", both.out), both.out
    assert again.code == 2
    assert "every mark is the same" in steelyard("rescore", "guarded").out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--vary", "typo_10"), "there is no form 'typo_10'"),
        (("--vary", "json,json"), "--vary names json twice"),
        (("--vary", "json,"), "empty place"),
        (("--vary", "clean"), "no form but the clean one"),
        (
            ("--vary", "all", "--tasks", "long_context"),
            "long_context cannot be varied: its prompts",
        ),
        (("--guard", "unknwon"), "there is no guard 'unknwon'"),
        (("--guard", " "), "--guard is empty"),
        (("--guard", "check", "--tasks", "lm-eval:x"), "--guard is for tasks of ours"),
        (("--vary", "all", "--tasks", "lm-eval:x"), "--vary is for tasks of ours"),
    ],
)
def test_a_wrong_form_or_guard_is_refused_before_anything_is_asked(
    steelyard: Callable[..., Said], words: tuple[str, ...], why: str
) -> None:
    said = steelyard("eval", "http://127.0.0.1:9", *words)
    assert said.code == 2
    assert why in said.err
    assert not list(Path().glob("*"))


def test_repeats_are_asked_in_every_form_behind_the_guard(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    guarded = replace(SUMS, items=3, guard=guards.GUARDS["check"])
    with server(tmp_path / "same", right(guarded)) as url:
        said = steelyard("eval", "repeat", url, "--tasks", "math_words:2", "--items", "3",
                         "--times", "2", "--vary", "typos_10,json_broken", "--guard", "check",
                         "--out", "out", "--json")  # fmt: skip
    assert said.code == 0, said.err
    (task,) = json.loads(said.out)["tasks"]
    assert (task["task"], task["texts"]["n"]) == ("varied:math_words/l2", 9)
    (section,) = json.loads(Path("out/2/record.json").read_text())["sections"]
    assert {mark["outcome"]["kind"] for mark in section["marks"].values()} == {"right"}


def test_all_candidates_of_a_choice_get_the_same_items_in_the_same_forms_behind_the_guard(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    tasks = (replace(SUMS, level=1, guard=guards.GUARDS["check"]),)
    dealt = deal(tasks, 40, 0)
    forms = Counter(varying.form_of(one.item.id) for one in dealt.items)
    assert len({one.item.cluster for one in dealt.items}) == len(dealt.items) == 40
    assert min(forms[form] for form in ("clean", *SUMS.vary)) >= 8
    with (
        server(tmp_path / "one", right(*dealt.tasks)) as first,
        server(tmp_path / "two", right(*dealt.tasks)) as second,
    ):
        said = steelyard("eval", "choose", first, second, "--tasks", "math_words",
                         "--items-max", "40", "--margin", "30", "--vary", "typos_10,json_broken",
                         "--guard", "check", "--fixed", "--no-aa", "--out", "out")  # fmt: skip
    assert said.code == 0, said.err
    assert "guard, in the system message before every question: check: " in said.err
    assert f"one of its forms, the same of every subject: clean {forms['clean']}" in said.err
    sides = [json.loads(path.read_text()) for path in Path("out").glob("*/record.json")]
    asked = [
        {key: mark["outcome"]["kind"] for key, mark in side["sections"][0]["marks"].items()}
        for side in sides
    ]
    assert asked[0] == asked[1] == {one.item.id: "right" for one in dealt.items}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("repeat", "bundled", "--judge", "x"), "no judge is asked"),
        (("choose", *SERVERS, "--judge-model", "x"), "--judge-model: a choice asks families"),
        (("repeat", "bundled", "--vary", "nope"), "there is no form 'nope'"),
        (("choose", *SERVERS, "--guard", "nope"), "there is no guard 'nope'"),
        (("choose", *SERVERS, "--vary", "all", "--tasks", "vision"), "vision cannot be varied"),
    ],
)
def test_what_a_repeat_or_a_choice_cannot_take_is_one_sentence(
    steelyard: Callable[..., Said], words: tuple[str, ...], why: str
) -> None:
    said = steelyard("eval", *words)
    assert said.code == 2
    assert why in said.err
    assert not list(Path().glob("*"))


def test_a_robustness_set_says_what_it_costs_and_that_it_is_made_whole(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    found = drawn(Task("robustness", items=5, revision=2))
    with server(tmp_path / "none", {}) as url:
        said = steelyard("eval", url, "--tasks", "robustness", "--items", "5", "--out", "whole")
    (section,) = json.loads(Path("whole/record.json").read_text())["sections"]
    assert f"and so {len(found)} instead of 5" in said.err
    clean = len({item.cluster for item in found})
    assert clean == 1
    assert "1 item: beside another run" in said.err  # its forms are no further items
    assert f"= {len(section['attempts'])} requests" in said.err
    assert len(section["marks"]) == len(found)


def test_help_and_the_page_name_every_guard_and_the_page_has_its_text(
    steelyard: Callable[..., Said],
) -> None:
    shown = " ".join(steelyard("eval", "run", "--help").out.split())
    page = " ".join((ROOT / "docs" / "how-to" / "prompt-forms.md").read_text().split())
    for name, text in guards.GUARDS.items():
        assert f"{name}," in shown
        assert f"`{name}`" in page
        assert text in page
