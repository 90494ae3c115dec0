"""What an evaluation found, and what one found beside another.

Shares are fractions. Not aware of how marks were counted or judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from steelyard.domain.faults import Faults
from steelyard.domain.forms import Robustness
from steelyard.domain.ledger import Worth
from steelyard.domain.metric import Band
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.summary import Estimate, Marks, Thinking, Verdict


@final
@dataclass(frozen=True, slots=True)
class JudgeScore:
    """What a judge said of one task's answers, apart from right and wrong: scores from 0 to 1.

    `unscorable` counts the answers that it was asked about and gave no score to, by the reason;
    they are in no mean. `unasked` needed no judge: they failed the check that goes first, were cut
    off or empty. `waiting` are not judged yet.
    """

    score: Estimate
    unscorable: Mapping[str, int]
    unasked: int
    waiting: int


@final
@dataclass(frozen=True, slots=True)
class JudgedBy:
    """Who judged a run, and what it took: `calls` are all requests, `again` those asked twice.

    `sha256` is that of the judge's file, where one was served here, else what stands in for it.
    `bound` says what replies were asked to keep to. `pass_marks` are the scores from which on an
    answer was called right, by task.
    """

    model: str
    sha256: str
    engine: str
    bound: str
    rubrics: Mapping[str, str]
    outcome: str
    reason: str
    calls: int
    again: int
    failed: int
    prompt_tokens: Reading[int]
    output_tokens: Reading[int]
    billed: Reading[float]
    pass_marks: Mapping[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class TaskScore:
    """One task of a run: the four counts, the format kept, and how rightly an answer was read.

    `parts` says of each constraint how often it held, where an answer was asked for it.
    `disagreement` is the share of the answers found by both extractions, the strict and the
    flexible one, that they read differently; `output_tokens` and `answer_s` are means
    for each item that was run. `worth` is what a right answer took, `thinking` the ledger of it.
    `pass_at` maps k to how often one of k samples of an item is right,
    n its items; it is there where items were sampled more than once. `judge` is there where a judge
    was to be asked. `band` is Missing where most answers were cut while thinking or soon after it:
    nobody knows then how good they are. `repeated` is the share of further samples that are word
    for word their item's first.
    """

    task: str
    marks: Marks
    adherence: Estimate
    disagreement: Reading[float]
    output_tokens: Reading[float]
    answer_s: Reading[float]
    band: Reading[Band]
    worth: Worth
    thinking: Thinking
    parts: Mapping[str, Estimate] = field(default_factory=dict)
    pass_at: Mapping[str, Estimate] = field(default_factory=dict)
    judge: JudgeScore | None = None
    repeated: Reading[float] = Missing("not_sampled")


@final
@dataclass(frozen=True, slots=True)
class LengthCell:
    """The items of one length that share a depth (`d25`, `spread`) or a kind (`single`)."""

    name: str
    right: Estimate
    not_run: int


@final
@dataclass(frozen=True, slots=True)
class LengthScore:
    """Long contexts of one length, by depth and by kind.

    `tokens` is the length of prompt and answer that was asked for. `prompt_tokens` are the least
    and the most that the engine counted, `wanted_tokens` those that were sent by our count.
    `prefix_cache` is what is in force, where anybody tells. `check_words` counts, by position, the
    `answers` in which a check word came back.
    """

    task: str
    tokens: int
    prompt_tokens: Reading[tuple[int, int]]
    wanted_tokens: Reading[tuple[int, int]]
    cached_tokens: Reading[int]
    reuse_prefix: bool
    prefix_cache: Reading[str]
    depths: tuple[LengthCell, ...]
    kinds: tuple[LengthCell, ...]
    check_words: Mapping[str, int]
    not_run_why: Mapping[str, int]


@final
@dataclass(frozen=True, slots=True)
class Stage:
    """How long one stage of answering took: the mean in seconds, `per` item or set of documents."""

    name: str
    per: str
    seconds: Estimate


@final
@dataclass(frozen=True, slots=True)
class KindFound:
    """One kind of items that are asked of documents: facts found, and items right."""

    kind: str
    recall: Estimate
    right: Estimate


@final
@dataclass(frozen=True, slots=True)
class RetrievalScore:
    """What retrieval did for a task, and what the model made of it.

    Items that were not run are left out of all but `recall`: their passages were found.

    `recall` is the share of the facts needed that stand in the passages given, `complete` that of
    the answerable items with all of them. `right_found` and `right_missed` are right answers of
    answerable items with all of them and without. Abstained is said: of the items that nothing
    answers, `rightly`; of those with all facts before it, `wrongly`; of those whose facts were
    missed, `for_want`, which is honest and wrong. `cited` is the share of right answers of
    answerable items that name exactly the documents that hold them.
    """

    task: str
    retriever: str
    chunk: int
    k: int
    unit: str
    embedder: str
    passages: int
    recall: Estimate
    complete: Estimate
    right_found: Estimate
    right_missed: Estimate
    rightly: Estimate
    wrongly: Estimate
    for_want: Estimate
    cited: Estimate
    kinds: tuple[KindFound, ...]
    stages: tuple[Stage, ...]


@final
@dataclass(frozen=True, slots=True)
class Evaluation:
    """All tasks of one run, and the pooled result over every item.

    `lengths` holds those that ask at a length, shortest first. `retrieval` stands for each task
    that is asked of documents, `beside_first` pairs further settings of such a task with its first.
    `stopped` says why not all items were asked, and what that means for the intervals; `left_out`
    which families or tasks were not asked at all, and why; `judging` who judged. `forms` says of
    each task that was asked in several how much these mattered; `faults` what casts doubt on the
    run. `families` are the tasks pooled over their levels, and `pooled` says which those are.
    """

    run: str
    model: str
    engine: str
    outcome: str
    reason: str
    simulated: bool
    tasks: tuple[TaskScore, ...]
    overall: TaskScore
    lengths: tuple[LengthScore, ...] = ()
    retrieval: tuple[RetrievalScore, ...] = ()
    beside_first: tuple[Pairing, ...] = ()
    stopped: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    judging: JudgedBy | None = None
    forms: Mapping[str, Robustness] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    families: tuple[TaskScore, ...] = ()
    pooled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether less than `margin` is shown to be lost and less than that to be won.

    `p` is the larger of two one-sided tests', `p_adjusted` is Holm's over the tasks compared.
    """

    margin: float
    p: float
    p_adjusted: float
    shown: bool


