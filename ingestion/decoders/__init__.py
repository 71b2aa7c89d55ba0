"""Decoders: one module a payload format, each a pure function from a message, and its device's last state, to what it says.

A package outside gives a decoder as an entry point of the group `aurora.decoders`: the name devices are bound to, and a function
`decode(message, limits, state) -> Decoded` with the types of `ingestion.messages`.
"""

from collections.abc import Callable
from functools import cache
from importlib import metadata

from aurora import logs
from aurora.domain.decoders import GROUP
from ingestion.decoders import (
    aurora,
    dsmr_reader,
    emoncms,
    envoy,
    fronius,
    ha_discovery,
    ha_statestream,
    homewizard,
    p1,
    shelly_gen1,
    shelly_rpc,
    tasmota,
    zigbee2mqtt,
)  # fmt: skip
from ingestion.messages import NO_STATE, Decoded, Limits, Message, State, refuse

Decoder = Callable[[Message, Limits, State], Decoded]

KEPT_OF_TOO_LARGE_BYTES = 4096

DECODERS: dict[str, Decoder] = {
    "aurora": aurora.decode,
    "shelly_gen1": shelly_gen1.decode,
    "shelly_rpc": shelly_rpc.decode,
    "tasmota": tasmota.decode,
    "zigbee2mqtt": zigbee2mqtt.decode,
    "ha_statestream": ha_statestream.decode,
    "ha_discovery": ha_discovery.decode,
    "dsmr_reader": dsmr_reader.decode,
    "p1": p1.decode,
    "emoncms": emoncms.decode,
    "fronius": fronius.decode,
    "envoy": envoy.decode,
    "homewizard": homewizard.decode,
}

log = logs.logger(__name__)


@cache
def known_decoders() -> dict[str, Decoder]:
    """Every decoder by name: Aurora's own, which nothing takes the place of, and those of installed packages."""
    found = dict(DECODERS)
    for entry in metadata.entry_points(group=GROUP):
        if entry.name in DECODERS:
            continue
        try:
            found[entry.name] = entry.load()
        except Exception:
            # A package of somebody else may raise anything as it is imported; all other devices go on.
            log.exception("a decoder cannot be loaded; devices bound to it are refused", decoder=entry.name, package=entry.value)
    return found


def too_large(payload: bytes, limits: Limits) -> Decoded | None:
    """The refusal of a payload that is too large, of which the beginning is kept; None where it is not."""
    if len(payload) <= limits.max_bytes:
        return None
    sentence = f"The payload has {len(payload)} bytes; at most {limits.max_bytes} are taken."
    return refuse(payload, "too_large", sentence, KEPT_OF_TOO_LARGE_BYTES)


def _told(decoded: Decoded) -> Decoded:
    """What a message said; one that said nothing at all counts as ignored, so that none goes uncounted."""
    is_something = (
        decoded.readings or decoded.rejections or decoded.weather or decoded.states or decoded.ignored or decoded.state is not None
    )
    return decoded if is_something else Decoded(ignored=1)


def _own_form(message: Message, limits: Limits, decoded: Decoded) -> Decoded:
    """What a message said by its device's format, or where that is nothing, as a reading of Aurora's own form on the device's own topic."""
    if message.kind != "readings" or decoded.readings or decoded.state is not None:
        return decoded
    own = aurora.decode(message, limits)
    return own if own.readings and not own.rejections else decoded


def decode(message: Message, limits: Limits, state: State = NO_STATE) -> Decoded:
    """What a message says, by the decoder of its device, over what is known of the device from the messages before."""
    if (refused := too_large(message.payload, limits)) is not None:
        return refused
    name = message.device.decoder
    if name == "aurora" or message.kind in {"status", "weather"}:
        return _told(aurora.decode(message, limits, state))
    decoder = known_decoders().get(name)
    if decoder is None:
        return refuse(message.payload, "unknown_decoder", f"There is no decoder {name}; known: {', '.join(known_decoders())}.")
    try:
        return _told(_own_form(message, limits, decoder(message, limits, state)))
    except Exception:
        # Whatever a format not our own holds, the listener goes on and the payload is kept for a replay.
        log.exception("a decoder failed", decoder=name, device=message.device.device_id)
        return refuse(message.payload, "decoder_failed", f"The decoder {name} could not make anything of it.")
