"""Intervals and power samples above what their channel can carry: each is left out, a decision that a person can reverse."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import polars as pl

from aurora.domain.meters.events import EVENT_SCHEMA, event_id, frame
from aurora.domain.meters.readings import SERIES

SECONDS_AN_HOUR = 3600


def told_apart(readings: pl.DataFrame, bounds: pl.DataFrame | None, overruled: Collection[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The readings that can be, and the decisions about those that cannot.

    Args:
        readings: Current `interval_kwh` or `power_kw` readings.
        bounds: device_id, channel, most_kw: the most power that a channel can carry; null or no row: nobody knows. [kW]
        overruled: Ids of decisions that a person reversed; such a reading is believed.

    Returns:
        Readings without those above their bound, and events with the columns `EVENT_SCHEMA`.
    """
    if bounds is None or bounds.is_empty() or readings.is_empty():
        return readings, pl.DataFrame(schema=EVENT_SCHEMA)
    mean_kw = (
        pl.when(pl.col("measure") == "power_kw").then("value").otherwise(pl.col("value") * SECONDS_AN_HOUR / pl.col("interval_seconds"))
    )
    judged = readings.join(bounds.select(*SERIES, "most_kw"), on=SERIES, how="left", maintain_order="left").with_columns(
        mean_kw.alias("mean_kw")
    )
    beyond = judged.filter(pl.col("mean_kw") > pl.col("most_kw"))
    if beyond.is_empty():
        return readings, pl.DataFrame(schema=EVENT_SCHEMA)
    events = frame([_event(row, overruled) for row in beyond.iter_rows(named=True)])
    believed = beyond.filter(events["is_overruled"])
    left_out = beyond.join(believed, on=[*SERIES, "measure", "measured_at"], how="anti")
    return readings.join(left_out, on=[*SERIES, "measure", "measured_at"], how="anti", maintain_order="left"), events


def _event(row: dict[str, Any], overruled: Collection[str]) -> tuple[str, str, str, str, datetime, str, float | None, bool]:
    device, channel, at = row["device_id"], row["channel"], row["measured_at"]
    name = event_id(device, channel, f"glitch of {row['measure']}", at)
    said = f"{row['value']:.3f} kW" if row["measure"] == "power_kw" else f"{row['value']:.3f} kWh in {row['interval_seconds']} s"
    evidence = f"{said}, a mean of {row['mean_kw']:.1f} kW, is more than the {row['most_kw']:.1f} kW that the site's facts allow; left out"
    energy = None if row["measure"] == "power_kw" else row["value"]
    return name, device, channel, "glitch", at, evidence, energy, name in overruled
