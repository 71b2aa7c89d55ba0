"""Files put into the watched folder are imported once they are whole, and end up where one finds them again."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aurora.home import Home
from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.inbox import take_in

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GOOD = "time,production_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T01:00:00Z,2\n"


@pytest.fixture
def put(home: Home, site):
    """A function that puts a file into the site's inbox, as old as said."""

    def write(name: str, text: str, *, age_seconds: float = 60, site_id: str = site.site_id) -> Path:
        path = home.path / "inbox" / site_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        at = NOW.timestamp() - age_seconds
        os.utime(path, (at, at))
        return path

    return write


@pytest.fixture
def take(lake: Lake, accounts, settings, home: Home):
    """A function that takes in what waits, so many seconds after `NOW`."""
    return lambda seconds=0: take_in(lake, accounts, settings, home, NOW + timedelta(seconds=seconds))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_whole_files_are_imported_once_and_kept(put, take, lake: Lake) -> None:
    path = put("roof.csv", GOOD)
    growing, partial = put("still.csv", GOOD, age_seconds=2), put("later.csv.part", GOOD)
    taken = take()
    assert [(one.file, one.reason) for one in taken] == [("roof.csv", None)]
    assert lake.scan(bronze.READINGS).collect()["value"].to_list() == [1.0, 2.0]
    assert names(path.parent / "done") == ["20261101T120000-roof.csv"]
    assert (path.exists(), growing.exists(), partial.exists()) == (False, True, True)
    assert [one.file for one in take(30)] == ["still.csv"]
    assert take(60) == []
    assert lake.scan(bronze.READINGS).collect().height == 2


def test_refused_files_lie_apart_with_the_reason(put, take, lake: Lake) -> None:
    odd, lost = put("odd.csv", "a,b\n1,2\n"), put("roof.csv", GOOD, site_id="nowhere")
    again = put("worse.csv", "")
    reasons = {one.file: one.reason for one in take()}
    assert "--time-column" in reasons["odd.csv"]
    assert "nowhere" in reasons["roof.csv"]
    assert "--time-column" in (odd.parent / "failed" / "20261101T120000-odd.csv.reason.txt").read_text()
    assert names(lost.parent / "failed") == ["20261101T120000-roof.csv", "20261101T120000-roof.csv.reason.txt"]
    assert len(names(again.parent / "failed")) == 4
    assert lake.scan(bronze.READINGS).collect().is_empty()


def test_a_file_whose_import_was_cut_short_is_landed_whole_and_once(put, take, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put("roof.csv", GOOD)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ingestion.inbox._moved", cut)
        with pytest.raises(KeyboardInterrupt):
            take()
    assert path.exists()
    assert [one.reason for one in take(5)] == [None]
    assert lake.scan(bronze.READINGS).collect()["value"].to_list() == [1.0, 2.0]


def test_links_out_of_the_folder_are_left_alone(put, take, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(GOOD)
    link = put("a.csv", GOOD).with_name("link.csv")
    link.symlink_to(secret)
    assert [one.file for one in take(3600)] == ["a.csv"]
    assert secret.exists()
