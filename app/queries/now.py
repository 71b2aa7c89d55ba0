"""Power at a site right now: the main devices' last readings, summed by channel, with what can be derived by the balance."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.queries.live import LivePower, LiveReader
from aurora.accounts.database import Accounts
from aurora.accounts.devices import all_devices, is_retired
from aurora.accounts.models import Device, Site
from aurora.domain.channels import CHANNELS

# Signs of the channels in: consumption + export + charge - production - import - discharge = 0.
_BALANCE = {
    "consumption": 1, "grid_export": 1, "battery_charge": 1, "production": -1, "grid_import": -1, "battery_discharge": -1,
}  # fmt: skip


@dataclass(frozen=True)
class SitePower:
    """Power of a site's channels now.

    Attributes:
        power_kw: By channel; None where it is not known now.
        age: How old the oldest reading behind a channel is; absent where nothing is behind it.
        derived: Channels that follow from the others.
        silent_for: For a channel that a device measures but has not sent lately, for how long.
        facts: Channels that the site's facts rule out; they are 0.
    """

    power_kw: dict[str, float | None]
    age: dict[str, timedelta] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()
    silent_for: dict[str, timedelta] = field(default_factory=dict)
    facts: frozenset[str] = frozenset()

    @property
    def is_live(self) -> bool:
        """Whether any device is sending."""
        return bool(self.age)


def live_power(live: LiveReader, accounts: Accounts, site: Site, now: datetime) -> SitePower:
    """Power of each channel of a site at `now`."""
    devices = [device for device in all_devices(accounts, site.site_id) if not is_retired(device, now)]
    main = [device for device in devices if device.role == "main"]
    said = live.power([device.device_id for device in main], now)
    return site_power(list(said.values()), ruled_out(site, main), now)


def ruled_out(site: Site, devices: Sequence[Device]) -> frozenset[str]:
    """Channels that a site cannot have: it has no battery, or nothing that produces."""
    has_storage = bool(site.battery_capacity_kwh) or any(device.kind == "battery" for device in devices)
    has_generation = bool(site.pv_capacity_kw) or any(device.kind == "inverter" or device.energy_source for device in devices)
    return frozenset(
        ([] if has_storage else ["battery_charge", "battery_discharge"])
        + ([] if has_generation else ["production"])
        + ([] if has_storage or has_generation else ["grid_export"])
    )


def _still_ruled_out(impossible: frozenset[str], measured: set[str]) -> frozenset[str]:
    """What the facts rule out and no reading disproves: who measures one side of a battery has the other, who produces can export."""
    storage = {"battery_charge", "battery_discharge"}
    disproved = set(storage) if measured & storage else set()
    if measured & (storage | {"production", "grid_export"}):
        disproved.add("grid_export")
    return impossible - measured - disproved


def site_power(said: Sequence[dict[str, LivePower]], impossible: frozenset[str], now: datetime) -> SitePower:
    """The devices' readings summed by channel. A channel of which one device has gone silent is unknown, not smaller."""
    power_kw: dict[str, float | None] = dict.fromkeys(CHANNELS)
    age: dict[str, timedelta] = {}
    silent: dict[str, timedelta] = {}
    impossible = _still_ruled_out(impossible, {channel for channels in said for channel in channels})
    for channel in CHANNELS:
        readings = [channels[channel] for channels in said if channel in channels]
        if readings and all(reading.is_live(now) for reading in readings):
            power_kw[channel] = sum(reading.power_kw for reading in readings)
            age[channel] = max(timedelta(), *(now - reading.measured_at for reading in readings))
        elif readings:
            silent[channel] = max(now - reading.measured_at for reading in readings)
        elif channel in impossible:
            power_kw[channel] = 0.0
    derived = _derive(power_kw) if age else frozenset()
    age |= {channel: max(age.values()) for channel in derived}
    rest = {channel: span for channel, span in silent.items() if power_kw[channel] is None}
    return SitePower(power_kw, age, derived, rest, impossible)


def _derive(power_kw: dict[str, float | None]) -> frozenset[str]:
    """Fill in what follows from the balance; returns which channels that were."""
    unknown = {channel for channel, value in power_kw.items() if value is None}
    rest_kw = sum(_BALANCE[channel] * value for channel, value in power_kw.items() if value is not None)
    if len(unknown) == 1:
        (channel,) = unknown
        power_kw[channel] = max(-_BALANCE[channel] * rest_kw, 0.0)
        return frozenset(unknown)
    if unknown == {"grid_import", "grid_export"}:
        power_kw["grid_import"], power_kw["grid_export"] = max(rest_kw, 0.0), max(-rest_kw, 0.0)
        return frozenset(unknown)
    return frozenset()
