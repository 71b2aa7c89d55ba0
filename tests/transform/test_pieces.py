"""More readings than memory holds at once: taken in by pieces, each a publication, and ending where one refresh does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aurora.lake import changes, manifest
from transform import refresh

DAY = datetime(2026, 6, 1, tzinfo=UTC)
NOW = DAY + timedelta(days=4)


def _quarters(first: int, count: int, value: float) -> list[dict[str, Any]]:
    return [
        {"device_id": "berlin-meter", "channel": "consumption", "measure": "interval_kwh", "interval_seconds": 900, "value": value,
         "measured_at": DAY + timedelta(minutes=15 * n)}
        for n in range(first, first + count)
    ]  # fmt: skip


def test_backlog_is_taken_in_by_pieces_and_ends_where_one_refresh_does(
    neighbourhood: Any, assert_same_tables: Callable[[Any, Any], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbourhood.land(_quarters(0, 10, 0.1), NOW)
    neighbourhood.refresh(NOW)
    monkeypatch.setattr(refresh, "MOST_READINGS", 50)
    for number in range(5):
        neighbourhood.land(_quarters(40 * number, 45, 0.2 + number), NOW + timedelta(seconds=number + 1))
    begun = neighbourhood.lake.scan(manifest.MANIFEST).collect().height
    done = neighbourhood.refresh(NOW)
    assert (done.readings_in, done.pending_days) == (225, 0)
    assert neighbourhood.lake.scan(manifest.MANIFEST).collect().height - begun == 5
    other = neighbourhood.fresh_copy_of_bronze(tmp_path)
    other.refresh(NOW, full=True)
    assert_same_tables(neighbourhood, other)


def test_first_refresh_of_a_large_history_rebuilds_everything_at_once(
    neighbourhood: Any, assert_same_tables: Callable[[Any, Any], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        neighbourhood.land(_quarters(90 * number, 90, 0.5), NOW + timedelta(seconds=number))
    other = neighbourhood.fresh_copy_of_bronze(tmp_path)
    other.refresh(NOW)
    monkeypatch.setattr(refresh, "MOST_READINGS", 100)
    done = neighbourhood.refresh(NOW)
    assert done.readings_in == 270
    assert neighbourhood.lake.scan(manifest.MANIFEST).collect().height == 1
    assert_same_tables(neighbourhood, other)


def test_piece_of_the_log_ends_before_too_many_rows_and_holds_one_commit_at_least(neighbourhood: Any) -> None:
    for number in range(3):
        neighbourhood.land(_quarters(10 * number, 10, 0.5), NOW + timedelta(seconds=number))
    lake = neighbourhood.lake

    def until(most_rows: int | None) -> tuple[int, int]:
        found = changes.changes_between(lake, "bronze/readings", 0, 3, most_rows)
        return found.until, len(found.added)

    assert [until(most) for most in (1, 10, 20, 29, None)] == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]
