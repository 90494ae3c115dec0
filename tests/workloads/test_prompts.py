"""Prompts have the length they claim and never share a beginning."""

import random
import re
import sys
import zlib
from base64 import b64decode
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
from tests.tasks.eyes import decode

import steelyard.bundled
from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.prompts import FromFile, Images, Prefix, Recorded, ShareGpt, Synthetic
from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls, Place
from steelyard.domain.subject import Artifact, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import Workload
from steelyard.engines import host
from steelyard.engines.api import dialect
from steelyard.workloads.lengths import (
    Calibrated,
    Lengths,
    MessageTokens,
    RawTokens,
    learned_overhead,
)
from steelyard.workloads.prompts import Prompt, make, requests
from steelyard.workloads.rows import Row
from steelyard.workloads.sources import Prompts
from steelyard.workloads.suites import QUICK, context_needed, streams_needed

BASE = Path(steelyard.bundled.__file__).with_name("base.gguf")
SIXTY_FOUR = Workload("interactive", 64, 8, requests=5, warmup=2)


def words(text: str, *, special: bool = False) -> list[int]:
    """A tokenizer of whole words, with a begin-of-text token."""
    return [0, *(hash(w) & 0xFFFF for w in text.split())] if special else [len(text.split())]


def nothing(text: str, *, special: bool = False) -> list[int]:
    del text, special
    return []


def passage(draw: random.Random) -> str:
    return " ".join(draw.choice(["a", "river", "of", "stones"]) for _ in range(9))


def test_every_prompt_has_exactly_the_tokens_asked_for() -> None:
    made = requests(SIXTY_FOUR, seed=1, repeat=0, tokenise=words, text=passage)
    assert [len(r.prompt_tokens or ()) for r in made] == [64] * 7


def test_no_two_prompts_of_a_campaign_share_their_first_words() -> None:
    made = [
        r.prompt_tokens
        for repeat in range(3)
        for r in requests(SIXTY_FOUR, seed=1, repeat=repeat, tokenise=words, text=passage)
    ]
    assert len({tokens[:2] for tokens in made if tokens}) == len(made)


def test_the_same_seed_gives_the_same_requests() -> None:
    one, two = (
        requests(SIXTY_FOUR, seed=4, repeat=2, tokenise=words, text=passage) for _ in range(2)
    )
    assert one == two


def test_documents_spread_over_their_range() -> None:
    docs = Workload("documents", 20, 8, requests=30, prompt_tokens_max=50, warmup=0)
    lengths = [
        len(r.prompt_tokens or ())
        for r in requests(docs, seed=1, repeat=0, tokenise=words, text=passage)
    ]
    assert min(lengths) >= 20
    assert max(lengths) <= 50
    assert len(set(lengths)) > 10


def test_a_tokenizer_that_yields_nothing_is_an_error_not_an_endless_loop() -> None:
    with pytest.raises(SteelyardError, match="fewer than 64 tokens"):
        requests(SIXTY_FOUR, seed=1, repeat=0, tokenise=nothing, text=passage)


def test_the_context_of_a_suite_holds_its_longest_workload() -> None:
    assert context_needed(QUICK) >= 2048 + 64
    assert streams_needed("full") == 4


def splits(text: str, *, special: bool = False) -> list[int]:
    """A tokenizer of pieces of up to four letters, stable from run to run."""
    del special
    return [zlib.crc32(piece.encode()) for piece in re.findall(r"\w{1,4}|[^\w\s]", text)]


WAYS: list[Lengths] = [RawTokens(splits), MessageTokens(splits, 7), Calibrated(1.6, 7.0)]


def first(
    count: int,
    prompts: Prompts,
    lengths: Lengths,
    *,
    seed: int = 1,
    workload: str = "",
    exact: bool = False,
) -> list[Prompt]:
    made = make(prompts, lengths, text=passage, seed=seed, workload=workload, exact_tokens=exact)
    return list(islice(made, count))


