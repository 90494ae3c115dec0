"""What to do about a request that failed or an item that was not run, by its code.

Every code that is given has its line. They are those of `engines.transcript` and
`engines.wires.openai` (what the server said), of `loadgen` (how the connection ended), and of what
asks and marks items (`runs`, `tasks`). Not aware of engines or of how anything is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_ASK_BY_HAND: Final = "ask the server the same by hand, and read its log"
HINTS: Final[Mapping[str, str]] = {
    # what the server said
    "context_overflow": "shorter prompts or answers, or start the server with a longer context",
    "prompt_cut": "the server dropped part of the prompt in silence: give it a longer context",
    "canary_missing": "a check word of the text never came back: give the server a longer context",
    "media_refused": "the model takes no such media: serve one that sees or hears, or other tasks",
    "media_untried": f"the server failed at a sample of such media: {_ASK_BY_HAND}",
    "template_broken": "control tokens stand in answers: give the server the model's own template",
    "malformed_response": f"what came is no HTTP: is a proxy in between? {_ASK_BY_HAND}",
    "other_model": "another model answered in between: see who else uses or swaps that server",
    "stale_answer": "an answer kept for another question came back: turn that cache off",
    "scorer_failed": "a scorer broke on an answer: mend what the record names, then `rescore`",
    "pattern_too_slow": "it takes for ever: write no repeats inside of or beside repeats",
    "no_tools": "the model takes no tools: ask tools_prompted, or serve one that calls tools",
    "model_missing": "the server no longer has the model: load it there, or name another",
    "loading": "the model was still loading: wait until it is loaded, and measure again",
    "quota": "the account has no more credit or quota: top it up, or use another key",
    "content_filter": "a filter refused the prompt: other --prompts, or a service without one",
    "overloaded": "the server turned requests away: fewer at a time, or a lower --rate",
    "not_allowed": "the key was refused for this: name its variable with --api-key-env",
    "error_in_stream": f"the server broke the answer off with an error: {_ASK_BY_HAND}",
    "malformed_stream": f"what came is no answer: is a proxy in between? {_ASK_BY_HAND}",
    "malformed_content": f"answers came in a form that is no text: {_ASK_BY_HAND}",
    "truncated_stream": f"answers ended without a reason: {_ASK_BY_HAND}",
    "zero_tokens": "the model ended before its first token: does its chat template fit?",
    "compressed_body": "switch the compression of the server or of the proxy before it off",
    "redirected": "name the address that it points to: redirects are not followed",
    "proxy_wants_login": "a proxy stands between: measure past it",
    "bad_gateway": "the gateway got no answer from the engine behind it: read that one's log",
    "gateway_timeout": "the gateway gave up on the engine behind it: raise its time-out",
    # how the connection ended
    "connection_refused": "nobody listens any more: has the server died? read its log",
    "disconnected": "the server closed the connection under an answer: read its log",
    "unreachable": "there is no way to the server: is the network up?",
    "stalled": "the server fell silent: --timeout says how long a silence may last",
    "deadline": "the answer took longer than a request may take",
    "tls_error": "the encrypted connection broke: is the certificate what it was?",
    # what kept an item from being asked or marked
    "not_asked": "its turn never came: the same command with --out goes on",
    "tools_ignored": "the server drops tools: ask tools_prompted, or serve a template with tools",
    "no_passages": "no passages were found to ask it with: read why the embeddings endpoint failed",
    "no_sandbox": "programs run in a sandbox only: `steelyard doctor` says what it lacks",
    "sandbox_failed": "the sandbox did not begin: `steelyard doctor` says whether it holds here",
    "reference_fails": "the known solution fails its own tests here: is a package of it missing?",
    "schema_of_no_use": "the schema takes no answer at all: mend it in the file",
    "no_stored_answer": "the record holds no answer to it: ask it anew",
    "not_judged": "no judge has scored it yet: the same command with --out goes on",
    "unscorable": "the judge gave no score: its own words stand in the record",
}
_BY_HUNDRED: Final = {
    "4": f"the server refuses the request: {_ASK_BY_HAND}",
    "5": "the server failed: read its log",
}


def hint(code: str) -> str:
    """Return what to do; empty for a code that nobody gives."""
    if code.startswith("http_"):
        return _BY_HUNDRED.get(code[5:6], _ASK_BY_HAND)
    return HINTS.get(code, "")


def hints(codes: Iterable[str]) -> Iterator[str]:
    """Yield a line for each code, in their order."""
    for code in codes:
        if said := hint(code):
            yield f"{code.replace('_', ' ')}: {said}"
