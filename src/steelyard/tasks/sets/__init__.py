"""Standard sets by name: one adapter a file, from the published rows to what is asked."""
