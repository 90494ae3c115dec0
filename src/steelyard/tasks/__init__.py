"""Generated items with known answers, and the scorers that mark them."""
