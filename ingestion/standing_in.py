"""What a further listener does for the first one while that is away: topics that are newly bound to devices are heard by its session."""

from dataclasses import replace

from aurora import logs, processes
from aurora.errors import Transient
from aurora.home import Home
from ingestion.listener import NOTE, BrokerAddress, hold_session
from ingestion.registry import DeviceRegistry

log = logs.logger(__name__)


class StandIn:
    """Subscribes for the first listener; the broker keeps what comes until that one is back."""

    def __init__(self, own: BrokerAddress, part: int, registry: DeviceRegistry, home: Home) -> None:
        """One that has subscribed to nothing yet.

        Args:
            own: Where the broker is, and the session of the further listener itself.
            part: Which of the listeners it is.
            registry: What is bound.
            home: Where the first listener says whether it is connected.
        """
        self._first = replace(own, client_id=own.client_id.removesuffix(f"-{part}"))
        self._registry = registry
        self._home = home
        self._held: frozenset[str] = frozenset()

    def look(self) -> None:
        """Subscribe to what was bound since the first listener went; nothing while it is there.

        Should it come back meanwhile, it takes its session over; were it there after all, it would connect again and lose nothing.
        """
        if not self._is_away():
            self._held = frozenset()
            return
        bound = frozenset(self._registry.bindings.devices)
        if new := sorted(bound - self._held):
            try:
                hold_session(self._first, new)
                self._held = bound
            except Transient as error:
                log.warning("nobody hears newly bound topics; tried again", topics=new, error=str(error))

    def _is_away(self) -> bool:
        note = self._home.read_note(NOTE)
        return note.get("state") != "connected" or not processes.is_alive(note["pid"], note["started_at"])
