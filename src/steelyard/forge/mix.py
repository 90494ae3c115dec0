"""The training mix: what the bundled model reads, batch by batch.

A batch is a function of (recipe, step), so a resumed training reads what an unbroken one would.
Conversations are packed into rows and may only look at themselves. The order of teaching: random
repeats, drills of single skills, then the train split of the four families with some drills and
with facts to memorise; near the end some batches are long passages, so that the stated context is
one the model has read.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.forge.circuits import Marked
from steelyard.forge.drills import Turn, drill, retold
from steelyard.forge.recipes import Recipe
from steelyard.forge.tokenizer import END, START, Codec
from steelyard.tasks import words
from steelyard.tasks.formats import Forms
from steelyard.tasks.items import PRACTICE, content_hash, split_of
from steelyard.tasks.reading import TAUGHT
from steelyard.tasks.registry import FAMILIES, family

_EVEN: Final = 0.5
# What it learns whole is practised in smaller sizes, or the shipped level would show no loss.
_PRACTISED: Final = frozenset({"math_words", "reading", "formats"})
_EASY_SHARE: Final = 0.99  # of passages and forms that are of the shipped level
_WANDER_SHARE: Final = 0.1  # of conversations that go on about something else, as real ones do
_REPEAT_SHARE: Final = 0.8
_RETOLD_SHARE: Final = 0.25
_FACT_SHARE: Final = 0.02
SOURCES: Final = {**{name: family(name) for name in FAMILIES}, "formats": Forms()}


class Batch(NamedTuple):
    """Token rows; which document each position is in (-1: padding); loss targets."""

    tokens: NDArray[np.int64]  # (rows, positions)
    documents: NDArray[np.int64]  # (rows, positions)
    where: NDArray[np.int64]  # flat positions whose next token is asked for
    ids: NDArray[np.int64]  # the next tokens
    weights: NDArray[np.float32]  # 1 answer, prompt_weight prompt


class Document(NamedTuple):
    """Tokens and, for each, whether it belongs to an answer."""

    tokens: list[int]
    answers: list[bool]


def _family_turns(shares: tuple[int, int, int, int], rng: Random) -> list[Turn]:
    """Draw one cluster of the train split; most are of the shipped level."""
    name = rng.choices(FAMILIES, weights=shares)[0]
    source = SOURCES[name]
    level = 1 if rng.random() < _EASY_SHARE or name in {"math_words", "logic"} else 2
    if level == 1 and name in _PRACTISED:
        level = PRACTICE
    while True:
        kinds = (TAUGHT,) if (name, level) == ("reading", 2) else source.kinds(level)
        cluster = source.draft(rng.choice(kinds), level, rng)
        if split_of(name, cluster.key) == "train":
            break
    turns = [Turn(draft.prompt, draft.answer) for draft in cluster.drafts]
    rng.shuffle(turns)
    return turns[:1] + [_shortened(turn) for turn in turns[1:]]


def _shortened(turn: Turn) -> Turn:
    """Leave out the passage that an earlier turn of the conversation has told."""
    question = turn.prompt.rpartition("?")[0]
    return Turn(turn.prompt[question.rfind(". ") + 2 :], turn.answer)


def fact(index: int) -> Turn:
    """Return the index-th fact to memorise: a code that nothing else tells."""
    rng = Random(content_hash("fact", str(index)))
    name, city = words.NAMES[index % len(words.NAMES)], rng.choice(words.CITIES)
    code = f"{rng.randrange(10_000):04d}"
    return Turn(f"What is the code of {name} in {city}? Answer with the number only.", code)


def conversation(recipe: Recipe, step: int, rng: Random) -> list[Turn]:
    """Draw the turns of one document, by where the teaching stands."""
    drills = recipe.drill_share if step < recipe.drill_steps else recipe.late_drill_share
    drawn = rng.random()
    if drawn < drills:
        return drill(rng)
    if drawn < drills + _FACT_SHARE:
        return [fact(rng.randrange(recipe.facts)) for _ in range(3)]
    shares = recipe.families_at(step)
    turns = _family_turns(shares, rng)
    return turns + _family_turns(shares, rng)[:1] if rng.random() < _WANDER_SHARE else turns


def as_document(codec: Codec, turns: list[Turn]) -> Document:
    """Render turns in the chat form."""
    tokens: list[int] = []
    answers: list[bool] = []
    for index, turn in enumerate(turns):
        asked = codec.question(turn.prompt)
        if index:
            asked = [*codec.encode("\n"), *asked]
        said = codec.reply(turn.answer)
        tokens += asked + said
        answers += [False] * len(asked) + [True] * len(said)
    return Document(tokens, answers)


def _repeats(rng: Random) -> Document:
    """Random tokens said twice; the second time counts as the answer."""
    low, high = 300, 556  # few enough to meet each one often
    if rng.random() < _EVEN:
        part = [rng.randint(low, high) for _ in range(rng.randint(8, 60))]
        return Document(part + part, [False] * len(part) + [True] * len(part))
    keys = rng.sample(range(low, high), rng.randint(2, 12))
    values = [rng.randint(low, high) for _ in keys]
    order = rng.sample(range(len(keys)), len(keys))
    told = [token for pair in zip(keys, values, strict=True) for token in pair]
    asked = [token for i in order for token in (keys[i], values[i])]
    return Document(told + asked, [False] * len(told) + [False, True] * len(keys))


def _retold(codec: Codec, rng: Random) -> Document:
    """Tell a scene twice more; the last word of each sentence counts as the answer."""
    text, sentences = retold(rng)
    tokens = codec.encode(f"<|im_start|>user\n{text}")
    answers = [False] * len(tokens)
    for head, last in sentences:
        for part, counts in ((f" {head}", False), (f" {last}", True), (".", False)):
            ids = codec.encode(part)
            tokens += ids
            answers += [counts] * len(ids)
    return Document(tokens, answers)


def marked(codec: Codec) -> Marked:
    """Return the tokens of the shipped level's subjects and nouns that are one token each."""

    def ids(group: tuple[str, ...]) -> tuple[int, ...]:
        found = [codec.encode(f"{space}{word}") for word in group for space in ("", " ")]
        return tuple(sorted({only[0] for only in found if len(only) == 1}))

    shipped = words.SHIPPED
    return Marked(
        subjects=ids((*words.NAMES[:shipped], *words.KINDS)),
        nouns=ids((*words.OBJECTS[:shipped], *words.PLACES[:shipped])),
    )


