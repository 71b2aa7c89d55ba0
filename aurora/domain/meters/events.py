"""Decisions how a meter was read: rows for people, with ids that are the same at every rebuild."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import polars as pl

Kind = Literal["reset", "rollover", "replacement", "dip", "glitch", "stuck", "unit_switch"]

EVENT_SCHEMA = {"event_id": pl.String, "device_id": pl.String, "channel": pl.String, "kind": pl.String, "at": pl.Datetime("us", "UTC"),
                "evidence": pl.String, "energy_kwh_affected": pl.Float64, "is_overruled": pl.Boolean}  # fmt: skip


class Decision(NamedTuple):
    """One decision about the reading at `at_us` of one register.

    Attributes:
        energy_kwh: How far totals would differ without it; None where nobody knows.
    """

    kind: Kind
    at_us: int
    evidence: str
    energy_kwh: float | None


def event_id(device_id: str, channel: str, kind: str, at: datetime) -> str:
    """An id that is the same at every rebuild."""
    return hashlib.sha256("|".join((device_id, channel, kind, at.isoformat())).encode()).hexdigest()[:24]


def frame(rows: Sequence[tuple[str, str, str, str, datetime, str, float | None, bool]]) -> pl.DataFrame:
    """Events as a frame with the columns of `EVENT_SCHEMA`."""
    return pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")
