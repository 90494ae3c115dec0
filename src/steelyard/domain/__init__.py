"""The words of Steelyard as types: what is weighed, how, what was found. Pure values, no I/O."""
