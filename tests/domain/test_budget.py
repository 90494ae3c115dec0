"""What people write for a budget."""

from __future__ import annotations

import pytest

from steelyard.domain.budget import Budget
from steelyard.domain.errors import BadInput


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2usd", Budget(usd=2.0)),
        ("0.5 usd", Budget(usd=0.5)),
        ("1e6tok", Budget(tokens=1_000_000)),
        ("30m", Budget(seconds=1800.0)),
        ("1h,200tok", Budget(tokens=200, seconds=3600.0)),
    ],
)
def test_a_budget_is_money_tokens_or_time(text: str, meant: Budget) -> None:
    assert Budget.read(text) == meant


@pytest.mark.parametrize(
    "text", ["", "2", "2eur", "-1usd", "0tok", "0.5tok", "1e99tok9", "2usd,3usd"]
)
def test_what_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        Budget.read(text)
    assert "1e6tok" in caught.value.hint
