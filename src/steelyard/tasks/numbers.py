r"""Numbers in the words of an answer: how they are written, and which of several is the answer.

Where two readings are possible the English one holds: `1.500` is one and a half, `1,500` is one
and a half thousand. What has one reading is read so: `1.500,00`, `1 500`, `1.5e3`, `1'500`. A
number in `\boxed{}`, behind "the answer is", or in bold comes before the last one of a text, since
a check may follow. Not aware of scorers.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_THIN: Final = "'\u2019\u00a0\u2009\u202f"  # groups of three, which part no two numbers
_POWER: Final = r"(?:[eE][-+]?\d+|\s?(?:\u00d7|\\times)\s?10\^\{?[-+\u2212]?\d+\}?)(?!\w)"
NUMBER: Final = re.compile(
    r"(?<![\w.])[-+\u2212]?"
    r"(?:[1-9]\d{0,2}(?:\.\d{3})+,\d+"
    r"|[1-9]\d{0,2}(?:\.\d{3}){2,}(?![\d.])"
    rf"|\d{{1,3}}(?:[{_THIN}]\d{{3}})+(?:[.,]\d+)?(?!\d)"
    r"|\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)"
    rf"(?:{_POWER}|/\d+)?"
)
# Alone they can be nothing else; among others they may be two numbers, or a list.
_SPACED: Final = re.compile(r"[-+\u2212]?\d{1,3}(?: \d{3})+(?:[.,]\d+)?")
_COMMA: Final = re.compile(r"[-+\u2212]?\d+,\d{1,2}")
_ALONE: Final = re.compile(
    rf"[^\d\n.,]{{0,12}}?({_SPACED.pattern}|{_COMMA.pattern})(?:[^\d\n]{{0,24}})"
)
_BOXED: Final = re.compile(r"boxed\{([^\n]{0,200}?)(?:\}|\Z)")
_BOLD: Final = re.compile(r"\*\*([^*\n]+)\*\*")
_SAID: Final = re.compile(
    r"\banswer\b[^\n.\d=:]{0,40}?(?:\bis\b|\bwould be\b|\bequals\b|[:=])", re.IGNORECASE
)
_ENDS: Final = re.compile(r"[.!?]\s")
_NEAR: Final = 60  # signs before "the answer is" that say which
# "A common wrong answer is", "checking the answer:": another than the one that was given.
_OTHER: Final = re.compile(
    r"\b(?:(?:wrong|incorrect|mistaken|false|other|another|common|previous|earlier|naive|tempting)"
    r"\s+(?:\w+\s+)?|(?:of|for|about|behind|check|checking|verify|verifying)\s+(?:the|this|my)\s+)\Z",
    re.IGNORECASE,
)
# What takes back what stands behind `Answer:`.
_MENDS: Final = re.compile(
    r"[.!?]\s[^.!?\n]*\b(?:wait|no|actually|sorry|oops|hmm|correction|rather|instead)\b[^.!?\n]*\Z",
    re.IGNORECASE,
)
_HEADS: Final = 8  # the last ones of a text
_FRACTION: Final = re.compile(r"\\d?frac\{(\d+)\}\{(\d+)\}")
_DRESS: Final = r"[\s*_$€£(\[`\"'=]{0,12}"
_NEXT: Final = re.compile(rf"{_DRESS}{NUMBER.pattern}")
# A number at the beginning that stands for itself: what follows only explains it.
_FIRST: Final = re.compile(
    rf"{_DRESS}({NUMBER.pattern})(?:{_DRESS}[^\W\d]{{1,30}})??[\s*_)\]`\"']{{0,12}}"
    r"(?:[.;:]\s|[.;:!]?\Z|\([^()\n]{0,120}(?:\)[\s.*!]{0,4})?\Z|,?\s?\b(?:because|since|as|not)\b)",
    re.IGNORECASE,
)
_GROUPED: Final = re.compile(rf"(?<=\d)[ {_THIN}](?=\d{{3}})")
_CONTINENTAL: Final = re.compile(r"[-+]?(?:\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,})")
# A longer exponent would be a number of thousands of digits.
_WRITTEN: Final = re.compile(r"[-+]?[\d,.]*\d(?:/\d+|[eE][-+]?\d{1,3})?")
_DECIMAL_COMMA: Final = re.compile(r"([-+]?\d+),(\d{1,2}|\d{4,})")


def is_number(text: str) -> bool:
    """Say whether a whole text is one number, and no other reading of it is possible."""
    return NUMBER.fullmatch(text) is not None or _SPACED.fullmatch(text) is not None


def as_number(text: str) -> Fraction | None:
    """Return the number that the text is; None where it is none, or too long to be read whole."""
    bare = text.strip().rstrip(".").replace("\u2212", "-")
    grouped = _GROUPED.sub("", bare)
    power = re.search(r"\s?(?:\u00d7|\\times)\s?10\^\{?([-+]?\d{1,3})\}?\Z", grouped)
    if power is not None:
        grouped = f"{grouped[: power.start()]}e{power[1]}"
    if _CONTINENTAL.fullmatch(grouped):
        grouped = grouped.replace(".", "").replace(",", ".")
    elif _DECIMAL_COMMA.fullmatch(grouped) or (grouped != bare and grouped.count(",") == 1):
        grouped = grouped.replace(",", ".")
    if _WRITTEN.fullmatch(grouped) is None:
        return None
    try:
        return Fraction(grouped.replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return None


def the_answer(text: str) -> str | None:
    """Return the number that a whole text gives for its answer."""
    text = _without_latex(text)
    if (alone := _ALONE.fullmatch(text.strip())) is not None:
        return alone[1]
    for part in reversed(_BOXED.findall(text)):
        if found := NUMBER.findall(part):
            return str(found[-1])
    for said in reversed(_said(text)):
        if (number := said_number(said)) is not None:
            return number
    if (bold := _bold(text)) is not None:
        return bold
    first = _FIRST.match(text)
    # A full stop or a colon may stand behind the number of a step.
    if first is None or text[first.end(1) :][:1] in (".", ":", ")"):
        return _last(text)
    return first[1]


def said_number(said: str) -> str | None:
    """Return the number that is said behind `Answer:`; what explains it does not count."""
    said = _mended(_without_latex(said))
    if (alone := _ALONE.fullmatch(said.strip())) is not None:
        return alone[1]
    if (boxed := _BOXED.search(said)) is not None and (found := NUMBER.findall(boxed[1])):
        return str(found[-1])
    if (bold := _bold(said)) is not None:
        return bold
    first = _FIRST.match(said)
    return first[1] if first is not None else _last(said)


def _said(text: str) -> list[str]:
    """Return what follows each "the answer is".

    A later one of a line counts in a sentence of its own, and with a number right behind it: a
    check that "the answer is correct" gives no other, and neither does one that "would be".
    """
    found: list[str] = []
    for line in text.splitlines():
        heads: list[re.Match[str]] = []
        looked = 0  # no sentence ends between the last one that counts and here
        for head in _SAID.finditer(line):
            if heads and not _gives_another(line, head):
                continue
            if not heads or _ENDS.search(line, looked, head.start()):
                heads.append(head)
                looked = head.end()
            else:
                looked = max(looked, head.start() - 1)
        ends = [*(head.start() for head in heads), len(line)][1:]
        found += [line[head.end() : end] for head, end in zip(heads, ends, strict=True)]
    return found


def _gives_another(text: str, head: re.Match[str]) -> bool:
    """Say whether a later "the answer is" gives a number for the answer."""
    if head[0].lower().endswith("would be") or _NEXT.match(text, head.end()) is None:
        return False
    return _OTHER.search(_before(text, head)) is None


def _mended(said: str) -> str:
    """Return what is said behind `Answer:`, from where it is taken back: `5. Wait, it is 7`."""
    for head in reversed([*_SAID.finditer(said)][-_HEADS:]):
        if _gives_another(said, head) and _MENDS.search(_before(said, head)):
            return said[head.end() :]
    return said


def _before(text: str, head: re.Match[str]) -> str:
    return text[max(0, head.start() - _NEAR) : head.start()]


def _last(text: str) -> str | None:
    found = NUMBER.findall(text)
    return str(found[-1]) if found else None


def _bold(text: str) -> str | None:
    """Return the one number in bold; of several, such as steps, none is singled out."""
    found = {
        number[1]
        for part in _BOLD.findall(text)
        if (number := re.fullmatch(rf"{_DRESS}({NUMBER.pattern})(?:\s?[^\W\d]+|\s?%)?", part))
    }
    return found.pop() if len(found) == 1 else None


def _without_latex(text: str) -> str:
    plain = text.replace("{,}", ",").replace("\\,", "\u2009").replace("\\$", "$")
    return _FRACTION.sub(r"\1/\2", plain)
