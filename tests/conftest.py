"""Every test runs where an interrupt interrupts, also when pytest was started with it ignored."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
