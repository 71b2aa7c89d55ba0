"""An import that is undone leaves the lake as if it had never come."""

import json
import multiprocessing
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from aurora.accounts.database import Accounts
from aurora.errors import Refused, Unknown
from aurora.lake import manifest
from aurora.lake.store import Lake, open_lake
from aurora.settings import Settings
from ingestion import bronze
from ingestion.files import import_file
from ingestion.withdrawals import is_withdrawn, undo_load
from orchestration.cli.commands import cli
from tests.transform.conftest import COMPARED, Neighbourhood, build_neighbourhood
from transform import compaction

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY = datetime(2026, 10, 24, tzinfo=UTC)
TABLES = (*COMPARED, "gold/device_status")


@pytest.fixture
def place(tmp_path: Path) -> Neighbourhood:
    return build_neighbourhood(tmp_path)


def csv(seed: int, quarters: int, name: str = "load_kwh", first: datetime = DAY, step: int = 15) -> str:
    lines = [f"{(first + timedelta(minutes=step * n)).isoformat()},{(seed * 31 + n * 7) % 50 / 10 + seed / 100}" for n in range(quarters)]
    return "\n".join([f"timestamp,{name}", *lines]) + "\n"


def load(place: Neighbourhood, text: str, **flags: Any) -> str:
    file = place.home.path / "file.csv"
    file.write_text(text)
    return import_file(place.lake, place.accounts, place.settings, file, "berlin", now=NOW, **flags).load_id


def live(place: Neighbourhood, quarters: int, received_at: datetime) -> None:
    rows = [
        {"device_id": "berlin-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900,
         "measured_at": DAY + timedelta(minutes=15 * n), "value": n / 10}
        for n in range(0, quarters, 2)
    ]  # fmt: skip
    place.land(rows, received_at)


def tables(place: Neighbourhood) -> dict[str, pl.DataFrame]:
    place.refresh(NOW)
    return {name: place.table(name) for name in TABLES}


def rows(place: Neighbourhood) -> pl.DataFrame:
    return place.lake.scan(bronze.READINGS).sort("received_at", "sequence").collect()


def assert_same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    for name in TABLES:
        assert_frame_equal(one[name], other[name], abs_tol=1e-9, rel_tol=0, check_exact=False)


@pytest.mark.parametrize("is_compacted", [False, True])
def test_undone_loads_give_back_what_they_had_superseded(place: Neighbourhood, is_compacted: bool) -> None:
    device = {"device": "berlin-meter"}
    nothing, empty = tables(place), rows(place)
    first = load(place, csv(1, 300), **device)
    live(place, 200, NOW + timedelta(seconds=5))
    before, raw = tables(place), rows(place)
    over = load(place, csv(2, 400), **device)
    if is_compacted:
        compaction.compact_bronze(place.lake, most_files=1)
    changed = tables(place)
    assert changed["gold/energy_daily"].height > before["gold/energy_daily"].height
    assert undo_load(place.lake, place.accounts, over).readings == 400
    assert_frame_equal(rows(place), raw)
    assert_same(tables(place), before)
    assert undo_load(place.lake, place.accounts, first).readings == 300
    place.lake.withdraw(bronze.READINGS, "test")
    assert_frame_equal(rows(place), empty)
    assert_same(tables(place), nothing)


@pytest.mark.parametrize("flags", [{"measure": "register_kwh"}, {"measure": "power_kw", "unit": "kW"}, {"measure": "interval_kwh"}])
@pytest.mark.parametrize("step", [15, 180])
def test_undo_of_any_measure_touches_every_day_that_it_reached(place: Neighbourhood, flags: dict[str, str], step: int) -> None:
    text = "\n".join(f"{(DAY + timedelta(hours=7 * n)).isoformat()},{100 + n}" for n in range(30))
    load(place, f"timestamp,x\n{text}\n", channels={"x": "consumption"}, **flags)
    before = tables(place)
    shifted = csv(3, 40, "x", DAY + timedelta(days=2, minutes=3), step)
    over = load(place, shifted, channels={"x": "consumption"}, **flags)
    tables(place)
    undo_load(place.lake, place.accounts, over)
    assert_same(tables(place), before)


def test_undo_before_any_refresh_saw_the_load_and_a_full_refresh_after_it(place: Neighbourhood) -> None:
    live(place, 100, NOW)
    before = tables(place)
    undo_load(place.lake, place.accounts, load(place, csv(2, 400), device="berlin-meter"))
    assert_same(tables(place), before)
    over = load(place, csv(4, 900), device="berlin-meter")
    tables(place)
    undo_load(place.lake, place.accounts, over)
    place.refresh(NOW, full=True)
    assert_same({name: place.table(name) for name in TABLES}, before)


