"""How each constraint is said: three ways a name, with its arguments filled in.

Not aware of how arguments are drawn or checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

WAYS: Final = 3
_SPACED: Final = "(a word is whatever stands between spaces)"
_OF: Final[Mapping[str, str]] = {
    "strings": "strings, one for each value",
    "pairs": "arrays, each of a field's name and its value",
    "objects": 'objects with exactly the keys "name" and "value", one for each field',
}

WORDINGS: Final[Mapping[str, tuple[str, str, str]]] = {
    "json_schema": (
        "Answer with bare JSON that is valid against this JSON schema: {schema}.",
        "Your whole answer must be JSON text that the JSON schema {schema} accepts.",
        "Write JSON and nothing around it; it has to conform to the JSON schema {schema}.",
    ),
    "json_array": (
        "Answer with a bare JSON array of exactly {count} {of}.",
        "Your whole answer must be one JSON array that holds exactly {count} {of}.",
        "Write nothing but a JSON array with exactly {count} elements: {of}.",
    ),
    "delimited": (
        "Write exactly the {count} values on one line, with '{mark}' between them.",
        "Put exactly the {count} values on a single line, separated by '{mark}'.",
        "Answer with one line: exactly {count} values, parted by '{mark}'.",
    ),
    "table": (
        "Answer with a bare Markdown table with the columns {header} and {rows}.",
        "Write nothing but a Markdown table: columns {header}; {rows}.",
        "Your whole answer must be a Markdown table whose header is {header}, with {rows}.",
    ),
    "key_values": (
        "Write exactly {count} lines, each a field's name, '{mark}' and its value: {fields}, "
        "in this order.",
        "Answer in {count} lines of the form NAME{mark}VALUE, for {fields} in this order.",
        "For {fields}, in this order, write one line each: the name, then '{mark}', then "
        "the value; no other line.",
    ),
    "regex": (
        "Your whole answer must match the regular expression {pattern} from start to end.",
        "Answer with a text that this regular expression matches as a whole: {pattern}.",
        "Write one text that fully matches the regular expression {pattern}.",
    ),
    "bullets": (
        "Use exactly {count} bullet points, each on its own line that begins with '{marker} '.",
        "There must be exactly {count} lines that are bullets beginning with '{marker} '.",
        "Your answer has exactly {count} bullet lines; each starts with '{marker} '.",
    ),
    "numbered": (
        "Number exactly {count} lines, in the style '{style} ' and counting up from there.",
        "Use a numbered list of exactly {count} lines; the first begins with '{style} '.",
        "Write exactly {count} numbered lines, the first beginning with '{style} ', and so on.",
    ),
    "paragraphs": (
        "Write exactly {count} paragraphs with one blank line between them.",
        "Divide the answer into exactly {count} paragraphs, parted by blank lines.",
        "Your answer must have {count} paragraphs; a blank line stands between two of them.",
    ),
    "sentences": (
        "Write exactly {count} sentences, each ending with a full stop, and use full stops for "
        "nothing else.",
        "Use exactly {count} sentences. Each ends with a full stop; no full stop stands elsewhere.",
        "Your answer consists of {count} sentences, each closed by a full stop, which you use "
        "nowhere else.",
    ),
    "lines": (
        "Write exactly {count} lines, not counting empty ones.",
        "Your answer must have exactly {count} lines that are not empty.",
        "Spread the answer over exactly {count} lines (empty ones do not count).",
    ),
    "upper_case": (
        "Use capital letters only.",
        "Write everything in upper case.",
        "No lower-case letter may occur.",
    ),
    "lower_case": (
        "Use small letters only.",
        "Write everything in lower case.",
        "No capital letter may occur, not even in names.",
    ),
    "title_case": (
        "Write Every Word Like This: a capital first, then small letters.",
        "Begin every word with a capital and write the rest of it in small letters.",
        "Each word must start with a capital letter and go on in small ones.",
    ),
    "word_count": (
        f"Use exactly {{count}} words {_SPACED}.",
        f"Your answer must be {{count}} words long, no more and no fewer {_SPACED}.",
        f"Write exactly {{count}} words in all {_SPACED}.",
    ),
    "word_range": (
        f"Use between {{low}} and {{high}} words {_SPACED}.",
        f"Your answer must have at least {{low}} and at most {{high}} words {_SPACED}.",
        f"Write no fewer than {{low}} and no more than {{high}} words {_SPACED}.",
    ),
    "words_at_least": (
        f"Use at least {{count}} words {_SPACED}.",
        f"Your answer must have {{count}} words or more {_SPACED}.",
        f"Write no fewer than {{count}} words {_SPACED}.",
    ),
    "characters": (
        "Use between {low} and {high} characters, spaces included.",
        "Your answer must be at least {low} and at most {high} characters long, with spaces.",
        "Write no fewer than {low} and no more than {high} characters, counting spaces.",
    ),
    "keywords": (
        "Work in the words {words}.",
        "Include each of these words: {words}.",
        "The words {words} must all occur.",
    ),
    "keyword_count": (
        "Use the word '{word}' exactly {count} times.",
        "The word '{word}' must occur exactly {count} times.",
        "Write '{word}' {count} times as a word, neither more nor less often.",
    ),
    "forbidden_words": (
        f"Use at least {{floor}} words {_SPACED}, but none of these: {{forbidden_words}}.",
        f"In {{floor}} words or more {_SPACED}, avoid the words {{forbidden_words}}.",
        f"The words {{forbidden_words}} may not occur in it; write no fewer than {{floor}} words "
        f"{_SPACED}.",
    ),
    "letter_avoided": (
        f"Use at least {{floor}} words {_SPACED}, but not the letter '{{letter}}', large or small.",
        f"In {{floor}} words or more {_SPACED}, avoid the letter '{{letter}}' in either case.",
        f"The letter '{{letter}}', large or small, may not occur in it; write no fewer than "
        f"{{floor}} words {_SPACED}.",
    ),
    "letter_at_least": (
        "Use the letter '{letter}' at least {let_frequency} times.",
        "The letter '{letter}' must occur {let_frequency} times or more.",
        "Write no fewer than {let_frequency} times the letter '{letter}'.",
    ),
    "begins_with": (
        "Begin with the words '{phrase}'.",
        "The very first words must be '{phrase}'.",
        "Start your answer with '{phrase}'.",
    ),
    "ends_with": (
        "End with the words '{end_phrase}' and nothing after them.",
        "The very last words must be '{end_phrase}', with no mark after them.",
        "Finish your answer with '{end_phrase}', without a full stop.",
    ),
    "postscript": (
        "Add a postscript at the end that begins with 'P.S.'.",
        "Close with a postscript on its own line, starting with 'P.S.'.",
        "After the answer, write a line beginning with 'P.S.' as a postscript.",
    ),
    "heading": (
        "Give it a title in double angle brackets, like <<title>>.",
        "Include a title, wrapped in double angle brackets as in <<my title>>.",
        "There must be a title that stands in double angle brackets, such as <<a title>>.",
    ),
    "quoted": (
        "Put your whole answer in double quotation marks.",
        "The first and the last character of your answer must be double quotation marks.",
        "Wrap the entire answer in double quotation marks.",
    ),
    "tagged": (
        "Put your whole answer between <{tag}> and </{tag}>.",
        "Wrap the entire answer in <{tag}> and </{tag}>, with nothing outside.",
        "The answer must begin with <{tag}> and end with </{tag}>.",
    ),
    "placeholders": (
        "Leave at least {num_placeholders} placeholders in square brackets, such as [address].",
        "Include {num_placeholders} or more placeholders in square brackets, like [date].",
        "There must be at least {num_placeholders} placeholders such as [phone], in square "
        "brackets.",
    ),
    "highlights": (
        "Highlight at least {num_highlights} parts with asterisks, *like this*.",
        "Put {num_highlights} or more parts of the answer between asterisks, as in *this one*.",
        "At least {num_highlights} parts must be highlighted *in this way*, with asterisks.",
    ),
    "exclamations": (
        "Use exactly {count} exclamation marks.",
        "The answer must contain {count} exclamation marks, no more and no fewer.",
        "Write exactly {count} exclamation marks in all.",
    ),
    "no_commas": (
        f"Use at least {{floor}} words {_SPACED}, but no commas.",
        f"In {{floor}} words or more {_SPACED}, avoid commas.",
        f"No comma may occur in it; write no fewer than {{floor}} words {_SPACED}.",
    ),
    "language": (
        "Say the values in {language}, not in English.",
        "Translate each value into {language} and leave the English word out.",
        "Each value must be a {language} word; do not give the English one.",
    ),
    "alphabetical": (
        "Mention the values in alphabetical order, whatever their order above.",
        "The values must come in the order of the alphabet.",
        "Arrange the values from a to z.",
    ),
}  # fmt: skip


def said(name: str, arguments: Mapping[str, Any], way: int) -> str:
    """Say a constraint in one of its ways."""
    shown = {key: _shown(key, value) for key, value in arguments.items()}
    return WORDINGS[name][way].format(**shown)


def _shown(key: str, value: Any) -> str:
    if key == "of":
        return _OF[value]
    if key == "rows":
        return "one row of values" if value == 1 else f"{value} rows below them, one a field"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        listed = [f"'{one}'" for one in value]
        return f"{', '.join(listed[:-1])} and {listed[-1]}"
    return str(value)
