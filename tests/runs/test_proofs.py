"""The arithmetic proof: planted faults are found, and none is raised falsely."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.llamalib import tiny

from steelyard.domain.errors import ConformanceError
from steelyard.domain.progress import Progress
from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls, Place, Proof
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.engines.api import LaunchPlan, ReadyProbe
from steelyard.llamalib import evaluate, passages
from steelyard.llamalib.passages import Passage
from steelyard.runs import proofs
from steelyard.runs.places import place_for
from steelyard.runs.proofs import Known

POSITIONS, VOCABULARY, STORED, REPORTED = 600, 64, 8, 32
Floats = npt.NDArray[np.float64]
Answer = tuple[tuple[int, float], ...]


def log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normal: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normal


def top(logprobs: Floats, count: int) -> list[Answer]:
    order = np.argsort(-logprobs, axis=-1)[:, :count]
    return [
        tuple((int(i), float(row[i])) for i in ids)
        for row, ids in zip(logprobs, order, strict=True)
    ]


@pytest.fixture
def logits() -> Floats:
    """Distributions as sharp and as flat as those of a small model."""
    rng = np.random.default_rng(5)
    return rng.standard_normal((POSITIONS, VOCABULARY)) * rng.uniform(1, 4, (POSITIONS, 1))


def judged(right: Floats, found: list[Answer]) -> Proof:
    known = [Known((1,), answer) for answer in top(log_softmax(right), STORED)]
    return proofs.judge(known, found)


def engine(logits: Floats) -> list[Answer]:
    return top(log_softmax(logits), REPORTED)


def test_the_same_distributions_pass(logits: Floats) -> None:
    proof = judged(logits, engine(logits))
    assert proof.passed
    assert f"same top token in {POSITIONS}" in proof.found


def test_the_noise_of_half_precision_passes(logits: Floats) -> None:
    noise = np.random.default_rng(6).standard_normal(logits.shape) * 0.004
    assert judged(logits, engine(logits + noise)).passed


def swapped(logits: Floats) -> list[Answer]:
    """The two best tokens change places, at one position in fifty."""
    found = engine(logits)
    for number in range(0, POSITIONS, 50):
        (one, p), (two, q), *rest = found[number]
        found[number] = ((two, p), (one, q), *rest)
    return found


def shifted(logits: Floats) -> list[Answer]:
    """One column of the output matrix is off."""
    wrong = logits.copy()
    wrong[:, 3] += 0.5
    return engine(wrong)


def heated(logits: Floats) -> list[Answer]:
    """A wrong scale: everything is five per cent flatter."""
    return engine(logits / 1.05)


def cut(logits: Floats) -> list[Answer]:
    """What stood before is forgotten at the last tenth of the positions."""
    wrong = logits.copy()
    wrong[-POSITIONS // 10 :] = logits[: POSITIONS // 10]
    return engine(wrong)


def missing(logits: Floats) -> list[Answer]:
    """The best token is never reported."""
    return [answer[1:] for answer in engine(logits)]


def silent(logits: Floats) -> list[Answer]:
    """One position has no answer at all."""
    return [(), *engine(logits)[1:]]


def late(logits: Floats) -> list[Answer]:
    """Every answer belongs to the position before."""
    return engine(np.roll(logits, 1, axis=0))


@pytest.mark.parametrize("fault", [swapped, shifted, heated, cut, missing, silent, late])
def test_a_planted_fault_is_found(logits: Floats, fault: Callable[[Floats], list[Answer]]) -> None:
    assert not judged(logits, fault(logits)).passed


def tilted(share: float) -> Answer:
    """Two tokens, the first with this much of all probability."""
    return ((0, float(np.log(share))), (1, float(np.log(1 - share))))


@pytest.mark.parametrize(
    ("off", "positions", "passes"),
    [(0.09, 1, True), (0.11, 1, False), (0.009, 600, True), (0.011, 600, False)],
    ids=["one a little", "one too much", "all a little", "all too much"],
)
def test_both_limits_hold_the_worst_position_and_the_mean(
    off: float, positions: int, *, passes: bool
) -> None:
    # KL of (1/2, 1/2) from (1/2 + d, 1/2 - d) is about 2 d**2.
    known = [Known((1,), tilted(0.5))] * POSITIONS
    found = [tilted(0.5 + off)] * positions + [tilted(0.5)] * (POSITIONS - positions)
    assert proofs.judge(known, found).passed is passes


def written(path: Path, prompts: list[dict[str, object]]) -> Path:
    path.write_text(json.dumps({"model_sha256": "", "reference": "", "prompts": prompts}))
    return path


def test_stored_answers_are_read_with_the_tokens_before_them(tmp_path: Path) -> None:
    pairs = [[7, -0.5], [9, -1.5]]
    path = written(
        tmp_path / "proof.json",
        [{"tokens": [1, 2, 3, *range(600)], "first": 2, "top": [pairs] * 601}],
    )
    known = proofs.read_known(path)
    assert len(known) == 601
    assert known[0] == Known((1, 2, 3), ((7, -0.5), (9, -1.5)))
    assert known[1].tokens == (1, 2, 3, 0)


def test_the_shipped_answers_can_be_read_and_go_beyond_a_micro_batch() -> None:
    from steelyard.app import subjects

    known = proofs.read_known(subjects.bundled("proof.json"))
    assert len(known) >= 512
    lengths = [len(one.tokens) for one in known]
    assert min(lengths) < 128
    assert sum(length > 512 for length in lengths) >= 100
    assert max(lengths) > 1024


@pytest.mark.parametrize("text", ["", "{}", '{"prompts": [{"tokens": [1]}]}', "[1]"])
def test_stored_answers_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "proof.json").write_text(text)
    with pytest.raises(ConformanceError, match="cannot be read"):
        proofs.read_known(tmp_path / "proof.json")


def test_too_few_stored_answers_prove_nothing(tmp_path: Path) -> None:
    prompt: dict[str, object] = {"tokens": [1, 2], "first": 0, "top": [[[1, -0.1]]] * 2}
    with pytest.raises(ConformanceError, match="2 positions, fewer than 512"):
        proofs.read_known(written(tmp_path / "proof.json", [prompt]))


def shown_whole(answer: Answer) -> bool:
    """Whether the best token is a whole character, and by far the best: all bundled ones are."""
    (best, p), (_, q), *_ = answer
    return p - q > 0.1 and (best < 128 or 256 <= best < 508)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """What llama.cpp's own decoder says of the tiny model, below and beyond a micro-batch."""
    folder = tmp_path_factory.mktemp("answers")
    tokens = np.random.default_rng(11).integers(0, 500, 960).tolist()
    file = passages.write(folder / "tokens.json", [Passage(tuple(tokens))])
    table = np.load(
        evaluate.scored(tiny_model, file, folder / "a.npy", context=1024, threads=2, kv_type="f32")
    )
    prompts: list[dict[str, object]] = [
        {"tokens": tokens[: at + 1], "first": at, "top": [answer]}
        for at, answer in enumerate(top(table.astype(np.float64), STORED))
        if shown_whole(answer)
    ]
    return written(folder / "proof.json", prompts)


