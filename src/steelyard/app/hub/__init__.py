"""Models on a hub: found, foreseen by their headers, fetched, kept and removed."""
