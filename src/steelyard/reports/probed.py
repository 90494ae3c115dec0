"""What a probe found of a server, a line each. Not aware of how it was asked."""

from __future__ import annotations

from steelyard.domain.probe import Probed
from steelyard.domain.reading import Measured, Missing


def table(probed: Probed) -> str:
    """Return what was found, a line each."""
    wide = max(len(finding.name) for finding in probed.findings)
    lines = [
        f"  {finding.name:<{wide}}  {finding.answered:<9}  {finding.seen}".rstrip()
        for finding in probed.findings
    ]
    match probed.context_tokens:
        case Measured(value=tokens):
            context = f"prompts of {tokens:,} tokens were taken whole"
        case Missing() as reason:
            context = str(reason)
    lines.append(f"  {'context':<{wide}}  {context}")
    lines.append(f"  tried in {probed.elapsed_s:.1f} s")
    return "\n".join(lines)
