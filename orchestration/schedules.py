"""Jobs and their rhythm."""

from typing import Any

import dagster as dg

from orchestration import assets, checks
from orchestration.services import of_run

IN_PROGRESS = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]

refresh_job = dg.define_asset_job(
    "refresh_lake_job",
    selection=dg.AssetSelection.assets(assets.refresh_lake) | dg.AssetSelection.checks(checks.readings_freshness),
    executor_def=dg.in_process_executor,
)
train_job = dg.define_asset_job("train_models_job", selection=dg.AssetSelection.assets(assets.models), executor_def=dg.in_process_executor)
forecast_job = dg.define_asset_job(
    "issue_forecasts_job", selection=dg.AssetSelection.assets(assets.forecasts), executor_def=dg.in_process_executor
)
advice_job = dg.define_asset_job(
    "score_recommendations_job", selection=dg.AssetSelection.assets(assets.recommendations), executor_def=dg.in_process_executor
)


pull_job = dg.define_asset_job(
    "pull_sources_job", selection=dg.AssetSelection.assets(assets.pull_sources), executor_def=dg.in_process_executor
)


@dg.op
def purge_people(context: dg.OpExecutionContext) -> None:
    """Erase people who deleted their account long enough ago."""
    from datetime import UTC, datetime

    from aurora.accounts import people

    services = of_run("maintain")
    gone = people.purge(services.accounts, datetime.now(UTC), services.settings.purge_days)
    context.log.info(f"Erased: {gone}")


@dg.job(executor_def=dg.in_process_executor)
def purge_people_job() -> None:
    """What the accounts no longer need to hold."""
    purge_people()


JOBS = [refresh_job, train_job, forecast_job, advice_job, pull_job, purge_people_job]


def all_schedules() -> list[dg.ScheduleDefinition]:
    """The refresh every few minutes as the settings say, forecasts every hour, advice once and training once a day."""
    from aurora import settings

    loaded = settings.load()
    return [
        _schedule("every_few_minutes", refresh_job, f"*/{max(1, min(59, loaded.refresh_seconds // 60))} * * * *"),
        _schedule("hourly", forecast_job, "4 * * * *"),
        _schedule("hourly_pull", pull_job, "34 * * * *"),
        _schedule("daily_advice", advice_job, "20 4 * * *"),
        _schedule("daily_training", train_job, "40 3 * * *"),
        _schedule("daily_purge", purge_people_job, "10 3 * * *"),
    ]


def _schedule(name: str, job: Any, cron: str) -> dg.ScheduleDefinition:
    @dg.schedule(name=name, job=job, cron_schedule=cron, default_status=dg.DefaultScheduleStatus.RUNNING)
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        running = context.instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=IN_PROGRESS), limit=1)
        return dg.SkipReason(f"Run {running[0].run_id} is still at work.") if running else dg.RunRequest()

    return tick