def content(prompt: Prompt) -> str:
    return prompt.request.messages[-1].content


def rows(*texts: str, answer: str = "") -> tuple[Row, ...]:
    return tuple(Row((Message("user", text),), answer=answer) for text in texts)


def own(*texts: str) -> Prompts:
    return Prompts(FromFile("0" * 64, len(texts), "txt"), rows(*texts))


def talks(*pairs: tuple[str, str], out: int | None = None) -> Prompts:
    made = tuple(Row((Message("user", asked),), answer=said) for asked, said in pairs)
    return Prompts(ShareGpt("0" * 64, len(made), out), made)


def test_synthetic_token_ids_are_as_many_as_asked_for() -> None:
    made = first(5, Prompts(Synthetic(80, 9)), RawTokens(splits))
    assert [len(p.request.prompt_tokens or ()) for p in made] == [80] * 5
    assert [p.prompt_tokens_wanted for p in made] == [80] * 5
    assert [p.request.max_tokens for p in made] == [9] * 5
    assert not any(p.request.messages for p in made)


def test_synthetic_messages_leave_room_for_the_template() -> None:
    made = first(5, Prompts(Synthetic(80, 9)), MessageTokens(splits, 7))
    assert [len(splits(content(p))) for p in made] == [73] * 5
    assert [p.prompt_tokens_wanted for p in made] == [80] * 5


def test_without_a_tokenizer_the_wanted_length_stays_known() -> None:
    made = first(5, Prompts(Synthetic(80, 9)), Calibrated(1.6, 8.0))
    assert [len(content(p).split()) for p in made] == [45] * 5
    assert [p.prompt_tokens_wanted for p in made] == [80] * 5


@pytest.mark.parametrize("lengths", WAYS)
@pytest.mark.parametrize("source", [Synthetic(40, 4), Recorded((40, 30), (4, 5))])
def test_no_two_made_up_prompts_begin_alike(lengths: Lengths, source: Synthetic | Recorded) -> None:
    made = [
        prompt
        for seed, workload in [(1, "a"), (1, "b"), (2, "a")]
        for prompt in first(200, Prompts(source), lengths, seed=seed, workload=workload)
    ]
    begins = {
        p.request.prompt_tokens[:3] if p.request.prompt_tokens else content(p)[:9] for p in made
    }
    assert len(begins) == len(made)
    assert not any(p.request.reuse_prefix for p in made)


@pytest.mark.parametrize("lengths", WAYS)
@pytest.mark.parametrize(
    "prompts",
    [
        Prompts(Synthetic(40, 4, 9.0, 2.0)),
        Prompts(Prefix(40, 20, 4, 3)),
        Prompts(Recorded((40, 30), (4, 5))),
        own("One?", "Two?"),
        talks(
            ("Who are you and why?", "I am nobody at all."),
            ("Who is it this time?", "Me, it is me."),
        ),
    ],
)
def test_the_same_seed_gives_the_same_prompts_in_the_same_order(
    prompts: Prompts, lengths: Lengths
) -> None:
    once = first(12, prompts, lengths)
    assert once == first(12, prompts, lengths)
    assert once != first(12, prompts, lengths, seed=2)


def test_normal_lengths_have_the_mean_and_the_spread_asked_for() -> None:
    made = first(2000, Prompts(Synthetic(100, 50, 10.0, 5.0)), Calibrated(1.0, 0.0))
    asked = [p.prompt_tokens_wanted or 0 for p in made]
    output = [p.request.max_tokens for p in made]
    assert abs(mean(asked) - 100) < 1.0
    assert abs(stdev(asked) - 10) < 1.0
    assert abs(mean(output) - 50) < 0.5
    assert abs(stdev(output) - 5) < 0.5


