"""Clocks that are wrong, that jump while readings land, and that change from summer to winter time: a reading keeps its own time."""

import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from aurora.accounts.tokens import Tokens
from aurora.lake.store import Lake
from ingestion.registry import FRESH_SECONDS
from ingestion.replay import replay_rejected
from transform.refresh import Refresher

READINGS, REJECTED = "bronze/readings", "bronze/rejected"
KEY = ["device_id", "channel", "measure", "measured_at"]
QUARTER = timedelta(minutes=15)
LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), Path("/nonexistent"))
ROOT = Path(__file__).parents[2]
# Under libfaketime that leaves the monotonic clock alone, `time.sleep` fails (EINVAL), with which paho waits before it connects again.
SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
YEAR, TWO_HOURS, MONTH = timedelta(days=365), timedelta(hours=2), timedelta(days=30)
# March: 23 hours from 23:00 UTC of the day before. October: 25 hours from 22:00 UTC.
CHANGES = (
    (date(2026, 3, 29), 23, datetime(2026, 3, 29, 1, tzinfo=UTC), timedelta(hours=2)),
    (date(2026, 10, 25), 25, datetime(2026, 10, 25, 1, tzinfo=UTC), timedelta(hours=3)),
)
pytestmark = [pytest.mark.needs("faketime"), pytest.mark.timeout(7200)]


class Clock:
    """The clock of a process, which the test sets while the process runs; its monotonic clock goes on, as it does in life."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "offset"
        (folder / "sitecustomize.py").write_text(SLEEP)
        self.offset = timedelta()
        self.jump(timedelta())

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": f"{self._folder}:{ROOT}",
            "TZ": "Europe/Berlin",
        }

    def jump(self, offset: timedelta) -> None:
        """Let it be this much ahead of the right time from now on."""
        self.offset = timedelta(seconds=round(offset.total_seconds()))
        new = self._file.with_suffix(".new")
        new.write_text(f"{self.offset // timedelta(seconds=1):+d}")
        new.replace(self._file)

    def jump_to(self, moment: datetime) -> None:
        """Let it show this time now."""
        self.jump(moment - datetime.now(UTC))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    folder = tmp_path / "clock"
    folder.mkdir()
    return Clock(folder)


@pytest.fixture
def http(settings, new_device) -> Iterator[httpx.Client]:
    """A meter's client of the HTTP door."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{settings.ingest_port}", headers={"X-API-Key": new_device("poster").key}, timeout=20
    ) as one:
        yield one


def energy(at: datetime, value: float = 0.25) -> dict[str, Any]:
    return {"measured_at": at.isoformat(), "channel": "consumption", "measure": "interval_kwh", "value": value, "interval_seconds": 900}


def send(http: httpx.Client, readings: list[dict[str, Any]]) -> tuple[int, set[str]]:
    answer = http.post("/v1/ingest/energy_data", json=readings)
    reasons = {one["reason"] for one in answer.json()["detail"]} if answer.status_code == 400 else set()
    return answer.status_code, reasons


def landed(lake: Lake) -> pl.DataFrame:
    return lake.scan(READINGS).sort("received_at", "sequence").collect()


def newest_stamp(lake: Lake) -> datetime:
    found = landed(lake)["received_at"].max()
    assert isinstance(found, datetime)
    return found


def refreshed(lake: Lake, accounts, home, settings) -> pl.DataFrame:
    Refresher(lake, accounts, home, settings).run()
    return lake.scan("gold/energy_daily").sort("local_date").collect()


def far_and_near(chance: random.Random, number: int) -> list[timedelta]:
    """A year ahead, two hours back, right, and others; none near the age at which a reading of these days becomes too late."""
    near, far = (-TWO_HOURS, MONTH - timedelta(days=4)), (MONTH + timedelta(days=1), YEAR + MONTH)
    spans = [chance.choice((near, far)) for _ in range(number - 3)]
    return [YEAR, -TWO_HOURS, timedelta(), *(timedelta(seconds=chance.uniform(*(end.total_seconds() for end in span))) for span in spans)]


