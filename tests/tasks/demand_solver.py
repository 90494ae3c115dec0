"""A second writer of constrained answers, that knows nothing but the prompt.

It reads notes and demands with patterns of its own, translates with words of its own, and lays the
text out as lines of words. It shares no code with the generator, its writer or its rules.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

# One name a constraint, and what its three wordings look like.
CUES: dict[str, tuple[str, ...]] = {
    "json_schema": (
        r"against this JSON schema: (?P<schema>\{.*\})\.",
        r"JSON text that the JSON schema (?P<schema>\{.*\}) accepts",
        r"conform to the JSON schema (?P<schema>\{.*\})\.",
    ),
    "json_array": (
        r"bare JSON array of exactly (?P<count>\d+) (?P<of>\w+)",
        r"one JSON array that holds exactly (?P<count>\d+) (?P<of>\w+)",
        r"JSON array with exactly (?P<count>\d+) elements: (?P<of>\w+)",
    ),
    "delimited": (
        r"values on one line, with '(?P<mark>.*?)' between",
        r"single line, separated by '(?P<mark>.*?)'",
        r"exactly \d+ values, parted by '(?P<mark>.*?)'",
    ),
    "table": (
        r"Markdown table with the columns (?P<header>.*?) and (?P<rows>\w+) rows? ",
        r"Markdown table: columns (?P<header>.*?); (?P<rows>\w+) rows? ",
        r"Markdown table whose header is (?P<header>.*?), with (?P<rows>\w+) rows? ",
    ),
    "key_values": (
        r"a field's name, '(?P<mark>.*?)' and its value: (?P<fields>.*?), in this order",
        r"of the form NAME(?P<mark>.*?)VALUE, for (?P<fields>.*?) in this order",
        r"For (?P<fields>'.*?), in this order, write one line each: the name, then '(?P<mark>.*?)'",
    ),
    "regex": (
        r"regular expression (?P<pattern>\S+) from start",
        r"matches as a whole: (?P<pattern>\S+)\. ",
        r"fully matches the regular expression (?P<pattern>\S+)\. ",
    ),
    "bullets": (
        r"exactly (?P<count>\d+) bullet points, .*? '(?P<marker>.) '",
        r"exactly (?P<count>\d+) lines that are bullets beginning with '(?P<marker>.) '",
        r"exactly (?P<count>\d+) bullet lines; each starts with '(?P<marker>.) '",
    ),
    "numbered": (
        r"Number exactly (?P<count>\d+) lines, in the style '(?P<style>\S+) '",
        r"numbered list of exactly (?P<count>\d+) lines; the first begins with '(?P<style>\S+) '",
        r"exactly (?P<count>\d+) numbered lines, the first beginning with '(?P<style>\S+) '",
    ),
    "paragraphs": (
        r"exactly (?P<count>\d+) paragraphs with one",
        r"exactly (?P<count>\d+) paragraphs, parted",
        r"must have (?P<count>\d+) paragraphs;",
    ),
    "sentences": (
        r"exactly (?P<count>\d+) sentences, each",
        r"exactly (?P<count>\d+) sentences\. Each",
        r"consists of (?P<count>\d+) sentences",
    ),
    "lines": (
        r"exactly (?P<count>\d+) lines, not counting",
        r"exactly (?P<count>\d+) lines that are not empty",
        r"over exactly (?P<count>\d+) lines",
    ),
    "upper_case": ("capital letters only", "everything in upper case", "No lower-case letter"),
    "lower_case": ("small letters only", "everything in lower case", "No capital letter"),
    "title_case": ("Every Word Like This", "every word with a capital", "Each word must start"),
    "word_count": (
        r"Use exactly (?P<count>\d+) words",
        r"must be (?P<count>\d+) words long",
        r"Write exactly (?P<count>\d+) words",
    ),
    "word_range": (
        r"between (?P<low>\d+) and (?P<high>\d+) words",
        r"at least (?P<low>\d+) and at most (?P<high>\d+) words",
        r"no fewer than (?P<low>\d+) and no more than (?P<high>\d+) words",
    ),
    "words_at_least": (
        r"at least (?P<count>\d+) words \([^)]*\)\.",
        r"must have (?P<count>\d+) words or more",
        r"(?<!it; )[Ww]rite no fewer than (?P<count>\d+) words",
    ),
    "characters": (
        r"between (?P<low>\d+) and (?P<high>\d+) characters",
        r"at least (?P<low>\d+) and at most (?P<high>\d+) characters",
        r"no fewer than (?P<low>\d+) and no more than (?P<high>\d+) characters",
    ),
    "keywords": (
        r"Work in the words (?P<words>.*?)\.",
        r"Include each of these words: (?P<words>.*?)\.",
        r"The words (?P<words>'[^.]*?) must all occur",
    ),
    "keyword_count": (
        r"Use the word '(?P<word>\w+)' exactly (?P<count>\d+) times",
        r"The word '(?P<word>\w+)' must occur exactly (?P<count>\d+) times",
        r"Write '(?P<word>\w+)' (?P<count>\d+) times as a word",
    ),
    "forbidden_words": (
        r"at least (?P<floor>\d+) words \([^)]*\), but none of these: (?P<words>.*?)\.",
        r"In (?P<floor>\d+) words or more \([^)]*\), avoid the words (?P<words>.*?)\.",
        r"The words (?P<words>'[^.]*?) may not occur in it; write no fewer than (?P<floor>\d+)",
    ),
    "letter_avoided": (
        r"at least (?P<floor>\d+) words \([^)]*\), but not the letter '(?P<letter>\w)'",
        r"In (?P<floor>\d+) words or more \([^)]*\), avoid the letter '(?P<letter>\w)'",
        r"The letter '(?P<letter>\w)', .*? occur in it; write no fewer than (?P<floor>\d+)",
    ),
    "letter_at_least": (
        r"the letter '(?P<letter>\w)' at least (?P<count>\d+) times",
        r"The letter '(?P<letter>\w)' must occur (?P<count>\d+) times",
        r"no fewer than (?P<count>\d+) times the letter '(?P<letter>\w)'",
    ),
    "begins_with": (
        "Begin with the words '(?P<phrase>.*?)'",
        "very first words must be '(?P<phrase>.*?)'",
        "Start your answer with '(?P<phrase>.*?)'",
    ),
    "ends_with": (
        "End with the words '(?P<phrase>.*?)'",
        "very last words must be '(?P<phrase>.*?)'",
        "Finish your answer with '(?P<phrase>.*?)'",
    ),
    "postscript": ("Add a postscript", "Close with a postscript", "as a postscript"),
    "heading": ("Give it a title", "Include a title", "There must be a title"),
    "quoted": (
        "whole answer in double quotation marks",
        "must be double quotation marks",
        "entire answer in double quotation marks",
    ),
    "tagged": (
        r"between <(?P<tag>\w+)> and",
        r"entire answer in <(?P<tag>\w+)>",
        r"begin with <(?P<tag>\w+)> and end",
    ),
    "placeholders": (
        r"at least (?P<count>\d+) placeholders in square brackets",
        r"Include (?P<count>\d+) or more placeholders",
        r"at least (?P<count>\d+) placeholders such as",
    ),
    "highlights": (
        r"Highlight at least (?P<count>\d+) parts",
        r"Put (?P<count>\d+) or more parts",
        r"At least (?P<count>\d+) parts must be highlighted",
    ),
    "exclamations": (
        r"Use exactly (?P<count>\d+) exclamation",
        r"contain (?P<count>\d+) exclamation",
        r"Write exactly (?P<count>\d+) exclamation",
    ),
    "no_commas": (
        r"at least (?P<floor>\d+) words \([^)]*\), but no commas",
        r"In (?P<floor>\d+) words or more \([^)]*\), avoid commas",
        r"No comma may occur in it; write no fewer than (?P<floor>\d+)",
    ),
    "language": (
        r"Say the values in (?P<language>\w+)",
        r"Translate each value into (?P<language>\w+)",
        r"must be a (?P<language>\w+) word",
    ),
    "alphabetical": ("in alphabetical order", "order of the alphabet", "from a to z"),
}
# The last form of each word that is known here: German, French, Spanish.
DICTIONARY = {
    line.split()[0]: line.split()[1:]
    for line in """
