"""Databases copied while they are in use: SQLite by its own means, PostgreSQL row by row into a SQLite file of the same schema."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, func, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from aurora.accounts.database import Accounts
from aurora.accounts.models import Lease, Model
from aurora.errors import Refused

ROWS_A_STEP = 5_000
WELL = "ok"
# Where a file of SQLite says how large its pages are.
PAGE_SIZE_AT = slice(16, 18)


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database as of this moment, whoever writes to it meanwhile. Raises Refused if it is damaged."""
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as read, closing(sqlite3.connect(target)) as written:
            read.backup(written)
            written.execute("pragma journal_mode=delete")
    except sqlite3.DatabaseError as error:
        raise Refused(f"{source} cannot be read ({error}). Restore it from a backup.") from None
    target.chmod(0o600)


def sqlite_problem(file: Path) -> str:
    """What SQLite finds wrong with a database, and whether its last page was cut, which SQLite passes over; empty where it is whole."""
    if _is_cut(file):
        return "it was cut short"
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as opened:
            found = [row[0] for row in opened.execute("pragma integrity_check(1)")]
    # A schema that is damaged is named in words that need be no UTF-8.
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        return str(error)
    return "" if found == [WELL] else "; ".join(found).replace("\n", " ")


def _is_cut(file: Path) -> bool:
    """Whether a database does not end where a page does, or holds none."""
    with file.open("rb") as opened:
        head = opened.read(PAGE_SIZE_AT.stop)
    page_bytes = int.from_bytes(head[PAGE_SIZE_AT], "big")
    # The largest size, of 65,536 bytes, is written as 1.
    return len(head) < PAGE_SIZE_AT.stop or file.stat().st_size % (65_536 if page_bytes == 1 else max(page_bytes, 1)) != 0


def copy_accounts(accounts: Accounts, target: Path) -> None:
    """Copy the accounts database into a SQLite file, without leases: nobody in it holds one.

    Raises:
        Refused: If the database cannot be read.
    """
    engine = accounts.engine
    if engine.dialect.name == "sqlite" and engine.url.database:
        copy_sqlite(Path(engine.url.database), target)
    else:
        portable = Accounts(f"sqlite:///{target}")
        portable.migrate()
        _copy_rows(engine, portable.engine)
        portable.engine.dispose()
    with closing(sqlite3.connect(target)) as made:
        made.execute(f"delete from {Lease.__tablename__}")
        made.commit()
        made.execute("pragma journal_mode=delete")
    target.chmod(0o600)


def restore_accounts(file: Path, accounts: Accounts) -> None:
    """Put what `copy_accounts` wrote into an accounts database that holds nothing yet, and bring it to the newest migration.

    Raises:
        Refused: If it cannot be used.
    """
    if accounts.engine.dialect.name == "sqlite" and accounts.engine.url.database:
        target = Path(accounts.engine.url.database)
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_sqlite(file, target)
        accounts.migrate()
        return
    accounts.migrate()
    portable = Accounts(f"sqlite:///{file}")
    portable.migrate()
    _copy_rows(portable.engine, accounts.engine)
    portable.engine.dispose()


def is_empty(accounts: Accounts) -> bool:
    """Whether the accounts database holds nobody and nothing yet. Raises Refused if it cannot be reached."""
    engine = accounts.engine
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        return True
    try:
        known = set(inspect(engine).get_table_names())
        with engine.connect() as connection:
            ours = [table for table in Model.metadata.sorted_tables if table.name in known]
            return not any(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in ours)
    except SQLAlchemyError as error:
        raise Refused(f"The accounts database cannot be used ({str(error).splitlines()[0]}). Check AURORA_DATABASE_URL.") from None


def _copy_rows(source: Engine, target: Engine) -> None:
    """Copy every row of every table, all as of one moment, in an order that keeps references whole."""
    isolated = source if source.dialect.name == "sqlite" else source.execution_options(isolation_level="REPEATABLE READ")
    try:
        with isolated.connect() as read, target.begin() as written:
            for table in Model.metadata.sorted_tables:
                result = read.execute(select(table))
                while rows := result.mappings().fetchmany(ROWS_A_STEP):
                    written.execute(insert(table), [dict(row) for row in rows])
    except SQLAlchemyError as error:
        raise Refused(f"The accounts database could not be copied ({str(error).splitlines()[0]}).") from error


def replace_in_texts(file: Path, old: str, new: str) -> None:
    """Put `new` in place of `old` in every text of a SQLite database that begins with it: addresses of files that moved."""
    with closing(sqlite3.connect(file)) as opened, opened:
        for table, column in list(_text_columns(opened)):
            # Names come from the database's own schema and are quoted; a parameter cannot stand for a name.
            opened.execute(
                f'update "{table}" set "{column}" = ? || substr("{column}", ?) where substr("{column}", 1, ?) = ?',  # nosec B608
                (new, len(old) + 1, len(old), old),
            )


def _text_columns(opened: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for (table,) in opened.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'").fetchall():
        for row in opened.execute(f'pragma table_info("{table}")').fetchall():
            if "CHAR" in row[2].upper() or "TEXT" in row[2].upper():
                yield table, row[1]
