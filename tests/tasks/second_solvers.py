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
    "delivery": ("arrived", "parcel with", "Where is the van"),
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


def _summed_up(documents: list[str], question: str) -> str:
    """Ask the class of each document on its own, then list those that belong in."""
    found = re.findall(r"sums up the (\w+)s (.*?): name each", question)
    noun, which = found[0]
    classes = which.split()
    rows: dict[str, tuple[str, str]] = {}
    if noun == "invoice":
        for number, invoice in _invoices(documents).items():
            rows[number] = (_state(documents, number), invoice["Customer"])
    elif noun == "ticket":
        for name, ticket in _tickets(documents).items():
            rows[name] = (_ticket_class(documents, name), ticket["Product"])
    else:
        for topic in _topics(documents):
            rows[topic["name"]] = (_outcome(documents, f"topic {topic['name']}"), topic["owner"])
    listed = ", ".join(f"{name} ({fact})" for name, (kind, fact) in rows.items() if kind in classes)
    return f"{noun.capitalize()}s {which}: {listed}."


_BUSINESS: dict[str, Callable[[list[str], str], str]] = {
    "sums up": _summed_up,
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
_OF = r"(?P<o>[a-z ]+?) (?P<id>\d+)"
_WHO, _DAY, _SUM = r"(?P<x>[A-Z]\w+)", r"(?P<x>\d{4}-\d\d-\d\d)", r"(?P<x>[\d.]+) EUR"
TOOL_WAYS: tuple[tuple[str, str, str], ...] = (
    ("cancel", rf"Drop {_OF} once and for all|Nobody will ever need {_OF} again, so scrap it", ""),
    ("archive",
     rf"File {_OF}, it is over and done with|Everything about {_OF} is settled, so file it", ""),
    ("pause", rf"Freeze {_OF}, we go on with it on {_DAY}"
     rf"|Nothing is to happen with {_OF} before {_DAY}", "until"),
    ("move", rf"Reschedule {_OF} to {_DAY}|The day of {_OF} is now {_DAY}", "date"),
    ("extend", rf"Lengthen {_OF} by (?P<x>\d+) days|Everybody needs (?P<x>\d+) days more for {_OF}",
     "days"),
    ("assign", rf"From now on {_WHO} looks after {_OF}|Put {_OF} into the hands of {_WHO}",
     "person"),
    ("share", rf"Show {_WHO} what is in {_OF}|Open {_OF} to the eyes of {_WHO}", "person"),
    ("rank", rf"Handle {_OF} as (?P<x>[a-z]+)|The importance of {_OF} is (?P<x>[a-z]+) now",
     "priority"),
    ("label", rf"Paint {_OF} (?P<x>[a-z]+) in the list"
     rf"|In the list, {_OF} is to show up (?P<x>[a-z]+)", "colour"),
    ("price", rf"The sum for {_OF} is {_SUM} now|Sell {_OF} at {_SUM}", "amount"),
    ("discount", rf"Reduce {_OF} by {_SUM}|Grant a rebate of {_SUM} on {_OF}", "amount"),
    ("print", rf"Run {_OF} off (?P<x>\d+) times for the folder"
     rf"|Bring me {_OF} (?P<x>\d+) times, in ink on sheets", "copies"),
)  # fmt: skip
# What the request looks like that leaves the last required argument out.
TOOL_VAGUE: dict[str, str] = {
    r"(?:Drop|File|need|about) the ": "id",
    "for a while": "until",
    "the old day": "date",
    "it needs more time": "days",
    "a colleague": "person",
    "importance of [^.]* has changed": "priority",
    "differently": "colour",
    r"sum for [^.]* has changed|Grant a rebate on": "amount",
    "more than once": "copies",
}
# What requests call the things that tools are about.
TOOL_THINGS: dict[str, str] = {
    "sale": "order", "recurring sale": "standing order", "bill": "invoice",
    "unsent bill": "draft invoice", "support case": "ticket", "boarding pass": "travel ticket",
    "reservation": "booking", "party reservation": "group booking", "gathering": "meeting",
    "executive gathering": "board meeting", "chore": "task", "minor chore": "side task",
    "agreement": "contract", "employment agreement": "work contract",
}  # fmt: skip


def tool_requests(said: str) -> list[str]:
    """Return the requests of a text, without the subject of another mail."""
    rest = re.sub(r'^Subject of the mail before this one: "[^"]*" ', "", said)
    return [one for one in re.split(r"(?<=[A-Za-z\d])\.\s*(?=[A-Z]|$)", rest) if one]


def solve_tools_prompted(prompt: str) -> str:
    """Match each request with a tool of the catalogue, by what is done and to what."""
    catalogue = [json.loads(line) for line in prompt.split("\n") if line.startswith('{"name"')]
    known = {tool["name"]: tool for tool in catalogue}
    said = prompt.rpartition("Request: ")[2]
    for sign, argument in TOOL_VAGUE.items():
        if re.search(sign, said):
            assert any(argument in tool["required"] for tool in catalogue)
            return json.dumps({"calls": [], "missing": [argument]})
    calls = [tool_call(request) for request in tool_requests(said)]
    calls = [call for call in calls if call["tool"] in known]
    for call in calls:
        arguments = call["arguments"]
        assert isinstance(arguments, dict)
        tool = known[str(call["tool"])]
        assert set(tool["required"]) <= set(arguments) <= set(tool["parameters"]), (tool, call)
    return json.dumps({"calls": calls})


def tool_call(request: str) -> dict[str, object]:
    """Match one request with the way of saying it, and return the call."""
    for verb, patterns, argument in TOOL_WAYS:
        for pattern in patterns.split("|"):
            found = re.fullmatch(
                pattern + "(?P<n>|; let the client know|; the client is not to hear of it)", request
            )
            if found is not None:
                return _call(verb, argument, found)
    raise AssertionError(request)


def _call(verb: str, argument: str, found: re.Match[str]) -> dict[str, object]:
    arguments: dict[str, object] = {"id": int(found["id"])}
    if argument:
        bare = argument in {"days", "copies", "amount"}
        arguments[argument] = json.loads(found["x"]) if bare else found["x"]
    if found["n"]:
        arguments["notify"] = "let" in found["n"]
    thing = TOOL_THINGS[found["o"]].replace(" ", "_")
    return {"tool": f"{verb}_{thing}", "arguments": arguments}
