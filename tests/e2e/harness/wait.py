"""Waiting for a condition, with a deadline that only a hang reaches."""

import time

DEADLINE_SECONDS = 120  # far above what anything takes on a slow machine
POLL_SECONDS = 0.1


class Transient(Exception):
    """The server could not be asked just now (it restarts, it is busy): ask again."""


def until(condition, what, seconds=DEADLINE_SECONDS):
    """Returns the condition's first true value. `what` is said when it never comes."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, Transient) as problem:
            last = problem
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}; last seen: {last!r}")
        time.sleep(POLL_SECONDS)
