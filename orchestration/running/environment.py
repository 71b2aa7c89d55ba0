"""What every process we start finds in its environment, and that it ends with the one that started it."""

from aurora.processes import end_with_parent

__all__ = ["TELEMETRY_OFF", "end_with_parent"]

# Switches by which our dependencies stop reporting about their use.
TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
}
