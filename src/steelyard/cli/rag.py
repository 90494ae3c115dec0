"""The options of `steelyard eval` that say how the task `rag` retrieves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from steelyard.cli.asking import together

if TYPE_CHECKING:
    from steelyard.app.evals.rag_request import RagRequest

options: Final = together(
    click.option(
        "--rag-retriever",
        metavar="LIST",
        help="Of the task rag: bm25, embedding, hybrid, or several: bm25,hybrid.  [default: bm25]",
    ),
    click.option(
        "--rag-chunk",
        metavar="LIST",
        help="The longest passage, 128 to 1024 tokens; several make a grid.  [default: 256]",
    ),
    click.option(
        "--rag-k",
        metavar="LIST",
        help="Passages given for each item, 1 to 20; several make a grid.  [default: 5]",
    ),
    click.option(
        "--embeddings", metavar="URL", help="A server with /v1/embeddings, for those that embed."
    ),
    click.option("--embeddings-model", metavar="NAME", help="Its model.  [default: the only one]"),
    click.option(
        "--embeddings-key-env", metavar="NAME", help="Variable that holds the key of that server."
    ),
)


def taken(typed: dict[str, Any]) -> RagRequest:
    """Take these options out of all that was typed."""
    from dataclasses import fields

    from steelyard.app.evals.rag_request import RagRequest

    return RagRequest(**{field.name: typed.pop(field.name) for field in fields(RagRequest)})
