"""One day in the life of `aurora demo`, as a program: run where there is nothing but loopback, it prints what it saw as JSON."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import psutil

from orchestration.running.environment import end_with_parent
from tests.ports import free_port

AURORA = [sys.executable, "-m", "orchestration.cli"]
READY_SECONDS = 240


class Demo:
    """A running demo in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        app, api, ingest, dagster, broker = (free_port() for _ in range(5))
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")} | {
            "AURORA_HOME": str(folder), "AURORA_APP_PORT": str(app), "AURORA_API_PORT": str(api), "AURORA_INGEST_PORT": str(ingest),
            "AURORA_DAGSTER_PORT": str(dagster), "AURORA_MQTT_PORT": str(broker), "HOME": str(folder / "nobody"),
        }  # fmt: skip
        self.output = folder / "demo.out"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait until it is ready; returns the seconds that took."""
        began = time.monotonic()
        with self.output.open("ab") as out:
            self.process = subprocess.Popen([*AURORA, "demo"], env=self.environment, stdout=out, stderr=out, preexec_fn=end_with_parent)
        while not self.status().get("ready"):
            if self.process.poll() is not None or time.monotonic() - began > READY_SECONDS:
                raise SystemExit(f"not ready: {self.output.read_text()[-3000:]} {self.status()}")
            time.sleep(4)
        return time.monotonic() - began

    def status(self) -> dict[str, Any]:
        """What `aurora status --json` prints; empty while there is no home yet."""
        result = self.run("status", "--json")
        return json.loads(result.stdout) if result.returncode == 0 else {}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command beside it."""
        return subprocess.run([*AURORA, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=300)

    def children(self) -> list[psutil.Process]:
        """Everything it started."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: int) -> tuple[float, list[str]]:
        """Signal it; returns the seconds until it and all it started were gone, and what of those was left after 10 s."""
        assert self.process is not None
        family, began = {child: " ".join(child.cmdline()) for child in self.children()}, time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        while (left := [told for child, told in family.items() if _is_alive(child)]) and time.monotonic() - began < 10:
            time.sleep(0.1)
        return time.monotonic() - began, left


def _is_alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that has ended and that nobody has asked about yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _publish(status: dict[str, Any], values: list[float], first: datetime) -> None:
    device = status["demo_device"]
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="journey", protocol=mqtt.MQTTv311)
    client.username_pw_set(device["device_id"], device["key"])
    host, port = status["addresses"]["mqtt"].removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    for number, value in enumerate(values):
        reading = {"measured_at": (first + timedelta(minutes=15 * number)).isoformat(), "channel": device["channels"][0],
                   "measure": "interval_kwh", "value": value, "interval_seconds": 900}  # fmt: skip
        client.publish(f"aurora/v1/{device['device_id']}/readings", json.dumps(reading), qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def main(folder: Path) -> dict[str, Any]:
    """Start, look, publish, refresh, kill everything, start again, stop."""
    seen: dict[str, Any] = {"uid": os.getuid()}
    demo = Demo(folder)
    seen["ready_seconds"] = demo.start()
    status = demo.status()
    seen["tables"] = {name: table["rows"] for name, table in status["tables"].items()}
    seen["metrics"] = {name: httpx.get(url).status_code for name, url in status["metrics"].items()}
    seen["output"] = demo.output.read_text()
    login, where = status["demo_login"], status["addresses"]
    seen["page_without_session"] = httpx.get(where["app"]).status_code
    token = httpx.post(f"{where['api']}/v1/auth/token", data=login).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    seen["sites"] = [site["site_id"] for site in httpx.get(f"{where['api']}/v1/sites", headers=bearer).json()["sites"]]
    seen["trends"] = len(httpx.get(f"{where['api']}/v1/reports/trends/{seen['sites'][0]}", headers=bearer, params={
        "start_date": (datetime.now(UTC).date() - timedelta(days=30)).isoformat(), "end_date": datetime.now(UTC).date().isoformat(),
        "interval": "day"}).json()["points"])  # fmt: skip
    seen["forecast"] = len(httpx.get(f"{where['api']}/v1/forecast/energy_consumption/{seen['sites'][0]}", headers=bearer).json()["points"])
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=8)
    values = [0.111, 0.222, 0.333]
    _publish(status, values, hour)
    time.sleep(4)
    seen["refresh"] = demo.run("refresh").returncode
    device = status["demo_device"]["device_id"]
    query = f"""select energy_kwh from silver.energy where device_id = '{device}'
        and interval_start_at >= '{hour.isoformat()}' order by interval_start_at limit 3"""
    seen["in_silver"] = [row["energy_kwh"] for row in json.loads(demo.run("sql", "--json", query).stdout)["rows"]]
    family = [demo.process.pid, *(child.pid for child in demo.children())] if demo.process else []
    for pid in family:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    seen["killed"] = len(family)
    seen["again_ready_seconds"] = demo.start()
    seen["stop_seconds"], seen["left_after_stop"] = demo.stop(signal.SIGINT)
    return seen


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