def test_clock_that_jumps_while_readings_land_loses_and_doubles_none(
    processes, broker, connect, clock: Clock, http, new_device, lake: Lake, accounts, home, settings, eventually,
    count: Callable[[int, int], int], record_property,
) -> None:  # fmt: skip
    rounds, seed = count(4, 60), random.randrange(2**32)
    meter = new_device("meter")
    processes.start("ingestion.server", "ingestion", **clock.environment)
    publisher = connect("meter", meter.key)
    yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    sent, refused, back, seen = 0, 0, 0, list[tuple[datetime, datetime]]()
    for number, offset in enumerate(far_and_near(random.Random(seed), rounds)):
        back += offset < clock.offset
        clock.jump(offset)
        at, is_far = clock.now() - timedelta(seconds=2), offset > MONTH
        assert send(http, [energy(at.replace(microsecond=number), 0.0)]) == (202, set())
        of_both = [energy(at.replace(microsecond=number + 500_000), 0.0), energy(yesterday - QUARTER * (number + 1))]
        publisher.publish(meter.topic, json.dumps(of_both))
        sent, refused = sent + 3 - is_far, refused + is_far
        eventually(lambda expected=sent: landed(lake).height == expected, 60)
        seen.append((newest_stamp(lake), clock.now()))
        if is_far:
            assert send(http, [energy(datetime.now(UTC))]) == (400, {"too_late"})
        elif offset == -TWO_HOURS:
            assert send(http, [energy(datetime.now(UTC) - timedelta(seconds=5))]) == (400, {"in_the_future"})
    held = sum(stamp > now for stamp, now in seen)
    print(f"seed {seed}: {rounds} jumps, {back} of them back; {held} seen behind the newest stamp; {sent} readings kept, {refused} refused")
    for name, value in (("seed", seed), ("jumps", rounds), ("back", back), ("behind", held), ("refused", refused)):
        record_property(name, value)
    assert min(back, held, refused) > 0
    rows = landed(lake)
    assert rows.n_unique(KEY) == rows.height == sent
    assert [stamp for stamp, _ in seen] == sorted({stamp for stamp, _ in seen})
    eventually(lambda: lake.scan(REJECTED).collect().height == refused, 60)
    assert set(lake.scan(REJECTED).collect()["reason"]) == {"too_late"}
    assert replay_rejected(lake, accounts, settings) == refused
    daily = refreshed(lake, accounts, home, settings)
    assert daily.n_unique(["site_id", "local_date"]) == daily.height
    assert daily["consumption_kwh"].sum() == pytest.approx(0.25 * rounds)


def test_days_of_the_clock_changes_are_days_of_all_their_hours(
    processes, broker, clock: Clock, http, lake: Lake, accounts, home, settings
) -> None:
    stamped = list[datetime]()
    clock.jump_to(CHANGES[0][2] - timedelta(hours=1))
    processes.start("ingestion.server", "ingestion", **clock.environment)
    for _, hours, change, elapsed in CHANGES:
        quarters = [change - elapsed + QUARTER * number for number in range(hours * 4)]
        before, after = [at for at in quarters if at < change], [at for at in quarters if at >= change]
        clock.jump_to(change - timedelta(seconds=1.5))
        assert send(http, [energy(at) for at in before]) == (202, set())
        time.sleep(2)
        assert send(http, [energy(after[1])]) == (400, {"in_the_future"})
        clock.jump_to(after[-1] + QUARTER)
        assert send(http, [energy(at) for at in after]) == (202, set())
        stamped += [change, after[-1] + QUARTER]
    found = landed(lake)["received_at"].unique().sort().to_list()
    assert all(abs(at - expected) < timedelta(minutes=2) for at, expected in zip(found, stamped, strict=True))
    daily = refreshed(lake, accounts, home, settings).drop_nulls("consumption_kwh")
    told = [(day, float(hours)) for day, hours, _, _ in CHANGES]
    assert daily.select("local_date", pl.col("consumption_kwh").round(9)).rows() == told


def test_keys_open_whatever_the_clock_shows_and_tokens_by_the_clock_of_then(
    processes, broker, clock: Clock, http, accounts, admin, home, settings
) -> None:
    tokens = Tokens(settings, home, accounts)
    first = tokens.issue(admin, datetime.now(UTC))["access_token"]
    ahead = timedelta(seconds=60)
    processes.start("ingestion.server", "ingestion", **clock.environment)

    def opens(token: object) -> bool:
        body = energy(clock.now() - QUARTER) | {"device_id": "poster"}
        url, headers = http.base_url.join("/v1/ingest/energy_data"), {"Authorization": f"Bearer {token}"}
        answer = httpx.post(url, json=body, headers=headers, timeout=20)
        assert answer.status_code in {202, 401}
        return answer.status_code == 202

    found = []
    for offset in (YEAR, -TWO_HOURS, timedelta(seconds=-60)):
        clock.jump(offset)
        time.sleep(FRESH_SECONDS + 0.1)
        assert send(http, [energy(clock.now() - QUARTER)]) == (202, set())
        found.append((opens(first), opens(tokens.issue(admin, clock.now() + ahead)["access_token"])))
    assert found == [(False, True), (False, True), (True, True)]
