"""Made devices that publish plausible readings at a chosen rate, to see how a machine copes."""

import json
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aurora.accounts import devices, people, sites
from aurora.accounts.database import Accounts
from aurora.accounts.keys import new_key
from aurora.errors import Refused
from aurora.home import Home, write_private
from aurora.settings import Settings
from ingestion.listener import BrokerAddress, broker_address

SITE_ID = "simulated"
KEYS_SECRET = "simulated_device_keys.json"  # noqa: S105 - the name of a file
MOST_UNSENT = 5_000
CONNECT_SECONDS = 10.0
REPORT_SECONDS = 1.0
DEFAULT_SEED = 7


@dataclass(frozen=True)
class Simulated:
    """What a simulation did.

    Attributes:
        sent: Messages handed to the broker's client.
        acknowledged: Messages the broker acknowledged.
        seconds: How long it took.
    """

    devices: int
    sent: int
    acknowledged: int
    seconds: float


def simulate(
    settings: Settings,
    home: Home,
    accounts: Accounts,
    count: int,
    rate: float,
    seconds: float | None,
    seed: int = DEFAULT_SEED,
    *,
    stop: threading.Event | None = None,
    progress: Callable[[int, int], None] = lambda _sent, _acknowledged: None,
) -> Simulated:
    """Publish readings of `count` made devices, each logged in with its own key, at `rate` messages a second.

    Args:
        settings: Where the broker is.
        home: Keeps the devices' keys.
        accounts: Where the site `simulated` and its devices are made; needs one admin.
        count: How many devices.
        rate: Messages a second, of all together.
        seconds: For how long; None until `stop`.
        seed: Same seed, same values.
        stop: Set to end it.
        progress: Told `(sent, acknowledged)` about once a second.

    Raises:
        Refused: If there is no admin, or the broker cannot be reached.
    """
    if count < 1 or rate <= 0:
        raise Refused("Name at least one device and a rate above zero: --devices N --rate R.")
    keys = _make_devices(accounts, home, count)
    fleet = _Fleet(broker_address(settings, home), keys)
    ended = stop or threading.Event()
    chance, start, sent, reported = random.Random(seed), time.monotonic(), 0, 0.0  # noqa: S311 - plausible values, not secrets
    try:
        while not ended.is_set() and (seconds is None or time.monotonic() - start < seconds):
            elapsed = time.monotonic() - start
            due = int(elapsed * rate) - sent
            for _ in range(due if fleet.unsent(sent) < MOST_UNSENT else 0):
                fleet.publish(sent % count, _reading(chance, sent % count, datetime.now(UTC)))
                sent += 1
            if elapsed - reported >= REPORT_SECONDS:
                reported = elapsed
                progress(sent, fleet.acknowledged)
            ended.wait(min(0.05, 1 / rate))
        fleet.drain(sent)
    finally:
        fleet.close()
    return Simulated(count, sent, fleet.acknowledged, time.monotonic() - start)


def _reading(chance: random.Random, device: int, now: datetime) -> str:
    """Power of a household with a daily rhythm. [kW]"""
    hour = now.hour + now.minute / 60
    power_kw = max(0.08, 0.35 + 0.3 * math.sin((hour - 9 + device % 5) / 24 * 2 * math.pi) + chance.gauss(0, 0.12))
    return json.dumps({"measured_at": now.isoformat(), "channel": "grid_import", "measure": "power_kw", "value": round(power_kw, 4)})


def _make_devices(accounts: Accounts, home: Home, count: int) -> dict[str, str]:
    """Keys of the first `count` simulated devices by id; makes what is missing."""
    if SITE_ID not in {site.site_id for site in sites.all_sites(accounts)}:
        owner = people.only_admin(accounts)
        sites.add_site(accounts, owner, name="Simulated", site_id=SITE_ID, time_zone="UTC", latitude=0.0, longitude=0.0)
    file = home.secrets / KEYS_SECRET
    keys: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known = {device.device_id for device in devices.all_devices(accounts, SITE_ID)}
    wanted = [f"simulated-{number:05d}" for number in range(1, count + 1)]
    for device_id in wanted:
        if device_id not in known:
            # A hundred of them would be one meter too many for the site, so none is added to it.
            devices.add_device(accounts, SITE_ID, name=device_id, kind="meter", device_id=device_id, role="sub")
        if device_id not in keys:
            keys[device_id] = new_key(accounts, device_id)[1]
    write_private(file, json.dumps(keys))
    return {device_id: keys[device_id] for device_id in wanted}


class _Fleet:
    """The connections of the simulated devices."""

    def __init__(self, address: BrokerAddress, keys: dict[str, str]) -> None:
        self.acknowledged = 0
        self._lock = threading.Lock()
        self._topics = [f"aurora/v1/{device_id}/readings" for device_id in keys]
        self._clients = [self._connect(address, device_id, key) for device_id, key in keys.items()]
        self._await_connections(address)

    def _connect(self, address: BrokerAddress, device_id: str, key: str):
        from paho.mqtt import client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion

        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{device_id}-simulator", protocol=mqtt.MQTTv311)
        client.username_pw_set(device_id, key)
        client.max_inflight_messages_set(1_000)
        client.on_publish = self._count
        client.connect_async(address.host, address.port)
        client.loop_start()
        return client

    def _count(self, *_about: object) -> None:
        with self._lock:
            self.acknowledged += 1

    def _await_connections(self, address: BrokerAddress) -> None:
        deadline = time.monotonic() + CONNECT_SECONDS
        while not all(client.is_connected() for client in self._clients):
            if time.monotonic() > deadline:
                self.close()
                raise Refused(f"The broker at {address.host}:{address.port} does not let the devices in. Is `aurora up` running?")
            time.sleep(0.05)

    def publish(self, number: int, payload: str) -> None:
        """Send a reading of one device."""
        self._clients[number].publish(self._topics[number], payload, qos=1)

    def unsent(self, sent: int) -> int:
        """Messages the broker has not acknowledged yet."""
        return sent - self.acknowledged

    def drain(self, sent: int) -> None:
        """Wait some seconds for the last acknowledgements."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while self.unsent(sent) and time.monotonic() < deadline:
            time.sleep(0.05)

    def close(self) -> None:
        """Disconnect all."""
        for client in self._clients:
            client.disconnect()
            client.loop_stop()
