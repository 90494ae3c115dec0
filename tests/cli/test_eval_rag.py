"""`steelyard eval --tasks rag` from the command line: retrieval, answers and sources planted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_eval import server
from tests.door import steelyard
from tests.runs.embedder import rows, serving
from tests.runs.scene import key_of

from steelyard.cli.main import run
from steelyard.domain.task import Task
from steelyard.loadgen import spool
from steelyard.runs.retrieval import Lengths
from steelyard.scripted import script, vectors
from steelyard.tasks.bm25 import Bm25
from steelyard.tasks.corpora import Passage, cut, furnished
from steelyard.tasks.items import Question
from steelyard.tasks.ranking import Matrix, fused, nearest, unit_rows
from steelyard.tasks.registry import questions

ASKED = 20
TASK = Task("rag", items=ASKED)
ITEMS = ("--tasks", "rag", "--items", str(ASKED))


def tokens(text: str, *, special: bool = False) -> list[int]:  # noqa: ARG001
    return script.tokenise(text, 2048)


LENGTHS = Lengths(tokens)


@cache
def shelf(cluster: str, chunk: int) -> tuple[tuple[Passage, ...], Bm25, Matrix]:
    item = next(item for item in questions(TASK) if item.cluster == cluster)
    assert item.source is not None
    passages = cut(item.source.corpus, chunk, LENGTHS)
    texts = [passage.text for passage in passages]
    return passages, Bm25(texts), unit_rows([vectors.vector(text) for text in texts])


def found(retriever: str, chunk: int, k: int) -> Iterator[tuple[Question, list[Passage]]]:
    """Retrieve as a run should."""
    for item in questions(TASK):
        assert item.source is not None
        passages, index, matrix = shelf(item.cluster, chunk)
        asked = item.source.question
        ranked = index.ranked(asked)
        if retriever == "hybrid":
            ranked = fused(ranked, nearest(matrix, unit_rows([vectors.vector(asked)])[0]))
        yield item, [passages[at] for at in ranked[:k]]


def holds(item: Question, passages: list[Passage]) -> list[bool]:
    """Say of each fact whether it is in the passages, by their text."""
    assert item.source is not None
    facts = [fact.partition(":") for fact in item.source.needed]
    sentences = [item.source.corpus.passage(f"{d}:{at}-{at}").text for d, _, at in facts]
    return [any(sentence in passage.text for passage in passages) for sentence in sentences]


def answered(retriever: str, chunk: int, k: int, counts: dict[str, int]) -> dict[str, str]:
    """Plant a reader that answers what it was given and else abstains; count what that makes.

    Of its sources every second one is wrong.
    """
    planted = {}
    for number, (item, passages) in enumerate(found(retriever, chunk, k)):
        assert item.source is not None
        held = holds(item, passages)
        answer, sources = "not stated", "none"
        if held and all(held):
            named = sorted({fact.partition(":")[0] for fact in item.source.needed})
            answer, sources = item.answer, ", ".join(named if number % 2 else ["D999"])
        counts["facts"] += len(held)
        counts["hits"] += sum(held)
        counts["whole"] += answer == item.answer != "not stated"
        counts["cited"] += answer != "not stated" and number % 2
        counts["absent"] += not held
        prompt = furnished(item.prompt, passages)
        planted[key_of(prompt)] = f"Answer: {answer}\nSources: {sources}"
    return planted


def test_a_grid_is_retrieved_answered_scored_compared_and_marked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted: dict[str, str] = {}
    counts: dict[tuple[str, int, int], dict[str, int]] = {}
    for setting in (("bm25", 256, 2), ("hybrid", 256, 2), ("bm25", 128, 2)):
        counts[setting] = dict.fromkeys(("facts", "hits", "whole", "cited", "absent"), 0)
        planted |= answered(*setting, counts[setting])
    grid = ("--rag-retriever", "bm25,hybrid", "--rag-k", "2")
    with server(tmp_path / "both", planted) as url:
        there = ("--embeddings", url, "--out", "grid", "--json")
        done = steelyard(tmp_path, "eval", url, *ITEMS, *grid, *there)
        assert done.returncode == 0, done.stderr
        other = ("--rag-chunk", "128", "--rag-k", "2", "--out", "one")
        alone = steelyard(tmp_path, "eval", url, *ITEMS, *other)
        assert alone.returncode == 0, alone.stderr
    result = json.loads(done.stdout)
    for score, setting in zip(result["retrieval"], list(counts)[:2], strict=True):
        assert (score["retriever"], score["chunk"], score["k"]) == setting
        as_planted(score, counts[setting])
    assert [pair["task"] for pair in result["beside_first"]] == [
        score["task"] for score in result["retrieval"][1:]
    ]
    assert run(["results", "show", result["run"]]) == 0
    shown = capsys.readouterr().out
    assert shown.count("By kind of item: facts found, right") == 2
    assert "rag/l1[hybrid,256,2,scripted]  unanswerable" in shown
    assert run(["rescore", str(tmp_path / "grid")]) == 0
    again = capsys.readouterr().out
    assert "every mark is the same as it was" in again
    assert again.count("rag/l1[hybrid,256,2,scripted]") >= 3
    # A run of one setting beside a run of another: the same items, so they are paired.
    sides = [str(shortened(tmp_path)), str(tmp_path / "one")]
    assert run(["eval", "compare", *sides, "--json"]) == 0
    pair = json.loads(capsys.readouterr().out)
    assert "settings (rag/l1[bm25,256,2] → rag/l1[bm25,128,2])" in pair["differs"]
    flips = pair["tasks"][0]["verdict"]["value"]
    assert flips["items"] == ASKED
    gained = counts["bm25", 128, 2]["whole"] - counts["bm25", 256, 2]["whole"]
    assert flips["flips_won"] - flips["flips_lost"] == gained


def as_planted(score: dict[str, Any], count: dict[str, int]) -> None:
    missed = ASKED - count["whole"] - count["absent"]
    assert score["unit"] == "tokens"
    recall, facts = value(score["recall"])
    assert (round(recall * facts), facts) == (count["hits"], count["facts"])
    assert value(score["right_found"]) == (1.0, count["whole"])
    assert value(score["right_missed"]) == (0.0, missed)
    assert value(score["rightly"]) == (1.0, count["absent"])
    assert value(score["wrongly"]) == (0.0, count["whole"])
    assert value(score["for_want"]) == (1.0, missed)
    assert value(score["cited"]) == (count["cited"] / count["whole"], count["whole"])
    stages = {stage["name"]: stage["seconds"]["n"] for stage in score["stages"]}
    embedded = {"embed passages": 1, "embed question": ASKED} if score["embedder"] else {}
    plain = {"cut into passages": 1, "index": 1, "search": ASKED, "answer": ASKED}
    assert stages == plain | embedded


def value(estimate: dict[str, Any]) -> tuple[float, int]:
    return estimate["value"]["value"], estimate["n"]


def shortened(folder: Path) -> Path:
    """Leave of the grid's record its first setting alone."""
    record = json.loads((folder / "grid" / "record.json").read_text())
    record["spec"]["tasks"] = record["spec"]["tasks"][:1]
    record["sections"] = record["sections"][:1]
    (folder / "first").mkdir()
    (folder / "first" / "record.json").write_text(json.dumps(record))
    return folder / "first"


