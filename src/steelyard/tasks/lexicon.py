"""The words that prompts are written with, and typos that leave no doubt which one was meant.

A typo is one slip (two letters swapped, one left out, one doubled, one taken from the next key),
kept only if no other word of the lexicon is one slip away from the outcome. The distance is that
of optimal string alignment. Not aware of families.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from string import ascii_lowercase
from typing import Final

from steelyard.tasks import words

_LISTS: Final = (
    words.NAMES, words.OBJECTS, words.PLACES, words.COLOURS, words.ANIMALS, words.CITIES,
    words.JOBS, words.TRAITS, words.KINDS,
)  # fmt: skip
# Words that stand for themselves: a slip in one of them could make it another.
CONTENT: Final = frozenset(
    form.lower() for listed in _LISTS for word in listed for form in (word, words.plural(word))
)
_SAID: Final = """
a about access account act action add after again age agreed agreement ahead all always among amount
an and another answer answers any apart archive are argument arguments arrived as ask asked assign
at away back bags be before beginning begins behind between bill billing board boarding booking
boolean box boxes bring buys by call calls came can cancel cannot capital carries case change
changed charged chore cities city cleans client closed closing cm colleague colons color colour come
comes commas contract copies correction cost costs crack csv customer date day days dd decimal
defect delivery description did different differently discount discovers do does done draft drop due
each either else employment end ended ending ends enum equally eur euros ever every everybody
everything exactly executive extend eyes facts far faster fastest fewer figures file finds first
folder for forget forgot form format fraction freeze friend from g gathering get gets give given
gives go goes good grant group had half hand handed handle hands happen has have heads hear help
here high higher hold holds home hour hours how hyphens i id if importance in indeed ink inside
integer into inv invoice invoices is it its job jobs json keeps kg knave knaves knight knights know
largest least left lengthen less let lets letters lie lies lifts like line lines list live lives
locked log long longer looks loses low m mail make makes many match me meeting memory minor minutes
missing mm money more most move moved much my name need needs neighbour next no nobody none normal
not noted notes nothing notify now number numbers object objection obtains of off old older oldest
on once one ones only open opened opening or order orders other out over owner page paid paint paper
parameters partial parts party pass passed passes password pause payments people person pet pets
picks place please plus poorer poorest postponed price print priority produce product purchase put
quarter question rank read reason rebate received recurring reduce rejected remember repairs reply
request required reschedule reservation respond responsible reverse richer richest run said sale say
says scrap see sell semicolons send sentence separated set settled several share shares sheets shift
shifts shorter shortest show side slashes slower slowest slowly small smallest so some somebody
something sorted space spaces standing stands starting starts stated step stop stopped subject such
suit sum sums support t take takes taller tallest task tell telling text than thank thanks that the
them then there these they thing think third this those through tickets time times to today together
told too tool tools topic topics total totals travel treat truth turn twice two type unit unknown
unsent until up upon upper urgent us use value values van wait walks wanted wants was we week weigh
weighed weighs weight weights went were what where whether which while who whom will wipe wish with
without word words work working write written x yes yet you younger youngest your yours yyyy z
"""
SAID: Final = frozenset(_SAID.split())
_EVERY: Final = CONTENT | SAID
_KEYS: Final = {
    letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for at, letter in enumerate(row)
}
_TRIES: Final = 12
_LONG: Final = 6


def mistyped(rng: Random, word: str) -> str | None:
    """Return the word with one slip behind its first letter, or None if each is ambiguous."""
    for _ in range(_TRIES):
        typed = _slip(rng, word)
        lower = typed.lower()
        if lower not in _EVERY and _nearby(lower) == {word.lower()}:
            return typed
    return None


def mistyped_unknown(rng: Random, word: str) -> str | None:
    """Return a long word of lower case, unknown here, with two letters swapped or one doubled.

    Nobody can say here which words are near it; these two slips seldom make one.
    """
    places = [at for at in range(2, len(word) - 1) if word[at - 1] != word[at]]
    if len(word) < _LONG or not word.islower() or word in _EVERY or not places:
        return None
    at = rng.choice(places)
    if rng.randrange(2):
        return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


def _slip(rng: Random, word: str) -> str:
    at = rng.randrange(1, len(word))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    match rng.randrange(4):
        case 0:
            return before + after
        case 1:
            return before + letter + letter + after
        case 2 if after:
            return before + after[0] + letter + after[1:]
        case _:
            key = rng.choice(_KEYS[letter.lower()])
            return before + (key.upper() if letter.isupper() else key) + after


def _nearby(typed: str) -> set[str]:
    """Return the words of the lexicon that are one slip away."""
    return {near for near in _one_away(typed) if near in _EVERY}


def _one_away(text: str) -> Iterator[str]:
    for at in range(len(text) + 1):
        before, after = text[:at], text[at:]
        yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in ascii_lowercase:
            yield before + letter + after
            yield before + letter + after[1:]
