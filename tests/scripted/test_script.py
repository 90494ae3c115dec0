"""The script: bytes and moments, before any socket."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from steelyard.scripted import script
from steelyard.scripted.plan import Fault, FaultKind, Plan, PlannedCall, prompt_key
from steelyard.scripted.script import Cue, Scene

SCENE = Scene(number=4, model="m.gguf", context_tokens=512, vocabulary=2048)
PLAN = Plan(ttft_s=1.0, gap_s=0.5)
CHAT = {
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 4,
    "stream": True,
    "ignore_eos": True,
}


def perform(plan: Plan = PLAN, scene: Scene = SCENE, **changes: Any) -> tuple[Cue, ...]:
    wish = script.asked("/v1/chat/completions", {**CHAT, **changes})
    return script.perform(wish, plan, scene)[0]


def body(cues: tuple[Cue, ...]) -> list[Any]:
    """Return the objects of a stream, framing removed."""
    raw = b"".join(cue.data for cue in cues).partition(b"\r\n\r\n")[2]
    lines = [line for line in raw.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def text(cues: tuple[Cue, ...]) -> str:
    deltas = [m["choices"][0]["delta"] for m in body(cues) if m.get("choices")]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_the_first_token_is_due_at_the_planted_moment_and_the_others_at_their_gaps() -> None:
    assert [cue.at_s for cue in perform() if cue.tokens] == [1.0, 1.5, 2.0, 2.5]


def test_several_tokens_an_event_come_at_once() -> None:
    cues = [cue for cue in perform(replace(PLAN, tokens_per_event=3)) if cue.tokens]
    assert [(cue.at_s, cue.tokens) for cue in cues] == [(1.0, 3), (2.5, 1)]


def test_speed_heat_and_prompt_length_stretch_the_times() -> None:
    plan = replace(PLAN, speed=2.0, prefill_s_per_token=0.1)
    wish = script.asked("/completion", {"prompt": [1] * 10, "n_predict": 2, "stream": True})
    cues, _ = script.perform(wish, plan, replace(SCENE, slowness=1.5))
    assert [cue.at_s for cue in cues if cue.tokens] == pytest.approx([1.5, 1.875])


def test_jitter_is_drawn_within_its_bounds_and_the_same_every_time() -> None:
    plan = replace(PLAN, jitter=0.2)
    times = [cue.at_s for cue in perform(plan, max_tokens=50) if cue.tokens]
    gaps = [b - a for a, b in pairwise(times)]
    assert all(0.4 <= gap <= 0.6 for gap in gaps)
    assert len(set(gaps)) > 20
    assert times == [cue.at_s for cue in perform(plan, max_tokens=50) if cue.tokens]


def test_the_bodys_growth_is_told_with_every_cue() -> None:
    cues = perform()
    raw = b"".join(cue.data for cue in cues)
    chunks, total = raw.partition(b"\r\n\r\n")[2], 0
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        total += int(size, 16)
        chunks = rest[int(size, 16) + 2 :]
    assert total == sum(cue.body_bytes for cue in cues)


def test_a_known_prompt_gets_its_answer_and_stops() -> None:
    plan = replace(PLAN, answers={prompt_key([("user", "hi")]): "The answer is 42."})
    cues = perform(plan, max_tokens=40, ignore_eos=False)
    assert text(cues) == "The answer is 42."
    *_, finish, last = body(cues)
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["completion_tokens"] == sum(cue.tokens for cue in cues)


def test_an_answer_longer_than_allowed_is_cut_and_says_so() -> None:
    plan = replace(PLAN, answers={prompt_key([("user", "hi")]): "one two three four five"})
    cues = perform(plan, max_tokens=2, ignore_eos=False)
    assert text(cues) != "one two three four five"
    assert body(cues)[-2]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("fault", "present", "absent"),
    [
        ("missing_usage", "timings", "usage"),
        ("missing_timings", "usage", "timings"),
    ],
)
def test_what_is_left_out_is_left_out(fault: FaultKind, present: str, absent: str) -> None:
    last = body(perform(replace(PLAN, faults=(Fault(fault),))))[-1]
    assert present in last
    assert absent not in last


@pytest.mark.parametrize(
    ("fault", "then", "tokens"),
    [("stall", "hang", 2), ("disconnect", "close", 2), ("die", "die", 2), ("truncated", "keep", 2)],
)
def test_a_break_comes_half_way(fault: FaultKind, then: str, tokens: int) -> None:
    cues = perform(replace(PLAN, faults=(Fault(fault),)))
    assert cues[-1].then == then
    assert sum(cue.tokens for cue in cues) == tokens


def test_a_prompt_beyond_the_context_is_refused_in_llama_servers_words() -> None:
    (cue,) = perform(scene=replace(SCENE, context_tokens=4))
    assert b"400" in cue.data
    assert b"exceed_context_size_error" in cue.data


# ── tools ───────────────────────────────────────────────────────────────────────────────────
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def calling(*calls: PlannedCall, faults: tuple[Fault, ...] = (), **more: Any) -> Plan:
    key = script.asked("/v1/chat/completions", {**CHAT, "tools": [TOOL]}).key
    return replace(PLAN, calls={key: calls}, faults=faults, **more)


def answered(plan: Plan, **changes: Any) -> tuple[Cue, ...]:
    return perform(plan, tools=[TOOL], max_tokens=90, ignore_eos=False, **changes)


def joined(cues: tuple[Cue, ...]) -> dict[int, tuple[str, str, str]]:
    """Return id, name and arguments of each call of a stream, by its number."""
    found: dict[int, tuple[str, str, str]] = {}
    for message in body(cues):
        for choice in message["choices"]:
            for piece in choice["delta"].get("tool_calls", ()):
                before = found.get(piece["index"], (piece.get("id", ""), "", ""))
                function = piece["function"]
                name = before[1] + function.get("name", "")
                found[piece["index"]] = (before[0], name, before[2] + function["arguments"])
    return found


ADD, SUB = PlannedCall("add", '{"x": 12, "y": 3}'), PlannedCall("sub", "{}", "mine")


def test_planted_calls_come_in_pieces_with_their_ids_and_end_as_calls() -> None:
    cues = answered(calling(ADD, SUB))
    assert joined(cues) == {0: ("call_0", "add", '{"x": 12, "y": 3}'), 1: ("mine", "sub", "{}")}
    assert sum(bool(m["choices"][0]["delta"].get("tool_calls")) for m in body(cues)[1:-2]) > 8
    assert body(cues)[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert body(cues)[-1]["usage"]["completion_tokens"] == sum(cue.tokens for cue in cues)
    three = answered(replace(calling(ADD, SUB), tokens_per_event=3))
    assert joined(three) == joined(cues)


def test_an_unstreamed_answer_has_whole_calls() -> None:
    (cue,) = answered(calling(ADD, SUB), stream=False)
    message = json.loads(cue.data.partition(b"\r\n\r\n")[2])["choices"][0]["message"]
    functions = [call["function"] for call in message["tool_calls"]]
    assert functions == [
        {"name": "add", "arguments": '{"x": 12, "y": 3}'},
        {"name": "sub", "arguments": "{}"},
    ]


def test_another_catalogue_or_another_call_before_is_another_prompt() -> None:
    def key(**more: Any) -> str:
        return script.asked("/v1/chat/completions", {**CHAT, **more}).key

    turn = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add"}}]}
    other = {**turn, "tool_calls": [{"function": {"name": "sub"}}]}
    bare = {**turn, "tool_calls": []}
    keys = [key(), key(tools=[TOOL]), *(key(messages=[one]) for one in (turn, other, bare))]
    assert len(set(keys)) == 5


def test_calls_can_be_planted_as_text_broken_or_not_at_all() -> None:
    cues = answered(calling(ADD, faults=(Fault("calls_as_text"),)))
    assert json.loads(text(cues).split("\n")[1]) == {
        "name": "add",
        "arguments": {"x": 12, "y": 3},
    }
    assert (joined(cues), body(cues)[-2]["choices"][0]["finish_reason"]) == ({}, "stop")
    assert joined(answered(calling(ADD, faults=(Fault("calls_broken"),))))[0][2].endswith("3")
    wrong = answered(calling(ADD, wrong_rate=1.0))
    assert (joined(wrong), text(wrong)) == ({}, "I do not know.")


def test_tools_count_as_prompt_tokens_unless_they_are_ignored_and_may_be_refused() -> None:
    def counted(*faults: Fault, **changes: Any) -> int:
        cues = perform(replace(PLAN, faults=faults), **changes)
        return int(body(cues)[-1]["usage"]["prompt_tokens"])

    assert counted(tools=[TOOL]) > counted()
    assert counted(Fault("tools_ignored"), tools=[TOOL]) == counted()
    (cue,) = answered(calling(ADD, faults=(Fault("tools_refused"),)))
    assert b"400" in cue.data
    assert b"does not support tools" in cue.data
    assert len(perform(replace(PLAN, faults=(Fault("tools_refused"),)))) > 1


GOOD = '{"reason": "so", "score": 4}'


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("json_broken", GOOD[:-1]),
        ("json_off_scale", '{"reason": "so", "score": 9}'),
        ("json_wrapped", f"Here is what I think:\n```json\n{GOOD}\n```"),
    ],
)
def test_a_planted_object_is_spoilt_by_plan_and_other_answers_are_not(
    fault: FaultKind, said: str
) -> None:
    known = prompt_key([("user", "hi")])
    for planted, expected in ((GOOD, said), ("Paris", "Paris")):
        plan = replace(PLAN, answers={known: planted}, faults=(Fault(fault),))
        assert text(perform(plan, max_tokens=99, ignore_eos=False)) == expected


def test_a_fault_may_be_planted_into_prompts_by_their_keys() -> None:
    known = prompt_key([("user", "hi")])
    for prompts, faulty in (((known,), True), (("another",), False)):
        plan = replace(PLAN, faults=(Fault("http_error", prompts=prompts),))
        assert (b" 500 " in perform(plan)[0].data) is faulty


def test_a_schema_is_refused_by_plan_and_nothing_else_is() -> None:
    plan = replace(PLAN, faults=(Fault("schema_refused"),))
    assert b" 400 " in perform(plan, response_format={"type": "json_schema"})[0].data
    assert b" 200 " in perform(plan)[0].data
