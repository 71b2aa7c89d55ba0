"""Whether a process that left its number somewhere still lives, and that one ends with the one that started it."""

import ctypes
import signal
import sys

import psutil

PR_SET_PDEATHSIG = 1
SAME_PROCESS_SECONDS = 2.0


def is_alive(pid: int, started_at: float | None = None) -> bool:
    """Whether a process runs: not one that has ended and that its parent has not asked about, nor another with the same number.

    Args:
        pid: Its number.
        started_at: When it was started, as `started_at()` told it; None to ask for the number alone.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return started_at is None or abs(process.create_time() - started_at) < SAME_PROCESS_SECONDS
    except psutil.NoSuchProcess:
        return False


def started_at() -> float:
    """When this process was started. [s since 1970]"""
    return psutil.Process().create_time()


def end_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it dies; without a kernel that can, do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
