"""The dbt project by itself: its unit tests hold, and every gold model has one, a contract, a key test and its grain in words."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
import yaml

from aurora.lake import manifest
from transform import facts, gold
from transform.workbench import PROJECT, of_home, run_dbt

MARTS = PROJECT / "models" / "marts"


class _Held:
    def confirm(self) -> None:
        return


@pytest.mark.timeout(600)
def test_unit_tests_of_the_models_hold(neighbourhood: Any) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    publication = manifest.begin(neighbourhood.lake, _Held(), "refresh", "test", now)
    known = facts.synchronise(publication, neighbourhood.accounts, now)
    bench = of_home(neighbourhood.home)
    days = pl.DataFrame({"site_id": ["berlin"], "local_date": [date(2026, 3, 29)]})
    spans = publication.scan("dims/measured_channels").collect()
    gold.build(publication, bench, days, known, spans)
    result = run_dbt(bench, "test", "--select", "test_type:unit")
    told = [f"{row.node.name}: {row.message}" for row in result.result if row.status != "pass"]
    assert result.success, told
    assert len(result.result) >= 5


@pytest.mark.parametrize("path", sorted(MARTS.glob("*.sql")), ids=lambda path: path.stem)
def test_every_gold_model_has_contract_key_test_grain_and_unit_test(path: Any) -> None:
    described = yaml.safe_load(path.with_suffix(".yml").read_text())["models"][0]
    assert described["name"] == path.stem
    assert described["config"]["contract"]["enforced"] is True
    assert "Grain is" in described["description"]
    assert any("unique_together" in test for test in described["data_tests"] if isinstance(test, dict))
    units = yaml.safe_load((MARTS / "unit_tests.yml").read_text())["unit_tests"]
    assert any(unit["model"] == path.stem for unit in units)
