"""How much a choice saves by stopping when it is sure, and how often it is wrong.

`python -m benchmarks.stopping [--rounds 1000] [--seed 1]`, in the repository's root, prints two
Markdown tables: choices whose truth is known, against a fixed plan of 1,600 items each; and choices
replayed on what the bundled model's ladder really answered, against the full matrix.
"""

from __future__ import annotations

import argparse

from tests.campaigns import ladders


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--rounds", type=int, default=1000)
    flags.add_argument("--seed", type=int, default=1)
    options = flags.parse_args()
    print(
        f"| {options.rounds} drawn campaigns, margin 3 % | requests saved | false winners "
        "| same choice as all items, judged once | its false winners |"
    )
    print("|---|---|---|---|---|")
    for name in ladders.LADDERS:
        many = ladders.campaigns(name, options.rounds, options.seed)
        print(
            f"| {name} | {many.saved:.0%} | {many.false:.1%} | {many.same:.1%} "
            f"| {many.false_fixed:.1%} |",
            flush=True,
        )
    print("\n| bundled ladder, replayed | requests saved | same choice as the full matrix |")
    print("|---|---|---|")
    for margin in (0.015, 0.02, 0.03, 0.04, 0.05, 0.1):
        same, saved = ladders.replays(margin, options.rounds // 5, options.seed)
        print(f"| margin {margin:.1%} | {saved:.0%} | {same:.1%} |", flush=True)


if __name__ == "__main__":
    main()
