"""Steelyard weighs language models: which file to run here, what it loses, what it costs."""

__version__ = "0.1.0"
