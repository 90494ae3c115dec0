"""Where models usually lie on a machine: the folders of common tools, and the stores of two.

Only `hugging_face_cache` and `ollama_store` read the environment, as the tools themselves do.
"""

from __future__ import annotations

import os
from pathlib import Path

from steelyard.models.hub import ollama


def usual_folders() -> tuple[Path, ...]:
    """Return the plain folders that models usually lie in, as far as they exist here."""
    home = Path.home()
    usual = (
        *(home / "models", home / "Models", home / ".lmstudio" / "models"),
        *(home / ".cache" / "lm-studio" / "models", home / ".cache" / "llama.cpp"),
    )
    return tuple(folder for folder in usual if folder.is_dir())


def hugging_face_cache() -> Path:
    """Return the folder of the Hugging Face cache, by the variables that its own library reads."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    if named := os.environ.get("HF_HOME"):
        return Path(named).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "huggingface" / "hub"


def ollama_store() -> Path:
    """Return the folder of Ollama's store, by the variable that Ollama reads."""
    return ollama.store(os.environ)
