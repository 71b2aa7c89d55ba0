"""Findings about single devices: silver and quality of whole local weeks, and what is known of meters."""

import polars as pl

from aurora.domain.calendar import DAY_SECONDS, QUARTER_SECONDS
from transform.judge import found

QUARTER = pl.duration(minutes=15)
QUARTERS_AN_HOUR = 4
GAP_LEAST_HOURS = 3
GAP_CRITICAL_HOURS = 48
FLAT_LEAST_HOURS = {"production": 6}
FLAT_ELSE_HOURS = 24
FLAT_LEAST_KWH = 1e-4
FLAT_LONGEST_SPAN_SECONDS = 3600
DOUBLED_LEAST_QUARTERS = 48
DOUBLED_LEAST_VALUES = 24
DOUBLED_SHARE = 0.98
DOUBLED_APART_RATIO = 0.005
CHECK_APART_RATIO = 0.05
CHECK_LEAST_KWH = 0.5
CHECK_WHOLE_RATIO = 0.95
LATE_SHARE = 0.25
LATE_LEAST = 10
FLOOD_SHARE = 0.5
FLOOD_LEAST = 100
WEEK = ["site_id", "device_id", "channel", "week_start_date"]


def find_gaps(silver: pl.DataFrame, weeks: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Findings `gap`: stretches without a covered quarter hour between the first and the last that a device ever measured.

    Args:
        silver: Rows of `silver/energy` of the weeks, sorted by device, channel and time.
        weeks: site_id, week_start_date, week_start_at, week_end_at.
        spans: site_id, device_id, channel, first_at, last_at.
    """
    held = spans.join(weeks, on="site_id").with_columns(
        pl.max_horizontal("first_at", "week_start_at").alias("from_at"), pl.min_horizontal("last_at", "week_end_at").alias("until_at")
    )
    held = held.filter(pl.col("from_at") < pl.col("until_at"))
    ends = pl.concat(
        [_heard(silver), *(held.select(*WEEK, pl.col(edge).alias("at"), pl.col(edge).alias("next_at")) for edge in ("from_at", "until_at"))]
    ).sort(*WEEK, "at", "next_at")
    silent = ends.with_columns(pl.col("next_at").cum_max().shift(1).over(WEEK).alias("starts_at")).filter(
        (pl.col("at") - pl.col("starts_at")).dt.total_seconds() >= GAP_LEAST_HOURS * 3600
    )
    hours = (pl.col("at") - pl.col("starts_at")).dt.total_seconds() / 3600
    rows = silent.with_columns(hours.alias("expected"), pl.lit(0.0).alias("observed")).rename({"at": "ends_at"})
    severity = pl.when(pl.col("expected") >= GAP_CRITICAL_HOURS).then(pl.lit("critical")).otherwise(pl.lit("warning"))
    return found.shaped(rows.with_columns(severity.alias("severity")), kind="gap", category="data")


def _heard(silver: pl.DataFrame) -> pl.DataFrame:
    """Stretches without a gap: `WEEK`, at, next_at (their end). There are few, where quarter hours are many."""
    covered = silver.filter(pl.col("covered_seconds") > 0).select(*WEEK, pl.col("interval_start_at").alias("at"))
    is_other = pl.any_horizontal([pl.col(name) != pl.col(name).shift(1) for name in WEEK])
    begins = (is_other | (pl.col("at") - pl.col("at").shift(1) >= pl.duration(hours=GAP_LEAST_HOURS))).fill_null(value=True)
    marked = covered.with_columns(begins.alias("begins"), begins.shift(-1, fill_value=True).alias("ends"))
    edges = marked.filter(pl.col("begins") | pl.col("ends"))
    last_at = pl.when("ends").then("at").otherwise(pl.col("at").shift(-1))
    return edges.with_columns((last_at + QUARTER).alias("next_at")).filter("begins").select(*WEEK, "at", "next_at")


def find_flatlines(silver: pl.DataFrame) -> pl.DataFrame:
    """Findings `flatline`: the same energy above nothing in every quarter hour; what was shared out of longer spans is not judged.

    Args:
        silver: Rows of `silver/energy`, sorted by device, channel and time.
    """
    own = (pl.col("span_seconds").is_null() | (pl.col("span_seconds") <= FLAT_LONGEST_SPAN_SECONDS)) & (
        pl.col("energy_kwh") > FLAT_LEAST_KWH
    )
    # A stored float of the same reading is the same to the last digits only.
    rows = silver.filter(own & (pl.col("covered_seconds") >= QUARTER_SECONDS - 1)).with_columns(
        pl.col("energy_kwh").round_sig_figs(8).alias("value")
    )
    # Nearly all quarter hours are like neither of their neighbours: only the others are worth grouping.
    goes_on = pl.all_horizontal([pl.col(name) == pl.col(name).shift(1) for name in ["value", *WEEK]]).fill_null(value=False)
    marked = rows.with_columns(goes_on.alias("goes_on")).with_columns((~pl.col("goes_on")).cum_sum().alias("block"))
    alike = marked.filter(pl.col("goes_on") | pl.col("goes_on").shift(-1, fill_value=False)).with_columns(
        pl.col("interval_start_at").alias("starts_at"),
        (pl.col("interval_start_at") + QUARTER).alias("ends_at"),
        pl.col("energy_kwh").alias("observed"),
        pl.lit(None, dtype=pl.Float64).alias("expected"),
    )
    runs = found.runs(alike, [*WEEK, "block"], pl.lit(value=True), min([*FLAT_LEAST_HOURS.values(), FLAT_ELSE_HOURS]) * QUARTERS_AN_HOUR)
    least = pl.col("channel").replace_strict(FLAT_LEAST_HOURS, default=FLAT_ELSE_HOURS, return_dtype=pl.Int64) * 3600
    long = runs.filter((pl.col("ends_at") - pl.col("starts_at")).dt.total_seconds() >= least).with_columns(
        pl.lit(None, dtype=pl.Float64).alias("expected")
    )
    return found.shaped(long, kind="flatline", category="meter", severity="warning")


def find_doubles(silver: pl.DataFrame, main: list[str]) -> pl.DataFrame:
    """Findings `doubled`: main devices that say the same of a channel, day by day; all but the first by id, each with one it repeats."""
    rows = silver.filter(pl.col("device_id").is_in(main) & (pl.col("energy_kwh") > FLAT_LEAST_KWH)).select(
        *WEEK, "local_date", "interval_start_at", "energy_kwh"
    )
    several = rows.group_by("site_id", "channel").agg(pl.col("device_id").n_unique().alias("n")).filter(pl.col("n") > 1)
    rows = rows.join(several, on=["site_id", "channel"], how="semi")
    place = ["site_id", "channel", "week_start_date", "local_date", "interval_start_at"]
    pairs = rows.join(rows, on=place, suffix="_twin").filter(pl.col("device_id_twin") < pl.col("device_id"))
    apart = (pl.col("energy_kwh") - pl.col("energy_kwh_twin")).abs() <= DOUBLED_APART_RATIO * pl.col("energy_kwh")
    days = (
        pairs.sort("interval_start_at")
        .group_by("site_id", "channel", "device_id", "device_id_twin", "week_start_date", "local_date", maintain_order=True)
        .agg(
            pl.col("interval_start_at").first().alias("starts_at"),
            (pl.col("interval_start_at").last() + QUARTER).alias("ends_at"),
            pl.col("energy_kwh").sum().alias("observed"),
            apart.mean().alias("alike"),
            pl.len().alias("quarters"),
            pl.col("energy_kwh").round(6).n_unique().alias("values"),
        )
        .filter((pl.col("quarters") >= DOUBLED_LEAST_QUARTERS / 2) & (pl.col("alike") >= DOUBLED_SHARE))
    )
    weeks = (
        days.group_by("site_id", "channel", "device_id", "device_id_twin", "week_start_date", maintain_order=True)
        .agg(
            pl.col("starts_at", "local_date").first(),
            pl.col("ends_at").last(),
            pl.col("observed", "quarters", "values").sum(),
        )
        .filter((pl.col("quarters") >= DOUBLED_LEAST_QUARTERS) & (pl.col("values") >= DOUBLED_LEAST_VALUES))
        .sort(*WEEK, "device_id_twin")
        .unique(WEEK, keep="first", maintain_order=True)
        .with_columns(pl.lit(0.0).alias("expected"), pl.col("device_id_twin").alias("evidence"))
    )
    return found.shaped(weeks, kind="doubled", category="data", severity="warning")


def find_disagreements(silver: pl.DataFrame, roles: pl.DataFrame) -> pl.DataFrame:
    """Findings `meter_disagreement`: days on which a check meter and the main ones differ, where both measured nearly all of the day.

    Args:
        silver: Rows of `silver/energy`.
        roles: device_id, role.
    """
    checked = silver.join(roles.filter(pl.col("role") == "check"), on="device_id", how="semi").select("site_id").unique()
    rows = silver.join(checked, on="site_id", how="semi").join(roles.filter(pl.col("role").is_in(["main", "check"])), on="device_id")
    days = rows.group_by([*WEEK, "local_date", "role"]).agg(
        pl.col("interval_start_at").min().alias("starts_at"),
        (pl.col("interval_start_at").max() + QUARTER).alias("ends_at"),
        pl.col("energy_kwh").sum(),
        pl.col("covered_seconds").sum(),
    )  # fmt: skip
    # A short day has 23 hours; what is missing in one of 24 is at most that.
    whole = pl.col("covered_seconds") >= CHECK_WHOLE_RATIO * (DAY_SECONDS - 3600)
    main = days.filter(pl.col("role") == "main").group_by("site_id", "channel", "local_date").agg(
        pl.col("energy_kwh").sum().alias("expected"), whole.all().alias("is_whole")
    )  # fmt: skip
    both = days.filter((pl.col("role") == "check") & whole).join(main.filter("is_whole"), on=["site_id", "channel", "local_date"])
    both = both.rename({"energy_kwh": "observed"}).sort(*WEEK, "starts_at")
    apart = (pl.col("observed") - pl.col("expected")).abs()
    limit = pl.max_horizontal(CHECK_APART_RATIO * pl.max_horizontal("observed", "expected"), pl.lit(CHECK_LEAST_KWH))
    rows = found.runs(both, WEEK, apart > limit, 1)
    return found.shaped(rows, kind="meter_disagreement", category="meter", severity="warning")


def find_deliveries(quality: pl.DataFrame) -> pl.DataFrame:
    """Findings `late_data duplicate_flood` of device-days.

    Args:
        quality: Rows of `gold/data_quality` with starts_at, ends_at of the day.
    """
    late = (pl.col("late") >= LATE_LEAST) & (pl.col("late") > LATE_SHARE * pl.col("received"))
    flood = (pl.col("duplicates") >= FLOOD_LEAST) & (pl.col("duplicates") > FLOOD_SHARE * pl.col("received"))
    parts = [
        found.shaped(
            quality.filter(condition).with_columns(pl.col(column).alias("observed"), pl.col("received").alias("expected")),
            kind=kind, category="data", severity="info",
        )
        for kind, column, condition in (("late_data", "late", late), ("duplicate_flood", "duplicates", flood))
    ]  # fmt: skip
    return pl.concat(parts)


EVENT_SEVERITY = {"rollover": "info", "replacement": "info", "dip": "info", "glitch": "info", "stuck": "warning", "reset": "warning",
                  "unit_switch": "warning"}  # fmt: skip


def find_events(events: pl.DataFrame) -> pl.DataFrame:
    """Findings of decisions how a meter was read; one that a person reversed is withdrawn.

    Args:
        events: Rows of `gold/meter_events`.
    """
    rows = events.filter(pl.col("kind").is_in(list(EVENT_SEVERITY))).with_columns(
        pl.col("at").alias("starts_at"),
        (pl.col("at") + QUARTER).alias("ends_at"),
        pl.col("energy_kwh_affected").alias("observed"),
        pl.col("is_overruled").fill_null(value=False).alias("is_withdrawn"),
        pl.col("kind").replace_strict(EVENT_SEVERITY, return_dtype=pl.String).alias("severity"),
    )
    return found.shaped(rows, category="meter")


def find_silent(status: pl.DataFrame) -> pl.DataFrame:
    """Findings `silent`: devices that are not heard from now, since their last reading.

    Args:
        status: device_id, site_id, state, last_reading_at.
    """
    rows = status.filter(pl.col("state").is_in(["silent", "offline"]) & pl.col("last_reading_at").is_not_null()).with_columns(
        pl.col("last_reading_at").alias("starts_at"), pl.col("state").alias("evidence")
    )
    return found.shaped(rows, kind="silent", category="data", severity="warning")
