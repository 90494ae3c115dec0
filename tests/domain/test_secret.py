"""What must not be seen is not seen, however one looks."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import traceback
from dataclasses import dataclass

import pytest

from steelyard.domain.ids import canonical
from steelyard.domain.secret import Secret

KEY = "sk-not-a-real-key"


@dataclass(frozen=True, slots=True)
class Holder:
    key: Secret


def test_it_is_revealed_only_by_that_word() -> None:
    secret = Secret(KEY)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>9}", "%s %r" % (secret, secret)]  # noqa: UP031
    assert [words for words in shown if KEY in words] == []
    assert str(secret) == "***"
    assert secret.reveal() == KEY


def test_what_holds_it_does_not_show_it() -> None:
    holder = Holder(Secret(KEY))
    assert KEY not in repr(holder)
    assert KEY not in repr(dataclasses.asdict(holder))
    assert KEY not in json.dumps(dataclasses.asdict(holder), default=str)


def test_it_has_no_json_form() -> None:
    with pytest.raises(TypeError) as caught:
        canonical(Holder(Secret(KEY)))
    assert KEY not in str(caught.value)
    with pytest.raises(TypeError):
        json.dumps(Secret(KEY))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_sent_to_another_process(protocol: int) -> None:
    with pytest.raises(TypeError, match="not written down") as caught:
        pickle.dumps(Holder(Secret(KEY)), protocol)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_copy_within_this_process_is_as_secret() -> None:
    for other in (copy.copy(Secret(KEY)), copy.deepcopy(Secret(KEY))):
        assert other == Secret(KEY)
        assert str(other) == "***"


def test_it_can_be_compared_but_not_with_its_text() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert len({Secret(KEY), Secret(KEY), Secret("other")}) == 2
    assert Secret(KEY) != KEY


def test_it_is_cut_out_of_the_words_of_others() -> None:
    assert Secret(KEY).without(f"wrong key {KEY}, {KEY}!") == "wrong key ***, ***!"


def test_nothing_is_no_secret() -> None:
    with pytest.raises(ValueError, match="empty"):
        Secret("")
