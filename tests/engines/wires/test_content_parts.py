"""Content that is a list of parts is read; a form that nobody can read is named, never dropped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steelyard.analysis.failure_hints import hint
from steelyard.domain.errors import DialectError
from steelyard.domain.stream import Content, Reasoning, RoleStarted
from steelyard.engines.wires import openai

TEXT = {"type": "text", "text": "Paris"}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}


def said(where: str, content: Any) -> tuple[object, ...]:
    choice = {"index": 0, where: {"role": "assistant", "content": content}}
    return openai.parse(json.dumps({"choices": [choice]})).events


@pytest.mark.parametrize("where", ["delta", "message"])
def test_parts_of_text_and_thinking_are_read(where: str) -> None:
    assert said(where, [TEXT]) == (Content("Paris"),)
    assert said(where, [THOUGHT, TEXT]) == (Reasoning("hm"), Content("Paris"))
    assert said(where, [{"type": "thinking", "thinking": "hm"}]) == (Reasoning("hm"),)
    assert said(where, [{"type": "refusal", "refusal": "no"}]) == (Content("no"),)
    assert said(where, []) == said(where, None) == (RoleStarted(),)


@pytest.mark.parametrize("where", ["delta", "message"])
def test_a_part_that_is_no_text_is_left_out_where_another_is(where: str) -> None:
    cited = {"type": "reference", "reference_ids": [1]}
    for others in ([cited], [{"type": "image_url"}], [None], [{"type": "text", "text": None}]):
        assert said(where, [TEXT, *others]) == said(where, [*others, TEXT]) == (Content("Paris"),)
    assert said(where, ["Pa", "ris"]) == (Content("Pa"), Content("ris"))
    assert said(where, [cited]) == said(where, [None]) == (RoleStarted(),)


@pytest.mark.parametrize("where", ["delta", "message"])
@pytest.mark.parametrize(
    "content", [7, {"text": "Paris"}, [7], [{"type": "text"}], [{"type": "image_url"}]]
)
def test_any_other_form_of_content_is_named(where: str, content: object) -> None:
    with pytest.raises(DialectError) as found:
        said(where, content)
    code = openai.failure_code(str(found.value), otherwise="error_in_stream")
    assert code == "malformed_content"
    assert hint(code)
