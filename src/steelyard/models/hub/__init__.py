"""Models on other machines: what a hub offers, how it is fetched whole, and what may be deleted."""
