"""Which tags an Ollama model has: from a registry that lists them, from the page, or nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.hub.conftest import Said, noise
from tests.hub.fake_hub import Fault, Hub

from steelyard.app.hub import find_texts
from steelyard.app.hub.pulling import HubRequest
from steelyard.domain.errors import BadInput

LIST, PAGE = "/v2/library/tiny/tags/list", "/library/tiny/tags"
TAGS = ("latest", "1b", "1b-q8_0", "1b-cloud")


def link(tag: str) -> str:
    return f'<a href="/library/tiny:{tag}" class="x"><span>tiny:{tag}</span> • 1.3GB</a>'


@pytest.fixture
def tagged(hub: Hub) -> Hub:
    """A model of four tags: two names of one model, another quant, and one without weights."""
    hub.models["library/tiny:1b"] = hub.models["library/tiny:latest"]
    layers = {"model": noise(700_000, 9), "projector": noise(50_000, 10), "license": b"MIT"}
    hub.add_model("library/tiny:1b-q8_0", layers, {"file_type": "Q8_0"})
    hub.add_model("library/tiny:1b-cloud", {"license": b"MIT"}, {"remote_host": "elsewhere"})
    hub.tag_lists["library/tiny"] = {"name": "library/tiny", "tags": list(TAGS)}
    return hub


def found(subject: str, **options: Any) -> Any:
    """Return what `models find --json` prints."""
    return json.loads(find_texts.find_text(HubRequest(subject, **options), as_json=True))


def test_every_tag_is_told_with_the_quant_and_the_bytes_of_its_own_manifest(tagged: Hub) -> None:
    told = found(f"ollama:{tagged.origin}/library/tiny")
    assert (told["tags"], told["tags_source"]) == (list(TAGS), "registry")
    rows = {row["label"]: row for row in told["variants"]}
    quants = [rows[tag]["claimed_quant"] for tag in TAGS]
    assert quants == ["Q4_K_M", "Q4_K_M", "Q8_0", None]
    config = len(json.dumps({"file_type": "Q8_0"}))
    assert rows["1b-q8_0"]["size_bytes"] == 700_000 + 50_000 + len(b"MIT") + config
    assert rows["latest"]["id"] == rows["1b"]["id"] != rows["1b-q8_0"]["id"]
    assert [rows[tag]["weights"] for tag in TAGS] == [True, True, True, False]
    # No weights were asked for.
    assert not any(seen.server == "cdn" for seen in tagged.seen)


def test_globs_choose_among_the_tags_and_no_other_manifest_is_asked_for(tagged: Hub) -> None:
    globs = {"include": ("1b*",), "exclude": ("*cloud*",)}
    told = found(f"ollama:{tagged.origin}/library/tiny", **globs)
    assert [row["label"] for row in told["variants"]] == ["1b", "1b-q8_0"]
    assert tagged.asked("/v2/library/tiny/manifests/latest") == []
    assert found(f"ollama:{tagged.origin}/library/tiny", include=("x*",))["variants"] == []


def test_a_registry_without_such_a_list_is_read_off_its_page(tagged: Hub) -> None:
    del tagged.tag_lists["library/tiny"]
    tagged.pages[PAGE] = (
        f"<html>{link('latest')}{link('latest')}{link('1b-q8_0')}"
        '<a href="/library/other:7b">o</a><a href="/library/tiny">t</a>'
        '<a href="/library/tiny:../../x">bad</a></html>'
    )
    told = found(f"ollama:{tagged.origin}/library/tiny")
    assert (told["tags"], told["tags_source"]) == (["latest", "1b-q8_0"], "page")
    assert told["tags_go_on"] is False
    tagged.pages[PAGE] += '<button hx-get="/library/tiny/tags?page=2">more</button>'
    text = find_texts.find_text(HubRequest(f"ollama:{tagged.origin}/library/tiny"), as_json=False)
    assert "the list goes on at" in text
    assert "Q8_0" in text


def test_a_page_of_another_form_is_no_guess_and_a_tag_that_is_named_works_all_the_same(
    tagged: Hub,
) -> None:
    del tagged.tag_lists["library/tiny"]
    subject = f"ollama:{tagged.origin}/library/tiny"
    told = found(subject)
    assert told["tags"]["missing"] == "no_route"
    assert told["variants"][0]["claimed_quant"] == "Q4_K_M"
    tagged.pages[PAGE] = "<html><div>tiny:latest and tiny:1b</div></html>"
    told = found(f"{subject}:1b-q8_0")
    assert told["tags"]["missing"] == "page_changed"
    assert told["variants"][0]["files"][0]["size_bytes"] == 700_000


def test_one_tag_that_cannot_be_read_says_why_and_hides_no_other(tagged: Hub) -> None:
    tagged.tag_lists["library/tiny"] = {"tags": ["latest", "gone", "1b-q8_0"]}
    tagged.faults["/v2/library/tiny/manifests/1b-q8_0"] = [Fault("garbage")]
    told = found(f"ollama:{tagged.origin}/library/tiny", retries=0)
    rows = {row["label"]: row["size_bytes"] for row in told["variants"]}
    assert isinstance(rows["latest"], int)
    assert rows["gone"]["missing"] == rows["1b-q8_0"]["missing"] == "not_readable"


@pytest.mark.parametrize("tags", [{"tags": "latest"}, {"tags": [1]}, {"tags": ["a/b"]}, [], "x"])
def test_a_list_that_is_none_is_not_believed(tagged: Hub, tags: object) -> None:
    tagged.tag_lists["library/tiny"] = tags
    tagged.pages[PAGE] = link("latest")
    told = found(f"ollama:{tagged.origin}/library/tiny")
    assert (told["tags"], told["tags_source"]) == (["latest"], "page")


def test_a_busy_registry_is_no_registry_without_tags(
    tagged: Hub,
) -> None:
    tagged.faults[LIST] = [Fault("status", status=503)]
    told = found(f"ollama:{tagged.origin}/library/tiny", retries=0)
    assert told["tags"]["missing"] == "not_reached"
    tagged.faults[LIST] = [Fault("status", status=503)]
    assert found(f"ollama:{tagged.origin}/library/tiny")["tags"] == list(TAGS)


def test_a_name_that_nobody_knows_is_refused_with_the_way_out(
    hub: Hub, steelyard: Callable[..., Said]
) -> None:
    said = steelyard("models", "find", f"ollama:{hub.origin}/library/nope")
    assert (said.code, said.out) == (2, "")
    assert "check name and tag" in said.err
    with pytest.raises(BadInput, match="no revisions"):
        found(f"ollama:{hub.origin}/library/tiny", revision="x")
