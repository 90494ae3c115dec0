"""Raw prefill and decoding speed of a model file, by llama-bench's method, apart from any server.

`llama-bench` on PATH does it itself; else the wheel's exported functions do the same in a child
process (`bench_loop`), and answer in llama-bench's own JSON, so that one reader serves both. The
times leave out tokenising, sampling, HTTP and queueing. Not aware of runs or folders. Source of
fields and method: tools/llama-bench in ggml-org/llama.cpp.
"""

from __future__ import annotations

import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final

from steelyard.domain.errors import BadInput, EngineError
from steelyard.domain.reading import Measured, Missing, Source
from steelyard.domain.serverside import FieldState, RawSpeed, Sidecar, SidecarField, SpeedMetric
from steelyard.domain.subject import Artifact, EngineProfile
from steelyard.llamalib import children, library

Program: TypeAlias = Literal["llama-bench", "wheel"]
PROGRAM: Final = "llama-bench"
_LOOP: Final = "steelyard.llamalib.bench_loop"
_LAST_WORDS: Final = 3
# llama-bench takes a mask of at most so many bits as its build has; the system takes any core.
_PINNED: Final = (
    "import os,sys; os.sched_setaffinity(0, {int(c) for c in sys.argv[1].split(',')}); "
    "os.execvp(sys.argv[2], sys.argv[2:])"
)

# What a source may leave out without a speed being less of one. An empty text is an answer where
# there is nothing to name.
_OPTIONAL: Final = (
    *("build_commit", "build_number", "cpu_info", "gpu_info", "backends", "model_type"),
    *("model_size", "model_n_params", "n_batch", "n_ubatch", "type_k", "type_v"),
    *("n_gpu_layers", "flash_attn", "test_time"),
)
_NOTHING_TO_NAME: Final = frozenset({"gpu_info"})
# From the worst: one bad test makes the whole suspect.
_WORST_FIRST: Final[tuple[FieldState, ...]] = (
    *("PARSE_ERROR", "REQUIRED_FIELD_MISSING", "OPTIONAL_FIELD_MISSING", "OK", "NOT_APPLICABLE"),
)


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """What is timed: `prompt` and `output` tokens (0 leaves one out), each at every depth.

    `chosen` are tests picked one by one, in place of those. The engine's settings are the
    profile's, so that the speeds stand beside served ones; `placed` are llama-bench's own words for
    the device, `affinity` the cores that the engine may use.
    """

    threads: int
    prompt: int = 512
    output: int = 128
    depths: tuple[int, ...] = (0, 2048)
    repeats: int = 5
    profile: EngineProfile = field(default_factory=EngineProfile)
    chosen: tuple[Test, ...] = ()
    placed: tuple[str, ...] = ()
    affinity: tuple[int, ...] | None = None

    def tests(self) -> tuple[Test, ...]:
        """Return the tests: those chosen, or all there are, in llama-bench's order."""
        if self.chosen:
            return self.chosen
        wanted: tuple[tuple[SpeedMetric, int], ...] = (
            ("prompt_tps", self.prompt),
            ("output_tps", self.output),
        )
        return tuple(
            Test(ours, tokens, depth) for ours, tokens in wanted if tokens for depth in self.depths
        )


@final
@dataclass(frozen=True, slots=True)
class Test:
    """One thing that is timed."""

    ours: SpeedMetric
    tokens: int
    depth: int

    @property
    def name(self) -> str:
        """Return llama-bench's name for it, without spaces."""
        short = "pp" if self.ours == "prompt_tps" else "tg"
        return f"{short}{self.tokens}" + (f"@d{self.depth}" if self.depth else "")

    @property
    def key(self) -> tuple[int, int, int]:
        """Return (n_prompt, n_gen, n_depth) as llama-bench reports them."""
        if self.ours == "prompt_tps":
            return self.tokens, 0, self.depth
        return 0, self.tokens, self.depth


def program(runtime: Literal["auto", "wheel", "native"]) -> Program:
    """Return what would measure: `auto` prefers llama-bench. Raises `BadInput` without it."""
    if runtime == "wheel":
        return "wheel"
    if shutil.which(PROGRAM) is not None:
        return "llama-bench"
    if runtime == "native":
        raise BadInput(
            f"--runtime native needs {PROGRAM} on PATH, and it is not there",
            hint="install llama.cpp, or use --runtime wheel",
        )
    return "wheel"


