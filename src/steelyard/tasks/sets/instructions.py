"""Instructions about the form of an answer, decided exactly: twenty of IFEval's twenty-five.

What counts as a word, a section or a bullet is IFEval's rule, taken from its descriptions and the
published verifier's patterns, so that the same text gets the same verdict. The five others (the
language of a text, all capitals or none *in English*, sentences, capital words) rest on guesses of
langdetect and nltk and are not here.
Source: Zhou et al. (2023), "Instruction-Following Evaluation for Large Language Models".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks import json_text
from steelyard.tasks.given.texts import text_mark
from steelyard.tasks.scoring import without_thought

Check: TypeAlias = Callable[[str, Mapping[str, Any]], bool]

_OPTIONS: Final = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_ENDS_A_WORD: Final = re.compile(r"[.,?!'\"]")
_LESS: Final = "less than"
_PAIR: Final = 2
_POSTSCRIPTS: Final = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}


def _related(count: int, bound: int, relation: str) -> bool:
    return count < bound if relation == _LESS else count >= bound


def _found(pattern: str, text: str) -> int:
    try:
        return len(re.findall(pattern, text, re.IGNORECASE))
    except re.error:  # a keyword is used as a pattern; `C++` is none
        return len(re.findall(re.escape(pattern), text, re.IGNORECASE))


def _existence(text: str, said: Mapping[str, Any]) -> bool:
    return all(_found(keyword, text) for keyword in said["keywords"])


def _frequency(text: str, said: Mapping[str, Any]) -> bool:
    count = _found(said["keyword"].strip(), text)
    return _related(count, said["frequency"], said["relation"])


def _forbidden(text: str, said: Mapping[str, Any]) -> bool:
    return not any(_found(rf"\b{word}\b", text) for word in said["forbidden_words"])


def _letters(text: str, said: Mapping[str, Any]) -> bool:
    count = text.lower().count(said["letter"].strip().lower())
    return _related(count, said["let_frequency"], said["let_relation"])


def _paragraphs(text: str, said: Mapping[str, Any]) -> bool:
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    inner = parts[1:-1]
    return bool(all(inner) and sum(map(bool, parts)) == said["num_paragraphs"])


def _words(text: str, said: Mapping[str, Any]) -> bool:
    return _related(len(re.findall(r"\w+", text)), said["num_words"], said["relation"])


def _first_word(text: str, said: Mapping[str, Any]) -> bool:
    parts = text.split("\n\n")
    count, place = sum(bool(part.strip()) for part in parts), said["nth_paragraph"]
    if place > count or not (wanted := parts[place - 1].split()):
        return False
    word = _ENDS_A_WORD.split(wanted[0].lstrip("'").lstrip('"'))[0].lower()
    return bool(count == said["num_paragraphs"] and word == said["first_word"].lower())


def _placeholders(text: str, said: Mapping[str, Any]) -> bool:
    found = sum(map(_in_brackets, text.split("\n")))
    return bool(found >= said["num_placeholders"])


def _in_brackets(line: str) -> int:
    r"""Count what `\[.*?\]` finds, in one pass: a line of open brackets would take n² steps."""
    count, at = 0, 0
    while (opens := line.find("[", at)) >= 0 and (closes := line.find("]", opens)) >= 0:
        count, at = count + 1, closes + 1
    return count


def _postscript(text: str, said: Mapping[str, Any]) -> bool:
    marker = said["postscript_marker"].strip()
    pattern = _POSTSCRIPTS.get(marker, marker.lower())
    return re.search(pattern, text.lower(), re.MULTILINE) is not None


def _bullets(text: str, said: Mapping[str, Any]) -> bool:
    stars = re.findall(r"^[^\S\n]*\*[^\*].*$", text, re.MULTILINE)
    dashes = re.findall(r"^[^\S\n]*-.*$", text, re.MULTILINE)
    return bool(len(stars) + len(dashes) == said["num_bullets"])


def _highlights(text: str, said: Mapping[str, Any]) -> bool:
    single = re.findall(r"\*[^\n\*]*\*", text)
    double = re.findall(r"\*\*[^\n\*]*\*\*", text)
    count = sum(bool(one.strip("*").strip()) for one in single)
    count += sum(bool(one[2:-2].strip()) for one in double)
    return bool(count >= said["num_highlights"])


def _sections(text: str, said: Mapping[str, Any]) -> bool:
    heads = re.findall(rf"\s?{said['section_spliter'].strip()}\s?\d+\s?", text)
    return bool(len(heads) >= said["num_sections"])


def _json(text: str, _: Mapping[str, Any]) -> bool:
    bare = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        bare = bare.removeprefix(fence)
    try:
        json_text.read(bare.removesuffix("```").strip())
    except ValueError:
        return False
    return True


def _title(text: str, _: Mapping[str, Any]) -> bool:
    lines = [line for line in text.split("\n") if "<<" in line and ">>" in line]
    found = (line[line.find("<<") : line.rfind(">>") + 2] for line in lines)
    return any(len(one) > len("<<>>") and one.lstrip("<").rstrip(">").strip() for one in found)


def _two(text: str, _: Mapping[str, Any]) -> bool:
    parts = [part.strip() for part in text.split("******")]
    given = [part for part in parts if part]
    return all(parts[1:-1]) and len(given) == _PAIR and given[0] != given[1]


def _repeated(text: str, said: Mapping[str, Any]) -> bool:
    return text.strip().lower().startswith(said["prompt_to_repeat"].strip().lower())


def _ends(text: str, said: Mapping[str, Any]) -> bool:
    return text.strip().strip('"').lower().endswith(said["end_phrase"].strip().lower())


def _quoted(text: str, _: Mapping[str, Any]) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] == bare[-1] == '"'


CHECKS: Final[Mapping[str, Check]] = {
    "keywords:existence": _existence,
    "keywords:frequency": _frequency,
    "keywords:forbidden_words": _forbidden,
    "keywords:letter_frequency": _letters,
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:number_words": _words,
    "length_constraints:nth_paragraph_first_word": _first_word,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": lambda text, _: any(o in text for o in _OPTIONS),
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _json,
    "detectable_format:title": _title,
    "combination:two_responses": _two,
    "combination:repeat_prompt": _repeated,
    "startend:end_checker": _ends,
    "startend:quotation": _quoted,
    "punctuation:no_comma": lambda text, _: "," not in text,
}


@final
@dataclass(frozen=True, slots=True)
class InstructionsScorer:
    """Right if every instruction was kept to the letter; which of them were is kept too.

    `checks` holds names with their arguments, as JSON text.
    """

    checks: str

    @classmethod
    def of(cls, checks: Sequence[Sequence[Any]]) -> InstructionsScorer:
        """Make a scorer of names and arguments."""
        return cls(json.dumps(checks))

    def mark(self, answer: Answer) -> Mark:
        """Check the answer strictly; the loose reading is kept beside it, as IFEval has it."""
        text = without_thought(answer)
        told = json.loads(self.checks)
        strict = [_holds(text, name, said) for name, said in told]
        loose = all(any(_holds(one, n, said) for one in _loosened(text)) for n, said in told)
        mark = text_mark(answer, lambda _: all(strict), cut_may_be_right=False)
        held: dict[str, bool] = {}
        for (name, _), kept in zip(told, strict, strict=True):
            held[name] = held.get(name, True) and kept
        read = mark.extracted | {"loose": "right" if loose else "wrong"}
        return replace(mark, constraints=held, extracted=read)


def _holds(text: str, name: str, said: Mapping[str, Any]) -> bool:
    return bool(text.strip()) and CHECKS[name](text, said)


def _loosened(text: str) -> Iterator[str]:
    """Yield the text without its first line, its last, both, and each of them without asterisks."""
    lines = text.split("\n")
    for cut in (lines, lines[1:], lines[:-1], lines[1:-1]):
        whole = "\n".join(cut).strip()
        yield whole
        yield whole.replace("*", "")
