"""The tables as Dagster's assets: what is landed, rebuilt, judged, foreseen and advised, with what each run did."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.services import of_run

BRONZE = [dg.AssetSpec(["bronze", name], group_name="landing", description=text) for name, text in (
    ("readings", "Readings as received, landed by the ingestion process."),
    ("rejected", "What was refused, with its reason; `aurora replay-rejected` puts it through again."),
)]  # fmt: skip

_READINGS = dg.AssetKey(["bronze", "readings"])
_REFRESHED = {
    "silver/energy": "Energy of every quarter hour, by device and channel.",
    "gold/energy_15min": "Energy and money of every quarter hour of a site.",
    "gold/energy_hourly": "Energy and money of every clock hour of a site.",
    "gold/energy_daily": "Energy, money and figures of every local day.",
    "gold/energy_monthly": "Energy, money and figures of every local month.",
    "gold/cost_lines": "Money of every contract part and day.",
    "gold/meter_events": "How meters were read where it took a decision.",
    "gold/data_quality": "How complete each device's day is.",
    "gold/device_status": "Whether each device is heard from.",
    "gold/revisions": "What changed on days that were closed, and why.",
    "gold/anomalies": "What a person should know.",
}


def asset_key(table: str) -> dg.AssetKey:
    """The asset of a table: its layer and its name."""
    return dg.AssetKey(table.split("/"))


def _refresh_specs() -> list[dg.AssetSpec]:
    upstream = {"silver/energy": [_READINGS]}
    return [
        dg.AssetSpec(asset_key(name), group_name="refresh", description=text, deps=upstream.get(name, [asset_key("silver/energy")]))
        for name, text in _REFRESHED.items()
    ]


class RefreshConfig(dg.Config):
    """How a refresh is run.

    Attributes:
        full: Rebuild everything that still has raw readings.
        budget_seconds: Time for closed days; 0: all of them.
    """

    full: bool = False
    budget_seconds: float = 0


@dg.multi_asset(specs=_refresh_specs(), name="refresh_lake", can_subset=False)
def refresh_lake(context: dg.AssetExecutionContext, config: RefreshConfig) -> Iterator[dg.MaterializeResult[Any]]:
    """Bring silver and gold up to every reading committed so far."""
    from transform.refresh import Refresher

    services = of_run("refresh")
    budget = config.budget_seconds or services.settings.refresh_budget_seconds
    done = Refresher(services.lake, services.accounts, services.home, services.settings).run(
        full=config.full,
        budget_seconds=None if config.full else budget,
        waiting=lambda who: context.log.info(f"Waiting: {who} is publishing."),
    )
    context.log.info(f"{done.readings_in} readings, {done.days_touched} site-days, {done.pending_days} pending; seconds: {done.seconds}")
    story: dict[str, Any] = {
        "refresh_id": done.refresh_id, "readings_in": done.readings_in, "days_touched": done.days_touched,
        "pending_days": done.pending_days, "anomalies_found": done.anomalies, "seconds": done.seconds,
    }  # fmt: skip
    for name in _REFRESHED:
        yield dg.MaterializeResult(asset_key=asset_key(name), metadata=story | {"dagster/row_count": _rows(services, name)})


@dg.asset(key=["meta", "models"], group_name="foresight", deps=[asset_key("gold/energy_hourly")])
def models(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Forecast models, trained again and tracked in MLflow."""
    from datetime import UTC, datetime

    from ml.forecast import train

    services = of_run("train")
    trained = train(services.lake, services.accounts, services.home, services.settings, datetime.now(UTC))
    context.log.info(f"{len(trained)} models trained")
    return dg.MaterializeResult(metadata={"models": len(trained)})


@dg.asset(key=["gold", "forecasts"], group_name="foresight", deps=[asset_key("meta/models"), asset_key("gold/energy_hourly")])
def forecasts() -> dg.MaterializeResult[Any]:
    """Consumption and production of the next 24 hours, with bands; forecasts of days that are over are scored."""
    from datetime import UTC, datetime

    from ml.forecast import issue_forecasts, score_forecasts

    services, now = of_run("forecast"), datetime.now(UTC)
    rows = issue_forecasts(services.lake, services.accounts, services.home, services.settings, now)
    scored = score_forecasts(services.lake, services.accounts, services.settings, now)
    return dg.MaterializeResult(metadata={"rows_issued": rows, "scores": scored})


PULLED = ["bronze/weather", "bronze/prices", "bronze/carbon"]


@dg.multi_asset(specs=[dg.AssetSpec(asset_key(name), group_name="landing") for name in PULLED], name="pull_sources", can_subset=False)
def pull_sources(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
    """Weather, prices and carbon intensity of the services that the settings name. One that fails is asked again an hour later."""
    from datetime import UTC, datetime

    from ingestion.sources.pull import TABLE_OF
    from ingestion.sources.registry import pull_all

    services = of_run("sources")
    done = pull_all(services.lake, services.accounts, services.settings, services.home, datetime.now(UTC))
    for one in done:
        (context.log.warning if one.state == "failed" else context.log.info)(f"{one.source} {one.target}: {one.state} {one.message}")
    for name in PULLED:
        mine = [one for one in done if TABLE_OF[one.kind] == name]
        states = {f"{one.source} {one.target}": one.state for one in mine}
        yield dg.MaterializeResult(asset_key=asset_key(name), metadata={"rows": sum(one.rows for one in mine), "states": states})


@dg.asset(key=["gold", "recommendations"], group_name="advice", deps=[asset_key("gold/energy_hourly"), asset_key("gold/cost_lines")])
def recommendations() -> dg.MaterializeResult[Any]:
    """What to do, with what it saves."""
    from datetime import UTC, datetime

    from ml.advice import recommend

    services = of_run("advice")
    rows = recommend(services.lake, services.accounts, services.home, services.settings, datetime.now(UTC))
    return dg.MaterializeResult(metadata={"rows": rows})


def _rows(services: Any, name: str) -> int:
    from aurora.lake import manifest

    snapshot = manifest.newest(services.lake)
    files = services.lake.files(name, snapshot.versions.get(name, 0))
    return int(files["num_records"].sum()) if files.height else 0
