"""Power samples: each is held until the next, at most for its gap limit; beyond that nothing is known."""

import polars as pl

from aurora.domain.meters.readings import SEGMENT_COLUMNS, SERIES, is_estimated

LEAST_GAP_SECONDS = 300
GAP_IN_SPACINGS = 3
DAY_US = 86_400_000_000
# The longest a sample without a device's own limit can hold: two samples a day apart, times three.
LONGEST_HOLD_SECONDS = GAP_IN_SPACINGS * 86_400


def segments(readings: pl.DataFrame, max_gap_seconds: dict[str, int], believed: pl.DataFrame | None = None) -> pl.DataFrame:
    """Spans over which the samples hold.

    Args:
        readings: Current `power_kw` readings, sorted by key; whole UTC days, since the gap limit is 3 x the day's median spacing.
        max_gap_seconds: Limit of devices that have their own. [s]
        believed: Those of `readings` that can be, where some cannot: while one of the others holds nothing is known.
    """
    at = pl.col("measured_at").dt.epoch("us")
    samples = readings.select(*SERIES, "measure", at.alias("start_us"), "value", is_estimated()).with_columns(
        (pl.col("start_us") // DAY_US).alias("utc_day")
    )
    following = pl.col("start_us").shift(-1)
    spacing = (following.over(*SERIES, "utc_day") - pl.col("start_us")).median().over(*SERIES, "utc_day") / 1e6
    own = pl.col("device_id").replace_strict(max_gap_seconds, default=None, return_dtype=pl.Float64)
    gap = pl.coalesce(own, (spacing * GAP_IN_SPACINGS).clip(lower_bound=LEAST_GAP_SECONDS), pl.lit(LEAST_GAP_SECONDS, dtype=pl.Float64))
    held = samples.with_columns(
        pl.min_horizontal(following.over(SERIES), pl.col("start_us") + (gap * 1e6).round().cast(pl.Int64)).alias("end_us")
    ).with_columns((pl.col("value") * (pl.col("end_us") - pl.col("start_us")) / 3.6e9).alias("energy_kwh"))
    if believed is not None and believed.height < readings.height:
        held = held.join(believed.select(*SERIES, at.alias("start_us")), on=[*SERIES, "start_us"], how="semi", maintain_order="left")
    return held.filter(pl.col("end_us") > pl.col("start_us")).select(SEGMENT_COLUMNS)
