"""What a model file is: facts measured from its tensor table, and its fingerprint.

`file_bpw` counts all tensors; `body_bpw` leaves out embeddings and output; `active_bytes` are the
weight bytes that one decoded token reads (an embedding table is read one row at a time unless it
is tied to the output; of a mixture of experts only the experts used). Not aware of engines.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from steelyard.domain.subject import Artifact, ArtifactFacts
from steelyard.models import folders, gguf, memory_facts, shards
from steelyard.models.quants import measured_label

_CHUNK: Final = 1 << 22
_OUTPUT: Final = "output.weight"
# What a file says of itself when its weights are random.
SYNTHETIC: Final = "steelyard.synthetic"

Progress = Callable[[int, int], None]


def inspect(path: Path) -> ArtifactFacts:
    """Return the facts of a model file or folder (header only, no weights are read)."""
    if path.is_dir():
        return folders.inspect(path)
    return facts_of(shards.read_model(path))


def facts_of(model: shards.Model) -> ArtifactFacts:
    """Return the facts of a model whose headers have been read."""
    head, tensors = model.head, [tensor for _, tensor in model.tensors()]
    arch = head.text("general.architecture")
    if arch is None:
        raise gguf.unreadable(model.path, "its metadata names no architecture")
    if head.text("general.type") == "imatrix":
        raise gguf.unreadable(model.path, "it is an importance matrix, not a model")
    heads = head.integer(f"{arch}.attention.head_count", 0)
    width = head.integer(f"{arch}.embedding_length", 0)
    parameters = sum(tensor.elements for tensor in tensors)
    size = sum(tensor.size_bytes for tensor in tensors)
    histogram = Counter[str]()
    for tensor in tensors:
        histogram[tensor.type.name] += tensor.elements
    return ArtifactFacts(
        architecture=arch,
        quant=measured_label(_body(tensors), head.integer("general.file_type", 1024)),
        parameters=parameters,
        tensor_bytes=size,
        file_bpw=8 * size / parameters,
        body_bpw=_bpw(_body(tensors)) or 8 * size / parameters,
        active_bytes=_active_bytes(model, arch),
        type_elements=dict(sorted(histogram.items())),
        layers=head.integer(f"{arch}.block_count", 0),
        embedding_length=width,
        kv_heads=head.integer(f"{arch}.attention.head_count_kv", heads),
        head_dim=head.integer(f"{arch}.attention.key_length", width // heads if heads else 0),
        context_tokens=head.integer(f"{arch}.context_length", 0),
        vocabulary=_vocabulary(model, arch),
        chat_template_sha256=_text_hash(head.text("tokenizer.chat_template")),
        imatrix=imatrix_note(head),
        experts=head.integer(f"{arch}.expert_count", 0),
        experts_used=head.integer(f"{arch}.expert_used_count", 0),
        memory=memory_facts.read(model, arch),
        synthetic=head.value(SYNTHETIC) is True,
    )


def fingerprint(path: Path, progress: Progress | None = None) -> Artifact:
    """Hash every byte of a model (shards in order, as one stream) and return its identity.

    `progress` is called with (bytes done, bytes in all). A model may be a folder too.
    """
    if path.is_dir():
        return folders.fingerprint(path, progress)
    files = shards.files_of(path)
    try:
        total = sum(file.stat().st_size for file in files)
        digest, done = hashlib.sha256(), 0
        for file in files:
            with file.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    done += len(chunk)
                    if progress is not None:
                        progress(done, total)
    except OSError as error:
        raise gguf.unreadable(path, f"it cannot be read: {error.strerror}") from None
    return Artifact(files[0].name, "gguf", digest.hexdigest(), done)


def imatrix_note(head: gguf.Header) -> str | None:
    """Return what the file says of the importance matrix it was made with, if it was."""
    return head.text("steelyard.imatrix.sha256") or head.text("quantize.imatrix.file")


def _body(tensors: Iterable[gguf.Tensor]) -> list[gguf.Tensor]:
    apart = memory_facts.EMBEDDINGS
    return [t for t in tensors if t.name != _OUTPUT and not t.name.startswith(apart)]


def _bpw(tensors: list[gguf.Tensor]) -> float:
    elements = sum(tensor.elements for tensor in tensors)
    return 8 * sum(tensor.size_bytes for tensor in tensors) / elements if elements else 0.0


def _active_bytes(model: shards.Model, arch: str) -> int:
    read = memory_facts.read_by_a_token(model, arch)
    return sum(int(tensor.size_bytes * share) for tensor, share in read)


def _vocabulary(model: shards.Model, arch: str) -> int:
    tokens = model.head.value("tokenizer.ggml.tokens")
    if isinstance(tokens, gguf.Array):
        return tokens.length
    return model.head.integer(f"{arch}.vocab_size", 0)


def _text_hash(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()