@pytest.mark.full
def test_an_endpoint_that_ends_in_the_middle_leaves_items_not_run(tmp_path: Path) -> None:
    def ending(number: int, texts: list[str]) -> tuple[int, Any]:
        return (200, rows(texts)) if number < 12 else (500, {"error": "gone"})

    with server(tmp_path / "mute", {}) as url, serving(ending) as (other, _):
        words = ("--rag-retriever", "embedding", "--rag-k", "1", "--embeddings", other)
        done = steelyard(tmp_path, "eval", url, *ITEMS, *words, "--out", "out", "--json")
    assert done.returncode == 3, done.stderr
    marks = json.loads(done.stdout)["overall"]["marks"]
    assert 0 < marks["not_run"] < ASKED
    assert "gone" in done.stderr


@pytest.mark.full
def test_vectors_of_two_lengths_end_it_and_a_mended_endpoint_goes_on(tmp_path: Path) -> None:
    def routed(number: int, texts: list[str]) -> tuple[int, Any]:
        return 200, rows(texts, size=256 if number < 2 else 100)

    with server(tmp_path / "mute", {}) as url:
        words = ("--rag-retriever", "hybrid", "--rag-k", "1", "--out", "out")
        with serving(routed) as (other, _):
            done = steelyard(tmp_path, "eval", url, *ITEMS, *words, "--embeddings", other)
        assert done.returncode == 2, done.stdout
        assert "vectors of 256 numbers and then of 100" in done.stderr
        assert "Traceback" not in done.stderr
        with serving(lambda _, texts: (200, rows(texts))) as (other, _):
            done = steelyard(tmp_path, "eval", url, *ITEMS, *words, "--embeddings", other)
        assert done.returncode == 0, done.stderr
    asked = [e.id for e in spool.read(tmp_path / "out" / "spool.bin")]
    assert len(asked) == len(set(asked)) == ASKED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tasks", "logic", "--rag-k", "3"), "--rag-k is for the task rag"),
        (("--tasks", "rag", "--rag-retriever", "bm52"), "did you mean 'bm25'"),
        (("--tasks", "rag", "--rag-k", "21"), "k 21 is out of reach"),
        (("--tasks", "rag", "--rag-chunk", "64,256"), "chunk 64 is out of reach"),
        (("--tasks", "rag", "--rag-retriever", "hybrid"), "needs an embeddings endpoint"),
        (("--tasks", "rag", "--embeddings", "http://127.0.0.1:9"), "says nothing to the retriever"),
        (
            ("--tasks", "rag", "--rag-retriever", "hybrid", "--embeddings", "http://127.0.0.1:9"),
            "nobody listens at http://127.0.0.1:9",
        ),
    ],
)
def test_what_cannot_be_retrieved_is_refused_and_leaves_nothing(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", "http://127.0.0.1:9", *words]) == 2
    assert said in capsys.readouterr().err
    assert not list(Path.cwd().iterdir())
