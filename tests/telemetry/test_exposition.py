"""The text format, read strictly: what is in it comes out, what is wrong is refused by line."""

from __future__ import annotations

import math

import pytest

from steelyard.domain.errors import DialectError
from steelyard.telemetry import exposition
from steelyard.telemetry.exposition import Sample

PAGE = r"""# HELP vllm:num_requests_running Number of requests\nrunning, "now" and C:\\path.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a \"quoted\" C:\\model\n{x}, y",} 3.0 1700000000000
# a comment that says nothing
# TYPE request_seconds histogram
request_seconds_bucket{le="0.1",path="/v1"} 2
request_seconds_bucket{le="+Inf",path="/v1"} 5
request_seconds_sum{path="/v1"} 1.5e0
request_seconds_count{path="/v1"} 5
untyped_thing -Inf
	other { a = "1" , b="2" }   NaN
"""


def test_a_page_comes_out_as_it_was_meant() -> None:
    running, seconds, plain, other = exposition.parse(PAGE)
    assert running.kind == "gauge"
    assert running.help == 'Number of requests\nrunning, "now" and C:\\path.'
    labels = (("engine", "0"), ("model_name", 'a "quoted" C:\\model\n{x}, y'))
    assert running.samples == (Sample("vllm:num_requests_running", labels, 3.0),)
    assert seconds.name == "request_seconds"
    assert len(seconds.samples) == 4
    assert plain.kind == "untyped"
    assert [sample.value for sample in plain.samples] == [-math.inf]
    (last,) = other.samples
    assert last.labels == (("a", "1"), ("b", "2"))
    assert math.isnan(last.value)


def test_openmetrics_has_units_exemplars_and_an_end() -> None:
    text = (
        "# TYPE tokens counter\n# UNIT tokens tokens\n"
        'tokens_total{a="b"} 17 1700000000.5 # {trace_id="x # y"} 0.67 1700000000\n'
        "tokens_created 1\n# EOF\n"
    )
    (tokens,) = exposition.parse(text, openmetrics=True)
    assert (tokens.kind, tokens.unit) == ("counter", "tokens")
    assert tokens.samples[0] == Sample("tokens_total", (("a", "b"),), 17.0)
    with pytest.raises(DialectError, match="line 4.*EOF"):
        exposition.parse(text.replace("tokens_created 1\n# EOF\n", ""), openmetrics=True)
    with pytest.raises(DialectError, match="follows # EOF"):
        exposition.parse(text + "more 1\n")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a", "no value"),
        ("1a 2", "no metric name"),
        ("a x", "no number"),
        ("a 1_000", "no number"),
        ("a 0x10", "no number"),
        ("a 1 2 3", "timestamp"),
        ("a 1 soon", "timestamp"),
        ('a{b="1" 2', "end in }"),
        ('a{b="1"c="2"} 2', "end in }"),
        ("a{b=1} 2", "end in }"),
        ('a{1b="x"} 2', "end in }"),
        (r'a{b="\d"} 2', "escape"),
        ('a{b="1",b="2"} 2', "twice"),
        ('a{b="1"} 2\na{b="1"} 3', "line 2.*same labels twice"),
        ("# TYPE a speed", "no type"),
        ("# TYPE 1a counter", "names no metric"),
        ("# TYPE a counter\n# TYPE a gauge", "twice"),
        ("a 1\n# TYPE a counter", "too late"),
        ("<html>", "no metric name"),
    ],
)
def test_what_breaks_the_grammar_is_refused_with_its_line(line: str, why: str) -> None:
    with pytest.raises(DialectError, match=why):
        exposition.parse(line + "\n")


def test_an_empty_page_has_no_families() -> None:
    assert exposition.parse("") == ()
    assert exposition.parse("\r\n# EOF\r\n", openmetrics=True) == ()
