"""How late and how far ahead a reading may be, at every door: refused with its reason and kept, and at the limit taken."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from aurora.lake.store import Lake
from ingestion import bronze
from ingestion.files import import_file

TOO_LATE, AHEAD = timedelta(days=-30, seconds=-60), timedelta(seconds=360)
AT_THE_LIMITS = (timedelta(days=-30, seconds=60), timedelta(seconds=240))
REASONS = {TOO_LATE: "too_late", AHEAD: "in_the_future"}


def at(offset: timedelta) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + offset


def own(offset: timedelta) -> str:
    return json.dumps({"measured_at": at(offset).isoformat(), "channel": "consumption", "measure": "power_kw", "value": 1.5})


def status(offset: timedelta) -> str:
    return json.dumps({"em:0": {"total_act_power": 1500}, "sys": {"unixtime": int(at(offset).timestamp())}})


def refused(lake: Lake) -> dict[str, int]:
    return dict(lake.scan(bronze.REJECTED).group_by("reason").len().collect().rows())


def taken(lake: Lake) -> list[datetime]:
    return sorted(lake.scan(bronze.READINGS).collect()["measured_at"].unique().to_list())


@pytest.fixture
def http(ingestion, settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{settings.ingest_port}", timeout=20) as client:
        yield client


@pytest.mark.parametrize(
    ("topic", "payload", "facts"),
    [("aurora/v1/m1/readings", own, {}), ("shelly/m1/status", status, {"decoder": "shelly_rpc", "topic": "shelly/m1/#"})],
)
def test_over_mqtt_on_its_own_topic_and_on_one_bound_to_it(
    ingestion, new_device, connect, lake: Lake, eventually, topic: str, payload: Callable[[timedelta], str], facts: dict[str, Any]
) -> None:
    device = new_device("m1", **facts)
    publisher = connect(device.device_id, device.key)
    for offset in (*REASONS, *AT_THE_LIMITS):
        publisher.publish(topic, payload(offset))
    eventually(lambda: (len(taken(lake)), sum(refused(lake).values())) == (2, 2))
    assert refused(lake) == {"too_late": 1, "in_the_future": 1}
    assert taken(lake)[0] < at(timedelta(days=-29)) < at(timedelta()) < taken(lake)[1]


def test_over_http_nothing_of_a_body_is_stored(http: httpx.Client, new_device, lake: Lake) -> None:
    key = {"X-API-Key": new_device("m1").key}
    for offset, reason in REASONS.items():
        answer = http.post("/v1/ingest/energy_data", content=f"[{own(timedelta())},{own(offset)}]", headers=key)
        assert (answer.status_code, [(one["field"], one["reason"]) for one in answer.json()["detail"]]) == (
            400,
            [("[1].measured_at", reason)],
        )
    assert taken(lake) == []
    assert http.post("/v1/ingest/energy_data", content=f"[{','.join(map(own, AT_THE_LIMITS))}]", headers=key).status_code == 202
    assert len(taken(lake)) == 2


def test_over_emoncms_by_row(http: httpx.Client, new_device, lake: Lake) -> None:
    device = new_device("emontx", kind="gateway", decoder="emoncms", topic="emon/emontx/#", inputs={"power": "consumption W"})

    def post(offset: timedelta) -> httpx.Response:
        params = {"apikey": device.key, "fulljson": '{"power":1500}', "time": str(int(at(offset).timestamp()))}
        return http.get("/input/post", params=params)

    for offset, reason in REASONS.items():
        assert [one["reason"] for one in post(offset).json()["detail"]] == [reason]
    assert taken(lake) == []
    assert [post(offset).status_code for offset in AT_THE_LIMITS] == [200, 200]
    assert len(taken(lake)) == 2


def test_of_a_file_whatever_is_past_is_taken_and_what_is_ahead_refused_by_its_line(
    lake: Lake, accounts, settings, site, tmp_path: Path
) -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    (tmp_path / "a.csv").write_text(
        "time,production_kwh\n2001-07-01T11:00:00Z,1\n2026-07-01T11:45:00Z,2\n2026-07-01T12:00:00Z,3\n2026-07-01T12:15:00Z,4\n2062-07-01T00:00:00Z,5\n"
    )
    done = import_file(lake, accounts, settings, tmp_path / "a.csv", "Home", now=now)
    assert (done.new, done.rejected) == (3, 2)
    assert pl.read_csv(done.rejected_file or "").select("line", "reason").rows() == [(5, "in_the_future"), (6, "in_the_future")]
    assert lake.scan(bronze.READINGS).collect()["value"].sort().to_list() == [1.0, 2.0, 3.0]
    assert refused(lake) == {"in_the_future": 2}
