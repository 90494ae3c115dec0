"""What is weighed: artifact × engine × engine profile (the device is added by the place).

Not aware of paths, ports or processes: those belong to the place of one run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.errors import UnsupportedSubject
from steelyard.domain.ids import content_id
from steelyard.domain.reading import Measured, Missing, Reading

ReferenceKind: TypeAlias = Literal["native", "lossy"]


@final
@dataclass(frozen=True, slots=True)
class Artifact:
    """One model file: its content is its identity, its name is for people."""

    name: str
    format: str
    sha256: str
    size_bytes: int = 0


@final
@dataclass(frozen=True, slots=True)
class LayerCache:
    """So many layers that keep so many numbers of a token: its keys and its values.

    `window` is how far back they look, 0 for all the way.
    """

    layers: int
    keys: int
    values: int
    window: int = 0


@final
@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """What decides how much memory an engine takes beside the weights; read from the metadata.

    `state_bytes` is what recurrent layers keep for a conversation, however long. `queries` and
    `feed_forward` are the numbers of a token that are alive at once in the widest layer; the last
    layer's feed-forward works on answers only and does not count. By tensor type,
    `matrix_elements` are the weights that are multiplied with, which engines may keep in another
    order, and `read_elements` those that one decoded token reads.
    """

    caches: tuple[LayerCache, ...] = ()
    state_bytes: int = 0
    heads: int = 0
    queries: int = 0
    feed_forward: int = 0
    merges: int = 0
    matrix_elements: Mapping[str, int] = field(default_factory=dict)
    read_elements: Mapping[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class ArtifactFacts:
    """What the file's own header and tensor table say; bits per weight are measured from it.

    `file_bpw` counts all tensors, `body_bpw` leaves out embeddings and output,
    `active_bytes` are the weight bytes read for one decoded token. `type_elements` maps a tensor
    type to the number of weights stored in it; `tensor_bytes` is the sum over all tensors.
    `synthetic` is true of a file that says of itself that its weights are random.
    """

    architecture: str
    quant: str
    parameters: int
    tensor_bytes: int
    file_bpw: float
    body_bpw: float
    active_bytes: int
    type_elements: Mapping[str, int]
    layers: int
    embedding_length: int
    kv_heads: int
    head_dim: int
    context_tokens: int
    vocabulary: int
    chat_template_sha256: str | None = None
    imatrix: str | None = None
    experts: int = 0
    experts_used: int = 0
    memory: MemoryFacts | None = None
    synthetic: bool = False


@final
@dataclass(frozen=True, slots=True)
class ServedFacts:
    """What a server of somebody else's says of a model that it serves: nobody here saw its file.

    `tensor_bytes`, `parameters` and `vocabulary` are counted over the file as the server has loaded
    it, `context_tokens` is what one request may take, `digest` is the server's own. `alone`: it
    lists no other model, so that what its process takes is taken by this one.
    """

    quant: Reading[str] = Missing("not_reported")
    parameters: Reading[int] = Missing("not_reported")
    tensor_bytes: Reading[int] = Missing("not_reported")
    vocabulary: Reading[int] = Missing("not_reported")
    context_tokens: Reading[int] = Missing("not_reported")
    digest: Reading[str] = Missing("not_reported")
    alone: bool = False
    kind: Literal["served"] = "served"


@final
@dataclass(frozen=True, slots=True)
class Variant:
    """One quant of a model: a label for people, the file, what it is, how it came about.

    `reference` is set on the variant that the others are compared with: `native` as published,
    `lossy` when only an already quantised file was at hand. A model that somebody else's server
    serves has no file here, and its facts are that server's word.
    """

    label: str
    artifact: Artifact
    facts: ArtifactFacts | ServedFacts
    reference: ReferenceKind | None = None

    @property
    def file(self) -> ArtifactFacts | None:
        """The facts of the file, None where nobody here has seen one."""
        return self.facts if isinstance(self.facts, ArtifactFacts) else None

    @property
    def quant(self) -> str:
        """The quant by the file's own word, or by the server's; nothing where neither tells."""
        match self.facts:
            case ArtifactFacts(quant=quant):
                return quant
            case ServedFacts(quant=Measured(value=quant)):
                return quant
        return ""

    @property
    def file_bpw(self) -> Reading[float]:
        """Bits per weight over all tensors: of the file, or as the server counts what it loaded."""
        match self.facts:
            case ArtifactFacts(file_bpw=bpw):
                return Measured(bpw, "derived")
            case ServedFacts(tensor_bytes=Measured(value=size), parameters=Measured(value=count)):
                return Measured(8 * size / count, "engine") if count > 0 else _UNTOLD
        return _UNTOLD

    @property
    def file_bytes(self) -> Reading[int]:
        """The size of the file, or why it is not known."""
        if self.file is None:
            return _UNSEEN
        return Measured(self.artifact.size_bytes, "derived")

    def require_file(self) -> ArtifactFacts:
        """Return the facts of the file; raise `UnsupportedSubject` where there is none here."""
        if self.file is None:
            raise UnsupportedSubject(
                f"{self.label} is served by somebody else's server, and its file is not here",
                hint="give the file itself for what needs to read it",
            )
        return self.file


_UNSEEN: Final = Missing("not_here", "the file is the server's and was not seen here")
_UNTOLD: Final = Missing("not_reported", "the server does not say how large its model is")


@final
@dataclass(frozen=True, slots=True)
class EngineProfile:
    """Settings of the server itself; a control of the same name overrides them.

    `kv_type_v` is the type of the values in the cache where it is another than that of the keys;
    `draft_sha256` names the bytes of a draft model, whose file the place knows. With several `gpus`
    `split_mode` says how the model is laid over them: `row` or `tensor` share every layer, `layer`
    gives each GPU layers of its own.
    """

    context_tokens: int = 4096
    slots: int = 1
    threads: int | None = None
    batch_tokens: int = 2048
    micro_batch_tokens: int = 512
    gpu_layers: int = 0
    kv_type: str = "f16"
    flash_attention: bool = False
    extra_args: tuple[str, ...] = ()
    kv_type_v: str | None = None
    draft_sha256: str | None = None
    gpus: int = 1
    split_mode: str = "row"


@final
@dataclass(frozen=True, slots=True)
class Subject:
    """What one run weighs."""

    artifact: Artifact
    engine: str = "llamacpp"
    runtime: str = "wheel"
    profile: EngineProfile = field(default_factory=EngineProfile)

    @property
    def id(self) -> str:
        """Content and settings: the file's hash, the engine and its profile; never the name."""
        return content_id(
            {
                "sha256": self.artifact.sha256,
                "engine": self.engine,
                "runtime": self.runtime,
                "profile": self.profile,
            }
        )
