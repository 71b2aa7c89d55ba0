"""What commands work with: the home's lake and accounts, and how they speak to people and programs."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aurora.accounts.database import Accounts
    from aurora.home import Home
    from aurora.lake.store import Lake
    from aurora.settings import Settings

Progress = Callable[[int, int, str], None]
LEAST_COLUMN_WIDTH = 12


@dataclass(frozen=True)
class Context:
    """An initialised home and everything in it, opened when first used."""

    settings: "Settings"
    home: "Home"

    @cached_property
    def lake(self) -> "Lake":
        """The home's lake."""
        from aurora.lake.store import open_lake

        return open_lake(self.settings.resolved_lake_uri, sync=self.settings.sync_commits)

    @cached_property
    def accounts(self) -> "Accounts":
        """The home's accounts database."""
        from aurora.accounts.database import Accounts

        return Accounts(self.settings.resolved_database_url)


def open_context(level: str = "warning") -> Context:
    """The home that the settings name. Raises NotReady where it is not initialised; says on stderr when it is the demo's."""
    from aurora import home, logs, settings

    loaded = settings.load()
    opened = home.open_home(loaded)
    logs.configure("cli", level, "console")
    if opened.path != loaded.home.expanduser().absolute():
        say(f"Using the demo in {opened.path}: nothing else is set up here.")
    return Context(loaded, opened)


def say(text: str) -> None:
    """One line for people, on stderr."""
    sys.stderr.write(f"{text}\n")


def show(result: dict[str, Any], as_json: bool, text: str) -> None:
    """A command's result on stdout: one JSON object, or a line for people."""
    sys.stdout.write((json.dumps(_plain(result), default=str) if as_json else text) + "\n")


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: no NaN and no infinity."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show_table(title: str, rows: Sequence[dict[str, Any]], as_json: bool, name: str) -> None:
    """Rows on stdout: one JSON object with them under `name`, or a table for people."""
    if as_json:
        show({name: list(rows)}, as_json=True, text="")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        sys.stdout.write(f"No {name} yet.\n")
        return
    console = Console()
    if not console.is_terminal or len(rows[0]) * LEAST_COLUMN_WIDTH > console.width:
        _show_records(rows)
        return
    table = Table(title=title)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row.values()))
    console.print(table)


def _show_records(rows: Sequence[dict[str, Any]]) -> None:
    """Rows for a pipe, separated by tabs under a header; on a terminal that is too narrow for them, a column a line."""
    if not sys.stdout.isatty():
        lines = ["\t".join(rows[0]), *("\t".join("" if value is None else str(value) for value in row.values()) for row in rows)]
        sys.stdout.write("\n".join(lines) + "\n")
        return
    width = max(len(column) for column in rows[0])
    for row in rows:
        sys.stdout.write("\n".join(f"{column:<{width}}  {'' if value is None else value}" for column, value in row.items()) + "\n\n")


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """A function (done, total, what) that draws a bar for each `total` on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total, _label: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    with Progress(TextColumn("{task.description:<32}"), BarColumn(), TextColumn("{task.completed:>8}/{task.total}"), TimeElapsedColumn(),
                  console=Console(stderr=True)) as bars:  # fmt: skip
        known: dict[int, TaskID] = {}

        def move(done: int, total: int, label: str) -> None:
            if total not in known:
                known[total] = bars.add_task(label, total=total)
            bars.update(known[total], completed=done, description=label)

        yield move
