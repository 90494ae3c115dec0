"""Units and answers that carry one: the number as a rational, the unit exactly.

A number in another unit than the one that was asked for is wrong, even where it is the same
quantity, and so is a number without a unit. Not aware of families.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks.numbers import NUMBER, as_number
from steelyard.tasks.scoring import final_line, finished_part, mark_of, states

# Each unit and the other ways to write it.
WRITTEN: Final = {
    "kg": ("kilogram", "kilograms", "kilogramme", "kilogrammes", "kilo", "kilos"),
    "g": ("gram", "grams", "gramme", "grammes"),
    "m": ("metre", "metres", "meter", "meters"),
    "cm": ("centimetre", "centimetres", "centimeter", "centimeters"),
    "hours": ("hour", "h", "hr", "hrs"),
    "minutes": ("minute", "min", "mins"),
}
_UNIT_OF: Final = {word: unit for unit, others in WRITTEN.items() for word in (unit, *others)}
_MEASURE: Final = re.compile(rf"({NUMBER.pattern})\s*\*{{0,2}}\s*([A-Za-z]+)?")


@final
@dataclass(frozen=True, slots=True)
class MeasureScorer:
    """A number with its unit, behind `Answer:` where `worked`. `options`: units to choose from."""

    value: Fraction
    unit: str
    options: tuple[str, ...]
    worked: bool = True

    def mark(self, answer: Answer) -> Mark:
        """Right only with the unit that was asked for; constraint `unit`: that one was given."""
        text = finished_part(answer)
        line = final_line(text, lambda said: NUMBER.search(said) is not None)
        formal = line if self.worked else text
        strict = None if formal is None else self._read(formal, whole=True)
        flexible = strict
        if flexible is None:
            flexible = self._read(line if line is not None else text, whole=False)
        number, _, unit = (flexible or "").partition(" ")
        return mark_of(
            answer,
            strict,
            flexible,
            {"answer_form": strict is not None, "unit": unit == self.unit},
            right=unit == self.unit and as_number(number) == self.value,
            stated=states(text),
            worked=self.worked,
        )

    def _read(self, text: str, *, whole: bool) -> str | None:
        """Return the last number with its unit as `2.5 kg`, or the last number."""
        bare = text.strip().strip("*$. ")
        found = (
            [one for one in (_MEASURE.fullmatch(bare),) if one is not None]
            if whole
            else [*_MEASURE.finditer(bare)]
        )
        told = [(one[1], _UNIT_OF.get((one[2] or "").lower(), "")) for one in found]
        measured = [(number, unit) for number, unit in told if unit]
        if measured:
            return " ".join(measured[-1])
        return told[-1][0] if told and not whole else None
