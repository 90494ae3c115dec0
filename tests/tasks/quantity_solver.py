"""A second solver for quantities that hang together: equations read from the prompt, solved late.

Shares no code with the generator. Whatever the order of the sentences, an equation is solved as
soon as all that it hangs on is known.
"""

from __future__ import annotations

import re
from fractions import Fraction

_IN_SMALLEST = {"kg": 1000, "g": 1, "m": 100, "cm": 1, "hour": 60, "minute": 1}
_PARTS = {"half": 2, "a third": 3, "a quarter": 4}
_AMOUNT = r"(?P<n>[\d.]+)(?: (?P<unit>kg|g|cm|m|hours?|minutes?))?"
_AS = r"as (?:many \w+|much|long) as"
_OF = r"(?:one (?:for|of) )?"
_FORMS = (
    ("both", rf"{_AS} (?:those (?:for|of) )?(?P<b>\w+) and (?P<c>\w+) together"),
    ("times", rf"(?P<n>\d+) times {_AS} (?:the )?{_OF}(?P<b>\w+)"),
    ("part", rf"(?P<part>half|a third|a quarter) {_AS} (?:the )?{_OF}(?P<b>\w+)"),
    ("more", rf"{_AMOUNT} (?:more(?: \w+)?|longer) than (?:the )?{_OF}(?P<b>\w+)"),
    ("less", rf"{_AMOUNT} (?:fewer \w+|less|shorter) than (?:the )?{_OF}(?P<b>\w+)"),
    ("told", rf"{_AMOUNT}(?: (?P<noun>\w+))?"),
)  # fmt: skip


def solve_quantities(prompt: str) -> str:
    """Return the quantity that is asked for, in the unit that is asked for."""
    story, question = re.findall(r"^(.*[.]) ([^.?]*\?)", prompt)[0]
    noun = (re.findall(r"How many (?:more )?(\w+) d", question) or [""])[0]
    sentences = re.split(r"(?<=[a-z])\. ", story.rstrip(".") + ". ")[:-1]
    known: dict[str, Fraction] = {}
    waiting = [found for sentence in sentences if (found := _read(sentence, noun))]
    while waiting:
        left = [
            (who, form, found)
            for who, form, found in waiting
            if not _solve(who, form, found, known)
        ]
        assert len(left) < len(waiting), prompt
        waiting = left
    asked = [name for name in re.findall(r"\b[A-Z]\w+", question) if name != "How"]
    values = [known[name] for name in asked]
    value = values[0]
    if len(values) > 1:
        value = sum(values, Fraction(0)) if "together" in question else values[0] - values[1]
    unit = re.findall(r"Answer in (\w+)", prompt)
    value /= _IN_SMALLEST[unit[0].removesuffix("s")] if unit else 1
    said = _written(value)
    return f"{said} {unit[0]}" if "give the unit too" in prompt else said


def _read(sentence: str, noun: str) -> tuple[str, str, dict[str, str | None]] | None:
    who, rest = re.findall(
        r"^(?:The \w+ (?:for|of) )?(\w+) (?:has|weighs|is|takes) (.*?)(?: long)?$", sentence
    )[0]
    for form, pattern in _FORMS:
        if found := re.fullmatch(pattern, rest):
            parts = found.groupdict()
            other = parts.get("noun")
            if other is not None and noun and other not in (noun, noun[:-1], noun[:-2]):
                same = {"leaf": "leaves"}.get(other) == noun or other[:-1] + "ies" == noun
                if not same:
                    return None
            return str(who), form, parts
    raise AssertionError(sentence)


def _solve(who: str, form: str, parts: dict[str, str | None], known: dict[str, Fraction]) -> bool:
    needed = [str(parts[key]) for key in "bc" if parts.get(key)]
    if any(name not in known for name in needed):
        return False
    values = [known[name] for name in needed]
    unit = parts.get("unit")
    number = Fraction(parts.get("n") or 0) * (_IN_SMALLEST[unit.removesuffix("s")] if unit else 1)
    known[who] = {
        "both": lambda: values[0] + values[1],
        "times": lambda: values[0] * number,
        "part": lambda: values[0] / _PARTS[str(parts["part"])],
        "more": lambda: values[0] + number,
        "less": lambda: values[0] - number,
        "told": lambda: number,
    }[form]()
    return True


def _written(value: Fraction) -> str:
    whole, rest = divmod(value * 10_000, 1)
    if rest:
        return f"{value.numerator}/{value.denominator}"
    return f"{whole // 10_000}.{whole % 10_000:04d}".rstrip("0").rstrip(".")