dog Hündin chienne perra
cat Kater chatte gata
cow Kuh vache vaca
hen Henne poule gallina
pig Schwein porc puerco
goat Ziege chèvre cabra
duck Ente cane pata
frog Frosch grenouille rana
bird Vogel oiseau ave
horse Pferd cheval caballo
mouse Maus souris ratón
sheep Schaf brebis oveja
red rot rouge roja
blue blau bleue azul
green grün verte verde
white weiß blanche blanca
black schwarz noire negra
brown braun marron castaño
gray grau grise gris
yellow gelb jaune amarilla
baker Bäckerin boulangère panadera
cook Köchin cuisinière cocinera
farmer Landwirtin agricultrice granjera
judge Richterin juge jueza
tailor Schneiderin couturière sastre
teacher Lehrerin enseignante profesora
singer Sängerin chanteuse cantante
waiter Kellnerin serveuse mesera
""".strip().splitlines()
}
TONGUES = ("German", "French", "Spanish")


@dataclass
class Demand:
    """What a prompt asks for: facts of one person, and constraints with their arguments."""

    facts: dict[str, str]
    wanted: dict[str, dict[str, str]]
    others: list[str] = field(default_factory=list)

    def number(self, name: str, argument: str = "count") -> int:
        return int(self.wanted[name][argument])


def read(prompt: str) -> Demand:
    """Read the notes, whose values are wanted, and each constraint by its cues."""
    notes, _, rest = prompt.partition("\n\n")
    people = {}
    for line in notes.splitlines()[1:]:
        name, told = line.split(": ")
        people[name] = dict(pair.split(" ") for pair in told.split(", "))
    asked = re.match(r"(?:State|What are|Report) (.*?) of (\w+)", rest)
    assert asked is not None
    fields = re.split(r", | and ", asked[1])
    wanted: dict[str, dict[str, str]] = {}
    for name, cues in CUES.items():
        found = [match for cue in cues if (match := re.search(cue, rest))]
        assert len(found) <= 1, (name, rest)
        if found:
            wanted[name] = found[0].groupdict()
    mine = people.pop(asked[2])
    others = [told[f] for told in people.values() for f in fields]
    return Demand({f: mine[f] for f in fields}, wanted, others)


def quoted_words(text: str) -> list[str]:
    return re.findall(r"'([^']+)'", text)


def solve(prompt: str) -> str:
    """Write an answer to a prompt."""
    demand = read(prompt)
    facts = dict(demand.facts)
    if "language" in demand.wanted:
        tongue = TONGUES.index(demand.wanted["language"]["language"])
        facts = {f: DICTIONARY[value][tongue] for f, value in facts.items()}
    if "alphabetical" in demand.wanted:
        facts = dict(sorted(facts.items(), key=lambda pair: pair[1].lower()))
    text = rigid(demand, facts)
    if text is None:
        text = Sheet(demand, list(facts.values())).text()
    if "upper_case" in demand.wanted:
        text = text.upper()
    if "lower_case" in demand.wanted:
        text = text.lower()
    return text.title() if "title_case" in demand.wanted else text


def rigid(demand: Demand, facts: dict[str, str]) -> str | None:
    """Write the form that leaves no room for more, where one is asked for."""
    wanted, values = demand.wanted, list(facts.values())
    if "json_schema" in wanted:
        return json.dumps(instance(json.loads(wanted["json_schema"]["schema"]), facts))
    if "json_array" in wanted:
        made: dict[str, Any] = {"strings": values, "arrays": list(facts.items())}
        made["objects"] = [{"value": value, "name": name} for name, value in facts.items()]
        return json.dumps(made[wanted["json_array"]["of"]], indent=1, ensure_ascii=False)
    if "delimited" in wanted:
        return f" {wanted['delimited']['mark']} ".join(values)
    if "table" in wanted:
        header = quoted_words(wanted["table"]["header"])
        pairs = [[name, value] for name, value in facts.items()]
        rows = [[facts[h] for h in header]] if wanted["table"]["rows"] == "one" else pairs
        rule = [":-:" for _ in header]
        return "\n".join("|" + "|".join(row) + "|" for row in [header, rule, *rows])
    if "key_values" in wanted:
        mark = wanted["key_values"]["mark"]
        return "\n".join(
            f"{f} {mark} {facts[f]}" for f in quoted_words(wanted["key_values"]["fields"])
        )
    if "regex" in wanted:
        head = re.match(r"\[a-z\]\{(\d)\}\\d\{(\d)\}\((.)", wanted["regex"]["pattern"])
        assert head is not None
        return "k" * int(head[1]) + "0" * int(head[2]) + "".join(head[3] + v for v in values)
    return None


def instance(schema: dict[str, Any], facts: dict[str, str]) -> Any:
    """Make a value that a schema accepts."""
    if "enum" in schema:
        return schema["enum"][-1]
    if schema["type"] == "object":
        return {
            key: (int(facts[key]) if kind["type"] == "integer" else facts[key])
            if key in facts
            else instance(kind, facts)
            for key, kind in schema["properties"].items()
        }
    return [""] * (schema["minItems"] + 1) if schema["type"] == "array" else False


class Sheet:
    """Rows of words; the last one takes whatever else is wanted."""

    def __init__(self, demand: Demand, values: list[str]) -> None:
        self.demand, wanted = demand, demand.wanted
        letter = wanted.get("letter_avoided", {}).get("letter")
        self.filler = "hm" if letter in {"o", "k"} else "ok"
        shapes = ("bullets", "numbered", "paragraphs", "sentences", "lines")
        count = next((demand.number(shape) for shape in shapes if shape in wanted), 1)
        if "lines" in wanted and "postscript" in wanted:
            count -= 1
        self.rows: list[list[str]] = [[] for _ in range(count)]
        for at, value in enumerate(values):
            self.rows[min(at, count - 1)].append(value)
        self.rows = [row or [self.filler] for row in self.rows]
        self.rows[-1] += self.extras()

    def extras(self) -> list[str]:
        wanted, number, filler = self.demand.wanted, self.demand.number, self.filler
        found = []
        if "keywords" in wanted:
            found += quoted_words(wanted["keywords"]["words"])
        if "keyword_count" in wanted:
            found += [wanted["keyword_count"]["word"] for _ in range(number("keyword_count"))]
        if "letter_at_least" in wanted:
            found.append(wanted["letter_at_least"]["letter"] * number("letter_at_least"))
        if "placeholders" in wanted:
            found += [f"[{filler}]" for _ in range(number("placeholders"))]
        if "highlights" in wanted:
            found += [f"*{filler}*" for _ in range(number("highlights"))]
        if "exclamations" in wanted:
            found += [filler + "!" for _ in range(number("exclamations"))]
        return found

    def text(self) -> str:
        wanted = self.demand.wanted
        due = [int(said[key]) for name, said in wanted.items() for key in ("count", "floor", "low")
               if key in said and (key == "floor" or "word_" in name or name == "words_at_least")
               and name != "keyword_count"]  # fmt: skip
        while len(self.set().split()) < max(due, default=0):
            self.rows[-1].append(self.filler)
        if "characters" in wanted:
            while len(self.set()) < self.demand.number("characters", "low"):
                self.rows[-1].append(self.filler)
        return self.set()

    def set(self) -> str:
        wanted = self.demand.wanted
        head = [wanted["begins_with"]["phrase"]] if "begins_with" in wanted else []
        head += [f"<<{self.filler}>>"] if "heading" in wanted else []
        tail = [wanted["ends_with"]["phrase"]] if "ends_with" in wanted else []
        rows = [" ".join(row) for row in self.rows]
        if "bullets" in wanted:
            rows = [f"{wanted['bullets']['marker']} {row}" for row in rows]
        if "numbered" in wanted:
            rows = [wanted["numbered"]["style"].replace("1", str(i + 1)) + " " + row
                    for i, row in enumerate(rows)]  # fmt: skip
        if "sentences" in wanted:
            rows = [" ".join(row + "." for row in rows)]
        if "bullets" in wanted or "numbered" in wanted:
            rows = [*([" ".join(head)] if head else []), *rows, *tail]
        else:
            rows[0] = " ".join([*head, rows[0]])
            rows[-1] = " ".join([rows[-1], *tail])
        text = ("\n\n" if "paragraphs" in wanted else "\n").join(rows)
        text += f"\nP.S. {self.filler}" if "postscript" in wanted else ""
        tag = wanted.get("tagged", {}).get("tag")
        text = text if tag is None else f"<{tag}>{text}</{tag}>"
        return f'"{text}"' if "quoted" in wanted else text
