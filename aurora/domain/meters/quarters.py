"""Segments laid over the quarter hours."""

import polars as pl

from aurora.domain.channels import ESTIMATED, MEASURED
from aurora.domain.meters.readings import QUARTER_US, SERIES, coded

QUARTER = [*SERIES, "quarter"]
COLUMNS = [*QUARTER, "measure", "energy_kwh", "covered_us", "is_estimated", "span_start_us", "span_us"]

# Of two measures that cover a quarter equally well, the one that was metered for longest counts.
PRECEDENCE = {"interval_kwh": 0, "register_kwh": 1, "power_kw": 2}

# Between two readings of a register that are further apart its energy is known and still shared by time, but no moment counts as covered:
# when it passed nobody can say. [us]
LONGEST_COVERED_US = {"register_kwh": 48 * 3_600_000_000}


def lay_out(segments: pl.DataFrame) -> pl.DataFrame:
    """Energy of each quarter hour; a span over several shares its energy by time, so that its own sum stays exact.

    Where a channel of a device is measured in two ways, each quarter takes the one that covers more of it.

    Returns:
        One row per device, channel and quarter, sorted: device_id, channel, interval_start_at, energy_kwh, covered_seconds, quality,
        span_start_at and span_seconds of the longest span that it got a share of (null where it got none).
    """
    first, last = pl.col("start_us") // QUARTER_US, (pl.col("end_us") - 1) // QUARTER_US
    inside = segments.filter(first == last).with_columns(
        first.alias("quarter"),
        (pl.col("end_us") - pl.col("start_us")).alias("covered_us"),
        pl.lit(None, dtype=pl.Int64).alias("span_start_us"),
        pl.lit(None, dtype=pl.Int64).alias("span_us"),
    )
    across = _cut_at_quarters(segments.filter(first != last))
    pieces = coded(pl.concat([inside.select(COLUMNS), across.select(COLUMNS)]), SERIES).sort(*QUARTER, maintain_order=True)
    goes_on = pl.all_horizontal([pl.col(name) == pl.col(name).shift(1) for name in QUARTER]).fill_null(value=False)
    pieces = pieces.with_columns(goes_on.alias("goes_on"))
    # Nearly every quarter hour has one piece: only the others are worth grouping.
    is_shared = pl.col("goes_on") | pl.col("goes_on").shift(-1, fill_value=False)
    alone, summed = pieces.filter(~is_shared).select(COLUMNS), _summed(pieces.filter(is_shared))
    return (
        (alone if summed.is_empty() else pl.concat([alone, summed]).sort(QUARTER))
        .with_columns(pl.col(SERIES).cast(pl.String))
        .select(
            *SERIES,
            (pl.col("quarter") * QUARTER_US).cast(pl.Datetime("us", "UTC")).alias("interval_start_at"),
            "energy_kwh",
            (pl.col("covered_us") / 1e6).alias("covered_seconds"),
            pl.when("is_estimated").then(pl.lit(ESTIMATED)).otherwise(pl.lit(MEASURED)).alias("quality"),
            pl.col("span_start_us").cast(pl.Datetime("us", "UTC")).alias("span_start_at"),
            (pl.col("span_us") // 1_000_000).alias("span_seconds"),
        )
    )


def _summed(pieces: pl.DataFrame) -> pl.DataFrame:
    """The pieces of each quarter as one, of the measure that covers more of it: `COLUMNS`."""
    by_measure = pieces.group_by([*QUARTER, "measure"], maintain_order=True).agg(
        pl.col("energy_kwh").sum(),
        pl.col("covered_us").sum(),
        pl.col("is_estimated").any(),
        pl.col("span_start_us").min(),
        pl.col("span_us").max(),
    )
    return (
        by_measure.with_columns(pl.col("measure").replace_strict(PRECEDENCE, return_dtype=pl.Int8).alias("precedence"))
        .sort([*QUARTER, "covered_us", "precedence"], descending=[False, False, False, True, False])
        .unique(QUARTER, keep="first", maintain_order=True)
        .select(COLUMNS)
    )


def _cut_at_quarters(segments: pl.DataFrame) -> pl.DataFrame:
    first, last = pl.col("start_us") // QUARTER_US, (pl.col("end_us") - 1) // QUARTER_US
    pieces = segments.with_columns(pl.int_ranges(first, last + 1).alias("quarter")).explode("quarter")
    begin = pl.max_horizontal("start_us", pl.col("quarter") * QUARTER_US)
    end = pl.min_horizontal("end_us", (pl.col("quarter") + 1) * QUARTER_US)
    share = (end - begin) / (pl.col("end_us") - pl.col("start_us"))
    longest = pl.col("measure").replace_strict(LONGEST_COVERED_US, default=None, return_dtype=pl.Int64)
    is_covered = (pl.col("end_us") - pl.col("start_us") <= longest).fill_null(value=True)
    covered = pl.when(is_covered).then(end - begin).otherwise(pl.lit(0, dtype=pl.Int64))
    # What a power sample holds is known at each moment; energy counted over a span is known for the whole of it.
    is_counted = pl.col("measure") != "power_kw"
    return pieces.with_columns(
        (pl.col("energy_kwh") * share).alias("energy_kwh"),
        covered.alias("covered_us"),
        pl.when(is_counted).then("start_us").alias("span_start_us"),
        pl.when(is_counted).then(pl.col("end_us") - pl.col("start_us")).alias("span_us"),
    )
