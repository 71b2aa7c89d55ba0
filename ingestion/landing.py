"""The group commit: collects what every entry point received and commits it to bronze, then tells the senders.

Nobody is told before the commit. A commit that fails is tried again until it succeeds; meanwhile senders wait, so memory stays bounded.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa

from aurora import logs, metrics
from aurora.errors import Busy, Transient
from aurora.lake.store import PASSING_ERRORS, Lake
from aurora.settings import Settings
from ingestion import bronze
from ingestion.messages import Block, Decoded, DeviceState, Reading, WeatherValue
from ingestion.runs import Runs

Told = Callable[[list[Any]], None]

WAITING_FLUSHES = 4
# Whoever sends many readings at once sends the next when these are stored: once nothing more has come for a moment, all of them wait.
PROMPT_READINGS = 1_000
PROMPT_SECONDS = 0.02
WAITING_PAYLOAD_BYTES = 64 * 1024**2
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
STOP_SECONDS = 4.0
MOST_REASON = 300

log = logs.logger(__name__)


@dataclass
class Batch:
    """What one commit will hold, and who is told after it.

    Attributes:
        readings: In the order they came, in stretches of one form.
        sources: Where each came from.
        waiting: Rows and refusals in it.
        since: When the first came. [s]
        newest: When the last came, of a batch that is large enough for it to matter; else 0. [s]
        told: For each who is to be told, the tokens of the submissions that are now safe.
    """

    readings: list[bronze.Gathered | list[Reading]] = field(default_factory=list)
    sources: Runs = field(default_factory=Runs)
    refused: list[bronze.Refused] = field(default_factory=list)
    weather: dict[str, list[WeatherValue]] = field(default_factory=dict)
    states: list[DeviceState] = field(default_factory=list)
    told: dict[Told, list[Any]] = field(default_factory=dict)
    waiting: int = 0
    payload_bytes: int = 0
    since: float = 0.0
    newest: float = 0.0

    def add(self, decoded: Decoded, source: str, topic: str | None) -> None:
        """Take in one submission."""
        if decoded.readings:
            self._add_readings(decoded.readings, source)
        if decoded.rejections:
            self.refused += [bronze.Refused(rejection, source, topic) for rejection in decoded.rejections]
            self.payload_bytes += sum(rejection.size_bytes for rejection in decoded.rejections)
        if decoded.weather:
            self.weather.setdefault(source, []).extend(decoded.weather)
        if decoded.states:
            # Commits are stamped in whole seconds, in which a device may leave and be back.
            now = datetime.now(UTC)
            self.states += [DeviceState(one.device_id, one.state, one.at or now) for one in decoded.states]
        self.waiting += len(decoded.readings) + len(decoded.rejections) + len(decoded.weather) + len(decoded.states) or 1

    def _add_readings(self, readings: Sequence[Reading], source: str) -> None:
        self.sources.repeat(source, len(readings))
        last = self.readings[-1] if self.readings else None
        if isinstance(readings, Block):
            if not isinstance(last, bronze.Gathered):
                self.readings.append(last := bronze.Gathered())
            last.extend(readings)
        elif isinstance(last, list):
            last += readings
        else:
            self.readings.append([*readings])

    def tables(self, received_at: datetime) -> list[tuple[str, pa.Table]]:
        """The rows of each table to commit."""
        found: list[tuple[str, pa.Table]] = []
        if self.readings:
            columns = bronze.columns_of(self.readings)
            found.append((bronze.READINGS, bronze.readings_table(columns, self.sources.to_arrow(pl.String), received_at)))
        if self.refused:
            found.append((bronze.REJECTED, bronze.rejected_table(self.refused, received_at)))
        if self.weather:
            parts = [bronze.weather_table(values, source, received_at) for source, values in self.weather.items()]
            found.append((bronze.WEATHER, pa.concat_tables(parts)))
        if self.states:
            found.append((bronze.STATES, bronze.states_table(self.states, received_at)))
        return found


@dataclass(frozen=True)
class Trouble:
    """What keeps readings from being stored, and since when."""

    since: datetime
    reason: str


class Landing:
    """The one writer of a process: many threads submit, one commits."""

    def __init__(self, lake: Lake, settings: Settings) -> None:
        self._lake = lake
        self._flush_seconds = settings.flush_seconds
        self._flush_readings = settings.flush_readings
        self._stamps = bronze.stamps_above(lake)
        self._batch = Batch()
        self._committing = 0
        self._changed = threading.Condition()
        self._is_stopping = False
        self._retry_now = threading.Event()
        self._failure: BaseException | None = None
        self._trouble: Trouble | None = None
        self._thread = threading.Thread(target=self._run, name="landing", daemon=True)

    def start(self) -> None:
        """Begin to commit. Raises NotReady on a lake of an older Aurora, before anything is taken that could not be stored."""
        # A lake that cannot be looked at now is one that commits are tried again on.
        with suppress(*PASSING_ERRORS):
            self._lake.refuse_older((bronze.READINGS, bronze.REJECTED, bronze.WEATHER, bronze.STATES))
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, if that can be done within seconds; what cannot is never acknowledged and comes again."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._retry_now.set()
        self._thread.join(timeout=STOP_SECONDS)

    @property
    def failure(self) -> BaseException | None:
        """What ended the writer; None while it works. Nothing more is committed after it."""
        return self._failure

    @property
    def trouble(self) -> "Trouble | None":
        """Why nothing is stored at the moment, though it is tried again and again; None where all is well."""
        return self._trouble

    def submit(self, decoded: Decoded, *, source: str, topic: str | None, told: Told, token: Any, may_wait: bool = True) -> None:
        """Hand in what one message said; `told([token, ...])` follows the commit, from the writer's thread.

        Args:
            decoded: What it said.
            source: Which entry point it came through.
            topic: Where it came from there.
            told: Called after the commit with the tokens of everything submitted with it.
            token: Names this submission to `told`.
            may_wait: Wait while too much is waiting, instead of being turned away.

        Raises:
            Busy: If too much is waiting and `may_wait` is false, or the writer has ended.
        """
        with self._changed:
            while self._is_full() and self._failure is None and not self._is_stopping:
                if not may_wait:
                    raise Busy("Too much is waiting to be stored. Send it again in a few seconds.")
                self._changed.wait(timeout=1.0)
            if self._failure is not None or self._is_stopping:
                raise Busy("Nothing is stored at the moment. Send it again in a few seconds.")
            batch = self._batch
            if not batch.waiting:
                batch.since = time.monotonic()
                self._changed.notify_all()
            batch.add(decoded, source, topic)
            tokens = batch.told.get(told)
            if tokens is None:
                batch.told[told] = [token]
            else:
                tokens.append(token)
            if batch.waiting >= min(PROMPT_READINGS, self._flush_readings):
                is_first, batch.newest = not batch.newest, time.monotonic()
                if is_first or batch.waiting >= self._flush_readings:
                    self._changed.notify_all()

    def _is_full(self) -> bool:
        waiting = self._batch.waiting + self._committing
        return waiting >= WAITING_FLUSHES * self._flush_readings or self._batch.payload_bytes >= WAITING_PAYLOAD_BYTES

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._commit(batch)
        except Transient as error:
            log.error("stopped with readings not stored; they were not acknowledged and will come again", error=str(error))  # noqa: TRY400 - an expected failure; its text says all
        except BaseException as error:
            log.exception("the writer ended; nothing more is stored until the process starts again")
            self._failure = error
            raise
        finally:
            with self._changed:
                self._changed.notify_all()

    def _next_batch(self) -> Batch | None:
        """The next batch when it is due; None when stopping and nothing waits."""
        with self._changed:
            while True:
                batch = self._batch
                due_seconds = self._due_seconds(batch)
                is_due = due_seconds is not None and (due_seconds <= 0 or batch.waiting >= self._flush_readings)
                if is_due or (self._is_stopping and batch.waiting):
                    self._batch, self._committing = Batch(), batch.waiting
                    return batch
                if self._is_stopping:
                    return None
                self._changed.wait(timeout=due_seconds)

    def _due_seconds(self, batch: Batch) -> float | None:
        """How long until a batch is due; None while it is empty. A large one whose senders all wait is due soon."""
        if not batch.waiting:
            return None
        due_at = batch.since + self._flush_seconds
        if batch.newest:
            due_at = min(due_at, batch.newest + PROMPT_SECONDS)
        return due_at - time.monotonic()

    def _commit(self, batch: Batch) -> None:
        metrics.QUEUE_DEPTH.set(batch.waiting)
        for name, rows in batch.tables(self._stamps.next(datetime.now(UTC))):
            self._land(name, rows)
        _count(batch)
        for told, tokens in batch.told.items():
            told(tokens)
        with self._changed:
            self._committing = 0
            self._changed.notify_all()
            metrics.QUEUE_DEPTH.set(self._batch.waiting)

    def _land(self, name: str, rows: pa.Table) -> None:
        """Commit the rows, trying again for as long as it takes.

        Raises:
            Transient: If the process stops before it succeeded.
        """
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                with metrics.COMMIT_SECONDS.time():
                    self._lake.land(name, rows)
                self._trouble = None
                return
            except PASSING_ERRORS as error:
                since = self._trouble.since if self._trouble else datetime.now(UTC)
                self._trouble = Trouble(since, f"{name} cannot be written: {_first_line(error)}")
                log.error("not stored, trying again; senders wait", table=name, rows=rows.num_rows, error=str(error), retry_seconds=pause)  # noqa: TRY400 - an expected failure; its text says all
                if self._is_stopping:
                    raise Transient(f"{name} could not be written ({error}).") from error
                self._retry_now.wait(timeout=pause)
                pause = min(pause * 2, LONGEST_RETRY_SECONDS)


class Receipt:
    """Waits for the commit of one submission."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @staticmethod
    def told(receipts: list["Receipt"]) -> None:
        """Mark receipts as committed; give it to `submit` as `told`, with the receipt as token."""
        for receipt in receipts:
            receipt._event.set()

    def wait(self, timeout_seconds: float) -> bool:
        """Whether the commit happened in time."""
        return self._event.wait(timeout_seconds)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:MOST_REASON] or type(error).__name__


def _count(batch: Batch) -> None:
    for source, number in zip(batch.sources.values, batch.sources.counts, strict=True):
        metrics.READINGS_COMMITTED.labels(source).inc(number)
    _count_refused(batch.refused)


def _count_refused(refused: Sequence[bronze.Refused]) -> None:
    for one in refused:
        metrics.READINGS_REJECTED.labels(one.rejection.reason).inc()
