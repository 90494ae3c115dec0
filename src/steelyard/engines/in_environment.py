"""Answers questions about a model's tokens and logits, from within an engine's own environment.

Run as a script by that environment's interpreter: `in_environment.py ENGINE FOLDER`. It loads
tokenizer and weights by the same calls as the engine's server does, so that its answers are the
server's; then it reads one JSON object a line and writes one back. Never imported by Steelyard, and
not aware of it: nothing but the standard library and the environment's own packages is there.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def tokenizer_of(engine: str, folder: str) -> Any:
    """Load the tokenizer as the server of that engine loads it."""
    if engine == "mlx":
        utils = import_module("mlx_lm.utils")
        ends = utils.load_config(Path(folder)).get("eos_token_id")
        return utils.load_tokenizer(Path(folder), eos_token_ids=ends)
    return import_module("transformers").AutoTokenizer.from_pretrained(folder)


def settings_of(folder: str, name: str) -> dict[str, Any]:
    """Return one of the folder's JSON files, empty where it is not there."""
    path = Path(folder) / name
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def ends_of(engine: str, folder: str, tokenizer: Any) -> list[int]:
    """Return the tokens at which the server ends an answer."""
    if engine == "mlx":
        return sorted(tokenizer.eos_token_ids)
    declared = settings_of(folder, "generation_config.json").get("eos_token_id")
    if declared is None:
        declared = settings_of(folder, "config.json").get("eos_token_id")
    if declared is None:
        declared = tokenizer.eos_token_id
    return sorted(declared) if isinstance(declared, list) else [declared]


def facts(engine: str, folder: str, tokenizer: Any) -> dict[str, Any]:
    """Return what decides how a conversation becomes tokens, and where an answer ends."""
    ends = ends_of(engine, folder, tokenizer)
    return {
        "template": tokenizer.chat_template,
        "begin": tokenizer.bos_token,
        "begins": list(tokenizer.encode("")),
        "ends": ends,
        "generation": settings_of(folder, "generation_config.json"),
    }


@functools.cache
def model_of(engine: str, folder: str) -> Any:
    """Load the weights as the server of that engine loads them."""
    if engine == "mlx":
        return import_module("mlx_lm.utils").load_model(Path(folder))[0]
    auto = import_module("transformers").AutoModelForCausalLM
    return auto.from_pretrained(folder, dtype="auto").eval()


def reader_of(engine: str, folder: str) -> Callable[[list[int]], Any]:
    """Return what reads further tokens of one conversation: rows of logits in single precision."""
    model = model_of(engine, folder)
    if engine == "mlx":
        mx, numpy = import_module("mlx.core"), import_module("numpy")
        kept = import_module("mlx_lm.models.cache").make_prompt_cache(model)

        def read_mlx(tokens: list[int]) -> Any:
            return numpy.array(model(mx.array([tokens]), cache=kept)[0].astype(mx.float32))

        return read_mlx
    torch, cache = import_module("torch"), import_module("transformers").DynamicCache()

    def read_torch(tokens: list[int]) -> Any:
        with torch.inference_mode():
            told = model(torch.tensor([tokens]), past_key_values=cache, use_cache=True)
        return told.logits[0].float().numpy()

    return read_torch


def logits_of(asked: dict[str, Any], engine: str, folder: str) -> dict[str, Any]:
    """Read a prompt in pieces and the rest token by token, as a server does; tell the likeliest.

    A prompt of which every position is asked for is read as one.
    """
    numpy, read = import_module("numpy"), reader_of(engine, folder)
    tokens, first, piece = asked["tokens"], asked["first"], asked["piece"]
    prompt = first + 1 if first else len(tokens)
    cuts = [*range(0, prompt, piece), *range(prompt, len(tokens)), len(tokens)]
    rows = numpy.concatenate([read(tokens[begin:end]) for begin, end in itertools.pairwise(cuts)])[
        first:
    ].astype("float64")
    rows -= rows.max(axis=-1, keepdims=True)
    rows -= numpy.log(numpy.exp(rows).sum(axis=-1, keepdims=True))
    best = numpy.argsort(-rows, axis=-1)[:, : asked["top"]]
    return {
        "logits": [
            [[int(i), float(row[i])] for i in likeliest]
            for row, likeliest in zip(rows, best, strict=True)
        ]
    }


def answer(question: dict[str, Any], engine: str, folder: str, tokenizer: Any) -> dict[str, Any]:
    """Answer one question: about the model, its logits, a conversation, or a text."""
    if "logits" in question:
        return logits_of(question["logits"], engine, folder)
    if "facts" in question:
        return facts(engine, folder, tokenizer)
    if "messages" in question:
        # transformers gives a mapping unless told otherwise, mlx-lm's wrapper always a list.
        rendered = tokenizer.apply_chat_template(
            question["messages"], add_generation_prompt=True, tokenize=True, return_dict=False
        )
        return {"tokens": list(rendered)}
    tokens = tokenizer.encode(
        question["text"], add_special_tokens=False, split_special_tokens=not question["special"]
    )
    return {"tokens": list(tokens)}


def main(engine: str, folder: str) -> None:
    """Answer until there are no more questions."""
    # Libraries print; the pipe is for answers alone.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    tokenizer = tokenizer_of(engine, folder)
    for line in sys.stdin:
        try:
            said = answer(json.loads(line), engine, folder, tokenizer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the asker is to hear of it
            said = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(said) + "\n")
        out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
