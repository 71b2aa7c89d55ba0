"""A device that falls silent is known within two of its own intervals, whatever they are and whoever said them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from aurora.accounts import devices
from aurora.lake.tables import TABLES
from transform import rhythm

NOW = datetime(2026, 6, 8, 12, tzinfo=UTC)
DEVICE = "berlin-meter"


def land(neighbourhood: Any, ats: Sequence[datetime], *, held_seconds: float = 1.0, interval_seconds: int | None = None) -> None:
    """Land samples, or intervals that begin at these times, a commit each."""
    measure = "interval_kwh" if interval_seconds else "power_kw"
    row = {"device_id": DEVICE, "channel": "consumption", "measure": measure, "value": 1.0, "interval_seconds": interval_seconds}
    for at in ats:
        neighbourhood.land([row | {"measured_at": at}], at + timedelta(seconds=held_seconds + (interval_seconds or 0)))


def before(seconds: float, count: int) -> list[datetime]:
    """So many times until NOW, one every so many seconds."""
    return [NOW - timedelta(seconds=seconds * place) for place in reversed(range(count))]


def states(neighbourhood: Any, *seconds: float) -> list[str]:
    """What refreshes so long after NOW say of the device."""
    found = []
    for after in seconds:
        neighbourhood.refresh(NOW + timedelta(seconds=after))
        found += neighbourhood.table("gold/device_status").filter(device_id=DEVICE)["state"].to_list()
    return found


@pytest.mark.parametrize("seconds", [10, 60, 900, 3600, 86_400])
def test_device_is_silent_after_two_of_the_intervals_that_its_readings_show(neighbourhood: Any, seconds: int) -> None:
    land(neighbourhood, before(seconds, 6))
    assert states(neighbourhood, 1.9 * seconds, 2.1 * seconds) == ["online", "silent"]


def test_interval_that_the_device_was_given_holds_whatever_its_readings_show(neighbourhood: Any) -> None:
    devices.change_device(neighbourhood.accounts, DEVICE, interval_seconds=300)
    land(neighbourhood, before(60, 6))
    assert states(neighbourhood, 590, 610) == ["online", "silent"]


def test_few_readings_leave_a_quarter_hour_as_interval(neighbourhood: Any) -> None:
    land(neighbourhood, before(10, 3))
    assert states(neighbourhood, 1790, 1810) == ["online", "silent"]


def test_intervals_count_from_their_end(neighbourhood: Any) -> None:
    land(neighbourhood, before(900, 6), interval_seconds=900)
    assert states(neighbourhood, 900 + 1790, 900 + 1810) == ["online", "silent"]


def test_readings_that_come_by_the_hour_are_expected_by_the_hour(neighbourhood: Any) -> None:
    row = {"device_id": DEVICE, "channel": "consumption", "measure": "power_kw", "value": 1.0}
    for hour in range(6):
        end = NOW - timedelta(hours=5 - hour)
        neighbourhood.land([row | {"measured_at": end - timedelta(minutes=minutes)} for minutes in range(60)], end)
    assert states(neighbourhood, 7000, 7400) == ["online", "silent"]


def test_device_that_grows_slower_or_faster_is_judged_by_its_new_rhythm(neighbourhood: Any) -> None:
    land(neighbourhood, before(60, 6))
    assert states(neighbourhood, 60) == ["online"]
    slow = [NOW + timedelta(hours=hour) for hour in range(1, 30)]
    land(neighbourhood, slow)
    assert states(neighbourhood, 29 * 3600 + 7000, 29 * 3600 + 7400) == ["online", "silent"]
    land(neighbourhood, [NOW + timedelta(hours=31, seconds=10 * place) for place in range(45)])
    assert states(neighbourhood, 31 * 3600 + 459, 31 * 3600 + 465) == ["online", "silent"]


def test_last_will_counts_at_once_and_until_the_device_measures_again(neighbourhood: Any) -> None:
    land(neighbourhood, before(900, 6), interval_seconds=900)
    words = pl.DataFrame({"device_id": [DEVICE], "state": ["Offline"], "at": [NOW + timedelta(minutes=20)]})
    neighbourhood.lake.land("bronze/device_status", words.with_columns(received_at=pl.col("at")).to_arrow())
    assert states(neighbourhood, 1201) == ["offline"]
    land(neighbourhood, [NOW + timedelta(minutes=15)], interval_seconds=900)
    assert states(neighbourhood, 1802) == ["online"]


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([10] * 20, 10),
        ([10, 10, 10, 30_000, 10, 10, 10, 10], 10),
        ([1, 1, 1, 1, 896] * 5, 896),
        (([900] * 20 + [7200]) * 5, 900),
        ([10, 10], None),
        ([600, 900, 1200, 880, 910], 900),
    ],
    ids=["steady", "one outage", "bursts", "some outages", "too few", "uneven"],
)
def test_rhythm_is_the_usual_spacing_but_for_outages_and_bursts(gaps: list[int], expected: float | None) -> None:
    at = [NOW + timedelta(seconds=sum(gaps[:place])) for place in range(len(gaps) + 1)]
    found = rhythm.spacings(pl.DataFrame({"device_id": DEVICE, "measured_at": at, "received_at": NOW}).lazy())
    assert found["spacing_seconds"].to_list() == ([] if expected is None else [expected])


def test_weather_station_is_heard_by_what_it_observed_and_silent_after_two_hours(neighbourhood: Any) -> None:
    devices.add_device(neighbourhood.accounts, "berlin", name="sky", kind="weather_station", device_id="sky")

    def land_weather(at: datetime, received_at: datetime, *, is_forecast: bool = False) -> None:
        row = {"station_id": "sky", "quantity": "temperature_celsius", "measured_at": at, "value": 4.0, "is_forecast": is_forecast,
               "source": "open_meteo", "received_at": received_at}  # fmt: skip
        neighbourhood.lake.land("bronze/weather", pa.Table.from_pylist([row], schema=TABLES["bronze/weather"].schema))

    def status(after: timedelta) -> tuple[str, datetime | None]:
        neighbourhood.refresh(NOW + after)
        return neighbourhood.table("gold/device_status").filter(device_id="sky").select("state", "last_reading_at").row(0)

    land_weather(NOW + timedelta(hours=5), NOW, is_forecast=True)
    assert status(timedelta()) == ("unknown", None)
    land_weather(NOW - timedelta(days=20), NOW)
    assert status(timedelta()) == ("silent", NOW - timedelta(days=20))
    land_weather(NOW, NOW + timedelta(minutes=34))
    assert status(timedelta(minutes=119)) == ("online", NOW)
    assert status(timedelta(minutes=121)) == ("silent", NOW)
    assert neighbourhood.table("gold/anomalies").is_empty()
    assert status(timedelta(days=40)) == ("silent", NOW)
