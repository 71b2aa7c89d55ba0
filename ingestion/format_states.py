"""What devices of formats that tell changes alone said last, kept in the home so that a restart forgets none of it."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from aurora import logs
from aurora.home import Home
from ingestion.messages import NO_STATE, State

FILE = "formats.sqlite"
# A decoder of ours remembers some hundred short texts; whatever one from outside piles up, a file must not grow with it.
LARGEST_BYTES = 64 * 1024
# What formats say of a device once and its values rely on: which meter, sensor or unit a value is of.
FACTS = ("meter:", "sensor:", "unit:")

log = logs.logger(__name__)


class FormatStates:
    """Last states by device: as the newest message left them, and on disk as the newest committed one did."""

    def __init__(self, home: Home | None = None) -> None:
        """Read what is kept in the home; without one nothing is kept."""
        self._lock = threading.Lock()
        self._file = None if home is None else home.path / FILE
        self._newest: dict[str, State] = {} if self._file is None else _read(self._file)

    def of(self, device_id: str) -> State:
        """What is known of a device by its newest message."""
        return self._newest.get(device_id, NO_STATE)

    def change(self, device_id: str, state: State) -> None:
        """Know this of a device from now on; `keep` puts it on disk."""
        self._newest[device_id] = state

    def keep(self, states: Mapping[str, State]) -> None:
        """Put on disk what messages left that are committed by now. A disk that refuses is told of and costs no reading."""
        rows = [(device_id, text) for device_id, state in states.items() if (text := _as_text(device_id, state)) is not None]
        self._write("insert into states values (?, ?) on conflict (device_id) do update set state = excluded.state", rows)

    def forget(self, device_ids: Iterable[str]) -> None:
        """Know nothing of these devices any more."""
        gone = list(device_ids)
        for device_id in gone:
            self._newest.pop(device_id, None)
        self._write("delete from states where device_id = ?", [(device_id,) for device_id in gone])

    @property
    def device_ids(self) -> list[str]:
        """The devices of which something is known."""
        return list(self._newest)

    def _write(self, statement: str, rows: list[tuple[str, ...]]) -> None:
        if self._file is None or not rows:
            return
        try:
            with self._lock, closing(_opened(self._file)) as connection, connection:
                connection.executemany(statement, rows)
        except sqlite3.Error as error:
            log.error("what formats said last cannot be kept; a restart would forget it", file=str(self._file), error=str(error))  # noqa: TRY400 - an expected failure; its text says all


def known_facts(folder: Path) -> dict[str, State]:
    """What formats said once of devices, without the values they said last, by device; from the home's folder."""
    return {
        device_id: {name: value for name, value in state.items() if name.startswith(FACTS)}
        for device_id, state in _read(folder / FILE).items()
    }


def _opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=5.0)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=normal")
    connection.execute("create table if not exists states (device_id text primary key, state text not null)")
    for part in file.parent.glob(f"{file.name}*"):
        part.chmod(0o600)
    return connection


def _read(file: Path) -> dict[str, State]:
    if not file.exists():
        return {}
    try:
        with closing(_opened(file)) as connection:
            return {device_id: json.loads(text) for device_id, text in connection.execute("select device_id, state from states")}
    except (sqlite3.Error, ValueError) as error:
        log.error("what formats said last cannot be read; their next full message says it again", file=str(file), error=str(error))  # noqa: TRY400 - an expected failure; its text says all
        return {}


def _as_text(device_id: str, state: State) -> str | None:
    try:
        text = json.dumps(dict(state))
    except (TypeError, ValueError):
        log.warning("a decoder's state is no JSON; a restart forgets it", device=device_id)
        return None
    if len(text) > LARGEST_BYTES:
        log.warning("a decoder's state is too large; a restart forgets it", device=device_id, characters=len(text))
        return None
    return text
