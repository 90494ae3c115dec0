"""A model that is a folder: `config.json`, weights in safetensors, tokenizer files beside them.

Its identity is a hash over the names and bytes of the files that engines load, its facts come from
the headers (`models.safetensors`), the packing (`models.packing`) and the config. mlx-lm's own
layout says `mlx` in the header of its weights. Not aware of engines. Formats: Hugging Face configs,
where a model of several senses keeps its language part under `text_config`; chat templates as
transformers stores them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import UnreadableModel
from steelyard.domain.subject import Artifact, ArtifactFacts
from steelyard.models import packing, safetensors
from steelyard.models.packing import Weights

CONFIG: Final = "config.json"
# What tells the facts beside the weights; the same names are asked of a store that is elsewhere.
TOLD_BY: Final = (
    *(CONFIG, "generation_config.json", "tokenizer_config.json", "chat_template.jinja"),
    *("chat_template.json", "quantize_config.json", "hf_quant_config.json"),
)
_LOADED: Final = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt", "*.py")
_CHUNK: Final = 1 << 22
_MAX_JSON: Final = 64 << 20
_EMBEDDINGS: Final = ("embed_tokens.", "wte.", "word_embeddings.", "tok_embeddings.")
_OUTPUT: Final = "lm_head."
_EXPERTS: Final = ".experts."

Progress = Callable[[int, int], None]


@final
@dataclass(frozen=True, slots=True)
class Telling:
    """What the small files of a folder say, as they were read; absent ones are not in it."""

    folder: Path
    texts: Mapping[str, bytes]

    def settings(self, name: str) -> Mapping[str, Any]:
        """Return a JSON file's settings; none where there is no such file."""
        if name not in self.texts:
            return {}
        try:
            found = json.loads(self.texts[name])
        except (ValueError, RecursionError):
            raise _unreadable(self.folder / name, "it is no JSON") from None
        if not isinstance(found, dict):
            raise _unreadable(self.folder / name, "it holds no settings")
        return found

    @property
    def config(self) -> Mapping[str, Any]:
        """The language model's settings, and how its weights are packed."""
        whole = self.settings(CONFIG)
        inner = whole.get("text_config")
        config = {**whole, **inner} if isinstance(inner, dict) else dict(whole)
        if not isinstance(config.get("quantization_config"), dict):
            old = self.settings("quantize_config.json")
            new = self.settings("hf_quant_config.json").get("quantization")
            if old:
                config["quantization_config"] = {"quant_method": "gptq", **old}
            elif isinstance(new, dict):
                config["quantization_config"] = new
        return config

    @property
    def template(self) -> str | None:
        """The chat template: of a file of its own, or an entry of the tokenizer's config."""
        if "chat_template.jinja" in self.texts:
            return self.texts["chat_template.jinja"].decode("utf-8", "replace")
        for name in ("chat_template.json", "tokenizer_config.json"):
            found = self.settings(name).get("chat_template")
            if isinstance(found, list):  # several, by name
                named = [one for one in found if isinstance(one, dict)]
                found = next((o.get("template") for o in named if o.get("name") == "default"), None)
            if isinstance(found, str):
                return found
        return None

    @property
    def sampling(self) -> Mapping[str, Any]:
        """The settings that the model's makers recommend, as they stand there."""
        return self.settings("generation_config.json")


def is_model(path: Path) -> bool:
    """Whether a folder is a model itself, and no folder of model files."""
    return (path / CONFIG).is_file() and any(path.glob("*.safetensors"))


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files that engines load, by name."""
    found = {file for pattern in _LOADED for file in path.glob(pattern) if file.is_file()}
    return tuple(sorted(found))


def fingerprint(path: Path, progress: Progress | None = None) -> Artifact:
    """Hash the names and bytes of all files; `progress` gets (bytes done, bytes in all)."""
    files = files_of(path)
    try:
        sizes = [file.stat().st_size for file in files]
        digest, done, total = hashlib.sha256(), 0, sum(sizes)
        for file, size in zip(files, sizes, strict=True):
            digest.update(f"{file.name}\0{size}\0".encode())
            with file.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    done += len(chunk)
                    if progress is not None:
                        progress(done, total)
    except OSError as error:
        raise _unreadable(path, f"it cannot be read: {error.strerror}") from None
    return Artifact(path.resolve().name, layout_of(path), digest.hexdigest(), done)


def layout_of(path: Path) -> str:
    """Return `mlx` for mlx-lm's own layout, else `safetensors`."""
    files = safetensors.weight_files(path)
    return layout(safetensors.read(files[0]).metadata) if files else "safetensors"