def proved(model: Path, answers: Path, folder: Path) -> Proof:
    """Prove the wheel's engine with this model, as a sweep does."""
    told: list[Progress] = []

    def place_of(subject: Subject, path: Path) -> Place:
        return place_for(subject, folder, {subject.artifact.sha256: path})

    subject = Subject(Artifact("none", "gguf", ""), "llamacpp", "wheel", EngineProfile())
    found = proofs.prove_engine(subject, model, answers, place_of, Controls(threads=2), told.append)
    assert told
    assert isinstance(found, Measured)
    return found.value


def test_the_wheels_engine_is_proved_right_on_a_model_whose_answers_are_known(
    tmp_path: Path, tiny_model: Path, answers: Path
) -> None:
    proof = proved(tiny_model, answers, tmp_path)
    assert proof.passed, proof.found


def test_an_engine_that_computes_with_other_weights_is_found(tmp_path: Path, answers: Path) -> None:
    other = tiny.write(tmp_path / "other.gguf", tiny.Shape(context=4096), seed=1)
    assert not proved(other, answers, tmp_path).passed


def test_an_engine_that_computes_too_coarsely_is_found(
    tmp_path: Path, tiny_q2: Path, answers: Path
) -> None:
    assert not proved(tiny_q2, answers, tmp_path).passed


# ── an engine whose server takes no tokens: asked by its own library ────────────────────────────

LIBRARY = """
import json, sys
table = json.load(open(sys.argv[1]))
for line in sys.stdin:
    asked = json.loads(line)["logits"]
    rows = table[str(len(asked["tokens"]))][asked["first"]:]
    print(json.dumps({"logits": [row[: asked["top"]] for row in rows]}), flush=True)
"""


@pytest.mark.parametrize("fault", [None, late, heated])
def test_a_library_is_asked_prompt_by_prompt_and_a_fault_of_it_is_found(
    logits: Floats, fault: Callable[[Floats], list[Answer]] | None, tmp_path: Path
) -> None:
    right = top(log_softmax(logits), STORED)
    told = engine(logits) if fault is None else fault(logits)
    cut, first = 350, 40  # two prompts: one from its beginning, one from a later position
    prompts: list[dict[str, object]] = [
        {"tokens": list(range(cut)), "first": 0, "top": right[:cut]},
        {"tokens": list(range(first + POSITIONS - cut)), "first": first, "top": right[cut:]},
    ]
    known = proofs.read_known(written(tmp_path / "proof.json", prompts))
    table = {cut: told[:cut], first + POSITIONS - cut: [()] * first + told[cut:]}
    (tmp_path / "table.json").write_text(json.dumps(table))
    words = (sys.executable, "-I", "-c", LIBRARY, str(tmp_path / "table.json"))
    plan = LaunchPlan((), ReadyProbe("/"), words=words)
    place = Place((), {}, tmp_path / "place")
    replayed = proofs.recall(plan, known, place, lambda _event: None)
    assert len(replayed) == POSITIONS
    assert proofs.judge(known, replayed).passed is (fault is None)