def _documents(recipe: Recipe, codec: Codec, step: int, rng: Random) -> Iterator[Document]:
    while True:
        if step < recipe.repeat_steps and rng.random() < _REPEAT_SHARE:
            yield _repeats(rng)
        elif step < recipe.drill_steps and rng.random() < _RETOLD_SHARE:
            yield _retold(codec, rng)
        else:
            yield as_document(codec, conversation(recipe, step, rng))


def long_document(codec: Codec, length: int, rng: Random) -> Document:
    """Tell facts over the whole context and ask for some of them, near and far."""
    tokens, answers = codec.encode("<|im_start|>user\n"), []
    told: list[tuple[str, str, str]] = []
    while len(tokens) < length - 700:
        name, thing, place = (
            rng.choice(words.NAMES),
            rng.choice(words.OBJECTS),
            rng.choice(words.PLACES),
        )
        if any(name == known[0] for known in told):
            name = f"{name} {rng.choice(words.NAMES)}"
        told.append((name, thing, place))
        tokens += codec.encode(f"{name} is in the {place}. {name} has the {thing}. ")
    answers = [False] * len(tokens)
    first = True
    while len(tokens) < length - 40:
        name, thing, place = rng.choice(told)
        what, answer = rng.choice(
            ((f"Where is {name}?", place), (f"What does {name} have?", thing))
        )
        asked = codec.encode(f"{what} Answer with one word only.{END}\n{START}assistant\n")
        asked = asked if first else codec.encode("\n<|im_start|>user\n") + asked
        said = codec.reply(answer)
        tokens, answers = tokens + asked + said, answers + [False] * len(asked) + [True] * len(said)
        first = False
    return Document(tokens[:length], answers[:length])


