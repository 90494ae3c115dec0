"""Estimates and the errors they carry: pure arithmetic, no clock, no file, no random default."""
