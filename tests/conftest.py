"""Every test runs where an interrupt interrupts, also when pytest was started with it ignored.

Hypothesis tries the same examples each time, and no pause of the machine is a finding: a check
that fails says something of the code alone. `pytest --hypothesis-profile searching` tries others.
"""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("searching"), derandomize=True)
settings.load_profile("steady")

signal.signal(signal.SIGINT, signal.default_int_handler)
