"""`bench`: asked for, run on one server or two in turns, and reported."""
