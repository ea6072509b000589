"""Resident memory of this process, now and at its peak."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

__all__ = ["peak_bytes", "start_again"]

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def peak_bytes() -> int:
    """Return the largest resident memory since the start of the process, or since `start_again`."""
    if STATUS.exists():
        # Not getrusage, which on Linux also knows of the process that started this one.
        for line in STATUS.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def start_again() -> int:
    """Let the peak begin with what is resident now, and return that; elsewhere than on Linux it goes on."""
    if CLEAR.exists():
        CLEAR.write_text("5", "ascii")
    return peak_bytes()