def measure(
    model: Path,
    artifact: Artifact,
    plan: Plan,
    by: Program,
    *,
    context: int,
    progress: Callable[[int, int], None] | None = None,
) -> Sidecar:
    """Time a model file; tests that reach beyond its `context` tokens are not applicable."""
    tests = plan.tests()
    if not tests or not plan.depths or plan.repeats < 1 or plan.threads < 1:
        raise BadInput(
            "there is nothing to time",
            hint="ask for prompt or output tokens, a depth, a repetition and a thread",
        )
    fitting = [test for test in tests if not context or test.depth + test.tokens <= context]
    text = "[]"
    if fitting:
        text = _native(model, plan, fitting) if by == "llama-bench" else _wheel(
            model, plan, fitting, progress
        )  # fmt: skip
    return read(text, artifact, plan, by, context=context)


def read(text: str, artifact: Artifact, plan: Plan, by: Program, *, context: int) -> Sidecar:
    """Read llama-bench's JSON; whatever is wrong with it becomes a state, not an error."""
    found, trouble = _rows(text)
    speeds = tuple(
        _beyond(test, context)
        if context and test.depth + test.tokens > context
        else _speed(test, found.get(test.key), trouble, "engine" if by == PROGRAM else "client")
        for test in plan.tests()
    )
    first: Mapping[str, Any] = next(iter(found.values()), {})
    states = {speed.state for speed in speeds}
    return Sidecar(
        model=artifact.name,
        sha256=artifact.sha256,
        program=by,
        build=_build(first, by),
        threads=plan.threads,
        repeats=plan.repeats,
        state=next(state for state in _WORST_FIRST if state in states),
        speeds=speeds,
        fields={name: _fact(first, name) for name in _OPTIONAL} if first else {},
        detail=trouble,
    )


def failed(artifact: Artifact, plan: Plan, by: Program, why: str) -> Sidecar:
    """Return what stands for a measurement that broke off: no speed, and the reason."""
    state: FieldState = "REQUIRED_FIELD_MISSING"
    return Sidecar(
        model=artifact.name,
        sha256=artifact.sha256,
        program=by,
        build="unknown build",
        threads=plan.threads,
        repeats=plan.repeats,
        state=state,
        speeds=tuple(_without(test, state, why) for test in plan.tests()),
        detail=why,
    )


def _native(model: Path, plan: Plan, tests: Sequence[Test]) -> str:
    """Run llama-bench for each set of tests that share all but their depths; join its answers."""
    alike: dict[tuple[SpeedMetric, int], list[int]] = {}
    for test in tests:
        alike.setdefault((test.ours, test.tokens), []).append(test.depth)
    rows: list[Any] = []
    for (ours, tokens), depths in alike.items():
        flag, other = ("-p", "-n") if ours == "prompt_tps" else ("-n", "-p")
        argv = [PROGRAM, "-m", str(model), flag, str(tokens), other, "0", "-o", "json"]
        argv += ["-d", ",".join(map(str, depths)), "-r", str(plan.repeats), *_settings(plan)]
        text = _asked(argv, plan.affinity)
        try:
            answer = json.loads(text)
        except ValueError:
            return text
        rows += answer if isinstance(answer, list) else [answer]
    return json.dumps(rows)


def _asked(argv: Sequence[str], affinity: tuple[int, ...] | None) -> str:
    """Run llama-bench to its end and return what it printed."""
    if affinity is not None:
        cores = ",".join(map(str, affinity))
        argv = [sys.executable, "-I", "-S", "-c", _PINNED, cores, *argv]
    try:
        ended = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise EngineError(f"{PROGRAM} cannot be started: {error.strerror}") from None
    if ended.returncode != 0:
        words = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EngineError(
            f"{PROGRAM} ended with {ended.returncode}: {' / '.join(words[-_LAST_WORDS:])}",
            hint="try --runtime wheel, or run the command by hand",
        )
    return ended.stdout.decode("utf-8", "replace")


