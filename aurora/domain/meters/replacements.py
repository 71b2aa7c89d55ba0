"""Meters that were exchanged: where one register ends and another begins."""

from collections.abc import Collection
from datetime import datetime

import polars as pl

from aurora.domain.meters.events import EVENT_SCHEMA, event_id, frame
from aurora.domain.meters.readings import SERIES


def cut_lives(readings: pl.DataFrame, replacements: pl.DataFrame | None, overruled: Collection[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The readings with `is_cut` at the first of each new meter, and the decisions.

    What a new meter showed when it was put in is added as a reading of that moment, so that all it has counted since is known.

    Args:
        readings: device_id, channel, measure, at_us, value, is_estimated, sorted.
        replacements: device_id, channel (null: every channel), at, start_kwh (null: unknown).
        overruled: Ids of decisions that a person reversed.
    """
    known = _by_register(readings, replacements)
    if known.is_empty():
        return readings, pl.DataFrame(schema=EVENT_SCHEMA)
    events = _events(known, overruled)
    in_force = known.filter(~pl.Series(events["is_overruled"]))
    if in_force.is_empty():
        return readings, events
    added = in_force.filter(pl.col("start_kwh").is_not_null()).select(
        *SERIES,
        pl.lit("register_kwh").alias("measure"),
        "at_us",
        pl.col("start_kwh").alias("value"),
        pl.lit(value=False).alias("is_estimated"),
        pl.lit(0).alias("order"),
    )
    rows = pl.concat([readings.with_columns(pl.lit(1).alias("order")), added]).sort([*SERIES, "at_us", "order"])
    marks = in_force.select(*SERIES, "at_us", pl.int_range(pl.len()).alias("meter")).sort("at_us")
    placed = rows.sort("at_us", maintain_order=True).join_asof(marks, on="at_us", by=SERIES, strategy="backward", check_sortedness=False)
    meter = pl.col("meter").fill_null(-1)
    cut = placed.sort([*SERIES, "at_us", "order"]).with_columns((meter != meter.shift(1)).fill_null(value=True).alias("is_cut"))
    return cut.drop("meter", "order"), events


def _by_register(readings: pl.DataFrame, replacements: pl.DataFrame | None) -> pl.DataFrame:
    """One row per register and exchange between its first reading and its last: device_id, channel, at, at_us, start_kwh."""
    schema = {"device_id": pl.String, "channel": pl.String, "at": pl.Datetime("us", "UTC"), "start_kwh": pl.Float64}
    if replacements is None or replacements.is_empty():
        return pl.DataFrame(schema=schema).with_columns(pl.lit(0, dtype=pl.Int64).alias("at_us"))
    told = replacements.select(*schema)
    registers = readings.group_by(SERIES).agg(pl.col("at_us").min().alias("first_us"), pl.col("at_us").max().alias("last_us"))
    of_one = told.drop_nulls("channel").join(registers, on=SERIES, how="semi")
    of_all = told.filter(pl.col("channel").is_null()).drop("channel").join(registers, on="device_id").select(*schema)
    known = pl.concat([of_one, of_all]).with_columns(pl.col("at").dt.epoch("us").alias("at_us")).join(registers, on=SERIES)
    within = known.filter((pl.col("at_us") > pl.col("first_us")) & (pl.col("at_us") <= pl.col("last_us")))
    return within.drop("first_us", "last_us").unique([*SERIES, "at_us"], keep="any").sort([*SERIES, "at_us"])


def _events(known: pl.DataFrame, overruled: Collection[str]) -> pl.DataFrame:
    rows: list[tuple[str, str, str, str, datetime, str, float | None, bool]] = []
    for device_id, channel, at, start_kwh in known.select(*SERIES, "at", "start_kwh").iter_rows():
        name = event_id(device_id, channel, "replacement", at)
        shown = "nobody said at what it began" if start_kwh is None else f"the new one began at {start_kwh:.3f} kWh"
        told = f"somebody said that the meter was replaced; {shown}, and what the old one counted after its last reading is unknown"
        rows.append((name, device_id, channel, "replacement", at, told, None, name in overruled))
    return frame(rows)
