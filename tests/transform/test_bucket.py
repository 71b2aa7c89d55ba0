"""The lake on `s3://`: one refresh against a local S3 server, and a server that cannot hold a lake is refused."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from aurora.errors import Refused
from aurora.lake.store import open_lake

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]) -> Iterator[str]:
    port = free_port()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    # What an earlier test of this process put into a bucket of that name is in memory still.
    httpx.post(f"http://127.0.0.1:{port}/moto-api/reset").raise_for_status()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1").create_bucket(Bucket="lake")
    yield "s3://lake/aurora"
    server.stop()


def _rows() -> list[dict[str, Any]]:
    start = NOW - timedelta(days=2)
    return [
        {
            "device_id": f"berlin-{device}",
            "channel": channel,
            "measure": "interval_kwh",
            "interval_seconds": 900,
            "value": 0.25 + number / 1000,
            "measured_at": start + timedelta(minutes=15 * number),
        }
        for device, channel in (("meter", "consumption"), ("pv", "production"))
        for number in range(150)
    ]


def test_refresh_on_a_bucket_gives_what_a_folder_gives(
    neighbourhood: Any, assert_same_tables: Callable[[Any, Any], None], bucket: str, tmp_path: Any
) -> None:
    neighbourhood.land(_rows(), NOW)
    neighbourhood.refresh(NOW)
    lake = open_lake(bucket, scratch=tmp_path / "scratch")
    lake.create_tables()
    on_bucket = type(neighbourhood)(lake, neighbourhood.accounts, neighbourhood.home, neighbourhood.settings)
    on_bucket.land(_rows(), NOW)
    done = on_bucket.refresh(NOW)
    assert done.readings_in == 300
    assert on_bucket.table("gold/energy_daily").height == 3
    assert_same_tables(neighbourhood, on_bucket)


class _TakesEverything(BaseHTTPRequestHandler):
    """A server that answers 200 to every request, as one without conditional puts does."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


def test_bucket_that_lets_two_writers_win_is_refused(monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), _TakesEverything)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "t",
        "AWS_SECRET_ACCESS_KEY": "t",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Refused, match="two writers"):
        open_lake("s3://lake/aurora")
    server.shutdown()
