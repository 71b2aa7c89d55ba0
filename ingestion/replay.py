"""Puts refused payloads through again, each once: what is good by now lands, and a second row marks the replay.

What landed when the payload came, because only a part of it was refused, does not land again, and what was corrected since stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa

from aurora.accounts.database import Accounts
from aurora.domain.topics import split_topic
from aurora.lake.store import Between, Lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from ingestion import bronze
from ingestion.decoders import decode
from ingestion.format_states import known_facts
from ingestion.landing import Batch
from ingestion.listener import FOREIGN
from ingestion.messages import NO_STATE, Decoded, DeviceState, Limits, Message, State, bytes_of, joined, refuse
from ingestion.registry import DeviceRegistry

SOURCE = "replay"
ROWS_A_COMMIT = 20_000


@dataclass(frozen=True)
class Waiting:
    """A refused payload that was not replayed yet."""

    rejected_id: str
    topic: str | None
    payload: str
    payload_base64: str | None
    source: str
    reason: str
    received_at: datetime


WAITING = tuple(one.name for one in fields(Waiting))


def replay_rejected(lake: Lake, accounts: Accounts, settings: Settings, reason: str | None = None, *, now: datetime | None = None) -> int:
    """Replay what was refused (for one reason) and return how many payloads were good this time.

    Each payload is replayed once; what is refused again stays, marked as replayed. Limits for late and future readings do not hold.
    A value gives way to one of the same key that landed with its payload or after it. What its format says on another topic, such as its
    unit, counts as it is known today.
    """
    moment = now or datetime.now(UTC)
    registry, limits = DeviceRegistry(accounts), Limits(None, None, settings.max_message_bytes)
    stamps, accepted = bronze.stamps_above(lake), 0
    waiting, states = _waiting(lake, reason), known_facts(settings.resolved_home)
    for first in range(0, len(waiting), ROWS_A_COMMIT):
        part = waiting[first : first + ROWS_A_COMMIT]
        batch = Batch()
        said = [_decode(one, registry, limits, states) for one in part]
        accepted += sum(not decoded.rejections for decoded in said)
        for one, decoded in zip(part, _not_landed(lake, part, said), strict=True):
            batch.add(decoded, SOURCE, one.topic)
        received_at = stamps.next(moment)
        # Readings first: a replay that is cut short comes again and counts once, a mark without its readings would lose them.
        for name, rows in batch.tables(received_at):
            lake.land(name, rows)
        lake.land(bronze.REJECTED, _marks(part, received_at, moment))
    return accepted


def _waiting(lake: Lake, reason: str | None) -> list[Waiting]:
    rows = lake.scan(bronze.REJECTED)
    replayed = rows.filter(pl.col("replayed_at").is_not_null()).select("rejected_id")
    left = rows.filter(pl.col("replayed_at").is_null()).join(replayed, on="rejected_id", how="anti")
    if reason is not None:
        left = left.filter(pl.col("reason") == reason)
    chosen = left.sort("received_at", "rejected_id").select(*WAITING).collect()
    return [Waiting(*row) for row in chosen.iter_rows()]


def _decode(one: Waiting, registry: DeviceRegistry, limits: Limits, states: dict[str, State]) -> Decoded:
    """What the payload says today, as if it came when it did; nothing where its device is still unknown."""
    topic = one.topic or ""
    route = split_topic(topic)
    own = registry.find(route[0]) if route else None
    devices = ((own,) if own else ()) if route else registry.bound_to(topic)
    if not devices or one.reason == "too_large":
        return refuse(b"", one.reason, "It cannot be taken today either.")
    parts = []
    for device in devices:
        content = bytes_of(one.payload, one.payload_base64)
        message = Message(device, route[1] if route else FOREIGN, topic, content, one.received_at, may_wait=False)
        decoded = decode(message, limits, states.get(device.device_id, NO_STATE))
        states[device.device_id] = decoded.state or states.get(device.device_id, NO_STATE)
        parts.append(decoded)
    return joined(parts)


def _not_landed(lake: Lake, part: list[Waiting], said: list[Decoded]) -> list[Decoded]:
    """What was said without the values that gave way to others."""
    readings = _standing(lake, bronze.READINGS, part, [decoded.readings for decoded in said])
    weather = _standing(lake, bronze.WEATHER, part, [decoded.weather for decoded in said])
    return [
        Decoded(good, values, [DeviceState(state.device_id, state.state, state.at or one.received_at) for state in decoded.states])
        for one, decoded, good, values in zip(part, said, readings, weather, strict=True)
    ]


def _standing(lake: Lake, name: str, part: list[Waiting], said: list[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Of the values of each payload those of whose key nothing landed with the payload or later, but by a replay."""
    key = TABLES[name].key
    keys = [[tuple(getattr(value, column) for column in key) for value in values] for values in said]
    rows = [(at, place, *one) for at, (payload, ones) in enumerate(zip(part, keys, strict=True)) for place, one in enumerate(ones)]
    if not rows:
        return [() for _ in part]
    types = pl.Schema(TABLES[name].schema)
    schema = {"payload": pl.Int64, "place": pl.Int64} | {column: types[column] for column in key}
    asked = pl.DataFrame(rows, schema=schema, orient="row")
    came = pl.DataFrame({"payload": range(len(part)), "came_at": [one.received_at for one in part]})
    held = (
        lake.scan(name, between=[Between("measured_at", asked["measured_at"].min())])
        .filter(pl.col("source") != SOURCE)
        .select(*key, "received_at")
    )
    gone = asked.lazy().join(came.lazy(), on="payload").join(held, on=key).filter(pl.col("received_at") >= pl.col("came_at"))
    given_way = set(gone.select("payload", "place").collect().iter_rows())
    return [tuple(value for place, value in enumerate(values) if (at, place) not in given_way) for at, values in enumerate(said)]


def _marks(part: list[Waiting], received_at: datetime, now: datetime) -> pa.Table:
    rows = [
        {"rejected_id": one.rejected_id, "source": one.source, "topic": one.topic, "payload": one.payload, "reason": one.reason,
         "received_at": received_at, "replayed_at": now, "payload_base64": one.payload_base64}
        for one in part
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=TABLES[bronze.REJECTED].schema)
