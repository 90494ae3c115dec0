"""This machine: clock, hardware, processes, settings. What touches the system by name."""
