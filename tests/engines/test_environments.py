"""Which options a server in an environment of its own takes, by its own help."""

from __future__ import annotations

from steelyard.engines.environments import read_options

ARGPARSE = """usage: server [-h] [--model MODEL]
                   [--kv-bits KV_BITS] [--pipeline]

options:
  -h, --help            show this and exit
  --model MODEL         where the weights lie, or
                        --none at all
  --kv-bits KV_BITS
                        bits of the cache
"""
CLICK = """Usage: serve [OPTIONS] [FORCE_MODEL]

Options:
  --continuous-batching / --no-continuous-batching
                                  Configure with --cb-* flags.
  --host TEXT                     Where to listen.
"""


def test_names_are_read_out_of_the_first_column() -> None:
    found = read_options(ARGPARSE)
    assert {"-h", "--help", "--model", "--kv-bits"} <= found
    assert read_options(CLICK) == {
        *("--continuous-batching", "--no-continuous-batching", "--host"),
    }
