"""Tasks: ask every item, take each answer to its machine, keep the mark.

Only a request whose answer had not come whole is sent again after a kill. A request that fails is
our or the engine's doing: the item is marked `not_run`, never wrong. A question that is stretched
to a length is written when its turn comes, in the tokens of who is asked, and what proves that it
arrived whole is looked at in the end. An answer that has to be tried out waits until the last one
has come: what runs beside a request is in its time. Not aware of statistics.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, final

from steelyard.analysis import delivery
from steelyard.analysis.failure_hints import hint
from steelyard.domain import retrieval
from steelyard.domain.errors import BadInput, EngineDied, EngineError, UnsupportedSubject
from steelyard.domain.ids import content_id
from steelyard.domain.progress import Noted
from steelyard.domain.reading import Missing
from steelyard.domain.retrieval import Retrieval
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt, Completed, Exchange, Failed
from steelyard.domain.task import (
    Ask,
    Item,
    Mark,
    NotRun,
    Renewed,
    Stretch,
    Task,
    Trial,
    item_of,
    sample_key,
)
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import sight
from steelyard.media.samples import Kind
from steelyard.platform import clock
from steelyard.runs import doubtful, marking, stretching, tool_check
from steelyard.runs.bench import Bench, Key
from steelyard.runs.retrieval import Library, behind_passages
from steelyard.runs.stretching import Ruler
from steelyard.runs.trials import tried
from steelyard.tasks.items import Question
from steelyard.tasks.registry import generate

_TRIES: Final = 2
_AHEAD: Final = 2  # long questions that wait for each stream: all at once would fill the memory
# Asked again, the same would come back.
_NO_USE: Final = frozenset({"prompt_cut", "template_broken"})
_NO_PASSAGES: Final = "no_passages"
_NS_PER_S: Final = 1e9
_OK: Final = 200


def judge(
    bench: Bench,
    task: Task,
    items: Sequence[Item] | None = None,
    library: Library | None = None,
) -> Section:
    """Ask every item of the task and return the marks; what the spool knows is not asked again.

    With `items` those of it are asked and no others. `library` finds passages for items that are
    asked of documents; without one they are asked alone, and nobody can know.

    Raises `BadInput` where the spool has answers to other items, and `TimeOver` where the bench's
    time ends before the last mark. None of these items has one then: those that were quick enough
    would stand for the others.
    """
    if items is None:
        items = generate(task)
        _refuse_others(bench, task, items)
    state = _Asking(bench, task, items)
    if why := state.barrier():
        return state.not_run(why)
    if library is not None:
        state.furnish(library)
    bench.require_time()
    state.begin()
    for exchange in bench.results():
        state.take(exchange)
        # Who answered lives; to ask it of a server of somebody else's takes a connection.
        if exchange.failure is not None and not bench.engine.alive():
            raise EngineDied("the engine died in the middle of a task", hint=state.log_hint)
    state.finish()
    return settled(bench, state.section())


def barrier(bench: Bench, task: Task, items: Sequence[Item]) -> str:
    """Return why none of these items can be asked of the server that is up, as a code; or ""."""
    return _Asking(bench, task, items).barrier()


def answered(bench: Bench, task: Task) -> set[str]:
    """Return the items of a task to which an earlier session has all answers, of all samples.

    A conversation that was cut has not: what was said so far gives no mark. Raises `BadInput`
    where there are answers to items that are none of the task's.
    """
    known = {
        (key.sample, key.ask): exchange
        for key, exchange in bench.known
        if _whole(key, exchange, task)
    }
    if not known:
        return set()
    items = generate(task)
    _refuse_others(bench, task, items)
    begun = {item_of(sample) for sample, _ in known}
    machines = samples(task, [item for item in items if item.id in begun])
    marked = [sample for sample, item in machines.items() if _ends(bench, sample, item, known)]
    counts = Counter(map(item_of, marked))
    return {item for item, number in counts.items() if number == task.samples}


def _ends(bench: Bench, sample: str, item: Item, known: Mapping[tuple[str, int], Exchange]) -> bool:
    """Say whether an item comes to its end by the known answers alone."""
    item.start()
    number = 0
    while (exchange := known.get((sample, number))) is not None:
        attempt = bench.told(exchange)
        if not isinstance(attempt.outcome, Completed):
            return False
        if not isinstance(marking.step(item, attempt.answer), Ask):
            return True
        number += 1
    return False


def _refuse_others(bench: Bench, task: Task, items: Sequence[Item]) -> None:
    """Raise `BadInput` for answers to items that the task does not ask: they would be lost."""
    stored = {item_of(key.sample) for key, _ in bench.known if key.section == task.section}
    if others := stored - {item.id for item in items}:
        raise BadInput(
            f"{task.section}: {len(others):,} of {len(stored):,} items that were answered are "
            "none that this version of steelyard asks",
            hint="go on with the version that began, or begin anew in another folder",
        )


def settled(bench: Bench, section: Section) -> Section:
    """Return the section with what speaks against whole answers, over all parts of its task.

    Answers that were kept for others, those of another model and long questions that did not arrive
    are `not_run`: what shows it is how they stand beside each other.
    """
    raw = bench.marks.get(section.name, {})
    marks = {sample: raw.get(sample, mark) for sample, mark in section.marks.items()}
    kept = {sample for sample, _ in doubtful.kept(bench.named.get(section.name, {}))}
    others = doubtful.by_others(section.attempts)
    cuts = any(
        a.outcome.kind == "failed" and a.outcome.why == "prompt_cut" for a in section.attempts
    )
    cut = bench.suspects.get(section.name, set()) if cuts else set()
    for why, samples in (("prompt_cut", cut), ("stale_answer", kept), ("other_model", others)):
        for sample in samples & marks.keys():
            marks[sample] = Mark(NotRun(why), marks[sample].extracted)
    return replace(section, marks=dict(sorted(delivery.settled(section.attempts, marks).items())))


def joined(sections: Iterable[Section]) -> list[Section]:
    """Return the sections with those of one task made one: it was asked part by part.

    It lasts as long as its parts did together: what was asked between them is left out.
    """
    whole: dict[tuple[str, str], Section] = {}
    for section in sections:
        before = whole.get((section.kind, section.name))
        if before is None or section.kind != "task":
            whole[section.kind, section.name] = section
            continue
        ended_ns = max(before.ended_ns, section.ended_ns)
        whole[section.kind, section.name] = replace(
            section,
            started_ns=ended_ns - _lasted_ns(before) - _lasted_ns(section),
            ended_ns=ended_ns,
            attempts=(*before.attempts, *section.attempts),
            marks=dict(sorted((dict(before.marks) | dict(section.marks)).items())),
            clusters=dict(sorted((dict(before.clusters) | dict(section.clusters)).items())),
            retrieval=retrieval.joined(before.retrieval, section.retrieval),
        )
    return list(whole.values())


def _lasted_ns(section: Section) -> int:
    return section.ended_ns - section.started_ns


@final
class _Asking:
    """The items of one task on their way to marks."""

    def __init__(self, bench: Bench, task: Task, items: Sequence[Item]) -> None:
        self._bench = bench
        self._task = task
        self._name = task.section
        self._items = samples(task, items)
        self._retrieval: Retrieval | None = None
        self._marks: dict[str, Mark] = {}
        self._asked: dict[tuple[str, int], doubtful.Put] = {}
        self._begun: set[str] = set()
        self._hopeless = ""
        self._trials: dict[str, Trial] = {}
        self._attempts: list[Attempt] = []
        self._known: dict[tuple[str, int], Exchange] = {}
        self._limits: dict[tuple[str, int], int] = {}
        self._wanted: dict[tuple[str, int], int] = {}
        self._waiting: deque[str] = deque()
        self._ruler: Ruler | None = None
        self._earlier_ns = 0
        self._started_ns = 0
        self._ended_ns = 0
        self.log_hint = f"see {bench.engine.log_path}"

    def furnish(self, library: Library) -> None:
        """Put questions that are asked of documents behind passages of those."""
        asked = {
            sample: item
            for sample, item in self._items.items()
            if isinstance(item, Question) and item.source is not None
        }
        if not asked:
            return
        self._retrieval = found = library.find(
            self._bench, self._task, [item for key, item in asked.items() if key == item.id]
        )
        for sample, item in asked.items():
            if item.id in found.items:
                self._items[sample] = behind_passages(item, found)

    def barrier(self) -> str:
        """Return why no item can be asked here, as a code; empty where they can."""
        asks = [item.start() for item in self._items.values()]
        first, kinds = next((ask for ask in asks if ask.tools), None), kinds_of(asks)
        bench = self._bench
        if kinds:
            return bench.once(bench.barriers, self._name, lambda: self._blind(kinds))
        if first is None:
            return ""
        return bench.once(bench.barriers, self._name, lambda: tool_check.barrier(bench, first))

    def _blind(self, kinds: set[Kind]) -> str:
        """Return why nothing can be shown here, as a code, and tell it; empty where it can be."""
        try:
            sight.require_model(self._bench.engine, kinds)
        except UnsupportedSubject as refused:
            self._bench.emit(Noted(f"{self._name}: {refused} ({refused.hint})", warning=True))
            return sight.REFUSED
        except (EngineError, BadInput) as failed:
            if not self._bench.engine.alive():
                raise
            text = f"{self._name}: {failed} ({failed.hint or hint(sight.UNTRIED)})"
            self._bench.emit(Noted(text, warning=True))
            return sight.UNTRIED
        return ""

    def not_run(self, why: str) -> Section:
        """Return a section in which no item was asked."""
        for item_id in self._items:
            self._mark(item_id, Mark(NotRun(why)))
        return self.section()

    def begin(self) -> None:
        """Queue the first question of every item that is not answered already."""
        self._bench.client.set_streams(self._bench.spec.task_streams)
        for key, exchange in self._bench.known:
            if key.sample in self._items and _whole(key, exchange, self._task):
                self._known[key.sample, key.ask] = exchange
        self._earlier_ns = _busy(list(self._known.values()))
        failed = frozenset() if self._retrieval is None else self._retrieval.failed
        for item_id in [sample for sample in self._items if item_of(sample) in failed]:
            self._mark(item_id, Mark(NotRun(_NO_PASSAGES)))
        asks = {
            item_id: item.start()
            for item_id, item in self._items.items()
            if item_of(item_id) not in failed
        }
        if all(ask.stretch is None for ask in asks.values()):
            for item_id, ask in asks.items():
                self._ask(item_id, ask, Key(self._name, 0, item_id))
            return
        self._waiting.extend(asks)
        self._measure([ask for ask in asks.values() if ask.stretch is not None])
        for _ in range(_AHEAD * self._bench.spec.task_streams):
            self._next()

    def take(self, exchange: Exchange) -> None:
        """Take one answer: mark, ask on, or try again."""
        self._started_ns = min(self._started_ns or exchange.sent_ns, exchange.sent_ns)
        self._ended_ns = max(self._ended_ns, exchange.done_ns)
        key = Key.read(exchange.id)
        self._settle(key, exchange)
        if key.sample in self._marks or key.sample in self._trials:
            self._next()

    def finish(self) -> None:
        """Try out the answers that have to be."""
        for sample, mark in tried(self._trials, self._bench.ends_ns):
            self._mark(sample, mark)

    def section(self) -> Section:
        """Return what was found. Time that passed between two sessions is left out."""
        if not self._started_ns:
            self._started_ns = self._ended_ns = self._earlier_ns
        return Section(
            name=self._name,
            kind="task",
            outcome="completed",
            started_ns=self._started_ns - self._earlier_ns,
            ended_ns=self._ended_ns,
            attempts=tuple(sorted(self._attempts, key=lambda a: (a.sample, a.ask, a.tries))),
            marks=self._kept(),
            clusters={key: item.cluster for key, item in sorted(self._items.items())},
            streams=self._bench.spec.task_streams,
            retrieval=self._retrieval,
        )

    def _measure(self, asks: list[Ask]) -> None:
        """Learn how the engine counts."""
        first = asks[0].stretch
        if first is None or not self._waiting:
            return
        bench, known = self._bench, self._name in self._bench.rulers
        self._ruler = bench.once(bench.rulers, self._name, lambda: stretching.ruler(bench, first))
        if not known:
            self._foresee(self._ruler, first, asks)

    def _foresee(self, ruler: Ruler, first: Stretch, asks: list[Ask]) -> None:
        """Say how tokens are counted, and how long so many take to be read."""
        tokens = sum(ask.stretch.tokens for ask in asks if ask.stretch is not None)
        text = f"{self._name}: prompt tokens are {ruler.basis}"
        pace = ruler.prompt_tps
        if isinstance(pace, Missing):
            self._bench.emit(Noted(text))
            return
        text += (
            f"; at the {pace.value:,.0f} a second of a short prompt, reading {tokens:,} takes"
            f" about {_duration(tokens / pace.value)}, and longer prompts are read more slowly"
        )
        self._bench.emit(Noted(text))
        each_s = first.tokens * self._bench.spec.task_streams / pace.value
        patience_s = self._bench.stall_ns / _NS_PER_S
        if each_s > patience_s:
            warning = (
                f"{self._name}: one question takes about {_duration(each_s)} to read, and after"
                f" {_duration(patience_s)} of silence it has failed: give a longer --timeout,"
                " or fewer --streams"
            )
            self._bench.emit(Noted(warning, warning=True))

    def _next(self) -> None:
        """Ask the item whose turn it is; one whose answer is known lets the following one come."""
        while self._waiting:
            item_id = self._waiting.popleft()
            self._ask(item_id, self._items[item_id].start(), Key(self._name, 0, item_id))
            if item_id not in self._marks and item_id not in self._trials:
                return

    def _ask(self, sample: str, ask: Ask, key: Key) -> None:
        if self._hopeless:
            self._mark(sample, Mark(NotRun(self._hopeless)))
            return
        self._limits[sample, key.ask] = ask.max_tokens
        messages = ask.messages
        if ask.stretch is not None and self._ruler is not None:
            fitted = stretching.fit(ask, ask.stretch, self._ruler)
            messages, self._wanted[sample, key.ask] = fitted.messages, fitted.tokens
        self._asked[sample, key.ask] = doubtful.Put.of(messages, key.ask, self._begun)
        answered = self._known.pop((sample, key.ask), None)
        if answered is not None:
            self._settle(key, answered)
            return
        spec = self._bench.spec
        told = [spec.campaign_seed, sample, spec.repeat, *([ask.again] if ask.again else [])]
        seed = int(content_id(told), 16) & 0x7FFFFFFF
        self._bench.submit(
            key,
            GenerationRequest(
                messages=messages,
                max_tokens=ask.max_tokens,
                reuse_prefix=spec.controls.reuse_prefix,
                tools=ask.tools,
                sampling=spec.controls.sampling,
                seed=seed,
                schema=ask.schema,
            ),
        )

    def _settle(self, key: Key, exchange: Exchange) -> None:
        wanted = self._wanted.get((key.sample, key.ask))
        attempt = self._bench.read(exchange, prompt_tokens_wanted=wanted)
        if isinstance(attempt.outcome, Completed):
            reason = self._reason(attempt, self._limits[key.sample, key.ask])
            attempt = replace(attempt, finish_reason=reason)
            doubt = doubtful.no_answer(self._asked[key.sample, key.ask], attempt)
            attempt = attempt if doubt is None else replace(attempt, outcome=doubt)
            if doubtful.may_be_cut(self._asked[key.sample, key.ask], attempt):
                self._bench.suspects.setdefault(self._name, set()).add(key.sample)
            said = attempt.text + repr(attempt.calls)
            named = doubtful.Named(doubtful.name_of(exchange.body), said)
            self._bench.named.setdefault(self._name, {})[key.sample, key.ask] = named
        self._attempts.append(attempt)
        item = self._items[key.sample]
        match attempt.outcome:
            case Failed(why=why, detail=detail) if why in doubtful.HOPELESS:
                self._give_up(why, detail)
                self._mark(key.sample, Mark(NotRun(why)))
            case Failed(why=why) if (
                why not in _NO_USE and key.tries + 1 < _TRIES and self._bench.engine.alive()
            ):
                again = Key(key.section, key.go, key.sample, key.ask, key.tries + 1)
                self._again(key.sample, again)
            case Failed(why=why):
                self._mark(key.sample, Mark(NotRun(why)))
            case Completed():
                match marking.step(item, attempt.answer):
                    case Mark() as mark:
                        self._mark(key.sample, mark)
                    case Trial() as trial:
                        self._trials[key.sample] = trial
                    case Ask() as ask:
                        following = Key(self._name, 0, key.sample, key.ask + 1, key.tries)
                        self._ask(key.sample, ask, following)

    def _give_up(self, why: str, said: str) -> None:
        """Send nothing more: no other question would be answered either. Say once what was said."""
        if why not in self._bench.complaints:
            self._bench.complaints.add(why)
            text = f"nothing more is asked, {why}: the server answered {said}\n  → {hint(why)}"
            self._bench.emit(Noted(text, warning=True))
        self._hopeless = why
        self._waiting.clear()
        self._bench.client.last_call(clock.monotonic_ns())

    def _kept(self) -> dict[str, Mark]:
        """Return a mark for every item as it was made; one that was not asked is not run."""
        for sample in self._items.keys() - self._marks.keys():
            self._mark(sample, Mark(NotRun(self._hopeless or "not_asked")))
        self._bench.marks.setdefault(self._name, {}).update(self._marks)
        return dict(self._marks)

    def _reason(self, attempt: Attempt, limit: int) -> str | None:
        """Return why the answer ended; where the engine does not tell, by what was counted."""
        if self._bench.dialect.capabilities.tells_limit or isinstance(attempt.usage, Missing):
            return attempt.finish_reason
        return "length" if attempt.usage.value.output_tokens >= limit else attempt.finish_reason

    def _again(self, sample: str, key: Key) -> None:
        """Ask the question of a broken-off request once more, from the item's beginning."""
        item = self._items[sample]
        if isinstance(item, Renewed):
            item = self._items[sample] = item.anew()
        elif self._retrieval is None:  # a question behind its passages has no beginning to go to
            item = self._items[sample] = generate_one(self._task, item_of(sample))
        self._ask(sample, item.start(), Key(key.section, key.go, sample, 0, key.tries))

    def _mark(self, sample: str, mark: Mark) -> None:
        self._marks[sample] = mark
        self._bench.advance(self._name)


