"""The lake: opens Delta tables, finds their files, reads them as Polars frames, commits rows as whole files.

Files are written here, sorted and with chosen encodings, and committed with add and remove actions in one atomic commit, so that any
Delta reader sees them and nothing is read again by Delta itself.
"""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportAttributeAccessIssue=false, reportArgumentType=false

import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import RemoveAction

from aurora.errors import Damaged, Gone, NotReady
from aurora.lake.actions import add_again, may_hold, partition_of, remove, with_checksum
from aurora.lake.damage import Whole, WholeLogs, damage_of_log
from aurora.lake.layout import blocks, conform, conform_frame
from aurora.lake.schemas import SCHEMA_VERSION, refuse_later, refuse_older
from aurora.lake.storage import Storage, open_storage
from aurora.lake.tables import TABLES, LakeTable
from aurora.lake.writing import Writer

# What the place of the lake may raise and what may pass: a full disk, a network that is away, a commit that lost a race, a log put right.
PASSING_ERRORS = (OSError, DeltaError, pa.ArrowException, Damaged)
WITHDRAWAL = "withdrawal"
# Above every number under which rows of a source are landed, so that none can follow its withdrawal.
WITHDRAWN = 2**62


@dataclass(frozen=True)
class Between:
    """A half-open range of one column, by which files and rows are left out.

    Attributes:
        column: A column with statistics in the log.
        low: Least value, inclusive; None for no bound.
        high: Greatest value, exclusive; None for no bound.
    """

    column: str
    low: Any = None
    high: Any = None

    def rows(self) -> pl.Expr:
        """The condition on rows."""
        column, keep = pl.col(self.column), pl.lit(value=True)
        if self.low is not None:
            keep = keep & (column >= self.low)
        if self.high is not None:
            keep = keep & (column < self.high)
        return keep

    def files(self, known: Iterable[str]) -> pl.Expr:
        """The condition on a file's statistics; a file without them is kept."""
        keep = pl.lit(value=True)
        least, greatest = f"min.{self.column}", f"max.{self.column}"
        if self.low is not None and greatest in known:
            keep = keep & (pl.col(greatest) >= self.low).fill_null(value=True)
        if self.high is not None and least in known:
            keep = keep & (pl.col(least) < self.high).fill_null(value=True)
        return keep


