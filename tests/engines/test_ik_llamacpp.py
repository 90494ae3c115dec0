"""ik_llama.cpp's dialect: its own flags and answers, its quants, and whose server is on PATH."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.replica import Manner, replaying
from tests.models import forged

from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, Place
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import host
from steelyard.engines.api import Evidence, Met, Served
from steelyard.engines.attached import attach
from steelyard.engines.ik_llamacpp import IkLlamaCpp
from steelyard.engines.llamacpp import LlamaCpp
from steelyard.engines.url import Endpoint
from steelyard.llamalib import options
from steelyard.llamalib.tensor_types import BY_NAME, OF_IK
from steelyard.models import artifacts
from steelyard.runs.stepping import _chosen

NONE = Controls()
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)
IK_HELP = """usage: llama-server [options]

general:

  -h,    --help, --usage          print usage and exit
         --verbosity N            how much is said (default: 0)
  -c,    --ctx-size N             size of the context
  -ctk,  --cache-type-k TYPE      type of the keys in the cache (default: f16)
                                  -1 is no type at all
  -m,    --model FNAME            the model's file
  -rtr,  --run-time-repack        put rows side by side where there is such a type
"""
LLAMA_HELP = """----- common params -----

-h,    --help, --usage                  print usage and exit
-m,    --model FNAME                    model path to load
--metrics                               tell figures
"""
SERVER = """#!{python}
import os, sys
if "--help" in sys.argv:
    print({help!r})
else:
    os.chdir({root!r})
    os.execv({python!r}, [{python!r}, "-m", "tests.engines.replica", "ik_llamacpp", *sys.argv[1:]])
