"""What llama.cpp takes memory for, one formula a part, each in bytes. Pure arithmetic.

Found by reading what the engine logs of its buffers, over shapes, contexts, slots, types of cache,
micro-batches, with flash attention and without, and what its process then held; how near they come
is in docs/measured.md. An engine of another kind takes other memory. Not aware of files or of this
machine. Sizes of caches and of windows: `llama_kv_cache` and `llama_kv_cache_iswa` in llama.cpp.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from steelyard.domain.subject import ArtifactFacts, EngineProfile, LayerCache, MemoryFacts
from steelyard.llamalib.tensor_types import BY_NAME, TensorType

MIB: Final = 1 << 20
# Interpreter, library and server of the wheel, without any model: measured on x86-64 Linux.
PROCESS_BYTES: Final = 40 * MIB
_FLOAT: Final = 4
_HALF: Final = 2
_PAD: Final = 256
# A word in its tables, a merge in its tables, and what a slot keeps of every word to choose one.
_WORD_BYTES: Final = 222
_MERGE_BYTES: Final = 210
CHOICE_BYTES: Final = 20
# Rows of numbers of a token that are alive at once: in widths of the model, of the queries and of
# keys and values while attending; in widths of the model and of the feed-forward after that.
_ATTENDING: Final = (3, 3, 2)
_FORWARD: Final = (5, 3)
# A multiplication first brings its input into another form: the largest has so many bytes a number.
_INPUT_BYTES: Final = 292 / 256
_CHECKPOINT_STEP: Final = 8192
_CHECKPOINTS_MOST: Final = 32
_NEAR_THE_END: Final = 2


def context_of_slot(profile: EngineProfile) -> int:
    """Return the tokens that one slot has room for, as the engine rounds them."""
    return padded(profile.context_tokens)


def micro_batch(profile: EngineProfile) -> int:
    """Return how many tokens are computed at once: no more than a batch or the whole context."""
    whole = profile.context_tokens * profile.slots
    return min(profile.micro_batch_tokens, profile.batch_tokens, whole)


def kv_cache(memory: MemoryFacts, profile: EngineProfile) -> int:
    """Count keys and values of every layer in every slot.

    Without flash attention values lie across, and every layer gets the widest layer's room.
    """
    keys, values = _kv_types(profile)
    widest = max((cache.values for cache in memory.caches), default=0)
    total = 0.0
    for cache in memory.caches:
        kept = cache.values if profile.flash_attention else widest
        row = cache.keys * keys.bits_per_weight + kept * values.bits_per_weight
        total += cache.layers * cells(cache, profile) * profile.slots * row / 8
    return int(total)


def cells(cache: LayerCache, profile: EngineProfile) -> int:
    """Return how many tokens of one slot these layers keep."""
    whole = context_of_slot(profile)
    if not cache.window or "--swa-full" in profile.extra_args:
        return whole
    return min(whole, padded(min(whole, cache.window + micro_batch(profile))))


def state(memory: MemoryFacts, profile: EngineProfile) -> int:
    """Count what recurrent layers keep, for every slot."""
    return memory.state_bytes * profile.slots


def compute(facts: ArtifactFacts, memory: MemoryFacts, profile: EngineProfile) -> int:
    """Count the buffer of one micro-batch: the greater of attending and the feed-forward."""
    rows, width = micro_batch(profile), facts.embedding_length
    kept = max((cache.keys for cache in memory.caches), default=0)
    seen = {cells(cache, profile) for cache in memory.caches}
    if profile.flash_attention:
        masks, scores, crossing = sum(seen) * _HALF, 0, 0
    else:
        masks = sum(seen) * _FLOAT
        scores, crossing = memory.heads * max(seen, default=0), 2 * kept
    widths, queries, keys = _ATTENDING
    attending = scores + widths * width + queries * memory.queries + keys * kept
    widths, wide = _FORWARD
    forward = widths * width + wide * memory.feed_forward + crossing
    last = profile.slots * (facts.vocabulary + width)
    return rows * (masks + _FLOAT * max(attending, forward)) + _FLOAT * last


def work(memory: MemoryFacts, profile: EngineProfile) -> int:
    """Count the kernels' own room: the input of a multiplication, in the form that it wants."""
    forward = memory.feed_forward * _INPUT_BYTES
    longest = max((cells(cache, profile) for cache in memory.caches), default=0)
    scores = 0 if profile.flash_attention else memory.heads * longest * _HALF
    return int(micro_batch(profile) * max(forward, scores))


def output(facts: ArtifactFacts, profile: EngineProfile) -> int:
    """Count the logits of every slot."""
    return profile.slots * facts.vocabulary * _FLOAT


def choices(facts: ArtifactFacts, profile: EngineProfile) -> int:
    """Count what each slot keeps of every word, to choose one."""
    return profile.slots * facts.vocabulary * CHOICE_BYTES


def words(facts: ArtifactFacts, memory: MemoryFacts) -> int:
    """Count the tokenizer's tables."""
    return facts.vocabulary * _WORD_BYTES + memory.merges * _MERGE_BYTES


def checkpoints(memory: MemoryFacts, profile: EngineProfile) -> int:
    """Count the copies that a server keeps of what it could not compute again: windows and states.

    Two near the end of a prompt, and one every 8,192 tokens of it.
    """
    keys, values = _kv_types(profile)
    once = float(memory.state_bytes)
    for cache in memory.caches:
        if cache.window and "--swa-full" not in profile.extra_args:
            row = cache.keys * keys.bits_per_weight + cache.values * values.bits_per_weight
            once += cache.layers * min(cache.window, profile.context_tokens) * row / 8
    each = _NEAR_THE_END + profile.context_tokens // _CHECKPOINT_STEP
    return int(once * min(_CHECKPOINTS_MOST, each) * profile.slots)


def copies(memory: MemoryFacts, reordered: Iterable[str], profile: EngineProfile) -> int:
    """Count the weights that stay mapped from the file beside a copy in another order.

    Nobody reads them again, so the system may take them back; until then they count as in use.
    """
    if "--no-mmap" in profile.extra_args:
        return 0
    total = 0
    for name in reordered:
        kind = BY_NAME[name]
        total += memory.matrix_elements.get(name, 0) // kind.block * kind.block_bytes
    return total


def padded(tokens: int) -> int:
    """Return the next multiple of what the engine rounds contexts to."""
    return -(-tokens // _PAD) * _PAD


def _kv_types(profile: EngineProfile) -> tuple[TensorType, TensorType]:
    names = profile.kv_type, profile.kv_type_v or profile.kv_type
    keys, values = (BY_NAME.get(name.upper(), BY_NAME["F16"]) for name in names)
    return keys, values
