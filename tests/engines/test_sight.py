"""Pictures, sounds and films on their way to each engine, and engines that take none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from tests.engines.replica import replaying

from steelyard.analysis.failure_hints import hint
from steelyard.domain.errors import DialectError, EngineError, Refused, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Media, Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import api, meeting, sight
from steelyard.engines.api import Dialect, HttpCall, IdentityClaim, Served
from steelyard.engines.attached import attach
from steelyard.engines.llamacpp import LlamaCpp
from steelyard.engines.mlx import Mlx
from steelyard.engines.openai_endpoint import OpenAiEndpoint
from steelyard.engines.openrouter import OpenRouter
from steelyard.engines.url import Endpoint
from steelyard.engines.wires import llama_server, openai, served
from steelyard.media.samples import Kind, sample

SEEING = [name for name in api.dialects() if api.dialect(name).capabilities.images]
LOOK = Message("user", "What is this?")
FILE = Subject(Artifact("m.gguf", "gguf", "ab" * 32))


def parts(engine: str, media: Media) -> object:
    """Return what a dialect makes of a message with this before its text."""
    request = GenerationRequest((replace(LOOK, media=(media,)),))
    turns = api.dialect(engine).encode(request).json["messages"]
    assert isinstance(turns, list)
    return turns[0]


@pytest.mark.parametrize("engine", SEEING)
def test_a_picture_goes_before_its_text_in_the_form_that_the_engine_documents(engine: str) -> None:
    shown = sample("image")
    url = f"data:image/png;base64,{shown.data}"
    wanted: dict[str, object] = {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "text", "text": "What is this?"},
        ],
    }
    if engine == "ollama":
        wanted = {"role": "user", "content": "What is this?", "images": [shown.data]}
    assert parts(engine, shown) == wanted


@pytest.mark.parametrize("engine", ["llamacpp", "vllm", "localai", "openrouter", "sglang"])
def test_sounds_and_films_go_to_the_engines_whose_flags_say_so(engine: str) -> None:
    can = api.dialect(engine).capabilities
    assert (can.audio, can.video) == (True, True)
    sound, film = sample("audio"), sample("video")
    heard = {"type": "input_audio", "input_audio": {"data": sound.data, "format": "wav"}}
    if engine == "sglang":  # its protocol has no other part for sound
        url = f"data:audio/wav;base64,{sound.data}"
        heard = {"type": "audio_url", "audio_url": {"url": url}}
    turn = parts(engine, sound)
    assert isinstance(turn, dict)
    assert turn["content"][0] == heard
    turn = parts(engine, film)
    assert isinstance(turn, dict)
    link = {"url": f"data:video/quicktime;base64,{film.data}"}
    assert turn["content"][0] == {"type": "video_url", "video_url": link}


def test_the_flags_name_every_engine_that_can_be_shown_a_picture() -> None:
    assert set(SEEING) == set(api.dialects()) - {"mlx", "transformers", "ik_llamacpp"}
    assert set(meeting.attachable()) - set(SEEING) == {"ik_llamacpp"}


# ── by the engine's flags, and by what is started ───────────────────────────────────────────────


def test_an_engine_without_eyes_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedSubject, match="mlx takes no pictures"):
        sight.require_engine(Mlx(), ["image"])
    sight.require_engine(Mlx(), [])


@pytest.mark.parametrize("words", [("--mmproj", "p.gguf"), ("--mmproj=p.gguf",)])
def test_llamacpp_is_started_for_pictures_only_with_a_projector(words: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedSubject, match="without a projector") as caught:
        sight.require_engine(LlamaCpp(), ["image"], FILE)
    assert "--mmproj" in str(caught.value.hint)
    seeing = replace(FILE, profile=EngineProfile(extra_args=words))
    sight.require_engine(LlamaCpp(), ["image"], seeing)


# ── by the server's word ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("engine", ["ollama", "lmstudio", "sglang", "tgi"])
def test_the_recorded_text_models_say_that_they_take_no_media(engine: str) -> None:
    with replaying(engine) as server:
        claim = attach(Endpoint.read(server.url), engine=engine).identity()
    assert claim.takes == Measured(frozenset(), "engine")


def test_models_that_see_are_told_by_each_engines_own_word() -> None:
    props = {"modalities": {"vision": True, "audio": False, "video": True}}
    assert llama_server.read_identity((props, {})).takes == told("image", "video")
    assert isinstance(llama_server.read_identity(({}, {})).takes, Missing)
    entry = {"id": "m", "architecture": {"input_modalities": ["text", "image", "audio"]}}
    router = OpenRouter(Served("m"))
    assert router.read_identity(({"data": [entry]},)).takes == told("image", "audio")
    assert isinstance(served.modalities({"id": "m"}), Missing)


def told(*kinds: str) -> Reading[frozenset[str]]:
    return Measured(frozenset(kinds), "engine")


# ── by a sample ─────────────────────────────────────────────────────────────────────────────────


@dataclass
class Stranger:
    """A server that counts so many tokens for a sample, or answers with an error."""

    counts: Callable[[bool], int | EngineError]
    takes: Reading[frozenset[str]] = Missing("not_reported")
    asked: int = 0

    @property
    def dialect(self) -> Dialect:
        return OpenAiEndpoint()

    def identity(self) -> IdentityClaim:
        return IdentityClaim(takes=self.takes)

    def ask(self, call: HttpCall) -> object:
        self.asked += 1
        found = self.counts('"content": [' in json.dumps(call.json))
        if isinstance(found, EngineError):
            raise found
        usage = {"prompt_tokens": found, "completion_tokens": 1}
        return {"choices": [{"message": {"content": "a"}}], "usage": usage}


def test_a_server_that_counts_more_tokens_with_a_sample_has_seen_it() -> None:
    sight.require_model(Stranger(lambda shown: 90 if shown else 12), ["image", "audio"])
    blind = Stranger(lambda _: 12)
    with pytest.raises(UnsupportedSubject, match="12 prompt tokens with a sample and without"):
        sight.require_model(blind, ["image"])
    nothing = Stranger(lambda _: 12)
    sight.require_model(nothing, [])
    assert nothing.asked == 0


def test_its_own_word_is_believed_without_a_request() -> None:
    server = Stranger(lambda _: 12, takes=told("audio"))
    with pytest.raises(UnsupportedSubject, match="by its own word"):
        sight.require_model(server, ["image"])
    assert server.asked == 0


UNSEEN = "input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
REFUSALS = [
    # llama.cpp's wheel, asked on this machine
    f"image {UNSEEN}",
    f"audio {UNSEEN}",
    "unsupported content[].type",
    "Failed to load image or audio file",  # a film, where it finds no ffmpeg
    'Failed to parse messages: Unsupported content part type: "image_url"',
    # Ollama, vLLM and OpenRouter, as reported in their issues
    "this model does not support image input",
    "facebook/opt-125m is not a multimodal model None",
    "At most 0 image(s) may be provided in one prompt.",
    "No endpoints found that support image input",
]


@pytest.mark.parametrize("words", REFUSALS)
def test_what_engines_say_of_media_that_they_do_not_take_is_one_code(words: str) -> None:
    assert openai.failure_code(words, otherwise="http_500") == sight.REFUSED
    assert "sees or hears" in hint(sight.REFUSED)
    error = DialectError(f"the engine refused /v1/chat/completions: 500 {words}")
    server = Stranger(lambda shown: error if shown else 12)
    with pytest.raises(UnsupportedSubject, match="cannot be shown pictures"):
        sight.require_model(server, ["image"])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (422, "messages[0]: unknown variant `image_url`, expected `text`"),
        (400, "invalid type: sequence, expected a string"),
    ],
)
def test_a_sample_that_is_refused_in_unknown_words_beside_an_answer_is_no_media(
    status: int, words: str
) -> None:
    error = Refused(f"refused: {status} {words}", status)
    with pytest.raises(UnsupportedSubject, match="cannot be shown pictures"):
        sight.require_model(Stranger(lambda shown: error if shown else 12), ["image"])
    with pytest.raises(Refused):  # the question alone is refused too: that says nothing of media
        sight.require_model(Stranger(lambda _: error), ["image"])
    busy = Refused("refused: 429 slow down", 429)
    with pytest.raises(Refused):
        sight.require_model(Stranger(lambda shown: busy if shown else 12), ["image"])


def test_another_failure_stays_what_it_is() -> None:
    error = DialectError("refused: 503 Loading model")
    with pytest.raises(DialectError, match="Loading"):
        sight.require_model(Stranger(lambda shown: error if shown else 12), ["image"])


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_samples_are_small_files_of_their_kind(kind: Kind) -> None:
    assert len(sample(kind).data) < 24_000
