"""Everything Dagster runs, composed. Runs stay in one process: each further one would import everything again."""

import dagster as dg

from orchestration import assets, checks, schedules

defs = dg.Definitions(
    assets=[*assets.BRONZE, assets.pull_sources, assets.refresh_lake, assets.models, assets.forecasts, assets.recommendations],
    asset_checks=[
        checks.energy_daily_equals_hourly,
        checks.energy_follows_from_readings,
        checks.readings_freshness,
        checks.forecasts_cover_next_hours,
    ],
    jobs=schedules.JOBS,
    schedules=schedules.all_schedules(),
    sensors=[schedules.watched_folder],
    executor=dg.in_process_executor,
)
