"""Opens the accounts database (SQLite or PostgreSQL) and brings it to the newest migration."""

import sqlite3
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Engine, Result, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from aurora.errors import NotReady, Refused, Transient

MIGRATIONS = Path(__file__).parent / "migrations"
THREADS_OF_A_SERVER = 40


@dataclass(frozen=True)
class Accounts:
    """The accounts database at one SQLAlchemy URL. Safe to share between threads."""

    url: str

    @cached_property
    def engine(self) -> Engine:
        """The connection pool."""
        url = self.url.replace("postgresql://", "postgresql+psycopg://", 1)
        is_file = url.startswith("sqlite")
        # A connection to a file is never lost, and opening one costs more than most questions: every thread of a server may keep one.
        engine = create_engine(url, pool_pre_ping=not is_file, pool_size=THREADS_OF_A_SERVER if is_file else 5)
        if is_file:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine

    @cached_property
    def _writing(self) -> sessionmaker[Session]:
        return sessionmaker(self.engine, expire_on_commit=False)

    @cached_property
    def _reading(self) -> sessionmaker[Session]:
        return sessionmaker(self.engine.execution_options(is_reading=True), expire_on_commit=False)

    def transaction(self) -> AbstractContextManager[Session]:
        """A session that commits when the block ends and rolls back when it raises.

        Raises:
            NotReady: If the database was not set up.
        """
        return self._session(self._writing)

    def reading(self) -> AbstractContextManager[Session]:
        """A session that only reads; it neither waits for a writer nor holds one up.

        Raises:
            NotReady: If the database was not set up.
        """
        return self._session(self._reading)

    @contextmanager
    def _session(self, sessions: sessionmaker[Session]) -> Generator[Session]:
        try:
            with sessions.begin() as session:
                yield session
        except SQLAlchemyError as error:
            if "no such table" in str(error) or "UndefinedTable" in str(error):
                raise NotReady("The accounts database is not set up. Run `aurora init`.") from error
            if any(words in str(error) for words in ("no such column", "has no column named", "UndefinedColumn")):
                raise NotReady("The accounts database is of an older Aurora. Run `aurora init`; it keeps what is there.") from error
            if any(words in str(error) for words in ("is full", "disk I/O error")):
                raise Transient(
                    f"{self._place} cannot be written ({_cause(error)}). Make room and try again; nothing was changed."
                ) from error
            if any(words in str(error) for words in ("malformed", "file is not a database")):
                raise Refused(f"{self._place} is damaged ({_cause(error)}). Put a backup back with `aurora restore`.") from error
            raise

    @property
    def _place(self) -> str:
        """What it is called where something is wrong with it."""
        return f"The accounts database {self.engine.url.database}"

    def migrate(self, revision: str = "head", *, is_down: bool = False) -> None:
        """Bring the schema up to `revision`, or down to it.

        Raises:
            Refused: If the database cannot be reached.
        """
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        if self.engine.dialect.name == "sqlite" and self.engine.url.database:
            Path(self.engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.engine.begin() as connection:
                config.attributes["connection"] = connection
                (command.downgrade if is_down else command.upgrade)(config, revision)
            if self.engine.dialect.name == "sqlite" and self.engine.url.database:
                _make_private(Path(self.engine.url.database))
        except SQLAlchemyError as error:
            first = str(error).splitlines()[0]
            raise Refused(f"The accounts database cannot be used ({first}). Check AURORA_DATABASE_URL.") from error


def _cause(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def _make_private(database: Path) -> None:
    """Take the database and the files SQLite keeps beside it, which hold the newest rows, from everybody else."""
    for file in database.parent.glob(f"{database.name}*"):
        file.chmod(0o600)


def changed_rows(result: Result[Any]) -> int:
    """How many rows an update or delete changed."""
    return cast("CursorResult[Any]", result).rowcount


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "synchronous=FULL"):
        cursor.execute(f"pragma {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once when another wrote in between; an immediate one waits its turn.
    is_reading = connection.get_execution_options().get("is_reading", False)
    connection.exec_driver_sql("begin" if is_reading else "begin immediate")
