"""Only baselines of which something can come are tried again at each refresh."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from transform.judge.baselines import CENTRE, LEAST_DAYS, TRAILING_WEEKS, fit_baselines, fit_centres, fittable
from transform.judge.hours import CHANNELS, unfold
from transform.judge.sun import day_centres

MONDAY = date(2026, 9, 7)
KEY = ["site_id", "channel", "week_start_date"]
# Days before the week on which each site is measured: too few, just enough, all; the last has no sun on its roof.
DAYS = {"few": LEAST_DAYS - 1, "enough": LEAST_DAYS, "all": 70, "dark": 70}


def _hourly() -> pl.DataFrame:
    random, parts = np.random.default_rng(4), list[pl.DataFrame]()
    for site, days in DAYS.items():
        first = MONDAY - timedelta(days=days)
        at = pl.datetime_range(first, MONDAY, "1h", closed="left", time_unit="us", time_zone="UTC", eager=True)
        sun = pl.lit(0.0) if site == "dark" else pl.when(pl.col("local_date").dt.day() % 5 > 0).then(pl.lit(0.4)).otherwise(0.2)
        parts.append(
            pl.DataFrame({"interval_start_at": at, "consumption_kwh": random.random(at.len())})
            .with_columns(pl.col("interval_start_at").dt.date().alias("local_date"), pl.lit(site).alias("site_id"))
            .with_columns(
                sun.alias("production_kwh"), pl.lit(3600, dtype=pl.Int64).alias("interval_seconds"), completeness_ratio=pl.lit(1.0)
            )
        )
    return pl.concat(parts)


def test_baselines_that_cannot_be_fitted_are_not_tried_again() -> None:
    hourly = _hourly()
    daily = hourly.group_by("site_id", "local_date").agg(pl.col("consumption_kwh", "production_kwh").sum())
    weeks = pl.DataFrame({"site_id": list(DAYS), "week_start_date": [MONDAY] * len(DAYS)})
    later = weeks.with_columns(pl.col("week_start_date") + timedelta(weeks=TRAILING_WEEKS - 1))
    missing = pl.concat([weeks, later]).join(pl.DataFrame({"channel": [*CHANNELS, CENTRE]}), how="cross").select(KEY)
    hours = unfold(hourly, dict.fromkeys(DAYS, "UTC"))
    made = pl.concat([fit_baselines(hours, missing), fit_centres(day_centres(hours), missing.filter(pl.col("channel") == CENTRE))])
    tried = fittable(missing, daily)
    assert set(tried.rows()) == set(made.select(KEY).rows())
    assert set(tried.filter(pl.col("week_start_date") == MONDAY).select("site_id", "channel").rows()) == {
        *((site, channel) for site in ("enough", "all", "dark") for channel in CHANNELS), ("enough", CENTRE), ("all", CENTRE),
    }  # fmt: skip
