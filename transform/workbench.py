"""The workbench: one folder with what a refresh laid out, of which the dbt project makes gold.

Only the refresh opens it, and throws it away afterwards. It works in memory, which halves the time of a small refresh, under the name
that the compiled statements hold; dbt itself works on a file, `aurora.duckdb`. The folder stays the same for a home, so that dbt need
not parse its project again.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from aurora.home import Home
from transform import compiled
from transform.compiled import PROJECT, BuildFailed

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

DATABASE = "aurora"
FILE_NAME = f"{DATABASE}.duckdb"
QUIET = ("--quiet", "--no-use-colors", "--no-send-anonymous-usage-stats", "--log-level", "none", "--log-level-file", "none")


@dataclass(frozen=True)
class Workbench:
    """One refresh's folder."""

    folder: Path
    target: Path

    @property
    def file(self) -> Path:
        """The DuckDB file that dbt works on."""
        return self.folder / FILE_NAME

    def make(self, sources: dict[str, pl.DataFrame], names: Iterable[str]) -> dict[str, pl.DataFrame]:
        """Tables that the models make of `sources`, all of whose tests hold.

        Raises:
            BuildFailed: Names what failed and why.
        """
        self._lay_out(sources)
        to_do = compiled.statements(self.target, self._compile)
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"set temp_directory = {_text(self.folder / 'spilled')}; attach ':memory:' as {DATABASE}; use {DATABASE}")
            self.show(connection)
            compiled.run(connection, to_do)
            with connection.cursor() as reading:
                reading.execute("set TimeZone = 'UTC'")
                return {name: pl.DataFrame(reading.sql(f'select * from {DATABASE}."{name}"').to_arrow_table()) for name in names}

    def _lay_out(self, sources: dict[str, pl.DataFrame]) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for name, frame in sources.items():
            frame.write_parquet(self.folder / f"{name}.parquet", compression="lz4", statistics=False)

    def show(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make a view of each source, which the models read."""
        for source in self.folder.glob("*.parquet"):
            connection.execute(f'create or replace view "{source.stem}" as select * from read_parquet({_text(source)})')

    def _compile(self) -> None:
        result = run_dbt(self, "compile")
        if not result.success:
            raise BuildFailed(_failures(result))

    def throw_away(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def of_home(home: Home) -> Workbench:
    """The workbench of a home's refreshes; whoever uses it holds the publish lease."""
    return Workbench(home.path / "workbench", home.path / "dbt_target")


def run_dbt(workbench: Workbench, *arguments: str) -> "dbtRunnerResult":
    """Run dbt in this process on a workbench."""
    from dbt.cli.main import dbtRunner

    with duckdb.connect(workbench.file) as connection:
        workbench.show(connection)
    os.environ.update({"AURORA_WORKBENCH": str(workbench.folder), "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"})
    places = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(workbench.target),
              "--log-path", str(workbench.target / "logs")]  # fmt: skip
    return dbtRunner().invoke([*arguments, *places, *QUIET])


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _failures(result: "dbtRunnerResult") -> str:
    if result.exception is not None:
        return f"dbt could not compile its project: {result.exception}"
    rows: list[Any] = [row for row in result.result if row.status in {"error", "fail", "runtime error"}]  # pyright: ignore
    told = "; ".join(f"{row.node.name}: {' '.join((row.message or '').split())}" for row in rows[:5])
    return f"dbt could not compile its project: {told}"
