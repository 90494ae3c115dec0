"""Tools on every engine's wire: what is sent obeys its fields, and its calls are read as calls.

The shapes of turns are those of each project's documentation: the chat API's, Ollama's own, and
TGI's, where a turn has either a text or calls. Other fields: the schemas of the replicas.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from tests.engines.replica import FOLDER, NAMES, Transcript

from steelyard.domain.stream import Attempt, Exchange
from steelyard.domain.task import Call, Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import transcript
from steelyard.engines.api import Attachable, Dialect, Served, dialect

ROUTES = {"lmstudio": "POST /api/v0/chat/completions", "ollama": "POST /api/chat"}
TOOL = json.dumps({"type": "function", "function": {"name": "get_weather", "parameters": {}}})
TALK = GenerationRequest(
    (
        Message("user", "Weather in Oslo and Rome?"),
        Message(
            "assistant",
            "",
            calls=(
                Call("get_weather", '{"town": "Oslo"}', "c1"),
                Call("get_weather", '{"town": "Rome"}', "c2"),
            ),
        ),
        Message("tool", '{"sky": "rain"}', answers="c1"),
        Message("tool", '{"sky": "sun"}', answers="c2"),
    ),
    tools=(TOOL,),
)
STRING = {"type": "string"}


def turns(arguments: str, *, named: bool, content: bool = True) -> dict[str, Any]:
    """Return the schema of turns: of what type arguments are, and whether a result is named."""
    call = {
        "type": "object",
        "required": ["id", "type", "function"],
        "properties": {
            "id": STRING,
            "type": {"const": "function"},
            "function": {
                "type": "object",
                "required": ["name", "arguments"],
                "properties": {"name": STRING, "arguments": {"type": arguments}},
            },
        },
    }
    plain = {"role": {"enum": ["system", "user", "assistant"]}, "content": STRING}
    calling = {"role": {"const": "assistant"}, "tool_calls": {"type": "array", "items": call}}
    result = {"role": {"const": "tool"}, "content": STRING, "tool_call_id": STRING}
    if content:
        calling["content"] = STRING
    if named:
        result["tool_name"] = STRING
    return {
        "oneOf": [
            {
                "type": "object",
                "additionalProperties": False,
                "required": list(fields),
                "properties": fields,
            }
            for fields in (plain, calling, result)
        ]
    }


USUAL = turns("string", named=False)
OWN = {
    "ollama": turns("object", named=True),
    "tgi": turns("string", named=False, content=False),
}


def speaking(name: str) -> Dialect:
    found = dialect(name)
    assert isinstance(found, Attachable)
    return found.serving(Served("MODEL"))


@pytest.mark.parametrize("name", NAMES)
def test_tools_calls_and_results_are_sent_as_the_engine_takes_them(name: str) -> None:
    call = speaking(name).encode(TALK)
    rules = json.loads((FOLDER / name / "replica.json").read_text())["requests"]
    schema = rules[f"{call.method} {call.path}"]
    schema["properties"]["messages"]["items"] = OWN.get(name, USUAL)
    body = json.loads(json.dumps(call.json))
    jsonschema.Draft202012Validator(schema).validate(body)
    assert body["tools"] == [json.loads(TOOL)]
    assert len(body["messages"]) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_call_of_each_engine_is_read_with_its_arguments(name: str) -> None:
    called, said = (_read(name, file) for file in ("chat-tool.http", "chat-tool-as-text.http"))
    (call,) = called.calls
    assert call.name == "get_weather"
    assert json.loads(call.arguments) == {"town": "Oslo"}
    assert call.id
    assert not said.calls


def _read(name: str, file: str) -> Attempt:
    told = Transcript.read(FOLDER / name / file)
    values = {"PROMPT_TOKENS": "9", "OUTPUT_TOKENS": "5", "TOTAL_TOKENS": "14"}
    body = "".join(told.said(values, 5, usage=True)).encode()
    exchange = Exchange("0", 1, 1, 90, 200, (10,), (len(body),), body)
    return transcript.read(exchange, speaking(name), sample="0")


@pytest.mark.parametrize("name", ["llamacpp", "mlx", "transformers", "openai", "scripted", *NAMES])
def test_every_engine_that_is_known_has_a_place_for_tools(name: str) -> None:
    assert dialect(name).capabilities.tool_calls
    assert dialect(name).encode(TALK).json["tools"]