def _settings(plan: Plan) -> list[str]:
    profile = plan.profile
    return [
        *("-t", str(plan.threads), *(plan.placed or ("-ngl", str(profile.gpu_layers)))),
        *("-b", str(profile.batch_tokens), "-ub", str(profile.micro_batch_tokens)),
        *("-ctk", profile.kv_type, "-ctv", profile.kv_type_v or profile.kv_type),
        *("-fa", "1" if profile.flash_attention else "0"),
    ]


def _wheel(
    model: Path,
    plan: Plan,
    tests: Sequence[Test],
    progress: Callable[[int, int], None] | None,
) -> str:
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        out = Path(folder) / "bench.json"
        keys = ",".join(":".join(map(str, test.key)) for test in tests)
        argv = [sys.executable, "-m", _LOOP, "-m", str(model), "--tests", keys, "--out", str(out)]
        argv += ["-r", str(plan.repeats), *_settings(plan)]
        if plan.affinity is not None:
            argv += ["--cores", ",".join(map(str, plan.affinity))]
        children.run(argv, progress=progress)
        return out.read_text()


def _rows(text: str) -> tuple[dict[tuple[int, int, int], Mapping[str, Any]], str]:
    """Return the tests by what they timed, and what is wrong with the whole (nothing: empty)."""
    try:
        raw = json.loads(text)
        return {
            (int(row["n_prompt"]), int(row["n_gen"]), int(row.get("n_depth", 0))): row
            for row in raw
        }, ""
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return {}, f"the answer is not llama-bench's JSON: {type(error).__name__} {error}"


def _speed(test: Test, row: Mapping[str, Any] | None, trouble: str, source: Source) -> RawSpeed:
    if row is None:
        state: FieldState = "PARSE_ERROR" if trouble else "REQUIRED_FIELD_MISSING"
        return _without(test, state, trouble or f"the answer has no test {test.name}")
    if "avg_ts" not in row and "samples_ts" not in row:
        return _without(test, "REQUIRED_FIELD_MISSING", "the test has neither avg_ts nor samples")
    try:
        samples = tuple(_positive(value) for value in row.get("samples_ts", ()))
        mean = _positive(row["avg_ts"]) if "avg_ts" in row else statistics.fmean(samples)
        spread = _sd(row, samples)
    except (TypeError, ValueError) as error:
        return _without(test, "PARSE_ERROR", f"the test's numbers cannot be read: {error}")
    lacking = [name for name in ("avg_ts", "stddev_ts", "samples_ts") if name not in row]
    return RawSpeed(
        name=test.name,
        ours=test.ours,
        tokens=test.tokens,
        depth=test.depth,
        state="OPTIONAL_FIELD_MISSING" if lacking else "OK",
        mean_tps=Measured(mean, source),
        sd_tps=spread if isinstance(spread, Missing) else Measured(spread, source),
        samples_tps=samples,
        detail=f"not told: {', '.join(lacking)}" if lacking else "",
    )


def _sd(row: Mapping[str, Any], samples: tuple[float, ...]) -> float | Missing:
    if len(samples) == 1:
        return Missing("one_sample", "one repetition has no spread")
    if "stddev_ts" in row:
        value = float(row["stddev_ts"])
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"stddev_ts is {value}")
        return value
    return statistics.stdev(samples) if samples else Missing("not_told", "no spread was told")


def _positive(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{number} is no speed")
    return number


def _beyond(test: Test, context: int) -> RawSpeed:
    need = test.depth + test.tokens
    return _without(test, "NOT_APPLICABLE", f"it takes {need} tokens, the model has {context}")


def _without(test: Test, state: FieldState, why: str) -> RawSpeed:
    gone = Missing(state.lower(), why)
    return RawSpeed(test.name, test.ours, test.tokens, test.depth, state, gone, gone, (), why)


def _fact(row: Mapping[str, Any], name: str) -> SidecarField:
    if row.get(name) is None:
        return SidecarField("OPTIONAL_FIELD_MISSING")
    text = str(row[name])
    if not text and name in _NOTHING_TO_NAME:
        return SidecarField("NOT_APPLICABLE")
    return SidecarField("OK" if text else "OPTIONAL_FIELD_MISSING", text)


def _build(row: Mapping[str, Any], by: Program) -> str:
    if by == "wheel":
        return f"{library.WHEEL} {library.version()}"
    words = (row.get("build_number"), row.get("build_commit"))
    return " ".join(str(word) for word in words if word) or "unknown build"
