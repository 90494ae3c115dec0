"""Constraints on the form of an answer: named, exactly checked, alone or several at once."""
