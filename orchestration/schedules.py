"""Jobs and their rhythm."""

from typing import Any

import dagster as dg

from orchestration import assets, checks
from orchestration.services import of_run

MOST_NAMED = 10
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

recheck_job = dg.define_asset_job(
    "recheck_energy_job", selection=dg.AssetSelection.checks(checks.energy_follows_from_readings), executor_def=dg.in_process_executor
)


@dg.op
def compact_lake(context: dg.OpExecutionContext) -> None:
    """Compact what grows by the minute."""
    from transform.maintain import maintain

    services = of_run("maintain")
    done = maintain(services.lake, services.accounts, services.settings, is_light=True)
    context.log.info(f"{done.files_replaced} files folded")


@dg.job(executor_def=dg.in_process_executor)
def compact_lake_job() -> None:
    """Small files of the open day."""
    compact_lake()


@dg.op
def maintain_lake(context: dg.OpExecutionContext) -> None:
    """Fold older days, delete what nobody needs; then look whether every file is whole, and fail where one is not."""
    from aurora.keeping.verify import verify
    from transform.maintain import maintain

    services = of_run("maintain")
    done = maintain(services.lake, services.accounts, services.settings)
    context.log.info(f"{done.as_dict()}")
    damaged = verify(services.lake, services.accounts, services.home)
    if damaged:
        named = "; ".join(f"{one.path}: {one.problem}" for one in damaged[:MOST_NAMED])
        raise dg.Failure(f"{len(damaged)} files are damaged: {named}. Restore the newest backup into an empty home.", allow_retries=False)


@dg.job(executor_def=dg.in_process_executor)
def maintain_lake_job() -> None:
    """The whole lake."""
    maintain_lake()


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


@dg.op
def take_in_files(context: dg.OpExecutionContext) -> None:
    """Import the files that wait in the watched folder."""
    from ingestion.inbox import take_in

    services = of_run("import")
    for one in take_in(services.lake, services.accounts, services.settings, services.home):
        context.log.info(f"{one.site} {one.file}: {one.load_id or one.reason}")


@dg.job(executor_def=dg.in_process_executor)
def import_files_job() -> None:
    """The watched folder's files."""
    take_in_files()


@dg.sensor(job=import_files_job, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def watched_folder(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Begins an import where whole files wait in `inbox/<site>/` of the home."""
    from datetime import UTC, datetime

    from aurora import home, settings
    from ingestion.inbox import waiting

    ready = list(waiting(home.open_home(settings.load()), datetime.now(UTC)))
    if not ready or context.instance.get_runs(dg.RunsFilter(job_name=import_files_job.name, statuses=IN_PROGRESS), limit=1):
        return dg.SkipReason("An import is still at work." if ready else "No files wait.")
    return dg.RunRequest()


JOBS = [
    refresh_job, train_job, forecast_job, advice_job, pull_job, recheck_job, import_files_job, purge_people_job, compact_lake_job,
    maintain_lake_job,
]  # fmt: skip


def all_schedules() -> list[dg.ScheduleDefinition]:
    """The refresh every few minutes as the settings say, forecasts and compaction every hour, the rest once a day."""
    from aurora import settings

    loaded = settings.load()
    return [
        _schedule("every_few_minutes", refresh_job, f"*/{max(1, min(59, loaded.refresh_seconds // 60))} * * * *"),
        _schedule("hourly", forecast_job, "4 * * * *"),
        _schedule("hourly_pull", pull_job, "34 * * * *"),
        _schedule("daily_advice", advice_job, "20 4 * * *"),
        _schedule("daily_training", train_job, "40 3 * * *"),
        _schedule("hourly_compaction", compact_lake_job, "49 * * * *"),
        _schedule("nightly_maintenance", maintain_lake_job, "30 2 * * *"),
        _schedule("daily_recheck", recheck_job, "50 4 * * *"),
        _schedule("daily_purge", purge_people_job, "10 3 * * *"),
    ]


def _schedule(name: str, job: Any, cron: str) -> dg.ScheduleDefinition:
    @dg.schedule(name=name, job=job, cron_schedule=cron, default_status=dg.DefaultScheduleStatus.RUNNING)
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        running = context.instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=IN_PROGRESS), limit=1)
        return dg.SkipReason(f"Run {running[0].run_id} is still at work.") if running else dg.RunRequest()

    return tick
