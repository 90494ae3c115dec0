"""The words of a report in plain language; metrics bring their own definitions."""

from __future__ import annotations

from typing import Final

WORDS: Final = {
    "A/A row": "The reference run a second time against itself. What differs there is noise, and"
    " no variant may be called worse for less: that is the A/A floor.",
    "canary": "One fixed piece of work, run again and again to see how steady engine and machine"
    " are.",
    "CLEAN, POLLUTED": "Whether anything beside the model disturbed a run. What of a polluted run"
    " is in doubt, its times above all, is left out unless --include-polluted was given; right and"
    " wrong answers hang on no clock and count.",
    "depth": "How many tokens stand in the context before the first generated one. Speed falls"
    " with depth.",
    "efficiency frontier": "The variants that no other one beats in both quality and cost.",
    "fidelity": "Distance to the reference's token probabilities. It identifies files and raises"
    " alarms; it never decides.",
    "flips": "Items whose mark changed against the reference: lost ones went from right to not"
    " right, won ones the other way.",
    "gate": "A hard condition for a recommendation: met, failed or undecided.",
    "interval": "The range that the true value is expected in, in brackets. A verdict's interval"
    " is corrected for the number of variants that were compared. One that begins at 0, where a"
    " speed cannot be less, rests on few samples that scatter widely.",
    "level": "How good right answers are in themselves, from excellent to failed, by declared"
    " limits. It says nothing of a loss: a poor level without one is the model's own.",
    "margin": "The loss of right answers that is still good enough.",
    "rating": "A soft band from excellent to failed with four limits; it never decides.",
    "reference": "The variant that the others are compared with: native as published, or lossy"
    " where only a quantised file was at hand.",
    "sentinel": "One cell repeated through the whole sweep, so that heat and drift show.",
    "source": "Who vouches for a number: the client's clock, the engine's word, a formula"
    " (derived) or an estimate.",
    "verdict": "no loss shown: the interval ends below the margin and reaches the A/A floor."
    " within margin: a loss is shown and it is smaller than the margin. undecided: more items"
    " would be needed. worse: a loss is shown and it may exceed the margin. The first two qualify.",
}
