"""Calls a function many times, inside the sandbox; its text is sent there, it is never imported.

Each call gets arguments of its own, twice over. One line comes out for each: what was given back,
whether it was the same both times, and whether the arguments were left as they were. What is right
is not known here, so nothing that the function does can find it out.
"""

import copy
import json
import os
from typing import Any

_WORDS_MOST = 160


def main(case: str, results: int) -> None:
    """Call the function of this case with each of its arguments."""
    wanted = json.loads(case)

    def say(line: dict[str, Any]) -> None:
        os.write(results, json.dumps(line).encode() + b"\n")

    space: dict[str, Any] = {"__name__": "solution"}
    try:
        exec(compile(wanted["source"], "solution", "exec"), space)  # noqa: S102 - in the sandbox
        function = space[wanted["name"]]
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its own doing
        say({"failed": _words(error)})
        return
    for given in wanted["given"]:
        mine, again = copy.deepcopy(given), copy.deepcopy(given)
        try:
            value = function(*mine)
            if other := _other_than_plain(value):
                say({"other": other})
                continue
            same = function(*again) == value
        except BaseException as error:  # noqa: BLE001 - as above
            say({"raised": _words(error)})
        else:
            say({"value": value, "same": bool(same), "kept": mine == given})


def _other_than_plain(value: object) -> str:
    """Return the name of a type that is none of JSON's own, or nothing."""
    if type(value) is list:
        return next(filter(None, map(_other_than_plain, value)), "")
    if type(value) is dict:
        return next(filter(None, map(_other_than_plain, (*value.values(), *_keys(value)))), "")
    return "" if value is None or type(value) in (bool, int, float, str) else type(value).__name__


def _keys(value: dict[Any, Any]) -> list[object]:
    # A key that is no text would become one on its way out, and pass for the right one.
    return [key if type(key) is str else {type(key)} for key in value]


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:_WORDS_MOST]
    except BaseException:  # noqa: BLE001 - it may be made to fail here too
        return type(error).__name__[:_WORDS_MOST]
