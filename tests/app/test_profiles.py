"""Engine profiles as files and by name: strict, checked against the engine, nothing shadowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard import engines
from steelyard.app import accelerators, subjects
from steelyard.app.profiles import files, profiles
from steelyard.domain.errors import BadInput, UnknownName, UnsupportedSubject
from steelyard.domain.scaling import Skipped
from steelyard.domain.subject import EngineProfile
from steelyard.engines.devices import ALL_LAYERS
from steelyard.llamalib import options

SHIPPED = sorted(path.stem for path in (Path(engines.__file__).parent / "profiles").glob("*"))
HELP = """----- common params -----

-h,    --help, --usage                  print usage and exit
-m,    --model FNAME                    model path
-c,    --ctx-size N                     size of the prompt context
                                        (env: LLAMA_ARG_CTX_SIZE)
-ctk,  --cache-type-k TYPE              KV cache data type for K
                                        allowed values: f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl,
                                        q5_0, q5_1
                                        (default: f16)
--mlock                                 force system to keep model in RAM
--no-mmap, --mmap                       whether to memory-map the model
"""
LIST = """load_backend: loaded CUDA backend
Available devices:
  CUDA0: NVIDIA H200 (143771 MiB, 143000 MiB free)
  CUDA1: NVIDIA A100-SXM4-80GB (81920 MiB, 81000 MiB free)
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of the user's own profiles."""
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "engine-profiles"
    folder.mkdir(parents=True)
    return folder


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("engine: llamacpp\nslots: 2\nkv_typ: q8_0\n", "line 3: unknown key 'kv_typ'", "'kv_type'"),
        ("engine: llamacpp\nslots: two\n", 'line 2: slots is "two", not a whole', "default"),
        ("engine: llamacpp\nslots: 0\n", "line 2: slots is 0", ""),
        ("engine: llamacpp\nslots: true\n", "line 2: slots is true", ""),
        ("engine: llamacpp\nslots: 2.5\n", "line 2: slots is 2.5", ""),
        ("engine: llamacpp\nflash_attention: 1\n", "line 2: flash_attention is 1, not true", ""),
        ("engine: llamacpp\nextra_args: --poll 1\n", "line 2: extra_args is", ""),
        ("engine: llamacpp\nkv_type:\n", "line 2: kv_type is null", ""),
        ("engine: llamacpp\nslots: 2\nslots: 3\n", "line 3 is no YAML: found duplicate key", ""),
        ("engine: [llamacpp\n", "is no YAML", ""),
        ("- a\n", "holds no keys", ""),
        ("", "holds no keys", ""),
        ("slots: 2\n", "does not say for which engine", "engine: llamacpp"),
        (
            "engine: llamacpp\nbatch_tokens: 64\n\nmicro_batch_tokens: 128\n",
            "line 4: a micro-batch of 128 tokens does not fit a batch of 64",
            "batch_tokens",
        ),
        ("engine: llamacpp\nbatch_tokens: 64\n", "line 2: a micro-batch of 512", ""),
        ("engine: llamacpp\ngpus: 0\n", "line 2: gpus is 0", ""),
        ("engine: llamacpp\nsplit_mode: row\n", "line 2: on one GPU nothing is split", "gpus: 2"),
        ("engine: llamacpp\ngpus: 2\nsplit_mode: rows\n", "line 3: split_mode is", ""),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    with pytest.raises(BadInput) as caught:
        files.read(write(tmp_path, text))
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="no UTF-8"):
        files.read(path)