def test_normal_lengths_never_fall_below_the_shortest() -> None:
    made = first(300, Prompts(Synthetic(20, 2, 50.0, 20.0)), Calibrated(1.0, 0.0))
    assert min(p.prompt_tokens_wanted or 0 for p in made) >= 16
    assert min(p.request.max_tokens for p in made) >= 1


def test_each_request_has_a_seed_of_its_own() -> None:
    for prompts in (Prompts(Synthetic(20, 2)), own("One?", "Two?")):
        made = first(6, prompts, Calibrated())
        assert len({p.request.seed for p in made}) == 6


def test_an_engine_runs_to_the_end_only_where_it_can_be_told_to() -> None:
    can, cannot = (first(1, Prompts(Synthetic()), Calibrated(), exact=e)[0] for e in (True, False))
    assert can.request.exact_tokens
    assert not cannot.request.exact_tokens


def test_a_recorded_load_keeps_its_pairs_of_lengths_in_order() -> None:
    made = first(5, Prompts(Recorded((30, 400, 3), (5, 6, 7))), MessageTokens(splits))
    lengths = [(len(splits(content(p))), p.request.max_tokens) for p in made]
    assert lengths == [(30, 5), (400, 6), (3, 7), (30, 5), (400, 6)]


@pytest.mark.parametrize("lengths", WAYS)
def test_the_prompts_of_a_group_share_their_prefix_and_nothing_more(lengths: Lengths) -> None:
    made = first(12, Prompts(Prefix(60, 20, 4, groups=3)), lengths)
    assert all(p.request.reuse_prefix and p.prompt_tokens_wanted == 80 for p in made)
    texts: list[Sequence[object]] = [p.request.prompt_tokens or content(p).split() for p in made]
    if not isinstance(lengths, Calibrated):
        overhead = lengths.overhead_tokens if isinstance(lengths, MessageTokens) else 0
        texts = [p.request.prompt_tokens or splits(content(p)) for p in made]
        assert [len(text) + overhead for text in texts] == [80] * 12
    shared = round(60 / 1.6) if isinstance(lengths, Calibrated) else 60
    groups = Counter(tuple(text[:shared]) for text in texts)
    assert sorted(groups.values()) == [4, 4, 4]
    assert len({tuple(text[: shared + 3]) for text in texts}) == 12


