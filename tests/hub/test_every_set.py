"""Every standard set: fetched in its published form, read again without a network, and scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.test_eval import server
from tests.hub.conftest import Said
from tests.hub.fake_hub import Hub, Repo, sha256
from tests.tasks.planting import key_of
from tests.tasks.published import SETS, Published, file_bytes

from steelyard.app.evals import able, standard_sets
from steelyard.domain.errors import CannotContain
from steelyard.domain.task import Answer, Item, Mark, Outcome, Right, Task, Trial, Wrong
from steelyard.scripted.plan import PlannedCall
from steelyard.tasks import registry
from steelyard.tasks.sets import catalogue

OFFLINE = {"HF_HUB_OFFLINE": "1"}


def publish(hub: Hub, names: Iterable[str], patch: pytest.MonkeyPatch) -> None:
    """Put small files where the published ones lie, by path and commit; their digest is pinned."""
    for name in names:
        adapter = catalogue.named(name)
        tables = zip(adapter.parts, SETS[name].tables, strict=True)
        files = {part.path: file_bytes(part.path, rows) for part, rows in tables}
        held = hub.repos.setdefault(
            f"datasets/{adapter.repo}", Repo({}, commits=(adapter.revision,))
        )
        held.files |= files
        parts = tuple(
            replace(part, sha256=part.sha256 and sha256(files[part.path])) for part in adapter.parts
        )
        patch.setitem(catalogue.SETS, name, replace(adapter, parts=parts))


def items_of(name: str) -> tuple[Task, list[Item]]:
    task = standard_sets.task(name, lambda _: None)
    return task, registry.generate(task)


def outcome(item: Item, answer: Answer) -> Outcome:
    found = item.on(answer)
    mark = found.mark() if isinstance(found, Trial) else found
    assert isinstance(mark, Mark)
    return mark.outcome


def can_be_asked(task: Task) -> bool:
    """Say whether answers can be scored here: programs need a sandbox, else they are refused."""
    try:
        able.require_here([task])
    except CannotContain:
        return False
    return True


def test_no_set_is_left_out() -> None:
    assert SETS.keys() == catalogue.SETS.keys()


@pytest.mark.parametrize(("name", "published"), SETS.items(), ids=SETS)
def test_a_set_is_fetched_read_again_without_a_request_and_scored(
    hub: Hub,
    steelyard: Callable[..., Said],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    published: Published,
) -> None:
    publish(hub, [name], monkeypatch)
    adapter = catalogue.named(name)
    words = ("tasks", "sample", f"set:{name}", "--json")
    first = steelyard(*words)
    assert first.code == 0, first.err
    base = f"/datasets/{adapter.repo}/resolve/{adapter.revision}"
    assert all(hub.asked(f"{base}/{part.path}") for part in adapter.parts)
    asked = len(hub.seen)
    again = steelyard(*words, **OFFLINE)
    assert (again.code, again.out) == (0, first.out), again.err
    task, items = items_of(name)
    assert (len(items), len(hub.seen)) == (2, asked)
    if not can_be_asked(task):
        pytest.skip("nothing can be contained here")
    assert outcome(items[0], published.right) == Right()
    assert [outcome(item, published.wrong) for item in items] == [Wrong(), Wrong()]


def planted(
    name: str, items: Iterable[Item]
) -> tuple[dict[str, str], dict[str, tuple[PlannedCall, ...]]]:
    """Answer the first question of a set rightly and the second one wrongly."""
    texts, calls = {}, {}
    for item, answer in zip(items, (SETS[name].right, SETS[name].wrong), strict=True):
        key = key_of(item.start())
        texts[key] = answer.text
        if answer.calls:
            calls[key] = tuple(PlannedCall(call.name, call.arguments) for call in answer.calls)
    return texts, calls


def test_all_sets_are_asked_of_a_server_and_each_has_one_right_and_one_wrong(
    hub: Hub, tmp_path: Path, steelyard: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(hub, SETS, monkeypatch)
    texts: dict[str, str] = {}
    calls: dict[str, tuple[PlannedCall, ...]] = {}
    names = []
    for name in SETS:
        task, items = items_of(name)
        if can_be_asked(task):
            names.append(name)
            said, called = planted(name, items)
            texts |= said
            calls |= called
    with server(tmp_path / "server", texts, calls=calls) as url:
        done = steelyard(
            *("eval", url, "--set", ",".join(names), "--out", tmp_path / "found", "--json"),
            **OFFLINE,
        )
    assert done.code == 0, done.err
    marks = {one["task"]: one["marks"] for one in json.loads(done.out)["tasks"]}
    found = {name: (marks[f"set:{name}"]["right"], marks[f"set:{name}"]["wrong"]) for name in names}
    assert found == dict.fromkeys(names, (1, 1))
