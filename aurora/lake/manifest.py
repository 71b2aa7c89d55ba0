"""Publications: one row in `meta/refreshes` makes the versions of all tables visible together.

A publisher holds the publish lease, commits its tables, then appends its row. Readers open the newest row's versions, so they see whole
publications only; a publisher that dies before its row has changed nothing for them, and the next one undoes what it left.
"""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from aurora.errors import Gone, NotReady
from aurora.lake.cleaning import is_openable
from aurora.lake.store import Between, Lake
from aurora.lake.tables import TABLES

MANIFEST = "meta/refreshes"
REFRESH_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{6}")


class Held(Protocol):
    """A lease that its holder can confirm."""

    def confirm(self) -> None:
        """Raise `Busy` unless the lease is still held."""


@dataclass(frozen=True)
class Snapshot:
    """One publication: the whole lake as of one `refresh_id`.

    Attributes:
        lake: Where the tables are.
        refresh_id: Which publication; empty before the first.
        finished_at: When it became visible; None before the first.
        versions: Version of each published table.
        consumed: Newest version of each bronze table that is in it.
        pending: Closed days still to be rebuilt, as `{site_id: [local_date, ...]}`.
    """

    lake: Lake
    refresh_id: str
    finished_at: datetime | None
    versions: dict[str, int]
    consumed: dict[str, int]
    pending: dict[str, list[date]]

    def scan(self, name: str, between: Sequence[Between] = ()) -> pl.LazyFrame:
        """Rows of a published table; none where it was not published yet."""
        if name not in self.versions:
            return pl.LazyFrame(schema=pl.Schema(TABLES[name].file_schema))
        return self.lake.scan(name, version=self.versions[name], between=between)


@dataclass
class Publication:
    """One publisher's work between taking the lease and its manifest row.

    Attributes:
        before: The publication it starts from.
        kind: `refresh full forecast advice savings maintain`.
        refresh_id: Its own id; ids sort by time.
        started_at: When it began.
    """

    lake: Lake
    lease: Held
    before: Snapshot
    kind: str
    code_version: str
    refresh_id: str
    started_at: datetime
    _versions: dict[str, int] = field(default_factory=dict)

    def base(self, name: str) -> int:
        """The version of a table this publication builds on: its own commit, else the published one, else the empty table."""
        return self._versions.get(name, self.before.versions.get(name, 0))

    def replace(self, name: str, rows: pl.DataFrame, scope: pl.DataFrame) -> None:
        """Commit `rows` in place of what the table holds for `scope`."""
        self._commit(name, rows, scope)

    def replace_all(self, name: str, rows: pl.DataFrame) -> None:
        """Commit `rows` as the whole table."""
        table = TABLES[name]
        held = self.lake.scan(name, version=self.base(name)).select(table.scope or table.key).unique().collect()
        self._commit(name, rows, held if table.scope else None)

    def add(self, name: str, rows: pl.DataFrame) -> None:
        """Commit `rows` beside what the table holds."""
        self._commit(name, rows, None)

    def exchange(self, name: str, gone: pl.DataFrame, parts: Iterable[pa.Table]) -> None:
        """Commit the rows of `parts`, a file each, in place of the files `gone`: rows of `Lake.files` at `base`."""
        self.lease.confirm()
        self._versions[name] = self.lake.exchange(name, self.base(name), gone, parts, self.refresh_id)

    @property
    def has_changed(self) -> bool:
        """Whether it has committed anything yet."""
        return bool(self._versions)

    def scan(self, name: str, between: Sequence[Between] = ()) -> pl.LazyFrame:
        """Rows of a table as this publication has left it so far."""
        return self.lake.scan(name, version=self.base(name), between=between)

    def _commit(self, name: str, rows: pl.DataFrame, scope: pl.DataFrame | None) -> None:
        self.lease.confirm()
        self._versions[name] = self.lake.replace(name, self.base(name), rows, scope=scope, refresh_id=self.refresh_id, now=self.started_at)

    def finish(
        self,
        *,
        readings_in: int = 0,
        days_touched: int = 0,
        pending: dict[str, list[date]] | None = None,
        consumed: dict[str, int] | None = None,
    ) -> str:
        """Append the manifest row, which makes everything committed here visible; returns the `refresh_id`.

        Raises:
            Busy: If the lease was lost; nothing becomes visible then.
        """
        row = {
            "refresh_id": self.refresh_id,
            "kind": self.kind,
            "started_at": self.started_at,
            "finished_at": datetime.now(UTC),
            "readings_in": readings_in,
            "days_touched": days_touched,
            "pending_days": _pending_json(self.before.pending if pending is None else pending),
            "consumed_versions": json.dumps(self.before.consumed if consumed is None else consumed),
            "published_versions": json.dumps(self.before.versions | self._versions),
            "code_version": self.code_version,
        }
        arrow = pl.DataFrame([row], schema=pl.Schema(TABLES[MANIFEST].schema)).to_arrow()
        self.lease.confirm()
        self.lake.land(MANIFEST, arrow)
        return self.refresh_id