def test_what_is_set_goes_over_what_the_work_needs_and_the_rest_stays(own: Path) -> None:
    text = "engine: llamacpp\nslots: 2\ngpu_layers: all\nextra_args: [--poll, 0]\n"
    found = files.read(write(own, text))
    laid = found.over(EngineProfile(context_tokens=512, slots=9, threads=3))
    assert laid == EngineProfile(
        context_tokens=512, slots=2, threads=3, gpu_layers=ALL_LAYERS, extra_args=("--poll", "0")
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    settings = {"slots": 2, "kv_type": "q8_0", "flash_attention": True, "extra_args": ("-a", "0")}
    text = files.text("llamacpp", settings, ("a: comment", ""))
    found = files.read(write(tmp_path, text))
    assert found.settings == settings
    assert found.engines == ("llamacpp",)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_profile_that_ships_is_good_for_its_engine(name: str) -> None:
    assert profiles.check_text(name, None, "wheel").startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("engine: lamacpp\n", r"there is no engine \(as .*line 1 says\) 'lamacpp'"),
        ("engine: scripted\nkv_type: q8_0\n", "line 2: scripted cannot be given kv_type"),
        ("engine: scripted\ndraft_model: bundled\n", "line 2: scripted cannot be given draft"),
        ("engine: llamacpp\nkv_type: q9_0\n", "line 2: .* has no cache of type 'q9_0'"),
        ("engine: llamacpp\nkv_type: q8_0\n", "line 2: .*only with flash attention"),
        ("engine: llamacpp\ngpu_layers: 4\n", "line 2: llama.cpp .wheel. can compute on no GPU"),
        ("engine: llamacpp\ngpus: 2\n", "line 2: llama.cpp .wheel. can compute on no GPU"),
        ("engine: llamacpp\nextra_args: [--cache-rams, 5]\n", "line 2: .* option --cache-rams"),
        ("engine: llamacpp\nextra_args: [--poll, x]\n", "line 2: .* invalid number value: 'x'"),
        ("engine: llamacpp\nextra_args: [-c, 512]\n", "line 2: -c is already said by context"),
        ("engine: llamacpp\nextra_args: [--fit=on]\n", "line 2: --fit=on is already said by"),
    ],
)
def test_what_the_engine_does_not_take_is_refused_with_its_line(
    own: Path, text: str, message: str
) -> None:
    write(own, text)
    with pytest.raises(BadInput, match=message):
        profiles.check_text("mine", None, "wheel")


def test_keys_may_be_quantised_without_flash_attention_and_values_may_not(own: Path) -> None:
    write(own, "engine: llamacpp\nkv_type: q8_0\nkv_type_v: f16\n")
    assert profiles.check_text("mine", None, "wheel").startswith("mine: 2 settings")


def test_a_name_of_two_files_is_refused_and_shadows_nothing(own: Path) -> None:
    write(own, "engine: llamacpp\n", "default")
    with pytest.raises(BadInput, match="two engine profiles have the name 'default'"):
        profiles.named("default", "llamacpp")
    assert "! two engine profiles" in profiles.list_text(as_json=False)


def test_a_broken_file_is_listed_with_what_is_wrong_and_stops_nothing(own: Path) -> None:
    write(own, "engine: llamacpp\nslot: 1\n")
    listed = profiles.list_text(as_json=False)
    assert "unknown key 'slot'" in listed
    assert "llamacpp-batch" in listed


def test_a_profile_is_named_behind_its_engine(own: Path) -> None:
    write(own, "engine: llamacpp\nslots: 3\n")
    found = subjects.choose("bundled@llamacpp/mine").profile
    assert found is not None
    assert found.settings == {"slots": 3}
    assert subjects.choose("bundled@llamacpp").profile is None


def test_a_profile_of_another_engine_and_one_that_is_not_there_are_refused() -> None:
    with pytest.raises(UnsupportedSubject, match="is for llamacpp, not scripted"):
        subjects.choose("bundled@scripted/llamacpp-batch")
    with pytest.raises(UnknownName) as caught:
        subjects.choose("bundled@llamacpp/llamacpp-btach")
    assert "llamacpp-batch" in caught.value.hint


def test_a_draft_model_becomes_its_content_and_a_file_that_is_missing_is_named(own: Path) -> None:
    write(own, "engine: llamacpp\ndraft_model: bundled\n")
    found = profiles.named("mine", "llamacpp")
    sha256 = found.settings["draft_sha256"]
    assert profiles.paths(found) == {sha256: Path(found.draft)}
    write(own, "engine: llamacpp\ndraft_model: no/such.gguf\n")
    with pytest.raises(BadInput, match=r"line 2: there is no file .*no/such\.gguf"):
        profiles.named("mine", "llamacpp")


