"""Decoders: one module a payload format, each a pure function from a message to what it says."""

from collections.abc import Callable

from ingestion.decoders import aurora
from ingestion.messages import Decoded, Limits, Message, refuse

Decoder = Callable[[Message, Limits], Decoded]

KEPT_OF_TOO_LARGE_BYTES = 4096

DECODERS: dict[str, Decoder] = {"aurora": aurora.decode}


def decode(message: Message, limits: Limits) -> Decoded:
    """What a message says, by the decoder of its device."""
    if len(message.payload) > limits.max_bytes:
        sentence = f"The payload has {len(message.payload)} bytes; at most {limits.max_bytes} are taken."
        return refuse(message.payload, "too_large", sentence, KEPT_OF_TOO_LARGE_BYTES)
    decoder = DECODERS.get(message.device.decoder)
    if decoder is None:
        return refuse(message.payload, "unknown_decoder", f"There is no decoder {message.device.decoder}; known: {', '.join(DECODERS)}.")
    return decoder(message, limits)
