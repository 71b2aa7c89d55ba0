"""The group commit: nobody is told before the commit, nothing is lost when it fails, memory stays bounded."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from aurora.errors import Busy, NotReady
from aurora.lake.migrations import bring_up_to_date
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion import bronze
from ingestion.landing import Landing
from ingestion.messages import Decoded, Fault, Reading, Rejection
from tests.kernel.test_lake_migrations import first_schema, lake_of_first_schema

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def one(value: float, seconds: int = 0) -> Decoded:
    return Decoded([Reading("m1", "consumption", "power_kw", NOW + timedelta(seconds=seconds), None, value)])


class Told:
    def __init__(self) -> None:
        self.tokens: list[object] = []

    def __call__(self, tokens: list[object]) -> None:
        self.tokens += tokens


def test_senders_told_after_commit_holds_their_readings(lake: Lake, settings: Settings, eventually) -> None:
    landing, seen = Landing(lake, settings), []
    landing.start()

    def told(tokens: list[object]) -> None:
        seen.append((tokens, lake.scan(bronze.READINGS).collect().height))

    for value in range(3):
        landing.submit(one(value, value), source="mqtt", topic=None, told=told, token=value)
    eventually(lambda: seen)
    landing.stop()
    assert seen == [([0, 1, 2], 3)]


def test_refused_message_stored_whole_with_reason(lake: Lake, settings: Settings) -> None:
    landing = Landing(lake, settings)
    landing.start()
    refused = Decoded(rejections=[Rejection("{broken", (Fault("", "not_json", ""),))])
    landing.submit(refused, source="mqtt", topic="aurora/v1/m1/readings", told=Told(), token=1)
    landing.stop()
    [row] = lake.scan(bronze.REJECTED).collect().to_dicts()
    assert (row["payload"], row["reason"], row["topic"], row["replayed_at"]) == ("{broken", "not_json", "aurora/v1/m1/readings", None)


def test_commit_starts_at_once_when_enough_wait(lake: Lake, settings: Settings, eventually) -> None:
    landing, told = Landing(lake, settings.model_copy(update={"flush_seconds": 60.0, "flush_readings": 5})), Told()
    landing.start()
    for value in range(5):
        landing.submit(one(value), source="mqtt", topic=None, told=told, token=value)
    eventually(lambda: len(told.tokens) == 5, 5)
    assert lake.scan(bronze.READINGS).collect().height == 5
    landing.stop()
    assert told.tokens == [0, 1, 2, 3, 4]


def test_failed_commit_tried_again_and_nobody_told_before(lake: Lake, settings: Settings, eventually) -> None:
    landing, told = Landing(lake, settings), Told()
    folder = Path(lake.storage.uri) / "bronze"
    folder.rename(folder.with_name("away"))
    folder.write_text("a file where the folder was: every write fails, as on a full disk")
    landing.start()
    landing.submit(one(1.0), source="mqtt", topic=None, told=told, token="first")
    time.sleep(1.2)
    assert told.tokens == []
    folder.unlink()
    folder.with_name("away").rename(folder)
    eventually(lambda: told.tokens == ["first"])
    landing.stop()
    assert lake.scan(bronze.READINGS).collect().height == 1


def test_senders_wait_or_are_turned_away_while_too_much_waits(lake: Lake, settings: Settings, eventually) -> None:
    landing, told = Landing(lake, settings.model_copy(update={"flush_seconds": 60.0, "flush_readings": 10})), Told()
    for value in range(40):
        landing.submit(one(value), source="http", topic=None, told=told, token=value)
    with pytest.raises(Busy, match="again"):
        landing.submit(one(41), source="http", topic=None, told=told, token=41, may_wait=False)
    waiting = threading.Thread(target=lambda: landing.submit(one(42), source="mqtt", topic=None, told=told, token=42))
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    landing.start()
    eventually(lambda: not waiting.is_alive())
    landing.stop()
    assert sorted(told.tokens) == [*range(40), 42]


def test_stamps_are_whole_seconds_or_one_step_further() -> None:
    stamps = bronze.Stamps(NOW)
    assert stamps.next(NOW + timedelta(seconds=1.7)) == NOW + timedelta(seconds=1)
    assert stamps.next(NOW + timedelta(seconds=1.9)) == NOW + timedelta(seconds=1, microseconds=1)
    assert stamps.next(NOW - timedelta(hours=1)) == NOW + timedelta(seconds=1, microseconds=2)
    assert stamps.next(NOW + timedelta(seconds=5)) == NOW + timedelta(seconds=5)


def test_stamps_begin_above_newest_in_the_lake_when_clock_was_set_back(lake: Lake) -> None:
    columns = bronze.reading_columns(one(1.0).readings)
    ahead = bronze.land_readings(lake, bronze.Stamps(NOW), columns, "mqtt", NOW + timedelta(days=1))
    assert bronze.stamps_above(lake).next(NOW) == ahead + timedelta(microseconds=1)


def test_sequence_follows_arrival_within_each_series_and_date_is_utc(lake: Lake) -> None:
    late, early = datetime(2026, 7, 2, 0, 30, tzinfo=UTC), datetime(2026, 7, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    given = [("m2", late), ("m1", late), ("m2", early), ("m1", early), ("m0", early)]
    readings = [Reading(device, "consumption", "power_kw", moment, None, 1.0) for device, moment in given]
    bronze.land_readings(lake, bronze.Stamps(NOW), bronze.reading_columns(readings), "mqtt", NOW)
    rows = lake.scan(bronze.READINGS).sort("sequence").collect()
    assert rows.select("device_id", "measured_at").rows() == [("m0", early), ("m1", late), ("m1", early), ("m2", late), ("m2", early)]
    dates = lake.files(bronze.READINGS).get_column("partition.measured_date").cast(str).sort().to_list()
    assert dates == ["2026-07-01", "2026-07-02"]


@pytest.mark.parametrize("newest_first", [False, True])
def test_rows_of_a_commit_lie_in_the_order_of_files(lake: Lake, newest_first: bool) -> None:
    moments = [datetime(2026, 7, 1, tzinfo=UTC) + timedelta(minutes=n) for n in range(50)]
    given = [(device, moment) for device in ("m2", "m1") for moment in (reversed(moments) if newest_first else moments)]
    readings = [Reading(device, "consumption", "power_kw", moment, None, 1.0) for device, moment in given]
    rows = bronze.readings_table(bronze.reading_columns(readings), "mqtt", NOW)
    places = pl.DataFrame(rows).select("device_id", "measured_at", "sequence")
    assert places.select("device_id", "measured_at").rows() == [(device, moment) for device in ("m1", "m2") for moment in moments]
    assert places["sequence"].diff().drop_nulls().is_in([1]).all() != newest_first


def test_lake_of_the_first_schema_takes_estimates_beside_what_it_has(tmp_path: Path) -> None:
    lake, schema = lake_of_first_schema(tmp_path / "old"), first_schema(bronze.READINGS)
    old = bronze.readings_table(bronze.reading_columns(one(1.0).readings), "mqtt", NOW).select(schema.names)
    write_deltalake(lake.storage.table_uri(bronze.READINGS), old, mode="append")
    bring_up_to_date(lake)
    estimate = Reading("m1", "consumption", "power_kw", NOW + timedelta(seconds=1), None, 2.0, "estimated")
    bronze.land_readings(lake, bronze.stamps_above(lake), bronze.reading_columns([estimate]), "mqtt", NOW)
    told = [(1.0, None), (2.0, "estimated")]
    assert lake.scan(bronze.READINGS).sort("value").select("value", "quality").collect().rows() == told
    lake.rewrite(bronze.READINGS, lake.files(bronze.READINGS))
    by_others = DeltaTable(lake.storage.table_uri(bronze.READINGS)).to_pyarrow_table(columns=["value", "quality"]).to_pylist()
    assert sorted(tuple(row.values()) for row in by_others) == told


def test_nothing_is_taken_for_a_lake_that_was_not_migrated(tmp_path: Path, settings: Settings) -> None:
    lake = lake_of_first_schema(tmp_path / "old")
    with pytest.raises(NotReady, match=r"schema version 1.*`aurora init`"):
        Landing(lake, settings).start()
    bring_up_to_date(lake)
    landing = Landing(lake, settings)
    landing.start()
    landing.stop()
