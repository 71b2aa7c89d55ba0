"""Register readings: a running total, of which the differences are the energy.

Readings that follow one another within physics are differenced as they are, all registers at once. A register with a reading that cannot
be right is read by `doubtful`, reading by reading.
"""

from collections.abc import Collection

import polars as pl

from aurora.domain.meters import doubtful, units
from aurora.domain.meters.chains import CALM_READINGS, MOST_LEAP_KW, STAMP_HOURS
from aurora.domain.meters.events import EVENT_SCHEMA
from aurora.domain.meters.readings import SEGMENT_COLUMNS, SERIES, crosses_quarter, is_estimated
from aurora.domain.meters.replacements import cut_lives
from aurora.domain.meters.still import STILL_HOURS, may_have_stood_still

# A decision about a reading depends on the readings up to this long before and after it, and beyond on those up to the next
# `REACH` that follow one another soundly.
REACH_HOURS = STILL_HOURS
REACH = 2 * CALM_READINGS + 1


def segments(
    readings: pl.DataFrame,
    bounds: pl.DataFrame | None = None,
    overruled: Collection[str] = (),
    replacements: pl.DataFrame | None = None,
    switches: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Spans between the readings of each register, and the decisions taken.

    Args:
        readings: Current `register_kwh` readings, sorted by key.
        bounds: device_id, channel, most_kw: the most power that a channel can carry. [kW]
        overruled: Ids of decisions that a person reversed.
        replacements: device_id, channel (null: all), at, start_kwh (null: unknown) of meters that were exchanged.
        switches: Decisions `unit_switch` as `units.switches` gives them; None: found in `readings`.

    Returns:
        Segments, and events with the columns `EVENT_SCHEMA`.
    """
    if readings.is_empty():
        return pl.DataFrame(schema=_SEGMENTS), pl.DataFrame(schema=EVENT_SCHEMA)
    found = units.marked(units.switches(readings) if switches is None else switches, overruled)
    one_unit = units.in_kwh(shown(readings), found)
    lives, exchanged = cut_lives(one_unit, replacements, overruled)
    paired = with_soundness(lives, bounds)
    doubted = paired.filter(~pl.col("is_sound") | may_have_stood_still(paired))
    if doubted.is_empty():
        return _differences(paired), pl.concat([found.select(*EVENT_SCHEMA), exchanged])
    troubled = doubted["life"].unique().implode()
    spans, told = doubtful.read(paired.filter(pl.col("life").is_in(troubled)), overruled)
    plain = _differences(paired.filter(~pl.col("life").is_in(troubled)))
    return pl.concat([plain, spans]), pl.concat([found.select(*EVENT_SCHEMA), exchanged, told])


_SEGMENTS = {"device_id": pl.String, "channel": pl.String, "measure": pl.String, "start_us": pl.Int64, "end_us": pl.Int64,
             "energy_kwh": pl.Float64, "is_estimated": pl.Boolean}  # fmt: skip


def shown(readings: pl.DataFrame) -> pl.DataFrame:
    """What registers showed when: device_id, channel, measure, at_us, value, is_estimated.

    Args:
        readings: Current `register_kwh` readings.
    """
    return readings.select(*SERIES, "measure", pl.col("measured_at").dt.epoch("us").alias("at_us"), "value", is_estimated())


def with_soundness(readings: pl.DataFrame, bounds: pl.DataFrame | None) -> pl.DataFrame:
    """The readings and how each follows the one before it.

    Args:
        readings: device_id, channel, at_us, value, is_estimated and maybe is_cut (another meter from here on), sorted by them.
        bounds: device_id, channel, most_kw. [kW]

    Returns:
        Also most_kw, before_us, before_kwh, rise_kwh (null at a register's first reading), is_sound (the rise is physically possible, or
        there is none to judge) and life, a number for each meter that stood behind a register.
    """
    is_first = pl.any_horizontal([pl.col(name) != pl.col(name).shift(1) for name in SERIES]).fill_null(value=True)
    if "is_cut" in readings.columns:
        is_first = is_first | pl.col("is_cut")
    bounded = _with_bounds(readings, bounds).with_columns(is_first.alias("is_first"))
    before, before_us = pl.col("value").shift(1), pl.col("at_us").shift(1)
    paired = bounded.with_columns(
        pl.col("is_first").cum_sum().alias("life"),
        pl.when(~pl.col("is_first")).then(before).alias("before_kwh"),
        pl.when(~pl.col("is_first")).then(before_us).alias("before_us"),
    ).with_columns((pl.col("value") - pl.col("before_kwh")).alias("rise_kwh"))
    hours = (pl.col("at_us") - pl.col("before_us")) / 3.6e9 + STAMP_HOURS
    is_whole = (pl.col("value") == pl.col("value").floor()) & (pl.col("before_kwh") == pl.col("before_kwh").floor())
    limit = pl.col("most_kw").fill_null(MOST_LEAP_KW) * hours + pl.when(is_whole).then(1.0).otherwise(0.1)
    return paired.with_columns(pl.col("rise_kwh").is_between(0, limit).fill_null(value=True).alias("is_sound"))


def _with_bounds(readings: pl.DataFrame, bounds: pl.DataFrame | None) -> pl.DataFrame:
    if bounds is None or bounds.is_empty():
        return readings.with_columns(pl.lit(None, dtype=pl.Float64).alias("most_kw"))
    return readings.join(bounds.select(*SERIES, pl.col("most_kw").cast(pl.Float64)), on=SERIES, how="left", maintain_order="left")


def _differences(paired: pl.DataFrame) -> pl.DataFrame:
    """Segments of readings that all follow one another soundly."""
    is_either = pl.col("is_estimated") | pl.col("is_estimated").shift(1)
    spans = paired.select(
        *SERIES,
        "measure",
        pl.col("before_us").alias("start_us"),
        pl.col("at_us").alias("end_us"),
        pl.col("rise_kwh").alias("energy_kwh"),
        (crosses_quarter(pl.col("before_us"), pl.col("at_us")) | is_either).alias("is_estimated"),
    )
    return spans.filter(pl.col("start_us") < pl.col("end_us")).select(SEGMENT_COLUMNS)