def _whole(key: Key, exchange: Exchange, task: Task) -> bool:
    """Say whether it is an answer of this task that came whole."""
    return key.section == task.section and exchange.failure is None and exchange.status == _OK


def kinds_of(asks: Iterable[Ask]) -> set[Kind]:
    """Return the kinds of media that these questions show."""
    return {shown.kind for ask in asks for turn in ask.messages for shown in turn.media}


def _duration(seconds: float) -> str:
    """Return a length of time in words, seconds or minutes or hours."""
    for size, word in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {word}"
    return f"{seconds:,.0f} seconds"


def samples(task: Task, items: Sequence[Item]) -> dict[str, Item]:
    """Return a machine for each sample of each item: first all items once, then all again."""
    found = {item.id: item for item in items}
    for number in range(1, task.samples):
        fresh = (item for item in generate(task) if item.id in found)
        found |= {sample_key(item.id, number): item for item in list(fresh)}
    return found


def generate_one(task: Task, item_id: str) -> Item:
    """Return a fresh machine of one item."""
    return next(item for item in generate(task) if item.id == item_id)


def _busy(exchanges: list[Exchange]) -> int:
    """Return for how long earlier sessions had a request of these in flight, in nanoseconds."""
    busy, until = 0, 0
    for sent, done in sorted((e.sent_ns, e.done_ns) for e in exchanges):
        busy += max(0, done - max(sent, until))
        until = max(until, done)
    return busy