def test_the_help_of_llama_server_tells_options_aliases_and_cache_types() -> None:
    found = options.read_help(HELP, "llama-server")
    assert found.names["-c"] == ("-c", "--ctx-size")
    assert {"--mlock", "--mmap", "--no-mmap", "--usage"} <= found.names.keys()
    types = "f32 f16 bf16 q8_0 q4_0 q4_1 iq4_nl q5_0 q5_1"
    assert found.kv_types == tuple(types.split())
    with pytest.raises(BadInput, match="no option --mlok") as caught:
        found.refuse(["--mlok"])
    assert "--mlock" in caught.value.hint
    found.refuse(["--mlock", "-1"])


@pytest.fixture
def built_for_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs on PATH: a driver with two cards and a llama-server that is built for them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    smi = 'echo "0, NVIDIA H200, 143771 MiB, 9.0, 570"; echo "1, NVIDIA A100, 81920 MiB, 8.0, 570"'
    server = f'[ "$1" = --help ] && cat <<X || cat <<Y\n{HELP}X\n{LIST}Y'
    for name, words in (("nvidia-smi", smi), ("llama-server", server)):
        (folder / name).write_text(f"#!/bin/sh\n{words}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.usefixtures("built_for_cuda")
def test_on_a_machine_with_gpus_and_a_build_for_them_the_first_one_is_taken(own: Path) -> None:
    assert accelerators.choose("auto", "llamacpp", "native").device == "cuda:0"
    second = accelerators.choose("cuda:1", "llamacpp", "native")
    assert (second.device, second.gpu_layers) == ("cuda:1", ALL_LAYERS)
    assert accelerators.choose("cpu", "llamacpp", "native") == accelerators.Choice("cpu")
    write(own, "engine: llamacpp\ngpu_layers: 4\nextra_args: [--mlock]\n")
    assert "2 settings" in profiles.check_text("mine", None, "native")
    write(own, "engine: llamacpp\ngpus: 2\nsplit_mode: layer\n", "two")
    assert "2 settings" in profiles.check_text("two", None, "native")
    write(own, "engine: llamacpp\ngpus: 3\n", "three")
    with pytest.raises(BadInput, match="line 2: .* on 2 of the 3 GPUs"):
        profiles.check_text("three", None, "native")
    write(own, "engine: llamacpp\ngpus: 2\nsplit_mode: tensor\n", "split")
    with pytest.raises(UnsupportedSubject, match="line 3: .* only with flash attention"):
        profiles.check_text("split", None, "native")


@pytest.mark.usefixtures("built_for_cuda")
def test_the_gpus_that_a_build_computes_on_are_told_apart_from_those_that_are_here() -> None:
    found = accelerators.usable("llamacpp", "native")
    assert not isinstance(found, Skipped)
    assert [each.id for each in found] == ["cuda:0", "cuda:1"]
    skipped = accelerators.usable("llamacpp", "wheel")
    assert isinstance(skipped, Skipped)
    assert skipped.code == "not_built"


@pytest.mark.usefixtures("built_for_cuda")
def test_a_build_without_the_gpu_says_so_and_computes_on_the_processor() -> None:
    choice = accelerators.choose(None, "llamacpp", "wheel")
    assert choice.device is None
    assert "not built for it" in choice.said
    with pytest.raises(BadInput, match=r"\(wheel\) is not built for cuda:0") as caught:
        accelerators.choose("cuda", "llamacpp", "wheel")
    assert "--runtime native" in caught.value.hint


@pytest.mark.usefixtures("built_for_cuda")
def test_a_card_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(BadInput, match="no cuda:2 here") as caught:
        accelerators.choose("cuda:2", "llamacpp", "native")
    assert "cuda:0 (NVIDIA H200); cuda:1 (NVIDIA A100)" in caught.value.hint


@pytest.mark.parametrize(
    ("asked", "message"),
    [("cdua", "no device 'cdua'"), ("cpu:1", "'cpu:1' is no device"), ("cuda:x", "is no device")],
)
def test_a_word_that_is_no_device_is_refused(asked: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        accelerators.choose(asked, "llamacpp", "wheel")


def test_an_engine_that_cannot_be_told_refuses_a_device() -> None:
    with pytest.raises(UnsupportedSubject, match="scripted cannot be told"):
        accelerators.choose("cpu", "scripted", "scripted")
