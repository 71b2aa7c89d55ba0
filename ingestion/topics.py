"""Who may use which MQTT topics, and what listeners hear."""

from collections.abc import Iterable

from paho.mqtt.matcher import MQTTMatcher

from aurora.domain.topics import OWN_BRANCH, OWN_TOPICS, covers

EVERYTHING = "#"
# Of those that subscribe under it the broker tells each message to one.
SHARED = "$share/aurora/"


def may_use(device_id: str, patterns: tuple[str, ...], topic: str) -> bool:
    """Whether a device may publish to, or subscribe to, a topic or topic filter: its own branch and what is bound to it."""
    if not device_id:
        return False
    if topic.startswith(OWN_BRANCH):
        return topic.startswith(f"{OWN_BRANCH}{device_id}/")
    return any(covers(pattern, topic) for pattern in patterns)


def heard(listeners: int, part: int, *, is_ours: bool) -> tuple[str, ...]:
    """The topic filters that a listener hears whatever is bound to devices.

    Args:
        listeners: How many there are.
        part: Which of them it is, from 1.
        is_ours: Whether nobody but Aurora's devices publishes there: one listener hears all of it, also what is bound in its absence.
    """
    if listeners > 1 or part > 1:
        return tuple(f"{SHARED}{topic}" for topic in OWN_TOPICS)
    return (EVERYTHING,) if is_ours else OWN_TOPICS


def widest(patterns: Iterable[str]) -> frozenset[str]:
    """Topic filters that no other of them covers. Of filters that overlap a broker may deliver a message once each."""
    matcher = MQTTMatcher()
    every = frozenset(patterns)
    for pattern in every:
        matcher[pattern] = pattern
    return frozenset(one for one in every if not any(wide != one and covers(wide, one) for wide in matcher.iter_match(one)))
