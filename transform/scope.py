"""Which days of which sites a change in bronze touches: the declared closure, each measure with its own reach.

- an interval reading: every day that it, or one it overlaps, covers;
- a power sample: its UTC day, whose median spacing it changes, and as far beyond as a sample of that day can hold;
- a register reading: every span of that register which comes out differently with it than without it.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl

from aurora.domain import calendar
from aurora.domain.meters import current
from aurora.domain.meters.power import DAY_US, GAP_IN_SPACINGS, LEAST_GAP_SECONDS, LONGEST_HOLD_SECONDS
from aurora.domain.meters.registers import REACH_HOURS
from transform.bronze import Bronze, Range
from transform.metering import Metering

SHORT_INTERVAL_SECONDS = 3600
SERIES = ["device_id", "channel"]
ARRIVAL = ["received_at", "sequence", "source"]
SPAN = {"device_id": pl.String, "start_us": pl.Int64, "end_us": pl.Int64}
SITE_DAY = ["site_id", "local_date"]
SITE_DAYS = {"site_id": pl.String, "local_date": pl.Date}


def no_days() -> pl.DataFrame:
    """No days: site_id, local_date."""
    return pl.DataFrame(schema=SITE_DAYS)


def touched_days(changed: pl.DataFrame, devices: pl.DataFrame, bronze: Bronze, metering: Metering) -> pl.DataFrame:
    """Days whose energy the changed readings can alter.

    Args:
        changed: New rows of `bronze/readings`; those of unknown devices touch nothing.
        devices: device_id, site_id, time_zone, max_gap_seconds.
        bronze: All readings, the new ones included.
        metering: How they are read.

    Returns:
        Distinct site_id, local_date.
    """
    known = changed.join(devices, on="device_id", how="inner").with_columns(pl.col("measured_at").dt.epoch("us").alias("at_us"))
    of = {measure: rows for (measure,), rows in known.group_by("measure")}
    empty = known.head(0)
    spans = pl.concat(
        [
            _interval_spans(of.get("interval_kwh", empty), bronze),
            _power_spans(of.get("power_kw", empty), bronze),
            _register_spans(of.get("register_kwh", empty), bronze, metering),
        ]
    )
    return days_of_spans(spans.join(devices.select("device_id", "site_id", "time_zone"), on="device_id"))


def _interval_spans(changed: pl.DataFrame, bronze: Bronze) -> pl.DataFrame:
    if changed.is_empty():
        return pl.DataFrame(schema=SPAN)
    own = changed.select(
        *SERIES, pl.col("at_us").alias("start_us"), (pl.col("at_us") + pl.col("interval_seconds") * 1_000_000).alias("end_us")
    )
    longest = int(bronze.files["longest_seconds"].max() or 0)  # pyright: ignore[reportArgumentType]
    margin = min(longest, SHORT_INTERVAL_SECONDS) * 1_000_000
    spans = own.select("device_id", pl.col("start_us") - margin, pl.col("end_us") + margin)
    if longest <= SHORT_INTERVAL_SECONDS:
        return spans
    return pl.concat([spans, _overlapped(own, bronze)])


def _overlapped(own: pl.DataFrame, bronze: Bronze) -> pl.DataFrame:
    """Spans of long intervals that overlap a changed one; short ones are within the margin."""
    held = bronze.intervals(_hull(own["start_us"], own["end_us"]), own["device_id"].unique()).filter(
        pl.col("interval_seconds") > SHORT_INTERVAL_SECONDS
    )
    start = pl.col("measured_at").dt.epoch("us")
    long = held.select(*SERIES, start.alias("from_us"), (start + pl.col("interval_seconds") * 1_000_000).alias("until_us")).unique()
    return (
        own.unique()
        .join_where(
            long.rename({"device_id": "other_device", "channel": "other_channel"}),
            pl.col("device_id") == pl.col("other_device"),
            pl.col("channel") == pl.col("other_channel"),
            pl.col("from_us") < pl.col("end_us"),
            pl.col("until_us") > pl.col("start_us"),
        )
        .select("device_id", pl.col("from_us").alias("start_us"), pl.col("until_us").alias("end_us"))
    )


def _power_spans(changed: pl.DataFrame, bronze: Bronze) -> pl.DataFrame:
    if changed.is_empty():
        return pl.DataFrame(schema=SPAN)
    fixed = changed.filter(pl.col("max_gap_seconds").is_not_null()).select(
        "device_id", pl.col("at_us").alias("start_us"), (pl.col("at_us") + pl.col("max_gap_seconds") * 1_000_000 + 1).alias("end_us")
    )
    by_median = changed.filter(pl.col("max_gap_seconds").is_null()).with_columns((pl.col("at_us") // DAY_US).alias("utc_day"))
    if by_median.is_empty():
        return fixed
    held = bronze.power(_hull(by_median["at_us"], by_median["at_us"] + 1), by_median["device_id"].unique())
    earlier = held.join(by_median, on=[*SERIES, "measured_at", *ARRIVAL], how="anti")
    days = (
        by_median.select(*SERIES, "utc_day")
        .unique()
        .join(_samples(held, "now"), on=[*SERIES, "utc_day"], how="left")
        .join(_samples(earlier, "then"), on=[*SERIES, "utc_day"], how="left")
        .with_columns(pl.col("now", "then").fill_null(0))
    )
    reach = pl.max_horizontal(_longest_hold(pl.col("now")), _longest_hold(pl.col("then")))
    medians = days.select(
        "device_id",
        (pl.col("utc_day") * DAY_US).alias("start_us"),
        ((pl.col("utc_day") + 1) * DAY_US + (reach * 1e6).cast(pl.Int64)).alias("end_us"),
    )
    return pl.concat([fixed, medians])


def _samples(held: pl.DataFrame, name: str) -> pl.DataFrame:
    utc_day = pl.col("measured_at").dt.epoch("us") // DAY_US
    return current(held).group_by(*SERIES, utc_day.alias("utc_day")).agg(pl.len().alias(name))


def _longest_hold(samples: pl.Expr) -> pl.Expr:
    """Bound on 3 x the median spacing of so many samples in one UTC day: half of the spacings are at least the median. [s]"""
    at_least_median = ((samples - 1) // 2).clip(lower_bound=1)
    bound = (GAP_IN_SPACINGS * 86_400 / at_least_median).clip(LEAST_GAP_SECONDS, LONGEST_HOLD_SECONDS)
    return pl.when(samples <= 1).then(pl.lit(float(LEAST_GAP_SECONDS))).otherwise(bound)


def _register_spans(changed: pl.DataFrame, bronze: Bronze, metering: Metering) -> pl.DataFrame:
    """Spans that come out differently with the changed readings than without them, and their own times."""
    if changed.is_empty():
        return pl.DataFrame(schema=SPAN)
    held = bronze.registers(_hull(changed["at_us"], changed["at_us"] + 1), changed["device_id"].unique().to_list(), metering.calm_stretches)
    own = changed.select("device_id", pl.col("at_us").alias("start_us"), (pl.col("at_us") + 1).alias("end_us"))
    if not set(ARRIVAL) <= set(changed.columns):
        return pl.concat([own, _neighbourhoods(changed, held, metering)])
    now, then = metering.spans(held), metering.spans(held.join(changed, on=[*SERIES, "measured_at", *ARRIVAL], how="anti"))
    differing = [one.join(other, on=one.columns, how="anti", nulls_equal=True) for one, other in ((now, then), (then, now))]
    return pl.concat([own, *(rows.select("device_id", "start_us", "end_us") for rows in differing)])


def _neighbourhoods(places: pl.DataFrame, held: pl.DataFrame, metering: Metering) -> pl.DataFrame:
    """From the calm stretch of readings before each place to that after it; to the ends where there is none. Nothing without registers."""
    calm = metering.calm_stretches(held).select("device_id", "start_us", "end_us").sort("start_us")
    ends = held.group_by("device_id").agg(
        pl.col("measured_at").min().dt.epoch("us").alias("first_us"), (pl.col("measured_at").max().dt.epoch("us") + 1).alias("last_us")
    )
    reach_us = int(REACH_HOURS * 3.6e9)
    rows = places.select("device_id", (pl.col("at_us") - reach_us).alias("low_us"), (pl.col("at_us") + reach_us).alias("high_us"))
    before = rows.sort("low_us").join_asof(
        calm.sort("end_us"), left_on="low_us", right_on="end_us", by="device_id", strategy="backward", check_sortedness=False
    )
    after = before.rename({"start_us": "begin_us"}).sort("high_us").join_asof(
        calm, left_on="high_us", right_on="start_us", by="device_id", strategy="forward", check_sortedness=False, suffix="_after"
    )  # fmt: skip
    found = after.join(ends, on="device_id").with_columns(
        pl.coalesce("begin_us", "first_us").alias("from_us"), pl.coalesce("end_us_after", "last_us").alias("until_us")
    )
    return found.select("device_id", pl.col("from_us").alias("start_us"), (pl.col("until_us") + 1).alias("end_us"))


def days_since(turned: pl.DataFrame, measured: pl.DataFrame, changed: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """Days from some moments to the last reading of each device: site_id, local_date.

    Args:
        turned: device_id, start_us: from when on readings mean something else.
        measured: device_id, last_at.
        changed: New rows of `bronze/readings`.
        devices: device_id, site_id, time_zone.
    """
    if turned.is_empty():
        return no_days()
    known = measured.select("device_id", pl.col("last_at").dt.epoch("us").alias("end_us"))
    new = changed.select("device_id", pl.col("measured_at").dt.epoch("us").alias("end_us"))
    ends = pl.concat([known, new]).group_by("device_id").agg(pl.col("end_us").max() + 1)
    spans = (
        turned.group_by("device_id").agg(pl.col("start_us").min()).join(ends, on="device_id").filter(pl.col("start_us") < pl.col("end_us"))
    )
    return days_of_spans(spans.join(devices.select("device_id", "site_id", "time_zone"), on="device_id"))


def days_of_spans(spans: pl.DataFrame) -> pl.DataFrame:
    """Distinct site_id, local_date of the days that spans touch.

    Args:
        spans: site_id, time_zone, start_us, end_us (exclusive).
    """
    if spans.is_empty():
        return no_days()
    distinct = spans.select("site_id", "time_zone", "start_us", pl.col("end_us") - 1).unique()
    days = _local_days(distinct)
    for edge in ("start_us", "end_us"):
        distinct = _with_date(distinct, days, edge, f"{edge}_date")
    return (
        distinct.select("site_id", "start_us_date", "end_us_date")
        .unique()
        .with_columns(pl.date_ranges("start_us_date", "end_us_date").alias("local_date"))
        .explode("local_date")
        .select("site_id", "local_date")
        .unique()
    )


def dated(moments: pl.DataFrame) -> pl.DataFrame:
    """`moments` with the local_date that the site's calendar shows at start_us.

    Args:
        moments: time_zone, start_us and any other columns.
    """
    if moments.is_empty():
        return moments.with_columns(pl.lit(None, dtype=pl.Date).alias("local_date"))
    return _with_date(moments, _local_days(moments.with_columns(pl.col("start_us").alias("end_us"))), "start_us", "local_date")


def _local_days(spans: pl.DataFrame) -> pl.DataFrame:
    first = _instant(int(spans["start_us"].min())).date() - timedelta(days=2)  # pyright: ignore[reportArgumentType]
    last = _instant(int(spans["end_us"].max())).date() + timedelta(days=2)  # pyright: ignore[reportArgumentType]
    return calendar.days(spans["time_zone"].unique(), first, last).select(
        pl.col("zone").alias("time_zone"), "local_date", pl.col("day_start_at").dt.epoch("us").alias("day_us")
    )


def _with_date(rows: pl.DataFrame, days: pl.DataFrame, moment: str, name: str) -> pl.DataFrame:
    return (
        rows.sort(moment)
        .join_asof(
            days.sort("day_us").rename({"local_date": name}),
            left_on=moment,
            right_on="day_us",
            by="time_zone",
            strategy="backward",
            check_sortedness=False,
        )
        .drop("day_us")
    )


def ranges_of_days(days: pl.DataFrame, zones: dict[str, str]) -> list[Range]:
    """The spans of time that days of sites take up, as few as possible.

    Args:
        days: site_id, local_date.
        zones: Time zone of each site.
    """
    found: list[Range] = []
    zoned = (
        days.with_columns(pl.col("site_id").replace_strict(zones, return_dtype=pl.String).alias("zone"))
        .select("zone", "local_date")
        .unique()
    )
    for zone, first, last in _runs(zoned):
        found.append(Range(calendar.day_start(first, zone), calendar.day_start(last + timedelta(days=1), zone)))
    return found


def _runs(zoned: pl.DataFrame) -> Sequence[tuple[str, date, date]]:
    """Runs of consecutive days by zone."""
    ordered = zoned.sort("zone", "local_date").with_columns(
        (pl.col("local_date").dt.epoch("d") - pl.int_range(pl.len()).over("zone")).alias("run")
    )
    return ordered.group_by("zone", "run", maintain_order=True).agg(
        pl.col("local_date").min().alias("first"), pl.col("local_date").max().alias("last")
    ).select("zone", "first", "last").rows()  # fmt: skip


def _hull(starts_us: pl.Series, ends_us: pl.Series) -> list[Range]:
    return [Range(_instant(int(starts_us.min())), _instant(int(ends_us.max())))]  # pyright: ignore[reportArgumentType]


def _instant(microseconds: int) -> datetime:
    return calendar.EPOCH + timedelta(microseconds=microseconds)