@final
@dataclass(frozen=True, slots=True)
class Effect:
    """How large the difference is; none of it is a verdict.

    `h` is Cohen's, above 0 where right answers were lost. `odds` is flips won over flips lost, n
    the flips, without an interval where items were asked several times. `joint` is the loss with
    bounds that hold for all of the tasks at once (Bonferroni), at any one truth. The next three are
    Missing where no item shares a cluster: the loss with whole clusters drawn again, and either
    run's mean share of right answers after the beta-binomial law. `likely` is the loss with the
    interval that holds it as often as it says over truths that differ, `likely_joint` with one for
    all of the tasks at once.
    """

    h: float
    odds: Estimate
    joint: Estimate
    equivalence: Equivalence
    resampled: Reading[Estimate]
    first_share: Reading[Estimate]
    second_share: Reading[Estimate]
    likely: Estimate
    likely_joint: Estimate


@final
@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item of a task, looked at to find what to ask next.

    Of the samples of an item the way that most of them went counts, once.
    `q` is Benjamini and Hochberg's over all kinds looked at; `differs` where it is at most `rate`.
    """

    task: str
    kind: str
    items: int
    lost: int
    won: int
    p: float
    q: float
    differs: bool


@final
@dataclass(frozen=True, slots=True)
class Explored:
    """Kinds of items, those that differ most first: a place to look, never a verdict.

    Of the kinds that are called different, a share of `rate` is luck on average. `left_out` names
    tasks whose kinds could not be told, with the reason.
    """

    rate: float
    kinds: tuple[Kind, ...]
    left_out: Mapping[str, str]


@final
@dataclass(frozen=True, slots=True)
class Pairing:
    """The second run against the first on the items of one task, or of all.

    `p` is McNemar's, exact and two-sided; `p_adjusted` is Holm's over the tasks compared.
    `visible` is the smallest loss that so many items, flipping as often as these did and hanging
    together as these do, show with a power of 80 %. `more_s` is how much longer both runs together
    would take until an undecided one is decided, at the pace they had.
    """

    task: str
    first_share: Estimate
    second_share: Estimate
    verdict: Reading[Verdict]
    p: Reading[float]
    p_adjusted: Reading[float]
    visible: Reading[float]
    left_out: int
    effect: Reading[Effect]
    more_s: Reading[float] = Missing("not_undecided")
    first_band: Reading[Band] = Missing("no_bands")
    second_band: Reading[Band] = Missing("no_bands")


@final
@dataclass(frozen=True, slots=True)
class Graded:
    """What was lost by degrees, paired by item: demanded forms, or a score; `d` is Cohen's."""

    loss: Estimate
    d: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class Pooled:
    """What the row of a family pools: its tasks, one for each level, and whether they lose alike.

    `p` is that of "all of them that were compared lose alike", `p_adjusted` Holm's over the
    families; `apart` says that they do not, so that the family's loss is a mean of unlike ones.
    """

    tasks: tuple[str, ...]
    p: Reading[float]
    p_adjusted: Reading[float]
    apart: bool


@final
@dataclass(frozen=True, slots=True)
class Contrast:
    """Two evaluations side by side; `differs` names everything that is not the same in them.

    `explored` is None where nobody asked which kinds of items differ. `lengths` says of each task,
    and of all, how many times as many output tokens the second took, thinking included, and
    `formats` which share of the demanded forms it lost. `stopped`
    says which of the two did not ask all items, and what that means for the verdict. `identical` is
    the share of items with the same text in both, None where subject or seed differ. `judged` says
    of each judged task what the second lost of the judge's score, from 0 to 1. `again` is the run
    that repeats the first, if one was given, and `floors` the A/A floors of it. `left_out` says
    which of the two did not ask a family at all, and why. `thinking` has both ledgers of each task
    and of all; `faults` says by run what casts doubt on it. `families` are the verdicts, one for
    each family over all its levels, corrected over the families; `tasks` look into them level by
    level, corrected over the tasks, and nothing rests on those unless the levels of a family do not
    lose alike. `pooled` says of each family what it pools. Where something is told by task, it is
    told by family too.
    """

    first: str
    second: str
    first_name: str
    second_name: str
    differs: tuple[str, ...]
    simulated: bool
    margin: float
    tasks: tuple[Pairing, ...]
    overall: Pairing
    unpaired: Mapping[str, str]
    lengths: Mapping[str, Estimate]
    formats: Mapping[str, Graded]
    explored: Explored | None = None
    stopped: tuple[str, ...] = ()
    identical: Estimate | None = None
    again: str = ""
    floors: Mapping[str, Reading[float]] = field(default_factory=dict)
    judged: Mapping[str, Graded] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    thinking: Mapping[str, tuple[Thinking, Thinking]] = field(default_factory=dict)
    faults: Mapping[str, Faults] = field(default_factory=dict)
    families: tuple[Pairing, ...] = ()
    pooled: Mapping[str, Pooled] = field(default_factory=dict)
