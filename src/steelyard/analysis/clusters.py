"""Which items hang together over several sections: settings of one task ask the same items.

Items of one passage or template share a cluster, and so do the answers to one item in two settings
of its task: counted as strangers they would make an interval too narrow. Clusters of two tasks are
never one. Not aware of marks or of intervals.
"""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.domain.run import Section


def cluster_key(section: str, cluster: str) -> str:
    """Return the key of a cluster among those of all sections, the same for all settings."""
    return f"{section.partition('[')[0]}/{cluster}"


def clusters_of(sections: Iterable[Section]) -> dict[str, str]:
    """Return the cluster of every item, keyed `SECTION/ITEM`."""
    return {
        f"{section.name}/{item}": cluster_key(section.name, cluster)
        for section in sections
        for item, cluster in section.clusters.items()
    }
