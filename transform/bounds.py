"""The most power that the facts of a site allow each channel of its devices to carry.

A fuse holds more than it says for minutes (IEC 60898-1 lets a breaker carry 1.13 times its rating for an hour without tripping, 1.45 times
for less), and an array gives more than its size in cold and under bright clouds; hence the margins.
"""

import polars as pl

VOLTS, PHASES, WATTS_A_KW = 230.0, 3, 1_000.0
FUSE_MARGIN, PV_MARGIN, BATTERY_MARGIN = 1.45, 1.3, 1.3

FACTS_IN_USE = ("fuse_a", "grid_limit_kw", "pv_capacity_kw", "battery_power_kw")


def of_devices(devices: pl.DataFrame, sites: pl.DataFrame) -> pl.DataFrame:
    """The bound of every channel that some fact of the site bounds.

    Args:
        devices: device_id, site_id, kind, energy_source.
        sites: site_id, fuse_a [A], grid_limit_kw, pv_capacity_kw, battery_power_kw. [kW]

    Returns:
        One row per device and channel: device_id, channel, most_kw. [kW] A channel whose bound nobody knows has no row.
    """
    fuse_kw = pl.col("fuse_a") * VOLTS * PHASES / WATTS_A_KW * FUSE_MARGIN
    grid_kw = pl.max_horizontal(fuse_kw, pl.col("grid_limit_kw"))
    makes_other = (pl.col("energy_source") != "pv").fill_null(value=False)
    pv_kw = pl.when(pl.col("pv_capacity_kw") > 0).then(pl.col("pv_capacity_kw") * PV_MARGIN)
    battery_kw = pl.when(pl.col("battery_power_kw") > 0).then(pl.col("battery_power_kw") * BATTERY_MARGIN)
    is_unsized = ((pl.col("energy_source") == "pv") & pl.col("pv_capacity_kw").is_null()).fill_null(value=False)
    is_unsized = is_unsized | ((pl.col("kind") == "battery") & pl.col("battery_power_kw").is_null()).fill_null(value=False)
    supplied_kw = pl.when(~(makes_other | is_unsized).any().over("site_id")).then(
        grid_kw + pv_kw.fill_null(0.0) + battery_kw.fill_null(0.0)
    )
    most = {
        "grid_import": grid_kw,
        "grid_export": grid_kw,
        "production": pl.when(pl.col("energy_source") == "pv").then(pv_kw),
        "battery_charge": battery_kw,
        "battery_discharge": battery_kw,
        "consumption": supplied_kw,
    }
    facts = devices.select("device_id", "site_id", "kind", "energy_source").join(sites.select("site_id", *FACTS_IN_USE), on="site_id")
    wide = facts.select("device_id", *[bound.alias(channel) for channel, bound in most.items()])
    return wide.unpivot(index="device_id", variable_name="channel", value_name="most_kw").drop_nulls("most_kw")
