"""MQTT topics and topic filters: Aurora's own, and those bound to a device."""

from collections.abc import Collection, Iterable
from functools import lru_cache

OWN_TOPICS = ("aurora/v1/+/readings", "aurora/v1/+/weather", "aurora/v1/+/status")
OWN_BRANCH = "aurora/v1/"
_OWN_LEVELS = 4
_OWN_KINDS = frozenset(topic.rsplit("/", 1)[1] for topic in OWN_TOPICS)


def split_topic(topic: str) -> tuple[str, str] | None:
    """Device id and kind of message of one of Aurora's own topics; None for any other."""
    levels = topic.split("/")
    if len(levels) != _OWN_LEVELS or levels[3] not in _OWN_KINDS or levels[:2] != ["aurora", "v1"]:
        return None
    return levels[2], levels[3]


@lru_cache(maxsize=4096)
def patterns_of(topic: str | None) -> tuple[str, ...]:
    """The topic filters in what a device is bound to, where commas stand between them; Aurora's own topics are not among them."""
    parts = [part.strip() for part in (topic or "").split(",")]
    return tuple(part for part in parts if part and split_topic(part) is None)


def covers(pattern: str, topic: str) -> bool:
    """Whether every topic that `topic`, a topic or a topic filter, stands for is one of `pattern`'s."""
    wide, narrow = pattern.split("/"), topic.split("/")
    for place, level in enumerate(wide):
        if level == "#":
            return True
        if place >= len(narrow) or narrow[place] == "#" or level not in {"+", narrow[place]}:
            return False
    return len(wide) == len(narrow)


def sole_reader(topic: str, readers: Iterable[tuple[str, str]], gateways: Collection[str]) -> str | None:
    """The one device that reads a foreign topic, as the listener shares them out: a gateway reads what nobody else does.

    Args:
        topic: What was published to.
        readers: Topic filter and id of the device that it is bound to.
        gateways: Ids of devices that are gateways.
    """
    devices = {device for pattern, device in readers if covers(pattern, topic)}
    alone = devices.difference(gateways) or devices
    return alone.pop() if len(alone) == 1 else None
