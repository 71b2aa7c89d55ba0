"""What answers look like, for the description of the API."""

from typing import Any

from pydantic import BaseModel

SITE: dict[str, Any] = {
    "site_id": "haus-nord", "name": "Haus Nord", "time_zone": "Europe/Berlin", "latitude": 52.5, "longitude": 13.4, "country": "DE",
    "currency": "EUR", "floor_area_m2": 140.0, "occupants": 3, "heating": "heat_pump", "appliances": None, "pv_capacity_kw": 9.9,
    "pv_tilt_degrees": 35.0, "pv_azimuth_degrees": 180.0, "battery_capacity_kwh": None, "battery_power_kw": None, "fuse_a": 35.0,
    "grid_limit_kw": None, "price_zone": "DE-LU", "carbon_zone": "DE", "tariff_id": None, "weather_station_id": None,
    "created_at": "2026-11-01T09:30:00Z",
}  # fmt: skip
DEVICE: dict[str, Any] = {
    "device_id": "meter", "site_id": "haus-nord", "name": "Meter", "kind": "meter", "role": "main", "energy_source": None, "decoder": None,
    "topic": "aurora/v1/meter/readings", "interval_seconds": 900, "max_gap_seconds": None, "inputs": None, "is_import": False,
    "retired_at": None, "created_at": "2026-11-01T09:30:00Z",
}  # fmt: skip
MEMBER: dict[str, Any] = {"user_id": "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "username": "bob", "role": "viewer", "ends_at": None}
INVITATION: dict[str, Any] = {
    "invitation_id": "6fa459ea-ee8a-4ca4-894e-db77e160355e", "site_id": "haus-nord", "email": "bob@example.org", "role": "viewer",
    "ends_at": None, "created_at": "2026-11-01T09:30:00Z", "expires_at": "2026-11-15T09:30:00Z",
}  # fmt: skip
KEY: dict[str, Any] = {"key_id": "16fd2706-8baf-433b-82eb-8c7fada847da", "name": "Cellar", "created_at": "2026-11-01T09:30:00Z"}
SECRET_KEY: dict[str, Any] = {"key_id": KEY["key_id"], "key": "N2Jk-example-of-a-key-that-is-shown-once-0000"}
TARIFF: dict[str, Any] = {
    "tariff_id": "haus-nord-1a2b3c4d", "name": "Flat 2026", "currency": "EUR",
    "prices": [
        {
            "part": "energy", "direction": "import", "quantity_unit": "kWh", "unit_price": 0.3125, "valid_from": "1970-01-01T00:00:00Z",
            "valid_until": None,
        }
    ],
}  # fmt: skip


def answer(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The description of an answer of that shape."""
    return {status: {"model": model}}
