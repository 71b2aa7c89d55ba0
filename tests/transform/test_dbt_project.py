"""The dbt project by itself: its unit tests hold, and every gold model has one, a contract, a key test and its grain in words."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from aurora.lake import manifest
from tests.prepared import shared_workbench
from transform import compiled, facts, gold
from transform.compiled import PROJECT
from transform.workbench import run_dbt

MARTS = PROJECT / "models" / "marts"


class _Held:
    def confirm(self) -> None:
        return


@pytest.mark.timeout(600)
def test_unit_tests_of_the_models_hold(neighbourhood: Any) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    publication = manifest.begin(neighbourhood.lake, _Held(), "refresh", "test", now)
    known = facts.synchronise(publication, neighbourhood.accounts, now)
    bench = shared_workbench()
    days = pl.DataFrame({"site_id": ["berlin"], "local_date": [date(2026, 3, 29)]})
    spans = publication.scan("dims/measured_channels").collect()
    gold.build(publication, bench, days, known, spans)
    assert run_dbt(bench, "run", "--empty").success
    result = run_dbt(bench, "test", "--select", "test_type:unit")
    told = [f"{row.node.name}: {row.message}" for row in result.result if row.status != "pass"]
    assert result.success, told
    assert len(result.result) >= 5


def test_dbt_builds_the_tables_that_the_refresh_builds(neighbourhood: Any) -> None:
    began = datetime(2026, 3, 28, tzinfo=UTC)
    readings = [
        {"device_id": "berlin-meter", "channel": channel, "measure": "interval_kwh", "interval_seconds": 900, "value": n % 7 / 10,
         "measured_at": began + timedelta(minutes=15 * n)}
        for n in range(200) for channel in ("consumption", "grid_import")
    ]  # fmt: skip
    neighbourhood.land(readings, began + timedelta(days=3))
    neighbourhood.refresh(began + timedelta(days=3))
    publication = manifest.begin(neighbourhood.lake, _Held(), "refresh", "test", began + timedelta(days=3))
    known = facts.synchronise(publication, neighbourhood.accounts, began + timedelta(days=3))
    days = publication.scan("gold/energy_daily").select("site_id", "local_date").collect()
    bench = shared_workbench()
    made = gold.build(publication, bench, days, known, publication.scan("dims/measured_channels").collect())
    result = run_dbt(bench, "build", "--exclude-resource-type", "unit_test")
    assert result.success
    assert len(result.result) == len(compiled.statements(bench.target, lambda: pytest.fail("compiled already")))
    with duckdb.connect(bench.file, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        built = {name: pl.DataFrame(connection.sql(f'select * from "{name}"').to_arrow_table()) for name in made.tables}
    for name, rows in made.tables.items():
        by = [column for column in ("site_id", "interval_start_at", "local_date", "local_month", "part") if column in rows.columns]
        again = built[name].select(rows.columns).with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
        assert rows.height
        assert_frame_equal(rows.sort(by), again.sort(by), abs_tol=1e-12, rel_tol=0)


@pytest.mark.parametrize("path", sorted(MARTS.glob("*.sql")), ids=lambda path: path.stem)
def test_every_gold_model_has_contract_key_test_grain_and_unit_test(path: Any) -> None:
    described = yaml.safe_load(path.with_suffix(".yml").read_text())["models"][0]
    assert described["name"] == path.stem
    assert described["config"]["contract"]["enforced"] is True
    assert "Grain is" in described["description"]
    assert any("unique_together" in test for test in described["data_tests"] if isinstance(test, dict))
    units = yaml.safe_load((MARTS / "unit_tests.yml").read_text())["unit_tests"]
    assert any(unit["model"] == path.stem for unit in units)
