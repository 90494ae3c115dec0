"""What a budget counts and when it ends: at its limit, of what was billed, and never backwards."""

from __future__ import annotations

import json
from array import array

import pytest

from steelyard.domain.budget import Budget
from steelyard.loadgen.spool import Raw
from steelyard.runs.allowance import Allowance, usage_of

CHAT = "/v1/chat/completions"
NOW_NS = 5_000_000_000


def answer(usage: dict[str, object] | None, status: str = "200 OK") -> Raw:
    said: dict[str, object] = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    body = json.dumps(said if usage is None else {**said, "usage": usage}).encode()
    raw = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    sizes = array("q", [len(raw)])
    return Raw("1", 1, 2, 2, 9, array("q", [5]), sizes, array("q", [0]), raw)


def counted(prompt: int, output: int, **more: object) -> Raw:
    return answer({"prompt_tokens": prompt, "completion_tokens": output, **more})


def charged(budget: Budget, *answers: Raw, path: str = CHAT, method: str = "POST") -> Allowance:
    made = Allowance(budget, began_ns=0)
    for each in answers:
        made.charge(method, path, 100, each)
    return made


def test_tokens_in_and_out_are_spent_and_the_last_of_them_ends_it() -> None:
    assert charged(Budget(tokens=11), counted(7, 3)).spent(NOW_NS) == ""
    assert charged(Budget(tokens=10), counted(7, 3)).spent(NOW_NS) == "10 of 10 tokens are spent"


def test_money_ends_at_its_limit_and_where_one_answer_has_no_price() -> None:
    paid = counted(7, 3, cost=0.25)
    assert charged(Budget(usd=0.75), paid, paid).spent(NOW_NS) == ""
    assert charged(Budget(usd=0.5), paid, paid).spent(NOW_NS) == "0.5 of 0.5 USD are spent"
    unpriced = charged(Budget(usd=9.0), paid, counted(7, 3))
    assert "1 answer came without a price" in unpriced.spent(NOW_NS)


def test_an_answer_without_counts_is_charged_with_its_bytes_and_says_at_most() -> None:
    silent = answer(None)
    found = charged(Budget(tokens=50), silent)
    assert found.tokens == 100 + len(bytes(silent.raw).partition(b"\r\n\r\n")[2])
    assert found.spent(NOW_NS).startswith("at most ")
    absurd = charged(Budget(tokens=50), counted(10**13, 3))
    assert absurd.tokens < 1000
    assert absurd.at_most


def test_counts_below_zero_give_nothing_back() -> None:
    assert charged(Budget(tokens=50), counted(20, 5), counted(-20, 5)).tokens == 30


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models", "200 OK"),
        ("POST", "/v1/tokenize", "200 OK"),
        ("POST", CHAT, "500 Oops"),
    ],
)
def test_what_costs_nothing_is_not_charged(method: str, path: str, status: str) -> None:
    usage: dict[str, object] = {"prompt_tokens": 7, "completion_tokens": 3}
    found = charged(Budget(tokens=50), answer(usage, status), method=method, path=path)
    assert (found.tokens, found.unbilled) == (0, 0)


def test_time_is_counted_from_when_it_began_and_each_refusal_is_counted() -> None:
    made = Allowance(Budget(seconds=2.0), began_ns=NOW_NS)
    assert made.refusal(NOW_NS + 1_999_999_999) == ""
    assert made.refused == 0
    assert made.refusal(NOW_NS + 2_000_000_000) == "the budget (2 s) is spent: the 2 s are over"
    assert made.refusal(NOW_NS + 3_000_000_000)
    assert made.refused == 2


def test_of_several_counts_in_a_stream_the_last_one_holds() -> None:
    """Some servers count along as they go."""
    said = b"".join(
        b"data: "
        + json.dumps(
            {
                "choices": [{"delta": {"content": "x"}}],
                "usage": {"prompt_tokens": 7, "completion_tokens": n},
            }
        ).encode()
        + b"\n\n"
        for n in (1, 2, 3)
    )
    found = usage_of(said)
    assert found is not None
    assert (found.prompt_tokens, found.output_tokens) == (7, 3)
