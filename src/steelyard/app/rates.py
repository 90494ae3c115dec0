"""How fast a model may run here, guessed where nothing was measured yet. The plan calls it so.

Not aware of what is asked.
"""

from __future__ import annotations

from typing import Final

from steelyard.campaigns.planner import Rates
from steelyard.domain.subject import ArtifactFacts

# Of somebody else's server nothing is known before it is measured: a guess for the plan.
_UNSEEN: Final = Rates(
    load_s=1.0,
    prompt_tps=500.0,
    output_tps=40.0,
    task_prompt_tokens=90,
    task_output_tokens=12,
    proof_s=0.0,
)


def rates_of(facts: ArtifactFacts | None, threads: int) -> Rates:
    """Guess how fast a file runs here on so many threads; None is a server's, which nobody saw.

    Memory bounds decoding, arithmetic the prefill.
    """
    if facts is None:
        return _UNSEEN
    return Rates(
        load_s=0.4 + facts.tensor_bytes / 1e9,
        prompt_tps=max(1.0, min(8000.0, threads * 25e9 / (2 * facts.parameters))),
        output_tps=max(0.2, min(1200.0, 8e9 / facts.active_bytes)),
        # The shipped items are short questions with answers of a few tokens.
        task_prompt_tokens=90,
        task_output_tokens=12,
        fidelity_tps=max(1.0, min(4000.0, threads * 12e9 / (2 * facts.parameters))),
    )
