"""What every process we start finds in its environment, and that it ends with the one that started it."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1

# Switches by which our dependencies stop reporting about their use.
TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
}


def end_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it dies; without a kernel that can, do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
