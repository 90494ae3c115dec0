"""Pictures, sounds and films, made byte by byte from whole numbers.

Not aware of what is asked about them.
"""
