"""Choosing the cheapest candidate that is good enough, and stopping when that is sure."""
