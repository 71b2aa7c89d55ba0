"""Makes the demo's sites, devices, keys and tariffs in the accounts; what is there already stays."""

import json
from typing import Any

from aurora.accounts import devices, people, sites, tariffs
from aurora.accounts.database import Accounts
from aurora.accounts.keys import new_key
from aurora.accounts.models import User
from aurora.home import Home, write_private
from ingestion.demo.plants import PLANTS, SPARE_DEVICE_ID, Plant, PlantDevice

KEYS_SECRET = "demo_device_keys.json"  # noqa: S105 - the name of a file
INTERVAL_SECONDS = 900


def make_sites(accounts: Accounts, home: Home) -> None:
    """Make every demo site with its devices, each device with a key kept in the home's secrets. Raises Refused without an admin."""
    owner = people.only_admin(accounts)
    known = {site.site_id for site in sites.all_sites(accounts)}
    for plant in PLANTS:
        if plant.site_id not in known:
            _make_site(accounts, owner, plant)
    keys = read_keys(home)
    for device_id in (device.device_id for plant in PLANTS for device in plant.devices):
        if device_id not in keys:
            _key_id, keys[device_id] = new_key(accounts, device_id)
    write_private(home.secrets / KEYS_SECRET, json.dumps(keys))


def read_keys(home: Home) -> dict[str, str]:
    """Key of each demo device; empty before they are made."""
    file = home.secrets / KEYS_SECRET
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def login_device(accounts: Accounts, home: Home) -> dict[str, Any]:
    """A device of the demo for anyone to publish as: device_id, key, channels. It is a `sub` device, so it changes no site's totals."""
    spare = next(device for plant in PLANTS for device in plant.devices if device.device_id == SPARE_DEVICE_ID)
    devices.find_device(accounts, spare.device_id)
    return {"device_id": spare.device_id, "key": read_keys(home)[spare.device_id], "channels": list(spare.channels)}


def _make_site(accounts: Accounts, owner: User, plant: Plant) -> None:
    tariff_id = f"{plant.site_id}-flat"
    tariffs.add_flat_tariff(accounts, tariff_id, plant.tariff_name, plant.facts["currency"], plant.prices)
    sites.add_site(accounts, owner, name=plant.name, site_id=plant.site_id, time_zone=plant.time_zone, tariff_id=tariff_id, **plant.facts)
    for device in plant.devices:
        _make_device(accounts, plant, device)


def _make_device(accounts: Accounts, plant: Plant, device: PlantDevice) -> None:
    devices.add_device(
        accounts,
        plant.site_id,
        name=device.name,
        kind=device.kind,
        device_id=device.device_id,
        role=device.role,
        energy_source=device.energy_source,
        interval_seconds=INTERVAL_SECONDS,
    )
