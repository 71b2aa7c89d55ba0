"""The channels of energy and the measures a meter gives them in."""

CHANNELS = ("consumption", "production", "grid_import", "grid_export", "battery_charge", "battery_discharge")
MEASURES = ("interval_kwh", "register_kwh", "power_kw")
