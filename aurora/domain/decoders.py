"""Names of the payload formats a device can be bound to: Aurora's own, and those that installed packages bring."""

from importlib import metadata

GROUP = "aurora.decoders"
OWN = (
    "aurora", "dsmr_reader", "emoncms", "envoy", "fronius", "ha_discovery", "ha_statestream", "homewizard", "p1", "shelly_gen1",
    "shelly_rpc", "tasmota", "zigbee2mqtt",
)  # fmt: skip


def names() -> list[str]:
    """Every name, in order; that a package's decoder can be loaded is not tried."""
    return sorted({*OWN, *(entry.name for entry in metadata.entry_points(group=GROUP))})


def refuse_unknown(name: str) -> str:
    """The name. Raises ValueError with all that are known where it is none of them."""
    if name not in OWN and name not in names():
        raise ValueError(f"must be one of {', '.join(names())}")
    return name
