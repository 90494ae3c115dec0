"""A harness of our own that is called as lm-eval and Inspect are: what it does its task says.

`fine` asks and scores, `broken` asks and fails, `slow` asks and waits for ever; `chance` would
compare log-probabilities. Run by the tests in place of a harness' interpreter.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def ask(url: str, item: int) -> None:
    body = {"messages": [{"role": "user", "content": f"item {item}"}], "max_tokens": 4}
    headers = {"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=20).read()  # noqa: S310


def main(words: list[str]) -> int:
    if words[1].endswith("describe_lm_eval.py"):
        Path("described").write_text(json.dumps(dict(os.environ)))
        kinds = {t: "multiple_choice" if t == "chance" else "generate_until" for t in words[2:]}
        sys.stdout.write(json.dumps({"tasks": kinds, "unknown": [], "near": []}) + "\n")
        return 0
    if "inspect_ai" in words:
        out = Path(words[words.index("--log-dir") + 1])
        ask(f"{os.environ['STEELYARD_BASE_URL']}/chat/completions", 0)
        (out / "part").write_text(str(os.getpid()))
        (out / "part").rename(out / "pid")
        time.sleep(600)
    told = dict(word.partition("=")[::2] for word in words if "=" in word)
    out = Path(words[words.index("--output_path") + 1])
    seen = {name: value for name, value in os.environ.items() if name.endswith("_API_KEY")}
    (out / "keys").write_text(json.dumps(seen))
    for item in range(int(words[words.index("--limit") + 1]) if "fine" in words else 1):
        ask(told["base_url"], item)
    if "broken" in words:
        sys.stderr.write("there was no moon\n")
        return 7
    results = {"fine": {"alias": "fine", "exact_match,none": 0.5, "exact_match_stderr,none": 0.1}}
    whole = {"results": results, "n-samples": {"fine": {"original": 9, "effective": 3}}}
    (out / "m").mkdir()
    (out / "m" / "results_2026.json").write_text(json.dumps(whole))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
