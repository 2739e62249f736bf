"""Waiting for what must become true.

Nothing in this suite asserts how fast something happens. A test waits for a condition with a
deadline that is generous enough for a loaded machine and a sanitizer build, and fails with a
sentence when it passes.
"""

import os
import time

PATIENCE = float(os.environ.get("EVERGATE_TEST_PATIENCE", "1"))

DEADLINE_S = 30.0 * PATIENCE


def wait_until(condition, what, deadline_s=DEADLINE_S, pause_s=0.01):
    """Polls `condition` until it returns something true, and returns that."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"waited {deadline_s:.0f} s in vain until {what}")
        time.sleep(pause_s)
