"""A strict replica of a server that could not be run here: transcripts over a real socket.

What it answers stands in `transcripts/NAME/*.http`, written from the project's own documentation;
what it takes is the JSON Schema beside them, and a field that is unknown, missing or of a wrong
type is answered with 400. Filled in is only what a request determines: PROMPT_TOKENS (words of the
prompt and a template's OVERHEAD), OUTPUT_TOKENS, MODEL, and an event with WORD comes once a token.
Also a program: `python -m tests.engines.replica NAME --port N`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema

FOLDER = Path(__file__).parent / "transcripts"
NAMES = tuple(sorted(path.name for path in FOLDER.iterdir()))
OVERHEAD = 7
PACE_S = 0.001
_WORDS = ("so", "then", "the", "river", "ran", "on")


@dataclass(frozen=True)
class Transcript:
    """One answer: where it was taken from, its head, and its body in pieces as they are sent."""

    source: str
    head: tuple[str, ...]
    pieces: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Transcript:
        source, _, rest = path.read_text().partition("\n")
        head, _, body = rest.partition("\n\n")
        lines = tuple(head.splitlines())
        chunked = any(line.lower() == "transfer-encoding: chunked" for line in lines)
        between = r"(?<=\n\n)" if "text/event-stream" in head else r"(?<=\n)"
        pieces = re.split(between, body) if chunked else [body.rstrip("\n")]
        return cls(source, lines, tuple(piece for piece in pieces if piece))

    def said(self, values: Mapping[str, str], tokens: int, *, usage: bool) -> Iterator[str]:
        for piece in self.pieces:
            if '"choices":[]' in piece and not usage:
                continue  # such an event comes to those who have asked for it
            if "WORD" not in piece:
                yield _filled(piece, values)
                continue
            if len(self.pieces) == 1:
                words = " ".join(_WORDS[n % len(_WORDS)] for n in range(tokens))
                yield _filled(piece, {**values, "WORD": words})
                continue
            for number in range(tokens):
                word = (" " if number else "") + _WORDS[number % len(_WORDS)]
                yield _filled(piece, {**values, "WORD": word, "SO_FAR": str(number + 1)})


@dataclass
class Replica:
    """A server that is up: `asked` is what it was asked, `refused` why it refused."""

    name: str
    port: int
    asked: list[tuple[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def last(self, route: str) -> Any:
        return next(body for at, body in reversed(self.asked) if at == route)


@dataclass(frozen=True)
class Manner:
    """How it answers: `other` puts another transcript in a route's place, `turns` several in turn.

    `cuts`: it does not know how to refuse a prompt that is too long, and keeps half a context;
    `context` is then what it has, whatever it is asked for. `breaks_after` so many events it closes
    the connection under a streamed answer. `late`: so many answers of a route are that there is no
    such thing yet.
    """

    other: Mapping[str, str] = field(default_factory=dict)
    turns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cuts: bool = False
    context: int | None = None
    breaks_after: int | None = None
    late: Mapping[str, int] = field(default_factory=dict)


class Book:
    """What stands in a folder of transcripts."""

    def __init__(self, name: str, manner: Manner) -> None:
        self.folder, self.manner = FOLDER / name, manner
        self.taken = {route: iter(files) for route, files in manner.turns.items()}
        self.rules: dict[str, Any] = json.loads((self.folder / "replica.json").read_text())
        self.late = dict(manner.late)

    def answer(self, route: str, body: Any) -> tuple[Transcript, dict[str, str], int, str]:
        """Return the transcript, what is filled in, how many tokens, and why it is refused."""
        rules = self.rules
        self.late[route] = self.late.get(route, 0) - 1
        if route not in rules["routes"] or self.late[route] >= 0:
            return self._of(rules["absent"]), {}, 0, ""
        wish: dict[str, Any] = body if isinstance(body, dict) else {}
        if (schema := rules["requests"].get(route)) is not None:
            validator = jsonschema.Draft202012Validator(schema)
            if error := next(iter(validator.iter_errors(body)), None):
                words = f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
                return self._of(rules["bad"]), {"WHY": json.dumps(words)[1:-1]}, 0, words
        known = rules["models"]  # null: whatever is asked for is taken for the one that is served
        if "model" in wish and known is not None and wish["model"] not in known:
            return self._of(rules["model_missing"]), {"MODEL": wish["model"]}, 0, ""
        counted, context = _prompt_tokens(wish), _context(wish, rules["context_tokens"])
        context = self.manner.context or context
        if counted > context and not self.manner.cuts:
            values = {"PROMPT_TOKENS": str(counted), "CONTEXT": str(context)}
            return self._of(rules["context_overflow"]), values, 0, ""
        counted = counted if counted <= context else context // 2 + 2
        tokens = _max_tokens(wish)
        values = {
            "PROMPT_TOKENS": str(counted),
            "OUTPUT_TOKENS": str(tokens),
            "TOTAL_TOKENS": str(counted + tokens),
            "CONTEXT": str(context),
            "MODEL": str(wish.get("model")) if known else str(rules.get("served")),
            "IDS": json.dumps([10 + len(word) for word in _words(wish)]),
            "IDS_TGI": json.dumps([{"id": 10 + len(word)} for word in _words(wish)]),
            "COUNT": str(len(_words(wish))),
        }
        return self._of(self._file(route, wish)), values, tokens, ""

    def _file(self, route: str, wish: Mapping[str, Any]) -> str:
        if route in self.taken:
            return next(self.taken[route])
        found = self.manner.other.get(route, self.rules["routes"][route])
        if isinstance(found, str):
            return found
        return str(found["stream" if wish.get("stream") else "whole"])

    def _of(self, file: str) -> Transcript:
        return Transcript.read(self.folder / file)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\b[A-Z]+(?:_[A-Z]+)*\b", lambda m: values.get(m[0], m[0]), text)


def _words(wish: Mapping[str, Any]) -> list[str]:
    for key in ("prompt", "content", "text", "inputs"):
        if isinstance(said := wish.get(key), str):
            return said.split()
    return []


def _prompt_tokens(wish: Mapping[str, Any]) -> int:
    prompt = wish.get("prompt")
    if isinstance(prompt, list):
        return len(prompt)
    turns = wish.get("messages") or []
    return sum(len(turn["content"].split()) for turn in turns) + OVERHEAD


def _max_tokens(wish: Mapping[str, Any]) -> int:
    return int(wish.get("max_tokens") or wish.get("options", {}).get("num_predict") or 1)


def _context(wish: Mapping[str, Any], loaded: int) -> int:
    return int(wish.get("options", {}).get("num_ctx", loaded)) if "options" in wish else loaded


def _handler(replica: Replica, book: Book) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(raw) if raw else None
            route = f"{self.command} {self.path}"
            replica.asked.append((route, body))
            transcript, values, tokens, why = book.answer(route, body)
            if why:
                replica.refused.append(f"{route}: {why}")
            options = (body or {}).get("stream_options") or {}
            pieces = list(transcript.said(values, tokens, usage=bool(options.get("include_usage"))))
            self._send(transcript.head, pieces)

        do_GET = do_POST = answer  # noqa: N815

        def _send(self, head: Sequence[str], pieces: Sequence[str]) -> None:
            chunked = any(line.lower() == "transfer-encoding: chunked" for line in head)
            data = [piece.encode() for piece in pieces]
            lines = [*head, *([] if chunked else [f"Content-Length: {sum(map(len, data))}"])]
            self.wfile.write("\r\n".join([*lines, "", ""]).encode())
            breaks_after = book.manner.breaks_after if chunked else None
            for number, piece in enumerate(data):
                if number == breaks_after:
                    self.close_connection = True
                    return
                framed = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
                self.wfile.write(framed)
                time.sleep(PACE_S if chunked else 0)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client may hang up


@contextlib.contextmanager
def replaying(name: str, manner: Manner = Manner()) -> Iterator[Replica]:
    """Serve the transcripts of an engine until the block is left."""
    replica = Replica(name, 0)
    server = _Quiet(("127.0.0.1", 0), _handler(replica, Book(name, manner)))
    replica.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield replica
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cuts", action="store_true")
    parser.add_argument("--context", type=int)
    typed, _ = parser.parse_known_args()  # started in the place of a server, it is told more
    replica = Replica(typed.name, typed.port)
    book = Book(typed.name, Manner(cuts=typed.cuts, context=typed.context))
    server = _Quiet(("127.0.0.1", typed.port), _handler(replica, book))
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
