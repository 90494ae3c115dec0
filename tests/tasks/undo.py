"""What was done to a prompt, undone: the clean prompt must come out of every form of it.

Shares nothing with the generator but the names of the forms. A typo goes back to the only known
word that is one slip away, a record is cut out of its JSON however broken, a rewording is
compared in a wording of our own, small words are compared without.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache

_WORD = re.compile(r"[A-Za-z]+")


def one_slip(typed: str, meant: str) -> bool:
    """Say whether one letter was left out, added, swapped with the next one or mistaken."""
    if abs(len(typed) - len(meant)) > 1 or typed == meant:
        return False
    at = next((i for i, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b), None)
    if at is None:
        return True
    left, right = typed[at:], meant[at:]
    swapped = left[:2] == right[1::-1] and left[2:] == right[2:]
    return swapped or left[1:] == right[1:] or left[1:] == right or left == right[1:]


@cache
def meant_by(typed: str, known: frozenset[str]) -> tuple[str, ...]:
    """Return every known word that is one slip away."""
    return tuple(other for other in known if one_slip(typed, other))


def spelled(text: str, known: frozenset[str]) -> str:
    """Put every unknown word right; it must be clear which one was meant."""

    def right(found: re.Match[str]) -> str:
        word = found.group()
        if word.lower() in known:
            return word
        meant = meant_by(word.lower(), known)
        assert len(meant) == 1, (word, meant, text)
        if word.isupper() and len(word) > 1:
            return meant[0].upper()
        return meant[0].capitalize() if word[0].isupper() else meant[0]

    return _WORD.sub(right, text)


_SMALL = {"the", "a", "an", "is", "are", "of", "does", "do", "it", "them", "there"}


def bones(text: str) -> list[str]:
    """Return the words that carry the sense, and the signs."""
    return [w for w in re.findall(r"[A-Za-z]+|\S", text) if w not in _SMALL]


def record(text: str) -> str:
    """Return the task of a record, whole or broken."""
    found = re.search(r"task['\"]?: (\".*?)\"?,? ['\"]?language", text, re.DOTALL)
    found = found or re.search(r"task\" (\".*?) \"language|task\": (\".*?)\" ", text, re.DOTALL)
    assert found, text
    said = next(group for group in found.groups() if group)
    whole: str = json.loads(said if re.search(r'[^\\](\\\\)*"$', said[1:]) else f'{said}"')
    return whole


# One sense, several words; the first stands for all.
_SENSES = (
    ("Nothing else.", "Reply with nothing else.", "Write nothing else.", "Add nothing to it."),
    ("Answer with the", "Reply with the", "Give the"),
    ("Answer with", "Reply with", "Respond with"),
    ("Work step by step.", "Work it out step by step.", "Reason step by step.",
     "Think it through one step at a time.", "Go slowly."),
    ("How many", "What number of"),
    ("is in the", "is inside the", "stands in the"),
    ("has the", "holds the", "carries the"),
    ("picks up the", "takes the", "lifts the"),
    ("goes to the", "walks to the", "heads to the"),
    ("Where is", "In which place is", "At what place is"),
    ("Who is the", "Which of them is the", "Name the"),
    ("Every", "Each", "Any"),
    ("gives", "hands", "passes", "parts with", "lets go of"),
    ("buys", "gets", "obtains"),
    ("finds", "comes upon", "discovers"),
    ("Write", "Produce", "Type"),
    ("From now on", "From here on", "Starting now"),
    ("Forget", "Do not remember", "Wipe from your memory"),
    ("You can use these tools:", "These tools are yours to use:", "Tools at hand:"),
    ("Request:", "What is wanted:", "The wish:"),
    ("What is the sum of", "What do you get if you add up", "Add up"),
    ("lie between", "lies between"),
)  # fmt: skip
_FRAMES = (
    "Please help me with this. ", " Thank you.", "Here is what I need from you.\n\n",
    "\n\nNow it is your turn.",
)  # fmt: skip


def sense(text: str) -> str:
    """Return the text in one wording and without its frame."""
    for frame in _FRAMES:
        text = text.replace(frame, "")
    text = re.sub(r"(In which city does|What city is) (\w+) (live|at home in)\?",
                  r"Where does \2 live?", text)  # fmt: skip
    text = re.sub(r"\b(gives|parts with|lets go of) (\d+ \w+)( away)?\b", r"gives \2", text)
    text = re.sub(r"\b(hands|passes) (\d+ \w+)\b", r"gives \2", text)
    for first, *others in _SENSES:
        for other in sorted(others, key=len, reverse=True):
            text = re.sub(rf"\b{re.escape(other)}", first, text)
    return text


def same(form: str, changed: str, clean: str, known: frozenset[str]) -> bool:
    """Say whether the form, undone, is the clean prompt."""
    undo: Callable[[str], object]
    kind = form.rstrip("0123456789").rstrip("_")
    if kind == "typos":
        return spelled(changed, known) == clean
    if kind in {"json", "json_broken"}:
        return record(changed) == clean
    if kind == "dropped":
        undo = bones
    elif kind == "paraphrase":
        undo = sense
    else:
        assert kind in {"clean", "lower_case", "upper_case"}, form
        undo = str.lower
    return undo(changed) == undo(clean)