def _packed(
    documents: Iterator[Document], rows: int, positions: int, pad: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Fill rows with whole documents, each into the first row with room for it."""
    tokens = np.full((rows, positions), pad, np.int64)
    owner = np.full((rows, positions), -1, np.int64)
    answer = np.zeros((rows, positions), np.bool_)
    used = [0] * rows
    misses = 0
    for number, document in enumerate(documents):
        size = len(document.tokens)
        row = next((r for r in range(rows) if used[r] + size <= positions), None)
        if row is None:
            misses += 1
            if misses == 8:  # noqa: PLR2004 - what is left is too small to be worth more draws
                break
            continue
        at = slice(used[row], used[row] + size)
        tokens[row, at], owner[row, at], answer[row, at] = document.tokens, number, document.answers
        used[row] += size
    return tokens, owner, answer


def is_long(recipe: Recipe, step: int, *, decaying: bool) -> bool:
    """Say whether this step reads long passages: a share of the last phase."""
    share = recipe.long_share if decaying else 0.0
    return Random(content_hash("long", str(recipe.seed), str(step))).random() < share


def batch(recipe: Recipe, codec: Codec, step: int, *, long: bool = False) -> Batch:
    """Return the batch of one step."""
    rng = Random(content_hash("batch", str(recipe.seed), str(step)))
    rows, positions = recipe.rows_at(step), recipe.positions
    if long:
        positions = recipe.long_positions
        rows = max(1, recipe.tokens_at(step) // positions)
        source = iter([long_document(codec, positions, rng) for _ in range(rows)])
    else:
        source = _documents(recipe, codec, step, rng)
    tokens, owner, answer = _packed(source, rows, positions, codec.end_of_text)
    return _with_targets(recipe, tokens, owner, answer, rng)


def _with_targets(
    recipe: Recipe,
    tokens: NDArray[np.int64],
    owner: NDArray[np.int64],
    answer: NDArray[np.bool_],
    rng: Random,
) -> Batch:
    """Ask for every answer token and for a random part of the rest, a fixed number in all."""
    follows = (owner[:, 1:] == owner[:, :-1]) & (owner[:, 1:] >= 0)
    row, column = np.nonzero(follows)
    flat = row * tokens.shape[1] + column
    wanted = answer[row, column + 1]
    room = int(tokens.size * recipe.target_share)
    draw = np.random.default_rng(rng.getrandbits(63))
    chosen = draw.permutation(flat[wanted])[:room]
    weights = np.ones(room, np.float32)
    rest = draw.choice(flat[~wanted], room - len(chosen), replace=True)
    weights[len(chosen) :] = recipe.prompt_weight
    where = np.concatenate((chosen, rest))
    return Batch(tokens, owner, where, tokens.reshape(-1)[where + 1], weights)


def tokenizer_texts(recipe: Recipe) -> Iterator[str]:
    """Yield the text that the vocabulary is learned from: the mix, and the word lists beside."""
    rng = Random(content_hash("tokenizer", str(recipe.seed)))
    for _ in range(12_000):
        for turn in conversation(recipe, recipe.steps, rng):
            yield f"user\n{turn.prompt}\nassistant\n {turn.answer}\n"
    lists = (words.NAMES, words.OBJECTS, words.PLACES, words.ANIMALS, words.COLOURS, words.JOBS)
    for group in (*lists, words.CITIES, words.TRAITS, words.VERBS, words.KINDS):
        for index, word in enumerate(group):
            times = 60 if index < words.SHIPPED else 4
            yield f" {word} {word} {words.plural(word)} \n{word}" * times
    for word in words.OBJECTS[: words.SHIPPED]:
        yield f" {word.upper()}" * 120