def test_second_undo_does_nothing_and_nothing_lands_after_it(place: Neighbourhood) -> None:
    over = load(place, csv(1, 10) + "soon,1\n")
    assert undo_load(place.lake, place.accounts, over).as_dict() == {"load_id": over, "readings": 10, "rejected": 1}
    version = place.lake.version(bronze.READINGS)
    assert undo_load(place.lake, place.accounts, over).as_dict() == {"load_id": over, "readings": 0, "rejected": 0}
    assert place.lake.version(bronze.READINGS) == version
    assert place.lake.scan(bronze.REJECTED).collect().height == 0
    columns = pl.DataFrame(
        [{"device_id": "berlin-meter", "channel": "consumption", "measure": "power_kw", "measured_at": DAY, "interval_seconds": None,
          "value": 1.0, "quality": None}],
        schema_overrides={"interval_seconds": pl.Int64, "quality": pl.String, "measured_at": pl.Datetime("us", "UTC")}
    ).to_arrow().cast(bronze.READING_COLUMNS)  # fmt: skip
    source = f"import:{over}"
    bronze.land_readings(place.lake, bronze.stamps_above(place.lake), columns, source, NOW, (source, 11))
    assert rows(place).height == 0


def test_undone_reading_is_told_as_the_reason_of_a_revision(place: Neighbourhood) -> None:
    load_id = load(place, csv(1, 96))
    tables(place)
    undo_load(place.lake, place.accounts, load_id)
    tables(place)
    found = manifest.newest(place.lake).scan("gold/revisions").collect()
    assert found.height
    assert found.get_column("reason").unique().to_list() == ["an import was withdrawn"]


def test_load_whose_values_a_later_one_counts_as_known_undone_after_that_one(place: Neighbourhood) -> None:
    first, second = load(place, csv(1, 20)), load(place, csv(1, 30))
    with pytest.raises(Refused, match=f"Undo it first, then {first}") as refusal:
        undo_load(place.lake, place.accounts, first)
    assert second in str(refusal.value)
    assert undo_load(place.lake, place.accounts, second).readings == 10
    assert undo_load(place.lake, place.accounts, first).readings == 20
    load(place, csv(1, 20))
    assert rows(place).height == 20


def test_undo_refused_once_raw_rows_are_gone_and_for_unknown_loads(place: Neighbourhood) -> None:
    load_id = load(place, csv(1, 192))
    files = place.lake.files(bronze.READINGS).to_dicts()
    from deltalake import CommitProperties

    from aurora.lake.actions import remove
    from aurora.lake.tables import TABLES as DECLARED

    place.lake._commit(DECLARED[bronze.READINGS], place.lake.delta(bronze.READINGS), [remove(files[0])], CommitProperties())
    left = rows(place)
    with pytest.raises(Refused, match="retention"):
        undo_load(place.lake, place.accounts, load_id)
    assert_frame_equal(rows(place), left)
    with pytest.raises(Unknown, match="aurora import list"):
        undo_load(place.lake, place.accounts, "nothing")


def test_command_undoes_what_it_lists(place: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURORA_HOME", str(place.home.path))
    monkeypatch.chdir(place.home.path)
    load_id = load(place, csv(1, 10))

    def told(*words: str) -> Any:
        return json.loads(CliRunner().invoke(cli, ["import", *words, "--json"]).stdout)

    assert [(row["load_id"], row["is_withdrawn"]) for row in told("list")["imports"]] == [(load_id, False)]
    assert told("undo", load_id) == {"load_id": load_id, "readings": 10, "rejected": 0}
    assert [row["is_withdrawn"] for row in told("list")["imports"]] == [True]


def _die_at_commit(folder: str, load_id: str, commits: int, is_after: bool) -> None:
    """Undo in a process of its own that is killed just before or after its commit number `commits`."""
    settings = Settings(home=Path(folder), _env_file=None)  # pyright: ignore[reportCallIssue]
    done, commit = 0, Lake._commit

    def counted(self: Lake, *arguments: Any) -> None:
        nonlocal done
        if done == commits and not is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self, *arguments)
        if done == commits:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1

    Lake._commit = counted  # type: ignore[method-assign]
    undo_load(open_lake(settings.resolved_lake_uri), Accounts(settings.resolved_database_url), load_id)


@pytest.mark.parametrize(("commits", "is_after"), [(0, False), (0, True), (1, False), (1, True)])
def test_undo_killed_around_any_commit_is_finished_by_the_next(place: Neighbourhood, commits: int, is_after: bool) -> None:
    live(place, 200, NOW)
    before, raw = tables(place), rows(place)
    load_id = load(place, csv(2, 300) + "soon,1\n", device="berlin-meter")
    process = multiprocessing.get_context("spawn").Process(target=_die_at_commit, args=(str(place.home.path), load_id, commits, is_after))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert is_withdrawn(place.lake, load_id) == ((commits, is_after) == (1, True))
    tables(place)
    undo_load(place.lake, place.accounts, load_id)
    assert_frame_equal(rows(place), raw)
    assert place.lake.scan(bronze.REJECTED).collect().height == 0
    assert_same(tables(place), before)
