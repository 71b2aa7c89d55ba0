"""The consultants' entry point: the published lake, now and as it was known."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from aurora import home as homes
from aurora.connect import connect
from aurora.errors import NotReady, Refused
from aurora.lake import manifest
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from tests.prepared import lake_of

DAYS = pl.DataFrame(TABLES["gold/energy_daily"].schema.empty_table()).schema
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class _Held:
    def confirm(self) -> None:
        return


def _publish(lake: Lake, consumption_kwh: float) -> str:
    publication = manifest.begin(lake, _Held(), "refresh", "test", BEGAN)
    row = {"site_id": "home", "local_date": BEGAN.date(), "consumption_kwh": consumption_kwh}
    rows = pl.DataFrame([row], schema=DAYS).drop("refresh_id")
    publication.replace("gold/energy_daily", rows, rows.select("site_id", "local_date"))
    return publication.finish(consumed={"bronze/readings": 0})


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    settings = Settings(home=tmp_path / "home", _env_file=None)  # pyright: ignore[reportCallIssue]
    homes.create(settings)
    monkeypatch.setenv("AURORA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AURORA_LAKE_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return lake_of(settings)


def test_lake_is_asked_now_and_as_of_an_earlier_publication(lake: Lake) -> None:
    first = _publish(lake, 4.12)
    between = datetime.now(UTC)
    second = _publish(lake, 4.37)
    assert connect().refresh_id == second
    assert connect().table("gold/energy_daily")["consumption_kwh"].to_list() == [4.37]
    for as_of in (first, between, between.isoformat()):
        then = connect(as_of=as_of)
        assert then.refresh_id == first
        assert then.table("gold/energy_daily")["consumption_kwh"].to_list() == [4.12]
        assert then.sql("select sum(consumption_kwh) as kwh from gold.energy_daily")["kwh"].to_list() == [4.12]


def test_what_was_never_published_is_refused_with_the_way_out(lake: Lake) -> None:
    _publish(lake, 1.0)
    with pytest.raises(NotReady, match="as of"):
        connect(as_of=datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(Refused, match="offset"):
        connect(as_of="2026-03-01T00:00:00")
    with pytest.raises(Refused, match="gold/energy_daily"):
        connect().table("gold/nothing")


def test_demo_is_used_and_named_where_nothing_else_is_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(home=tmp_path / "home", _env_file=None)  # pyright: ignore[reportCallIssue]
    made = homes.create(settings, is_demo=True)
    lake_of(settings.model_copy(update={"home": made.path}))
    monkeypatch.setenv("AURORA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AURORA_LAKE_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert connect().table("gold/energy_daily").is_empty()
    assert str(made.path) in capsys.readouterr().err
