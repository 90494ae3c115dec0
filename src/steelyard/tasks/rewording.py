"""The forms that a text can be brought into without what it says being touched.

Reworded, with typos, with small words left out, in one letter case, as a JSON record, as a broken
one. Names, numbers, quoted words, programs and whatever is to be kept stay as they are, and a typo
is nearer to the word that was meant than to any other. A form that a text has no room for has no
outcome. Not aware of items.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Final

from steelyard.tasks import lexicon

CLEAN: Final = "clean"
_RATES: Final = (5, 10, 15)  # percent of the words of running text
OF_CASE: Final = ("lower_case", "upper_case")
# What a reader fills in without noticing; nothing here tells one answer from another.
_SMALL: Final = frozenset(
    {"the", "a", "an", "is", "are", "of", "does", "do", "it", "them", "there"}
)
# Not running text in prompts of ours: quoted words, JSON, and whatever is joined to a digit or an
# underscore.
_APART: Final = re.compile(r"\{[^\n]*\}|\"[^\"\n]*\"|'[^'\n]*'|\S*[\d_]\S*")
# In anybody's also programs, addresses, formulas, the letters of choices, the words that lines
# begin with, and words in capitals.
_APART_ANYWHERE: Final = re.compile(
    r"^```.*?^```|^(?: {4}|\t|>>> |def |class |import |from \w+ import |assert |@)[^\n]*|`[^`\n]*`"
    r"|\{[^\n]*\}|\"[^\"\n]*\"|\$[^$\n]*\$|(?<!\w)'[^'\n]*'(?!\w)|\S*[\d_\\@<>=|~^]\S*|\S+://\S*"
    r"|(?<!\w)[A-Za-z][).:](?!\w)|^ *\w+:|\b[A-Z]{2,}\b",
    re.MULTILINE | re.DOTALL,
)
WORD: Final = re.compile(r"(?<![^\W\d_])(?<!['’-])[A-Za-z]+(?![^\W\d_])(?!['’-]\w)")
_SHORTEST: Final = 3
_ENDS: Final = (".", "?", "!")

# What is said, and two other ways to say it.
_REWORDINGS: Final = tuple(
    (re.compile(pattern), ways)
    for pattern, ways in (
        (r"\bWrite\b", ("Produce", "Type")),
        (r"\bAnswer with the\b", ("Reply with the", "Give the")),
        (r"\bAnswer with\b", ("Reply with", "Respond with")),
        (r"\bReply with nothing else\.", ("Write nothing else.", "Add nothing to it.")),
        (r"\bWork it out step by step\.", ("Think it through one step at a time.", "Go slowly.")),
        (r"\bReason step by step\.", ("Think it through one step at a time.", "Go slowly.")),
        (r"\bHow many (\w+) does (\w+) have", (r"What number of \1 does \2 have",) * 2),
        (r"\bis in the\b", ("is inside the", "stands in the")),
        (r"\bhas the\b", ("holds the", "carries the")),
        (r"\bpicks up the\b", ("takes the", "lifts the")),
        (r"\bgoes to the\b", ("walks to the", "heads to the")),
        (r"\bWhere is\b", ("In which place is", "At what place is")),
        (r"\bWho is the\b", ("Which of them is the", "Name the")),
        (r"\bEvery (\w+) is\b", (r"Each \1 is", r"Any \1 is")),
        (r"\bgives (\d+ \w+) away\b", (r"parts with \1", r"lets go of \1")),
        (r"\bgives\b", ("hands", "passes")),
        (r"\bbuys\b", ("gets", "obtains")),
        (r"\bfinds\b", ("comes upon", "discovers")),
        (r"\bFrom now on\b", ("From here on", "Starting now")),
        (
            r"\bWhere does (\w+) live\?",
            (r"In which city does \1 live?", r"What city is \1 at home in?"),
        ),
        (r"\bForget\b", ("Do not remember", "Wipe from your memory")),
        (r"\bYou can use these tools:", ("These tools are yours to use:", "Tools at hand:")),
        (r"\bRequest:", ("What is wanted:", "The wish:")),
        (r"\bWhat is the sum of\b", ("What do you get if you add up", "Add up")),
        (r"\bHow many days lie between\b", ("What number of days lies between",) * 2),
        (r"\bHow many minutes\b", ("What number of minutes",) * 2),
    )
)


# What stands before and after, and which of the two ways to say it goes with that.
_FRAMES: Final = {
    "paraphrase_1": ("", "", 0),
    "paraphrase_2": ("", "", 1),
    "paraphrase_3": ("Please help me with this. ", " Thank you.", 0),
    "paraphrase_4": ("Here is what I need from you.\n\n", "\n\nNow it is your turn.", 1),
}


FORMS: Final = (
    *_FRAMES,
    *(f"{word}_{percent}" for word in ("typos", "dropped") for percent in _RATES),
    *OF_CASE,
    "json",
    "json_broken",
)


def _said_otherwise(text: str, way: int) -> str:
    for pattern, ways in _REWORDINGS:
        text = pattern.sub(ways[way], text)
    return text


def _with_care(text: str, way: int, kept: frozenset[str]) -> str:
    """Say it in another way, outside of what is set apart and without the words to be kept."""
    for pattern, ways in _REWORDINGS:
        apart = [found.span() for found in _APART_ANYWHERE.finditer(text)]
        for found in reversed(list(pattern.finditer(text))):
            begin, end = found.span()
            touched = any(first < end and begin < last for first, last in apart)
            if not touched and not {word.lower() for word in WORD.findall(found[0])} & kept:
                text = text[:begin] + found.expand(ways[way]) + text[end:]
    return text


def _paraphrased(form: str, text: str, kept: frozenset[str]) -> str | None:
    before, after, way = _FRAMES[form]
    if after and text.rstrip().endswith(":"):  # what follows would stand as the answer
        return None
    if after.startswith(" ") and text.rstrip()[-1:] not in _ENDS:
        after = f"\n{after.lstrip()}"
    return f"{before}{_with_care(text, way, kept)}{after}"


def _running(text: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """Return the words of running text, which is not what the pattern finds."""
    apart = [found.span() for found in pattern.finditer(text)]
    return [
        word
        for word in WORD.finditer(text)
        if not any(begin <= word.start() < end for begin, end in apart)
    ]


def _replaced(text: str, chosen: dict[int, str], words: list[re.Match[str]]) -> str:
    """Put words in the place of others; one that is left out takes the space before it along."""
    for at in sorted(chosen, reverse=True):
        begin, end = words[at].span()
        if not chosen[at] and text[begin - 1 : begin] == " ":
            begin -= 1
        text = text[:begin] + chosen[at] + text[end:]
    return text


def _mistyped(
    rng: Random, text: str, kept: frozenset[str], percent: int, *, anybodys: bool = False
) -> str | None:
    """Put a typo into so many percent of the words, or return None if too few may have one.

    In anybody's text also into long words that the lexicon does not know and that are no names.
    """
    words = _running(text, _APART_ANYWHERE if anybodys else _APART)
    wanted = max(1, round(len(words) * percent / 100))
    open_words = [at for at, word in enumerate(words) if _may_change(word.group(), kept)]
    rng.shuffle(open_words)
    chosen: dict[int, str] = {}
    for at in open_words:
        if len(chosen) == wanted:
            break
        typed = lexicon.mistyped(rng, words[at].group())
        if typed is None and anybodys:
            typed = lexicon.mistyped_unknown(rng, words[at].group())
        if typed is not None:
            chosen[at] = typed
    return _replaced(text, chosen, words) if len(chosen) == wanted else None


def _may_change(word: str, kept: frozenset[str]) -> bool:
    lower = word.lower()
    return len(word) >= _SHORTEST and lower not in kept and lower not in lexicon.CONTENT


def _thinned(
    rng: Random, text: str, kept: frozenset[str], percent: int, *, anybodys: bool = False
) -> str | None:
    """Leave so many percent of the words out, or return None if too few can be missed."""
    words = _running(text, _APART_ANYWHERE if anybodys else _APART)
    wanted = max(1, round(len(words) * percent / 100))
    small = [at for at, w in enumerate(words) if w.group() in _SMALL and w.group() not in kept]
    if len(small) < wanted:
        return None
    return _replaced(text, dict.fromkeys(rng.sample(small, wanted), ""), words)


def _in_case(text: str, *, upper: bool) -> str:
    """Write running text in one case, but for what may be a unit: short, or of mixed case."""
    words = _running(text, _APART_ANYWHERE)
    plain = {at: w.group() for at, w in enumerate(words) if len(w.group()) >= _SHORTEST}
    chosen = {
        at: word.upper() if upper else word.lower()
        for at, word in plain.items()
        if word[1:].islower()
    }
    return _replaced(text, chosen, words)


_RECORD: Final = 'Do what the field "task" of this record says.\n'


def _recorded(text: str) -> str:
    return _RECORD + json.dumps({"id": 1, "task": text, "language": "en"}, ensure_ascii=False)


def _broken(rng: Random, text: str) -> str:
    """Break the record in one of six ways, none of which touches what the task says."""
    said = json.dumps(text, ensure_ascii=False)
    whole = f'{{"id": 1, "task": {said}, "language": "en"}}'
    ways = (
        whole[:-1],
        f"{whole[:-1]},}}",
        f'{{"id": 1 "task": {said} "language": "en"}}',
        f'{{id: 1, task: {said}, language: "en"}}',
        f'{{"id": 1, "task": {said[:-1]}, "language": "en"}}',
        f"{{'id': 1, 'task': {said}, 'language': 'en'}}",
    )
    return _RECORD + rng.choice(ways)


def written(
    rng: Random, texts: tuple[str, ...], kept: frozenset[str], *, caseless: bool
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name of each form with the changed texts, one or one a turn, of prompts of ours."""
    yield CLEAN, texts
    for name, (before, after, way) in _FRAMES.items():
        yield name, tuple(f"{before}{_said_otherwise(text, way)}{after}" for text in texts)
    for word, change in (("typos", _mistyped), ("dropped", _thinned)):
        for percent in _RATES:
            made = [change(rng, text, kept, percent) for text in texts]
            whole = tuple(text for text in made if text is not None)
            if len(whole) == len(texts):
                yield f"{word}_{percent}", whole
    if caseless:
        yield "lower_case", tuple(text.lower() for text in texts)
        yield "upper_case", tuple(text.upper() for text in texts)
    yield "json", tuple(map(_recorded, texts))
    yield "json_broken", tuple(_broken(rng, text) for text in texts)


def reworded(form: str, rng: Random, text: str, kept: frozenset[str]) -> str | None:
    """Return a text of anybody's in a form, None where it has no room for it.

    No word of `kept` (lower-case) is touched but by the two forms of case.
    """
    name, _, number = form.rpartition("_")
    match name:
        case "paraphrase":
            said = _paraphrased(form, text, kept)
        case "typos":
            said = _mistyped(rng, text, kept, int(number), anybodys=True)
        case "dropped":
            said = _thinned(rng, text, kept, int(number), anybodys=True)
        case "lower" | "upper":
            said = _in_case(text, upper=name == "upper")
        case "json":
            said = _broken(rng, text)
        case _:
            said = _recorded(text)
    return None if said == text else said
