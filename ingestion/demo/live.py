"""The demo's devices: each logs in to the broker with its own key and sends its power every few seconds, as its history would go on."""

import json
import os
import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from aurora import logs, metrics
from aurora.domain.calendar import QUARTER_SECONDS
from aurora.home import Home
from aurora.settings import Settings
from ingestion.demo import SEED
from ingestion.demo.energy import SiteSeries, local_day, site_series
from ingestion.demo.plants import PLANTS, Plant, PlantDevice
from ingestion.demo.replaying import recordings_served
from ingestion.demo.sites import read_keys
from ingestion.listener import BrokerAddress, broker_address
from ingestion.processes import stop_signal

if TYPE_CHECKING:
    from paho.mqtt.client import Client

LEAST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 5.0
FLICKER_SECONDS = 5
FLICKER_RATIO = 0.06
RUN_UP = timedelta(days=3)
AHEAD = timedelta(days=2)
MOST_QUEUED = 2_000
DECIMALS = 4

log = logs.logger(__name__)


class LivePower:
    """Power of one site now: its series between the quarter hours, with the small changes of a real house."""

    def __init__(self, plant: Plant, seed: int) -> None:
        self._plant = plant
        self._seed = seed
        self._series: SiteSeries | None = None

    def at(self, now: datetime) -> dict[str, float]:
        """Power of each channel at `now`; the balance of the site closes. [kW]"""
        second = now.timestamp()
        series = self._current(now)
        middle = series.starts + QUARTER_SECONDS / 2
        power = {channel: float(np.interp(second, middle, values)) for channel, values in series.power_kw.items()}
        change = np.random.default_rng([self._seed, int(second) // FLICKER_SECONDS]).normal(1.0, FLICKER_RATIO, 2)
        power["consumption"] *= float(np.clip(change[0], 0.8, 1.25))
        power["production"] *= float(np.clip(1 + (change[1] - 1) / 3, 0.9, 1.1))
        left = power["production"] + power["battery_discharge"] - power["consumption"] - power["battery_charge"]
        # The battery follows what changes within the quarter, so that it never feeds the grid or charges from it.
        given_back = min(max(left, 0.0), power["battery_discharge"])
        stored_less = min(max(-left, 0.0), power["battery_charge"])
        power["battery_discharge"] -= given_back
        power["battery_charge"] -= stored_less
        left += stored_less - given_back
        return power | {"grid_import": max(-left, 0.0), "grid_export": max(left, 0.0)}

    def _current(self, now: datetime) -> SiteSeries:
        series = self._series
        if series is None or now.timestamp() > series.starts[-1] - QUARTER_SECONDS:
            series = site_series(self._plant, local_day(now - RUN_UP, self._plant), local_day(now + AHEAD, self._plant), self._seed)
            self._series = series
        return series


@dataclass
class LiveDevice:
    """One device with its connection.

    Attributes:
        due: When it sends next.
    """

    device: PlantDevice
    client: "Client"
    power: LivePower
    due: datetime

    def send(self, now: datetime) -> None:
        """Publish the power of its channels."""
        power = self.power.at(now)
        readings = [
            {"measured_at": now.isoformat(), "channel": channel, "measure": "power_kw", "value": round(power[channel], DECIMALS)}
            for channel in self.device.channels
        ]
        self.client.publish(f"aurora/v1/{self.device.device_id}/readings", json.dumps(readings), qos=1)


def run(settings: Settings, home: Home) -> None:
    """The process of the demo's devices, until SIGTERM."""
    stop = stop_signal()
    metrics.serve("devices", settings, home)
    fleet = connect_fleet(broker_address(settings, home), read_keys(home), datetime.now(UTC))
    home.note("devices", {"pid": os.getpid(), "devices": [live.device.device_id for live in fleet]})
    log.info("demo devices are sending", devices=len(fleet))
    try:
        with recordings_served(home, SEED):
            send_until(fleet, stop)
    finally:
        for live in fleet:
            live.client.disconnect()
            live.client.loop_stop()


def connect_fleet(address: BrokerAddress, keys: dict[str, str], now: datetime) -> list[LiveDevice]:
    """Every main device of the demo, connecting with its own key."""
    fleet: list[LiveDevice] = []
    for plant in PLANTS:
        power = LivePower(plant, SEED)
        fleet += [
            LiveDevice(device, _connect(address, device.device_id, keys[device.device_id]), power, now)
            for device in plant.devices
            if device.role == "main" and device.device_id in keys
        ]
    return fleet


def send_until(fleet: list[LiveDevice], stop: threading.Event) -> None:
    """Let each device send every two to five seconds until `stop` is set."""
    rhythm = random.Random(SEED)
    while not stop.is_set():
        now = datetime.now(UTC)
        for live in fleet:
            if live.due <= now:
                live.send(now)
                live.due = now + timedelta(seconds=rhythm.uniform(LEAST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
        stop.wait(0.25)


def _connect(address: BrokerAddress, device_id: str, key: str) -> "Client":
    from paho.mqtt import client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    def announce(connected: mqtt.Client, *_about: object) -> None:
        connected.publish(f"aurora/v1/{device_id}/status", "online", qos=1, retain=True)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{device_id}-live", protocol=mqtt.MQTTv311)
    client.username_pw_set(device_id, key)
    if address.is_encrypted:
        client.tls_set()
    client.will_set(f"aurora/v1/{device_id}/status", "offline", qos=1, retain=True)
    client.max_queued_messages_set(MOST_QUEUED)
    client.reconnect_delay_set(min_delay=1, max_delay=10)
    client.on_connect = announce
    client.connect_async(address.host, address.port, keepalive=30)
    client.loop_start()
    return client