def begin(lake: Lake, lease: Held, kind: str, code_version: str, now: datetime | None = None) -> Publication:
    """Start a publication on top of the newest one; the caller holds the publish lease."""
    started = now or datetime.now(UTC)
    return Publication(lake, lease, newest(lake), kind, code_version, new_refresh_id(datetime.now(UTC)), started)


def new_refresh_id(now: datetime) -> str:
    """An id that sorts by time and is never given twice."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"


def is_refresh_id(text: str) -> bool:
    """Whether a text has the form of a `refresh_id`."""
    return REFRESH_ID.fullmatch(text) is not None


def newest(lake: Lake) -> Snapshot:
    """The newest publication; an empty one before the first."""
    files = lake.files(MANIFEST)
    if files.is_empty():
        return Snapshot(lake, "", None, {}, {}, {})
    path = files.sort("max.finished_at", "path").get_column("path")[-1]
    rows = lake.scan(MANIFEST, paths=[path]).sort("finished_at").collect()
    return _snapshot(lake, rows.row(-1, named=True))


def as_of(lake: Lake, moment: datetime | str) -> Snapshot:
    """The newest publication finished by a time, or the one of a `refresh_id`.

    Raises:
        NotReady: If there is none.
        Gone: If maintenance has taken its versions away since.
    """
    known = pl.col("refresh_id") == moment if isinstance(moment, str) else pl.col("finished_at") <= moment
    rows = lake.scan(MANIFEST).filter(known).sort("finished_at").collect()
    if rows.is_empty():
        raise NotReady(f"Nothing was published as of {moment}.")
    found = _snapshot(lake, rows.row(-1, named=True))
    if not is_openable(lake, found.versions):
        raise Gone(f"What was published as of {moment} is no longer kept. AURORA_AS_OF_DAYS says how far back it is.")
    return found


def kept_since(lake: Lake, moment: datetime) -> list[Snapshot]:
    """Publications that answer for times from `moment` on, oldest first: the one that was newest then, and all later ones."""
    rows = lake.scan(MANIFEST).sort("finished_at").collect()
    before = rows.filter(pl.col("finished_at") <= moment).tail(1)
    after = rows.filter(pl.col("finished_at") > moment)
    return [_snapshot(lake, row) for row in pl.concat([before, after]).iter_rows(named=True)]


def _snapshot(lake: Lake, row: dict[str, Any]) -> Snapshot:
    pending = {site: [date.fromisoformat(day) for day in days] for site, days in json.loads(row["pending_days"] or "{}").items()}
    return Snapshot(
        lake, row["refresh_id"], row["finished_at"], json.loads(row["published_versions"]), json.loads(row["consumed_versions"]), pending
    )


def _pending_json(pending: dict[str, list[date]]) -> str:
    return json.dumps({site: [day.isoformat() for day in sorted(days)] for site, days in sorted(pending.items()) if days})
