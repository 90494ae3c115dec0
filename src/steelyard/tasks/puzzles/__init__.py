"""Logic puzzles of the harder levels: each a small set of worlds that clues narrow down."""
