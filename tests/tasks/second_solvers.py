"""Second solvers of the later families: they read the prompts and nothing else.

Conversations are replayed sentence by sentence, documents are parsed back into tables, tool
requests are matched against the catalogue that the prompt shows. No code is shared with the
generators; a disagreement is a bug in one of the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction


# ── multi_turn ──────────────────────────────────────────────────────────────────────────────
def solve_multi_turn(prompts: list[str]) -> list[str]:
    """Keep a history for each fact, and the instructions in force."""
    history: dict[str, list[str]] = {}
    manner = {"case": "", "end": "", "unit": ""}
    found = []
    for prompt in prompts:
        *said, question = re.split(r"(?<=[.?])\s+", prompt)
        for sentence in said:
            if not _instruction(sentence, manner):
                _fact(sentence, history)
        now = {fact: told[-1] for fact, told in history.items() if told[-1]}
        found.append(_dressed(*_asked(question, now), manner))
    return found


def _instruction(sentence: str, manner: dict[str, str]) -> bool:
    if found := re.search(r"every answer in (capital|small) letters", sentence):
        manner["case"] = found[1]
    elif found := re.search(r'end every answer with the word "(\w+)"', sentence):
        manner["end"] = found[1]
    elif "Stop ending" in sentence:
        manner["end"] = ""
    elif "kg behind every weight" in sentence:
        manner["unit"] = " kg"
    elif "without a unit" in sentence:
        manner["unit"] = ""
    else:
        return sentence.startswith(("I will tell you", "Answer every", "Say unknown"))
    return True


_FACTS: tuple[tuple[str, str, int, int], ...] = (
    (r"(\w+) (?:lives in|has moved to) (\w+)\.", "home", 1, 2),
    (r"(\w+) has the (\w+)\.", "thing", 2, 1),
    (r"The (\w+) was handed to (\w+)\.", "thing", 1, 2),
    (r"(?:Correction: the|The) parcel for (\w+) weighs (\d+) kg\.", "parcel", 1, 2),
    (r"Forget where (\w+) lives\.", "home", 1, 0),
    (r"Forget who has the (\w+)\.", "thing", 1, 0),
    (r"Forget what the parcel for (\w+) weighs\.", "parcel", 1, 0),
    (r"(\w+) has moved back to the city of before\.", "home", 1, -1),
    (r"The (\w+) went back to the one who had it before\.", "thing", 1, -1),
    (r"The parcel for (\w+) weighs what it weighed before, after all\.", "parcel", 1, -1),
)


def _fact(sentence: str, history: dict[str, list[str]]) -> None:
    for pattern, topic, subject, value in _FACTS:
        if found := re.fullmatch(pattern, sentence):
            told = history.setdefault(f"{topic} {found[subject]}", [])
            told.append("" if value == 0 else told[-2] if value < 0 else found[value])
            return
    raise AssertionError(sentence)


def _asked(question: str, now: dict[str, str]) -> tuple[str, bool]:
    """Return the value that is asked for, and whether it is a weight."""
    if found := re.fullmatch(r"Where does (\w+) live\?", question):
        return now.get(f"home {found[1]}", "unknown"), False
    if found := re.fullmatch(r"Who has the (\w+)\?", question):
        return now.get(f"thing {found[1]}", "unknown"), False
    if found := re.fullmatch(r"What does the parcel for (\w+) weigh\?", question):
        return now.get(f"parcel {found[1]}", "unknown"), True
    if found := re.fullmatch(r"What do the parcels for (\w+) and (\w+) weigh together\?", question):
        return str(int(now[f"parcel {found[1]}"]) + int(now[f"parcel {found[2]}"])), True
    city = re.findall(r"Of how many people do you know that they live in (\w+)\?", question)[0]
    return str(sum(v == city for k, v in now.items() if k.startswith("home "))), False


def _dressed(value: str, weight: bool, manner: dict[str, str]) -> str:
    text = value + (manner["unit"] if weight and value != "unknown" else "")
    text += f" {manner['end']}" if manner["end"] else ""
    if not manner["case"]:
        return text
    return text.upper() if manner["case"] == "capital" else text.lower()


# ── business ────────────────────────────────────────────────────────────────────────────────
def solve_business(prompt: str) -> str:
    """Parse the documents into tables, then answer the question at the end."""
    *documents, question = prompt.split("\n\n")
    for sign, solve in _BUSINESS.items():
        if re.search(sign, question):
            return solve(documents, question)
    raise AssertionError(question)


def _table(documents: list[str], head: str) -> dict[str, dict[str, str]]:
    """Return documents of one kind: id to the fields before a colon; the rest under `rows`."""
    found = {}
    for document in documents:
        first, *lines = document.split("\n")
        if first.startswith(head):
            fields = dict(line.split(": ", 1) for line in lines if line[0] != "-")
            fields["rows"] = "\n".join(line for line in lines if line[0] == "-")
            found[first.removeprefix(head)] = fields
    return found


def _invoices(documents: list[str]) -> dict[str, dict[str, str]]:
    return _table(documents, "Invoice ")


def _tickets(documents: list[str]) -> dict[str, dict[str, str]]:
    return _table(documents, "Ticket ")


def _named(question: str) -> str:
    return str(re.findall(r"(?:INV|T)-\d+", question)[0])


def _plain(value: Fraction) -> str:
    return str(int(value)) if value.denominator == 1 else f"{float(value):.2f}"


def _invoice_json(documents: list[str], question: str) -> str:
    number = _named(question)
    invoice = _invoices(documents)[number]
    total: object = json.loads(invoice["Total"])
    return json.dumps(
        {"number": number, "customer": invoice["Customer"], "due": invoice["Due"], "total": total}
    )


def _state(documents: list[str], question: str) -> str:
    number = _named(question)
    total = Fraction(_invoices(documents)[number]["Total"])
    paid = re.findall(rf": ([\d.]+) for invoice {number}\b", "\n".join(documents))
    whole = sum(map(Fraction, paid))
    return "open" if not paid else "paid" if whole == total else "partial"


def _sum(documents: list[str], question: str) -> str:
    who = re.findall(r"of all invoices of (\w+)\?", question)[0]
    held = [i for i in _invoices(documents).values() if i["Customer"] == who]
    return _plain(sum((Fraction(i["Total"]) for i in held), Fraction(0)))


def _days(documents: list[str], question: str) -> str:
    invoice = _invoices(documents)[_named(question)]
    begin, end = (datetime.fromisoformat(invoice[key]) for key in ("Date", "Due"))
    return str((end - begin).days)


def _bad_total(documents: list[str], _question: str) -> str:
    wrong = [
        number
        for number, invoice in _invoices(documents).items()
        if Fraction(invoice["Total"])
        != sum(
            int(count) * Fraction(each)
            for count, each in re.findall(r"- (\d+) x \w+ at ([\d.]+)", invoice["rows"])
        )
    ]
    assert len(wrong) <= 1
    return wrong[0] if wrong else "none"


def _ticket_json(documents: list[str], question: str) -> str:
    name = _named(question)
    ticket = _tickets(documents)[name]
    keys = ("Product", "Priority", "Opened")
    return json.dumps({"ticket": name, **{key.lower(): ticket[key] for key in keys}})


_SIGNS = {
    "billing": ("charged", "price", "money"),
    "delivery": ("arrived", "parcel", "van"),
    "access": ("password", "account", "log in"),
    "defect": ("came apart", "crack", "stopped working"),
}


def _ticket_class(documents: list[str], question: str) -> str:
    text = _tickets(documents)[_named(question)]["Text"]
    found = [case for case, signs in _SIGNS.items() if any(sign in text for sign in signs)]
    assert len(found) == 1, text
    return found[0]


def _open_minutes(ticket: dict[str, str]) -> int:
    begin, end = (datetime.fromisoformat(ticket[key]) for key in ("Opened", "Closed"))
    return round((end - begin).total_seconds() / 60)


def _ticket_minutes(documents: list[str], question: str) -> str:
    return str(_open_minutes(_tickets(documents)[_named(question)]))


def _ticket_count(documents: list[str], question: str) -> str:
    wanted = re.findall(r"the priority (\w+)\?", question)[0]
    return str(sum(t["Priority"] == wanted for t in _tickets(documents).values()))


def _backwards(documents: list[str], _question: str) -> str:
    wrong = [name for name, ticket in _tickets(documents).items() if _open_minutes(ticket) < 0]
    assert len(wrong) <= 1
    return wrong[0] if wrong else "none"


def _clock(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def _topics(documents: list[str]) -> Iterator[dict[str, str]]:
    """Yield topics in order; `after` is when the one before it ended, or nothing."""
    for document in documents:
        ended = ""
        for begin, name, body in re.findall(
            r"(\d\d:\d\d) topic (\w+) begins\n(.*?) Topic \2 ends", document, re.DOTALL
        ):
            action, last = body.split("\n")
            owner, thing, due = re.findall(r"(\w+) orders the (\w+) by (\S+)", action)[0]
            end, remark = last.split(" ", 1)
            yield {
                "name": name, "begin": begin, "end": end, "owner": owner, "thing": thing,
                "due": due, "remark": remark, "after": ended,
            }  # fmt: skip
            ended = end


def _topic(documents: list[str], question: str) -> dict[str, str]:
    name = re.findall(r"topic (\w+)", question)[0]
    return next(topic for topic in _topics(documents) if topic["name"] == name)


def _action_json(documents: list[str], question: str) -> str:
    topic = _topic(documents, question)
    return json.dumps({key: topic[key] for key in ("owner", "thing", "due")})


_ENDS = {
    "agreed": ("for it", "We do it", "goes ahead"),
    "rejected": ("Nobody", "drop", "off the table"),
    "postponed": ("next week", "Not today", "wait for"),
}


def _outcome(documents: list[str], question: str) -> str:
    remark = _topic(documents, question)["remark"]
    found = [end for end, signs in _ENDS.items() if any(sign in remark for sign in signs)]
    assert len(found) == 1, remark
    return found[0]


def _topic_minutes(documents: list[str], question: str) -> str:
    topic = _topic(documents, question)
    return str(_clock(topic["end"]) - _clock(topic["begin"]))


def _overlap(documents: list[str], _question: str) -> str:
    wrong = [
        topic["name"]
        for topic in _topics(documents)
        if topic["after"] and _clock(topic["begin"]) < _clock(topic["after"])
    ]
    assert len(wrong) <= 1
    return wrong[0] if wrong else "none"


_BUSINESS: dict[str, Callable[[list[str], str], str]] = {
    "Write invoice": _invoice_json,
    "paid, partial or open": _state,
    "sum of the stated totals": _sum,
    "How many days": _days,
    "total not match": _bad_total,
    "Write ticket": _ticket_json,
    "billing, delivery, access or defect": _ticket_class,
    "from the opening": _ticket_minutes,
    "How many tickets": _ticket_count,
    "closed before it was opened": _backwards,
    "Write the action": _action_json,
    "agreed, rejected or postponed": _outcome,
    "did topic": _topic_minutes,
    "has to act": lambda documents, question: _topic(documents, question)["owner"],
    "begins before the topic before": _overlap,
}


# ── tools_prompted ──────────────────────────────────────────────────────────────────────────
TOOL_WAYS: tuple[tuple[str, str, str], ...] = (
    ("cancel", r"Call off (?P<o>.+?) (?P<id>\d+) for good", ""),
    ("archive", r"Put (?P<o>.+?) (?P<id>\d+) away with closed ones", ""),
    ("pause", r"Put (?P<o>.+?) (?P<id>\d+) on hold until (?P<x>\S+)", "until"),
    ("move", r"Shift (?P<o>.+?) (?P<id>\d+) to (?P<x>\d\S+)", "date"),
    ("extend", r"Let (?P<o>.+?) (?P<id>\d+) run (?P<x>\d+) days longer", "days"),
    ("assign", r"Make (?P<x>[A-Z]\w+) responsible for (?P<o>.+?) (?P<id>\d+)", "person"),
    ("share", r"Let (?P<x>[A-Z]\w+) read (?P<o>.+?) (?P<id>\d+)", "person"),
    ("rank", r"Treat (?P<o>.+?) (?P<id>\d+) with (?P<x>[a-z]+) priority", "priority"),
    ("label", r"Mark (?P<o>.+?) (?P<id>\d+) in (?P<x>red|blue|green|yellow)", "colour"),
    ("price", r"Let (?P<o>.+?) (?P<id>\d+) cost (?P<x>[\d.]+) euros", "amount"),
    ("discount", r"Take (?P<x>[\d.]+) euros off (?P<o>.+?) (?P<id>\d+)", "amount"),
    ("print", r"Print (?P<x>\d+) copies of (?P<o>.+?) (?P<id>\d+)", "copies"),
)  # fmt: skip
# What the request looks like that leaves the last required argument out.
TOOL_VAGUE: dict[str, str] = {
    r"(?:Call off|Put) the ": "id",
    "on hold for some time": "until",
    "to another date": "date",
    "run longer": "days",
    "somebody else": "person",
    "another priority": "priority",
    "another colour": "colour",
    "something": "amount",
    "several copies": "copies",
}


def solve_tools_prompted(prompt: str) -> str:
    """Match each request with a tool of the catalogue, by what is done and to what."""
    catalogue = [json.loads(line) for line in prompt.split("\n") if line.startswith('{"name"')]
    known = {tool["name"]: tool for tool in catalogue}
    said = prompt.rpartition("Request: ")[2]
    for sign, argument in TOOL_VAGUE.items():
        if re.search(sign, said):
            assert any(argument in tool["required"] for tool in catalogue)
            return json.dumps({"calls": [], "missing": [argument]})
    calls = [
        tool_call(request) for request in re.split(r"(?<=[a-z\d])\.\s*(?=[A-Z]|$)", said) if request
    ]
    calls = [call for call in calls if call["tool"] in known]
    for call in calls:
        arguments = call["arguments"]
        assert isinstance(arguments, dict)
        tool = known[str(call["tool"])]
        assert set(tool["required"]) <= set(arguments) <= set(tool["parameters"]), (tool, call)
    return json.dumps({"calls": calls})


def tool_call(request: str) -> dict[str, object]:
    """Match one request with the way of saying it, and return the call."""
    for verb, pattern, argument in TOOL_WAYS:
        found = re.fullmatch(
            pattern + r"(?P<n>| and tell the customer| without telling the customer)", request
        )
        if found is None:
            continue
        arguments: dict[str, object] = {"id": int(found["id"])}
        if argument:
            value = found["x"]
            bare = argument in {"days", "copies", "amount"}
            arguments[argument] = json.loads(value) if bare else value
        if found["n"]:
            arguments["notify"] = found["n"].startswith(" and")
        return {"tool": f"{verb}_{found['o'].replace(' ', '_')}", "arguments": arguments}
    raise AssertionError(request)
