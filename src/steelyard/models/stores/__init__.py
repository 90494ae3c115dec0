"""Places that models are kept in, behind one protocol."""
