"""The demo's three sites: what stands there, who they buy from, and what their devices measure."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aurora.accounts.tariffs import FlatPrices


@dataclass(frozen=True)
class PlantDevice:
    """A device of a demo site.

    Attributes:
        history_measure: How its history came; live it sends power.
    """

    device_id: str
    name: str
    kind: str
    channels: tuple[str, ...]
    history_measure: str = "interval_kwh"
    energy_source: str | None = None
    role: str = "main"


@dataclass(frozen=True)
class Plant:
    """A demo site.

    Attributes:
        weather: File of the typical year in pvlib whose clouds and temperatures it has, under its own sun.
        profile: Standard load profile of BDEW in demandlib: `h25` or `g25`.
        yearly_kwh: Consumption of a year.
        holidays: Country and part for public holidays.
        facts: Columns of `Site`.
    """

    site_id: str
    name: str
    time_zone: str
    weather: str
    profile: str
    yearly_kwh: float
    holidays: tuple[str, str | None]
    tariff_name: str
    prices: FlatPrices
    devices: tuple[PlantDevice, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def fact(self, name: str) -> float:
        """A number of the site's facts; 0 where it has none."""
        return float(self.facts.get(name) or 0.0)


PLANTS = (
    Plant(
        "demo-home-solar",
        "Solar home in Berlin (demo)",
        "Europe/Berlin",
        "703165TY.csv",
        "h25",
        4_300.0,
        ("DE", "BE"),
        "Demo household, flat",
        FlatPrices(Decimal("0.34"), Decimal("0.079"), Decimal("0.41")),
        (
            PlantDevice("demo-solar-meter", "Grid meter", "meter", ("grid_import", "grid_export")),
            PlantDevice("demo-solar-inverter", "Roof inverter", "inverter", ("production",), energy_source="pv"),
            PlantDevice("demo-solar-battery", "Home battery", "battery", ("battery_charge", "battery_discharge")),
            PlantDevice("demo-solar-plug", "Your own device", "meter", ("consumption", "production"), role="sub"),
        ),
        {
            "latitude": 52.52, "longitude": 13.40, "country": "DE", "currency": "EUR", "floor_area_m2": 142.0, "occupants": 4,
            "heating": "gas", "pv_capacity_kw": 8.0, "pv_tilt_degrees": 35.0, "pv_azimuth_degrees": 190.0,
            "battery_capacity_kwh": 10.0, "battery_power_kw": 5.0, "price_zone": "DE-LU", "carbon_zone": "DE",
        },
    ),
    Plant(
        "demo-home",
        "Terraced home in London (demo)",
        "Europe/London",
        "703165TY.csv",
        "h25",
        2_900.0,
        ("GB", "ENG"),
        "Demo household UK, flat",
        FlatPrices(Decimal("0.2486"), None, Decimal("0.5334")),
        (PlantDevice("demo-home-meter", "Smart meter", "meter", ("grid_import",), "register_kwh"),),
        {
            "latitude": 51.51, "longitude": -0.13, "country": "GB", "currency": "GBP", "floor_area_m2": 88.0, "occupants": 2,
            "heating": "gas", "pv_capacity_kw": 0.0, "battery_capacity_kwh": 0.0, "battery_power_kw": 0.0, "carbon_zone": "GB",
        },
    ),
    Plant(
        "demo-bakery",
        "Bakery in California (demo)",
        "America/Los_Angeles",
        "723170TYA.CSV",
        "g25",
        31_000.0,
        ("US", "CA"),
        "Demo small business, flat",
        FlatPrices(Decimal("0.262"), Decimal("0.058"), Decimal("0.85")),
        (
            PlantDevice("demo-bakery-meter", "Load meter", "meter", ("consumption",)),
            PlantDevice("demo-bakery-inverter", "Roof inverter", "inverter", ("production",), energy_source="pv"),
        ),
        {
            "latitude": 36.74, "longitude": -119.79, "country": "US", "currency": "USD", "floor_area_m2": 310.0,
            "pv_capacity_kw": 12.0, "pv_tilt_degrees": 15.0, "pv_azimuth_degrees": 180.0, "battery_capacity_kwh": 0.0,
            "battery_power_kw": 0.0, "carbon_zone": "US-CAL-CISO",
        },
    ),
)  # fmt: skip

SPARE_DEVICE_ID = "demo-solar-plug"
