"""The channels of energy and the measures a meter gives them in."""

CHANNELS = ("consumption", "production", "grid_import", "grid_export", "battery_charge", "battery_discharge")
# No meter of a site shows more: the demand of a large country in half an hour is 2e7 kWh. Beyond lie broken devices.
MOST_KWH = 1e9
MOST_KW = 1e9

MEASURES = ("interval_kwh", "register_kwh", "power_kw")

# A reading that says nothing of it was measured.
MEASURED, ESTIMATED = "measured", "estimated"