@dataclass
class Lake:
    """Every table of one lake. Safe to share between threads.

    Attributes:
        storage: Where the files are.
        scratch: Folder for files fetched from a bucket.
        sync: Whether commits are synced to disk before they return.
    """

    storage: Storage
    scratch: Path
    sync: bool = False
    _opened: dict[tuple[str, int | None], DeltaTable] = field(default_factory=dict, repr=False)
    _files: dict[tuple[str, int], pl.DataFrame] = field(default_factory=dict, repr=False)
    _current: set[str] = field(default_factory=set, repr=False)
    _whole: Whole = field(default_factory=Whole, repr=False)
    _logs: WholeLogs = field(default_factory=WholeLogs, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def _writer(self) -> Writer:
        return Writer(self.storage, self.sync)

    def create_tables(self) -> None:
        """Create what is missing of all declared tables, with their schema version as a property."""
        for table in TABLES.values():
            DeltaTable.create(
                self.storage.table_uri(table.name),
                table.schema,
                mode="ignore",
                partition_by=list(table.partition) or None,
                configuration={SCHEMA_VERSION: str(table.schema_version), "delta.checkpointInterval": "100", **table.properties},
                storage_options=self.storage.options or None,
                raise_if_key_not_exists=False,
            )

    def is_there(self, name: str) -> bool:
        """Whether the table was ever created."""
        return DeltaTable.is_deltatable(self.storage.table_uri(name), self.storage.options or None)

    def delta(self, name: str, version: int | None = None) -> DeltaTable:
        """The table `name` at `version`, or at its newest commit.

        Raises:
            NotReady: Where it was never created.
            Gone: Where that version was taken away.
            Refused: Where a later Aurora wrote it.
            Damaged: Where its log cannot be read.
        """
        with self._lock:
            opened = self._opened.get((name, version))
            try:
                if opened is None:
                    opened = DeltaTable(self.storage.table_uri(name), version=version, storage_options=self.storage.options or None)
                    refuse_later(name, opened)
                    if version is not None:
                        self._forget_older(name)
                    self._opened[name, version] = opened
                elif version is None:
                    opened.update_incremental()
                self._logs.check(self.storage, name, opened.version())
            except DeltaError as error:
                if version and not self._is_logged(name, version) and self.is_there(name):
                    raise Gone(f"Version {version} of {name} is no longer kept. AURORA_AS_OF_DAYS says how far back it is.") from None
                if isinstance(error, TableNotFoundError):
                    raise NotReady(f"The table {name} is not in {self.storage.uri}. Run `aurora init`.") from None
                raise damage_of_log(self.storage, name, error) or error from None
            return opened

    def _is_logged(self, name: str, version: int) -> bool:
        return self.storage.filesystem.get_file_info(f"{name}/_delta_log/{version:020d}.json").type == pafs.FileType.File

    def _forget_older(self, name: str) -> None:
        kept = [key for key in self._opened if key[0] == name and key[1] is not None]
        for key in kept[:-4]:
            del self._opened[key]

    def refuse_older(self, names: Iterable[str]) -> None:
        """Raise NotReady where one of the tables was not migrated yet, so that nothing is taken that could not be written."""
        for name in names:
            refuse_older(TABLES[name], self.delta(name))

    def version(self, name: str) -> int:
        """Number of the table's newest commit."""
        return self.delta(name).version()

    def files(self, name: str, version: int | None = None) -> pl.DataFrame:
        """One row per data file at `version` (default: newest): path, size_bytes, num_records, min.*, max.*, partition.*."""
        with self._lock:
            newest = self._opened.get((name, None))
            # What was just committed is open: opening it anew costs ten milliseconds a table and commit.
            opened = newest if newest is not None and newest.version() == version else self.delta(name, version)
            key = (name, opened.version())
            if key not in self._files:
                for old in [k for k in self._files if k[0] == name][:-4]:
                    del self._files[old]
                self._files[key] = pl.DataFrame(opened.get_add_actions(flatten=True))
            return self._files[key]

    def scan(
        self,
        name: str,
        *,
        version: int | None = None,
        between: Sequence[Between] = (),
        paths: Sequence[str] | None = None,
    ) -> pl.LazyFrame:
        """Rows of a table at one version (default: newest), partition columns left out.

        Args:
            name: Table name.
            version: Commit to read.
            between: Ranges; they prune files by statistics and filter rows.
            paths: Read exactly these files instead, even ones since removed from the table.

        Raises:
            Damaged: Where a file is not as it was written, or not there.
        """
        table = TABLES[name]
        if paths is None:
            listed = self.files(name, version)
            for limit in between:
                listed = listed.filter(limit.files(listed.columns))
            paths = listed.get_column("path").to_list()
        frame = self._scan_files(table, paths)
        for limit in between:
            frame = frame.filter(limit.rows())
        return frame

    def local_files(self, name: str, paths: Sequence[str]) -> list[str]:
        """Paths on this machine of data files of a table. Raises Damaged where one is not as it was written, or not there."""
        return self._whole.checked(self.storage.local_paths([f"{name}/{path}" for path in paths], self.scratch))

    def _scan_files(self, table: LakeTable, paths: Sequence[str]) -> pl.LazyFrame:
        schema = pl.Schema(table.file_schema)
        if not paths:
            return pl.LazyFrame(schema=schema)
        files = self.local_files(table.name, paths)
        return pl.scan_parquet(files, schema=schema, missing_columns="insert", extra_columns="ignore", hive_partitioning=False, glob=False)

    def land(self, name: str, rows: pa.Table, transaction: tuple[str, int] | None = None) -> int:
        """Append rows to a bronze table in one commit and return its version.

        Args:
            name: A table that only grows.
            rows: All columns of the table.
            transaction: Application id and number; a number already committed is not appended again.
        """
        table = TABLES[name]
        if transaction is not None or name not in self._current:
            opened = self.delta(name)
            if transaction is not None and (opened.transaction_version(transaction[0]) or 0) >= transaction[1]:
                return opened.version()
        adds = self._writer.parts_of(table, rows.cast(table.schema))
        # Only now: the commit reads every entry of the log since the table was opened, and none must be taken away meanwhile.
        opened = self.delta(name)
        self._commit(table, opened, adds, CommitProperties(app_transactions=[Transaction(*transaction)] if transaction else None))
        return opened.version()

    def replace(
        self, name: str, base_version: int, rows: pl.DataFrame, *, scope: pl.DataFrame | None, refresh_id: str, now: datetime
    ) -> int:
        """Commit `base_version` with the rows of `scope` replaced by `rows`; returns the new version.

        Whatever was committed after `base_version` (by a publisher that died) is undone by the same commit.

        Args:
            name: Table name.
            base_version: The published version to start from.
            rows: New rows; `refresh_id` is added.
            scope: Distinct values of the table's scope columns to replace; None to add `rows` to what is there.
            refresh_id: Who writes.
            now: Decides which days are recent enough for a file of their own.
        """
        table = TABLES[name]
        base = self.files(name, base_version)
        touched = base.filter(may_hold(base, table, scope)) if scope is not None else base.head(0)
        rows = rows.with_columns(pl.lit(refresh_id).alias("refresh_id"))
        kept = self._untouched(table, touched.get_column("path").to_list(), scope)
        both = pl.concat([conform_frame(kept, table), conform_frame(rows, table)])
        return self.exchange(name, base_version, touched, blocks(both, table, now), refresh_id)

    def exchange(self, name: str, base_version: int, gone: pl.DataFrame, parts: Iterable[pa.Table], refresh_id: str) -> int:
        """Commit `base_version` with one file of each of `parts` in place of the files `gone`; returns the new version.

        Whatever was committed after `base_version` (by a publisher that died) is undone by the same commit.

        Args:
            name: Table name.
            base_version: The published version to start from.
            gone: Rows of `files(name, base_version)`.
            parts: Rows of each new file, in its order.
            refresh_id: Who writes.
        """
        table = TABLES[name]
        opened = self.delta(name)
        adds = self._writer.all_of(table, parts)
        base, current = self.files(name, base_version), self.files(name)
        staying = set(base.get_column("path")) - set(gone.get_column("path"))
        adds += [add_again(row) for row in base.filter(pl.col("path").is_in(list(staying - set(current.get_column("path"))))).to_dicts()]
        removes = [remove(row) for row in current.filter(~pl.col("path").is_in(list(staying))).to_dicts()]
        if adds or removes:
            self._commit(table, opened, [*adds, *removes], CommitProperties(custom_metadata={"refresh_id": refresh_id}))
        return opened.version()

    def rewrite(self, name: str, files: pl.DataFrame, kept: pl.DataFrame | None = None) -> int:
        """Put the rows of some files of one partition, sorted, into one file; no row is added or changed.

        Readers of changes pass over the commit.

        Args:
            name: Table name.
            files: Rows of `files(name)` that share their partition.
            kept: The rows of the files that stay; None: all.
        """
        table = TABLES[name]
        opened = self.delta(name)
        rows = self._scan_files(table, files["path"].to_list()).collect() if kept is None else kept
        arrow, partition = conform(rows.sort(table.sort or table.key), table), partition_of(files.row(0, named=True))
        adds = [self._writer.file_of(table, arrow, partition)] if arrow.num_rows else []
        for add in adds:
            add.data_change = False
        now = int(time.time() * 1000)
        removes = [RemoveAction(row["path"], False, now, row["size_bytes"], partition_of(row)) for row in files.to_dicts()]
        mark = "compaction" if kept is None else "retention"
        self._commit(table, opened, [*adds, *removes], CommitProperties(custom_metadata={"aurora": mark}))
        return opened.version()

    def landed(self, name: str, source: str) -> int:
        """Greatest number under which rows of `source` were landed; 0 for none, `WITHDRAWN` after a withdrawal."""
        return self.delta(name).transaction_version(source) or 0

    def withdraw(self, name: str, source: str, between: Sequence[Between] = ()) -> int:
        """Take every row of `source` out in one commit, after which none can be landed; returns how many rows went.

        Only the holder of the publish lease may do it, as with every rewrite. Done again it does nothing.

        Args:
            name: A bronze table.
            source: What its column `source` holds in those rows.
            between: Ranges outside which there are none; they leave out files.
        """
        table, opened = TABLES[name], self.delta(name)
        if self.landed(name, source) == WITHDRAWN:
            return 0
        listed = self.files(name)
        for limit in between:
            listed = listed.filter(limit.files(listed.columns))
        actions, gone = list[Any](), 0
        for row in listed.to_dicts():
            rows = self._scan_files(table, [row["path"]])
            kept = rows.filter(pl.col("source").ne_missing(source)).collect()
            if kept.height == row["num_records"]:
                continue
            gone += row["num_records"] - kept.height
            actions.append(remove(row))
            if kept.height:
                actions.append(self._writer.file_of(table, conform(kept, table), partition_of(row)))
        mark = {"aurora": WITHDRAWAL, "source": source}
        self._commit(table, opened, actions, CommitProperties(custom_metadata=mark, app_transactions=[Transaction(source, WITHDRAWN)]))
        return gone

    def _untouched(self, table: LakeTable, paths: list[str], scope: pl.DataFrame | None) -> pl.DataFrame:
        frame = self._scan_files(table, paths)
        return frame.collect() if scope is None else frame.join(scope.lazy(), on=list(table.scope), how="anti").collect()

    def _commit(self, table: LakeTable, opened: DeltaTable, actions: list[Any], properties: CommitProperties) -> None:
        with self._lock:
            if table.name not in self._current:
                refuse_older(table, opened)
                self._current.add(table.name)
            opened.create_write_transaction(
                actions,
                "append",
                table.schema,
                partition_by=list(table.partition) or None,
                commit_properties=with_checksum(properties, actions),
                post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
            )
            opened.update_incremental()
            self._logs.wrote(table.name, opened.version())
        if self.sync:
            self.storage.sync(f"{table.name}/_delta_log/{opened.version():020d}.json")


def open_lake(uri: str, *, sync: bool = False, scratch: Path | None = None) -> Lake:
    """The lake at a folder or `s3://` address. Raises Refused if the place cannot hold one."""
    return Lake(open_storage(uri), scratch or Path(gettempdir()) / f"aurora-{os.getuid()}", sync)
