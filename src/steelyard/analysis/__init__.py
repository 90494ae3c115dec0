"""From records to findings: pure functions, no clock, no disk, no socket."""