"""


def subject(**profile: object) -> Subject:
    settings = EngineProfile(**{"context_tokens": 256, "slots": 2, **profile})  # type: ignore[arg-type]
    return Subject(Artifact("m.gguf", "gguf", "ab" * 32), "ik_llamacpp", "native", settings)


def argv(subject: Subject, controls: Controls = NONE) -> tuple[str, ...]:
    place = Place(("llama-server",), {"ab" * 32: Path("/m.gguf")}, Path("/tmp"))
    return IkLlamaCpp().launch(subject, controls, place).argv


def on_path(folder: Path, said: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = folder / "llama-server"
    root = str(Path(__file__).parents[2])
    program.write_text(SERVER.format(python=sys.executable, help=said, root=root))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return program


def test_it_is_started_without_what_only_llama_cpp_knows() -> None:
    words = argv(subject(flash_attention=True))
    assert not {"--fit", "--no-kv-unified"} & {*words}
    assert {"--jinja", "--no-context-shift", "--metrics"} <= {*words}
    told = dict(pairwise(words))
    assert (told["--ctx-size"], told["--parallel"]) == ("512", "2")
    assert told["--flash-attn"] == "on"
    assert argv(subject(), Controls(device="cpu"))[-1:] == ("0",)
    assert "--device" not in argv(subject(), Controls(device="cpu"))
    assert "CUDA0" in argv(subject(gpu_layers=4), Controls(device="cuda:0"))


def test_a_quantised_cache_needs_flash_attention_and_other_formats_another_engine() -> None:
    with pytest.raises(UnsupportedSubject, match="only with flash attention"):
        argv(subject(kv_type="q8_0"))
    other = replace(subject(), artifact=Artifact("m", "mlx", "ab" * 32))
    with pytest.raises(UnsupportedSubject, match="loads gguf"):
        argv(other)


def test_each_of_the_two_knows_its_own_and_not_the_other() -> None:
    ik = {"total_slots": 1, "model_name": "m", "default_generation_settings": {}}
    llama = {"total_slots": 1, "build_info": "b9870-abc"}
    listing = {"data": [{"id": "m", "owned_by": "llamacpp"}]}
    assert IkLlamaCpp().recognises(Met(listing, own=ik))
    assert not LlamaCpp().recognises(Met(listing, own=ik))
    assert LlamaCpp().recognises(Met(listing, own=llama))
    assert not IkLlamaCpp().recognises(Met(listing, own=llama))
    assert not IkLlamaCpp().recognises(Met(listing, header="llama.cpp"))


def test_tokens_go_where_probabilities_have_the_tokens_numbers() -> None:
    call = IkLlamaCpp().encode(replace(ASK, prompt_tokens=(1, 2), top_logprobs=4, stream=False))
    assert call.path == "/v1/completions"
    assert (call.json["prompt"], call.json["logprobs"]) == ([1, 2], 4)
    assert call.json["cache_prompt"] is False
    said = {"top_logprobs": [{"id": 5, "logprob": -0.25}, {"id": 9, "logprob": -2.0}]}
    answer = {"choices": [{"logprobs": {"content": [said]}}]}
    assert _chosen(answer) == ((5, -0.25), (9, -2.0))
    assert _chosen({"choices": [{"logprobs": {"content": []}}]}) == ()


def test_its_clock_tells_nothing_of_the_cache(tmp_path: Path) -> None:
    with replaying("ik_llamacpp") as server:
        (attempt,) = answers(attach(Endpoint.read(server.url)), [ASK], tmp_path)
    assert isinstance(attempt.timings, Measured)
    clock = attempt.timings.value
    assert (clock.prefill_s, clock.decode_s) == (
        Measured(0.0625, "engine"),
        Measured(0.48, "engine"),
    )
    assert clock.prompt_tokens == Measured(10, "engine")
    assert isinstance(clock.cached_tokens, Missing)


def probe(computed: int) -> dict[str, object]:
    return {"timings": {"prompt_n": computed}, "generation_settings": {"seed": 3}}


@pytest.mark.parametrize(("second", "cache"), [(4, "off"), (1, "on")])
def test_the_cache_is_seen_by_asking_one_prompt_twice(second: int, cache: str) -> None:
    evidence = Evidence(({}, {}), (probe(4), probe(second)), "", Missing("elsewhere"))
    found = {c.name: c for c in IkLlamaCpp().controls_readback(subject(), Controls(), evidence)}
    assert found["prefix_cache"].applied == Measured(cache, "engine")
    assert found["seed"].applied == Measured("3", "engine")
    silent = replace(evidence, probes=(probe(4), {}))
    found = {c.name: c for c in IkLlamaCpp().controls_readback(subject(), Controls(), silent)}
    assert isinstance(found["prefix_cache"].applied, Missing)


def test_both_layouts_of_help_are_read() -> None:
    ik, llama = (options.read_help(text, "llama-server") for text in (IK_HELP, LLAMA_HELP))
    assert ik.of_ik
    assert not llama.of_ik
    assert ik.names["-rtr"] == ("-rtr", "--run-time-repack")
    assert "-1" not in ik.names
    assert {"--ctx-size", "--cache-type-k", "--verbosity"} <= ik.names.keys()
    assert {"--model", "--metrics", "-h"} <= llama.names.keys()


def test_the_server_on_path_must_be_of_the_engine_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said, ik in ((IK_HELP, True), (LLAMA_HELP, False)):
        folder = tmp_path / str(ik)
        folder.mkdir()
        program = on_path(folder, said, monkeypatch)
        assert options.server_of(ik=ik) == str(program)
        with pytest.raises(BadInput, match="server, not") as caught:
            options.server_of(ik=not ik)
        assert "PATH" in str(caught.value.hint)


def test_no_server_on_path_is_said_with_the_way_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="needs the llama-server of ik_llama") as caught:
        options.server_of(ik=True)
    assert "build/bin" in caught.value.hint


def test_it_is_started_from_path_asked_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = on_path(tmp_path, IK_HELP, monkeypatch)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    place = Place((str(program),), {"ab" * 32: tmp_path / "m.gguf"}, tmp_path)
    with host.start(IkLlamaCpp(), subject(), Controls(seed=7, threads=1), place) as engine:
        claim = engine.identity()
        controls = {c.name: c.applied for c in engine.controls(Controls(seed=7, threads=1))}
        assert engine.tokenise("hello there you") == (15, 15, 13)
    assert not engine.alive()
    assert claim.context_tokens == Measured(4096, "engine")
    assert claim.slots == Measured(2, "engine")
    assert isinstance(claim.build, Missing)
    assert controls["seed"] == Measured("7", "engine")
    assert controls["prefix_cache"] == Measured("off", "engine")


def test_a_cache_that_is_on_shows_on_the_wire() -> None:
    turns = {"POST /completion": ("completion-raw.http", "completion-cached.http")}
    with replaying("ik_llamacpp", Manner(turns=turns)) as server:
        engine = attach(Endpoint.read(server.url))
        probes = tuple(engine.ask(call) for call in IkLlamaCpp().control_probes(Controls()))
    evidence = Evidence(({}, {}), probes, "", Missing("elsewhere"))
    found = {c.name: c for c in IkLlamaCpp().controls_readback(subject(), Controls(), evidence)}
    assert found["prefix_cache"].applied == Measured("on", "engine")


def test_of_somebody_elses_nothing_is_probed() -> None:
    assert IkLlamaCpp(Served("m")).control_probes(Controls()) == ()
    assert len(IkLlamaCpp().control_probes(Controls())) == 2


@pytest.mark.parametrize(
    ("name", "row"), [("IQ4_KS", 4 + 8 * 136), ("IQ2_KL", 2 + 8 * 86), ("IQ4_K", 8 * 144)]
)
def test_a_row_of_its_types_may_begin_with_a_scale(name: str, row: int, tmp_path: Path) -> None:
    kind = BY_NAME[name]
    assert name in OF_IK
    assert kind.row_bytes(2048) == row
    path = tmp_path / "ik.gguf"
    table = (forged.row("blk.0.ffn_up.weight", (2048, 3), kind.id, 0),)
    path.write_bytes(forged.whole(forged.ARCH, rows=table, data=bytes(3 * row)))
    facts = artifacts.inspect(path)
    assert (facts.quant, facts.tensor_bytes) == (name, 3 * row)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadInput, match="truncated"):
        artifacts.inspect(path)
