"""The compiled project: contracts and tests are held as dbt holds them, and a changed project is compiled anew."""

import json
from pathlib import Path

import duckdb
import pytest

from transform import compiled
from transform.compiled import BuildFailed, Statement

CONTRACT = [("site_id", "varchar"), ("energy_kwh", "double"), ("amount", "decimal(18,6)"), ("channels", "varchar[]")]
KEPT = "select 'a' as site_id, 1.5::double as energy_kwh, 2::decimal(18, 6) as amount, ['x'] as channels"


def _run(*statements: Statement) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        compiled.run(connection, list(statements))
        return connection.execute("select * from made").fetchall()


def test_model_that_keeps_its_contract_is_made() -> None:
    assert len(_run(Statement("made", "table", "made", KEPT, CONTRACT))) == 1


@pytest.mark.parametrize("broken", [KEPT.replace("::double", "::float"), KEPT.replace("energy_kwh", "energy_wh"), f"{KEPT}, 1 as one_more"])
def test_model_that_breaks_its_contract_fails_by_name(broken: str) -> None:
    with pytest.raises(BuildFailed, match="made could not be built: its columns are not those of its contract"):
        _run(Statement("made", "table", "made", broken, CONTRACT))


def test_test_that_rows_fail_is_named_with_their_number() -> None:
    model, test = Statement("made", "table", "made", KEPT), Statement("keys_known", "test", "", "select * from made where site_id = 'a'")
    with pytest.raises(BuildFailed, match="keys_known could not be built: 1 rows fail this test"):
        _run(model, test)


def test_statement_that_is_no_sql_fails_in_one_line() -> None:
    with pytest.raises(BuildFailed, match="made could not be built") as failed:
        _run(Statement("made", "view", "made", "select from\nnothing at"))
    assert "\n" not in str(failed.value)


def test_project_is_compiled_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def compile_project() -> None:
        calls.append(1)
        config = {"materialized": "view"}
        node = {"resource_type": "model", "name": "made", "config": config, "columns": {}, "relation_name": "made", "compiled_code": KEPT}
        late = {"resource_type": "test", "name": "late", "config": {"materialized": "test"}, "columns": {}, "compiled_code": KEPT}
        nodes = {"a.late": late | {"depends_on": {"nodes": ["b.made", "source.x"]}}, "b.made": node | {"depends_on": {"nodes": []}}}
        (tmp_path / "manifest.json").write_text(json.dumps({"nodes": nodes}))

    first = compiled.statements(tmp_path, compile_project)
    assert [statement.name for statement in first] == ["made", "late"]
    assert compiled.statements(tmp_path, compile_project) == first
    assert len(calls) == 1
    monkeypatch.setattr(compiled, "project_version", lambda: "another")
    compiled.statements(tmp_path, compile_project)
    (tmp_path / "statements.json").write_text('{"version": "another", "stat')
    compiled.statements(tmp_path, compile_project)
    assert len(calls) == 3
