"""Models that are here already: found in folders and stores, listed, copied."""
