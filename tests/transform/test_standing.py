"""Days whose raw readings are gone: what cannot follow there any more is told, to whoever changed it and in `gold/revisions`."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from app.api.server import build
from app.services import open_services
from aurora import home as homes
from aurora.accounts import devices
from aurora.lake import manifest
from aurora.lake.sealing import sealed_days, sealed_of
from aurora.settings import Settings
from tests.transform.test_retention import HOUR, LATER, NOW, _interval, _maintain, _register, history, kept  # noqa: F401

WHY = ", but the raw readings of the day are gone, and its figures stand"


def told(kept: Any) -> list[tuple]:  # noqa: F811
    """Figures that stand: site, day, column, reason; each as the daily row has it."""
    rows = manifest.newest(kept.lake).scan("gold/revisions").collect().filter(pl.col("reason").str.ends_with(WHY))
    assert rows.filter(pl.col("value_before").ne_missing(pl.col("value_after"))).is_empty()
    daily = kept.table("gold/energy_daily")
    for site, day, column, value in rows.select("site_id", "local_date", "column_name", "value_after").iter_rows():
        assert daily.filter((pl.col("site_id") == site) & (pl.col("local_date") == day))[column].item() == value
    columns = rows.select("site_id", "local_date", "column_name", pl.col("reason").str.strip_suffix(WHY))
    return columns.sort("site_id", "local_date").rows()


def test_withdrawals_and_late_register_readings_of_sealed_days_are_told(kept: Any) -> None:  # noqa: F811
    _maintain(kept, LATER)
    kept.land([_interval("berlin", 130, 9.0)], LATER)
    kept.refresh(LATER)
    assert told(kept) == []
    withdrawn = [_interval("berlin", hour) | {"value": None} for hour in (140, 139, 130, 2)]
    kept.land([*withdrawn, _register("sydney", 139) | {"value": 990.0}, _register("sydney", 1) | {"value": 999.9}], LATER)
    kept.refresh(LATER)
    # 139 hours before are 17:00 UTC on 14 November, the day after in Sydney.
    assert told(kept) == [
        ("berlin", date(2026, 11, 14), "consumption_kwh", "2 readings were withdrawn"),
        ("sydney", date(2026, 11, 15), "grid_export_kwh", "1 reading was read late off a register"),
    ]
    kept.refresh(LATER)
    assert len(told(kept)) == 2


def test_fact_by_which_a_device_is_read_tells_each_day_that_it_does_not_reach_once(kept: Any) -> None:  # noqa: F811
    assert sealed_days(manifest.newest(kept.lake), "berlin-meter") is None
    _maintain(kept, LATER)
    newest = manifest.newest(kept.lake)
    stands = sealed_days(newest, "berlin-meter")
    assert stands is not None
    assert stands.as_dict() == {"first_date": "2026-11-14", "last_date": "2026-11-16", "days": 3}
    assert sealed_of(newest, [("berlin-meter", NOW - 140 * HOUR), ("berlin-meter", NOW)]) == {("berlin-meter", NOW - 140 * HOUR)}
    before = kept.table("gold/energy_daily").filter(pl.col("site_id") == "berlin")
    devices.change_device(kept.accounts, "berlin-meter", factor=2.0)
    kept.refresh(LATER)
    rows = told(kept)
    assert {row[0] for row in rows} == {"berlin"}
    assert {row[3] for row in rows} == {"a fact of berlin-meter changed"}
    after = kept.table("gold/energy_daily").filter(pl.col("site_id") == "berlin")
    doubled = after.join(before, on="local_date").filter(pl.col("consumption_kwh") == 2 * pl.col("consumption_kwh_right"))["local_date"]
    standing = [row[1] for row in rows]
    assert standing[0] == before["local_date"].min()
    assert set(standing).isdisjoint(doubled)
    devices.change_device(kept.accounts, "berlin-meter", name="another name")
    kept.refresh(LATER + timedelta(minutes=5))
    assert told(kept) == rows


def test_decision_of_a_sealed_day_that_is_overruled_changes_nothing_is_told_and_touches_no_day_again(neighbourhood: Any) -> None:
    row = {"device_id": "sydney-meter", "channel": "grid_import", "measure": "register_kwh"}
    rows = [row | {"value": 7.0 if hour == 130 else 1000 - hour / 4, "measured_at": NOW - hour * HOUR} for hour in range(144, 0, -1)]
    for day in range(6):
        neighbourhood.land(rows[day * 24 : day * 24 + 24], NOW - timedelta(days=5 - day))
    neighbourhood.refresh(NOW)
    event = neighbourhood.table("gold/meter_events").row(0, named=True)
    daily = neighbourhood.table("gold/energy_daily")
    _maintain(neighbourhood, LATER)
    path = f"/v1/meter-events/{event['event_id']}"
    with TestClient(build(open_services(neighbourhood.settings, neighbourhood.home))) as client:
        token = client.post("/v1/auth/token", data={"username": "ada", "password": "correct horse battery"}).json()["access_token"]
        done = client.put(path, json={"overruled": True}, headers={"Authorization": f"Bearer {token}"})
    assert (event["kind"], done.json()["is_sealed"]) == ("dip", True)
    assert neighbourhood.refresh(LATER).days_touched == 0
    assert neighbourhood.table("gold/energy_daily").equals(daily)


@pytest.mark.parametrize(("facts", "is_told"), [({"factor": 2.0}, True), ({"name": "x"}, False)])
def test_whoever_changes_how_a_device_is_read_learns_which_days_stand(kept: Any, facts: dict, is_told: bool) -> None:  # noqa: F811
    _maintain(kept, LATER)
    settings = Settings(home=Path(kept.lake.storage.uri).parent, _env_file=None)
    with TestClient(build(open_services(settings, homes.open_home(settings)))) as client:
        token = client.post("/v1/auth/token", data={"username": "ada", "password": "correct horse battery"}).json()["access_token"]
        done = client.put("/v1/devices/berlin-meter", json=facts, headers={"Authorization": f"Bearer {token}"})
    assert done.status_code == 200, done.text
    assert done.json()["sealed_days"] == ({"first_date": "2026-11-14", "last_date": "2026-11-16", "days": 3} if is_told else None)