def layout(metadata: Mapping[str, str]) -> str:
    """Return the same from what the weights' header says of itself."""
    return "mlx" if metadata.get("format") == "mlx" else "safetensors"


def telling(path: Path) -> Telling:
    """Read the small files of a folder."""
    if not (path / CONFIG).is_file():
        raise _unreadable(path / CONFIG, "it is not there")
    return Telling(path, {name: _small(path / name) for name in TOLD_BY if (path / name).is_file()})


def inspect(path: Path) -> ArtifactFacts:
    """Return the facts of a model folder (headers and config only, no weights are read)."""
    return facts_of(safetensors.read_folder(path), telling(path))


def facts_of(model: safetensors.Model, said: Telling) -> ArtifactFacts:
    """Return the facts of a folder whose headers and small files have been read."""
    config = said.config
    tensors = packing.weights(model.tensors(), packing.scheme(config), said.folder)
    size = sum(tensor.size_bytes for tensor in tensors)
    parameters = sum(tensor.elements for tensor in tensors)
    if not parameters:
        raise _unreadable(said.folder, "it holds no weights")
    body = [t for t in tensors if not _embeds(t.name) and _OUTPUT not in t.name]
    heads, width = _count(config, "num_attention_heads"), _count(config, "hidden_size")
    experts = _count(config, "num_local_experts", "num_experts", "n_routed_experts")
    used = _count(config, "num_experts_per_tok", "experts_per_token")
    template = said.template
    return ArtifactFacts(
        architecture=str(config.get("model_type", "unknown")),
        quant=_kinds(body or tensors).most_common(1)[0][0],
        parameters=parameters,
        tensor_bytes=size,
        file_bpw=8 * size / parameters,
        body_bpw=_bpw(body) or 8 * size / parameters,
        active_bytes=_active_bytes(tensors, _count(config, "vocab_size"), experts, used),
        type_elements=dict(sorted(_kinds(tensors).items())),
        layers=_count(config, "num_hidden_layers", "n_layer"),
        embedding_length=width,
        kv_heads=_count(config, "num_key_value_heads") or heads,
        head_dim=_count(config, "head_dim") or (width // heads if heads else 0),
        context_tokens=_count(config, "max_position_embeddings", "n_positions"),
        vocabulary=_count(config, "vocab_size"),
        chat_template_sha256=None if template is None else _sha256(template),
        experts=experts,
        experts_used=used if experts else 0,
    )


def _kinds(tensors: Sequence[Weights]) -> Counter[str]:
    """Count the weights of each kind; what only serves others is of none."""
    found = Counter[str]()
    for tensor in tensors:
        if tensor.kind:
            found[tensor.kind] += tensor.elements
    return found


def _bpw(tensors: Sequence[Weights]) -> float:
    elements = sum(tensor.elements for tensor in tensors)
    return 8 * sum(tensor.size_bytes for tensor in tensors) / elements if elements else 0.0


def _embeds(name: str) -> bool:
    return any(mark in name for mark in _EMBEDDINGS)


def _active_bytes(tensors: Sequence[Weights], vocabulary: int, experts: int, used: int) -> int:
    """Count the bytes read for a token: an embedding is one row, unless it is the output too."""
    tied = all(_OUTPUT not in tensor.name for tensor in tensors)
    total = 0
    for tensor in tensors:
        if _embeds(tensor.name) and not tied and vocabulary:
            total += tensor.size_bytes // vocabulary
        elif _EXPERTS in tensor.name and 0 < used < experts:
            total += tensor.size_bytes * used // experts
        else:
            total += tensor.size_bytes
    return total


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _count(config: Mapping[str, Any], *keys: str) -> int:
    """Return the first of some settings that is a count; 0 where none is."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return 0


def _small(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(_MAX_JSON + 1)
    except OSError as error:
        raise _unreadable(path, f"it cannot be read: {error.strerror}") from None
    if len(found) > _MAX_JSON:
        raise _unreadable(path, f"it has more than {_MAX_JSON} bytes")
    return found


def _unreadable(path: Path, why: str) -> UnreadableModel:
    return UnreadableModel(
        f"{path} is not usable as a model: {why}",
        hint="give a whole folder with config.json, safetensors and the tokenizer's files",
    )
