"""Whatever arrives, in whatever order, a series of refreshes ends where one full rebuild does."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.conftest import IS_TRIALS

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
# Around the days on which Berlin and Sydney change their clocks, a turn of the month, today and yesterday.
DAYS = [
    datetime(2026, month, day, tzinfo=UTC)
    for month, day in ((3, 28), (3, 29), (4, 4), (4, 5), (9, 30), (10, 3), (10, 4), (10, 24), (10, 25), (11, 1), (11, 2))
]
SITES = ["berlin", "kathmandu", "kolkata", "sydney"]

moments = st.builds(
    lambda day, quarter, odd: day + timedelta(minutes=15 * quarter, seconds=odd),
    st.sampled_from(DAYS),
    st.integers(0, 95),
    st.sampled_from([0, 0, 0, 0, 7, 450, 899]),
)
values = st.one_of(st.integers(0, 5000).map(lambda n: n / 1000), st.none())


def _interval(site: str, device: str, channel: str, at: datetime, seconds: int, value: float | None) -> dict[str, Any]:
    return {
        "device_id": f"{site}-{device}",
        "channel": channel,
        "measure": "interval_kwh",
        "measured_at": at,
        "interval_seconds": seconds,
        "value": value,
    }


def _sample(site: str, at: datetime, value: float | None) -> dict[str, Any]:
    return {"device_id": f"{site}-pv", "channel": "production", "measure": "power_kw", "measured_at": at, "value": value}


def _register(site: str, at: datetime, value: float | None) -> dict[str, Any]:
    # The totals rise with time but for noise that makes some of them dips and resets.
    total = None if value is None else (at - DAYS[0]).total_seconds() / 3600 * 2 + value * 30
    return {"device_id": f"{site}-meter", "channel": "grid_export", "measure": "register_kwh", "measured_at": at, "value": total}


def _burst(site: str, begin: datetime, fault: str, wrong: int, count: int) -> list[dict[str, Any]]:
    """Some readings of a register that counts 2 kWh an hour, with a fault from the one numbered `wrong` on."""
    ats = [begin + timedelta(minutes=15 * place) for place in range(count)]
    truth = [1000 + (at - DAYS[0]).total_seconds() / 3600 * 2 for at in ats]
    stood = truth[min(wrong, count - 1)]
    told = {
        "none": truth,
        "dip": [0.0 if place in (wrong, wrong + 1) else value for place, value in enumerate(truth)],
        "glitch": [value + 5e4 if place in (wrong, wrong + 1) else value for place, value in enumerate(truth)],
        "watt-hours": [value * 1000 if place >= wrong else value for place, value in enumerate(truth)],
        "watt-hours for a while": [value * 1000 if wrong <= place < wrong + 5 else value for place, value in enumerate(truth)],
        "stuck": [stood if wrong <= place < wrong + 5 else value for place, value in enumerate(truth)],
        "decimals": [float(int(value)) if place >= wrong else value + 0.4 for place, value in enumerate(truth)],
        "reset": [value - stood if place >= wrong else value for place, value in enumerate(truth)],
        "replacement": [value + 7000 if place >= wrong else value for place, value in enumerate(truth)],
        "rollover": [(value - stood + 9999.9) % 10_000 for value in truth],
        "withdrawn": [None] * count,
    }
    return [
        {"device_id": f"{site}-pv", "channel": "consumption", "measure": "register_kwh", "measured_at": at, "value": value}
        for at, value in zip(ats, told[fault], strict=True)
    ]


FAULTS = (
    "none", "none", "dip", "glitch", "watt-hours", "watt-hours for a while", "stuck", "decimals", "reset", "replacement", "rollover",
    "withdrawn",
)  # fmt: skip

bursts = st.builds(
    _burst,
    st.sampled_from(SITES[:2]),
    st.builds(lambda day, quarter: day + timedelta(minutes=15 * quarter), st.sampled_from(DAYS[-3:]), st.integers(60, 110)),
    st.sampled_from(FAULTS),
    st.integers(1, 8),
    st.integers(4, 24),
)
arrivals = st.one_of(
    st.builds(
        _interval,
        st.sampled_from(SITES),
        st.sampled_from(["meter", "sub"]),
        st.sampled_from(["consumption", "grid_import"]),
        moments,
        st.sampled_from([900, 900, 900, 300, 1800, 3600, 86_400, 200_000]),
        values,
    ),
    st.builds(_sample, st.sampled_from(SITES), moments, values),
    st.builds(_register, st.sampled_from(SITES), moments, values),
)
batches = st.lists(
    st.lists(st.one_of(arrivals.map(lambda row: [row]), arrivals.map(lambda row: [row]), bursts), min_size=1, max_size=40).map(
        lambda parts: [row for part in parts for row in part]
    ),
    min_size=2,
    max_size=4,
)


KATHMANDU_MORNING = DAYS[0] + timedelta(hours=12, minutes=45)


@pytest.mark.timeout(3600)
@settings(
    max_examples=30 if IS_TRIALS else 5,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@example(
    batches=[
        [_interval("kathmandu", "meter", "consumption", KATHMANDU_MORNING, 900, 0.297)],
        [_sample("kathmandu", DAYS[6], 1.369), _interval("kathmandu", "meter", "consumption", KATHMANDU_MORNING, 900, None)],
    ]
)
@example(
    batches=[
        [_interval("berlin", "sub", "grid_import", DAYS[0], 900, 0.5), _interval("berlin", "meter", "consumption", DAYS[7], 900, 0.5)],
        [_interval("berlin", "meter", "consumption", DAYS[5], 900, 0.5)],
    ]
)
@given(batches=batches)
def test_series_of_refreshes_gives_the_rows_of_one_full_refresh(
    neighbourhood: Any, assert_same_tables: Callable[[Any, Any], None], tmp_path: Path, batches: list[list[dict[str, Any]]]
) -> None:
    one = neighbourhood.fresh_copy_of_bronze(tmp_path)
    for number, rows in enumerate(batches):
        one.land(rows, NOW + timedelta(seconds=number))
        one.refresh(NOW)
    other = one.fresh_copy_of_bronze(Path(one.lake.storage.uri) / "full")
    other.refresh(NOW, full=True)
    assert_same_tables(one, other)
    shutil.rmtree(one.lake.storage.uri)