def test_each_round_takes_every_group_once_in_an_order_of_its_own() -> None:
    made = first(40, Prompts(Prefix(20, 16, 4, groups=8)), RawTokens(splits))
    named = [(p.request.prompt_tokens or ())[:20] for p in made]
    turns = [named[at : at + 8] for at in range(0, 40, 8)]
    assert all(len(set(turn)) == 8 for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 1


def test_a_users_prompts_go_as_they_are_and_in_their_order() -> None:
    made = first(2, own("Who are you?", "Why?"), RawTokens(splits))
    assert [content(p) for p in made] == ["Who are you?", "Why?"]
    assert [p.prompt_tokens_wanted for p in made] == [None, None]
    assert [p.request.max_tokens for p in made] == [128, 128]


def test_a_row_may_name_its_own_length() -> None:
    source = FromFile("0" * 64, 1, "jsonl", output_tokens=50)
    made = first(1, Prompts(source, (Row((Message("user", "Why?"),), max_tokens=9),)), Calibrated())
    assert made[0].request.max_tokens == 9


def test_what_was_sent_before_gets_a_beginning_of_its_own() -> None:
    made = first(9, own("Why?", "Who?", "Why?"), Calibrated())
    assert [content(p) for p in made[:2]] == ["Why?", "Who?"]
    assert len({content(p) for p in made}) == 9
    assert [content(p)[-4:] for p in made] == ["Why?", "Who?", "Why?"] * 3
    assert len({content(p)[:8] for p in made[2:]}) == 7


def test_the_beginning_stands_before_the_users_words_and_not_the_systems() -> None:
    row = Row((Message("system", "Be brief."), Message("user", "Why?")))
    made = first(2, Prompts(FromFile("0" * 64, 1, "jsonl"), (row,)), Calibrated())
    assert made[1].request.messages[0] == Message("system", "Be brief.")
    assert made[1].request.messages[1].content.endswith(". Why?")


def test_sharegpt_answers_are_as_long_as_the_recorded_ones() -> None:
    made = first(1, talks(("Who are you and why?", "I am nobody at all.")), MessageTokens(splits))
    assert made[0].request.max_tokens == len(splits("I am nobody at all."))
    assert content(made[0]) == "Who are you and why?"


def test_sharegpt_leaves_out_what_is_too_short_or_too_long() -> None:
    fits, short, long = "yes it does fit", "no", "word " * 1025
    made = first(
        6,
        talks((fits, fits), (short, fits), (fits, short), (long, fits), (fits, "word " * 2045)),
        MessageTokens(splits),
    )
    assert content(made[0]) == fits
    assert all(content(p).endswith(f". {fits}") for p in made[1:])
    assert {p.request.max_tokens for p in made} == {4}


def test_a_stated_output_length_takes_short_answers_in() -> None:
    made = first(1, talks(("yes it does fit", "no"), out=2), MessageTokens(splits))
    assert made[0].request.max_tokens == 2


def test_sharegpt_of_which_nothing_fits_is_refused() -> None:
    with pytest.raises(BadInput, match="too short or too long"):
        first(1, talks(("no", "no")), MessageTokens(splits))


def test_sharegpt_is_shuffled_by_the_seed() -> None:
    many = talks(*((f"question number {n} here", "an answer to it all") for n in range(30)))
    one, two = (
        [content(p) for p in first(30, many, MessageTokens(splits), seed=s)] for s in (1, 2)
    )
    assert one != two
    assert sorted(one) == sorted(two)


def test_an_engine_with_a_template_counts_as_many_tokens_as_asked_for(tmp_path: Path) -> None:
    subject = Subject(Artifact("base.gguf", "gguf", "ab" * 32), "scripted")
    place = Place(
        program=(sys.executable, "-m", "steelyard.scripted"),
        paths={"ab" * 32: BASE},
        folder=tmp_path,
    )
    with host.start(dialect("scripted"), subject, Controls(), place) as engine:

        def came(made: list[Prompt]) -> list[int]:
            calls = [engine.dialect.encode(replace(p.request, stream=False)) for p in made]
            answers: list[Any] = [engine.ask(call) for call in calls]
            return [answer["usage"]["prompt_tokens"] for answer in answers]

        tried = first(2, Prompts(Synthetic(60, 2)), MessageTokens(engine.tokenise))
        wanted = [p.prompt_tokens_wanted or 0 for p in tried]
        overhead = learned_overhead(list(zip(wanted, came(tried), strict=True)))
        assert isinstance(overhead, Measured)
        lengths = MessageTokens(engine.tokenise, overhead.value)
        assert came(first(3, Prompts(Synthetic(90, 2)), lengths, seed=2)) == [90] * 3
        assert came(first(3, Prompts(Prefix(60, 20, 2, 2)), lengths, seed=2)) == [80] * 3


def test_pictures_stand_before_fresh_prose_and_none_comes_twice() -> None:
    source = Images(images=2, width=48, height=32, input_tokens=24, output_tokens=7)
    found = first(30, Prompts(source), MessageTokens(splits, 7))
    shown = [prompt.request.messages[0].media for prompt in found]
    assert {len(media) for media in shown} == {2}
    assert len({media.data for pair in shown for media in pair}) == 60
    sizes = {decode(b64decode(media.data)).shape for pair in shown for media in pair}
    assert sizes == {(32, 48)}
    assert {len(splits(content(prompt))) for prompt in found} == {24 - 7}
    assert {prompt.prompt_tokens_wanted for prompt in found} == {None}
    assert first(30, Prompts(source), MessageTokens(splits, 7)) == found
