"""The workbench: one folder with one fresh DuckDB file, in which the dbt project makes gold from what a refresh laid out.

Only the refresh opens it, and throws it away afterwards. The file is always called `aurora.duckdb`, because dbt's parsed manifest holds
that name; its folder stays the same for a home, so that dbt need not parse its project again.
"""

import os
import shutil
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

FILE_NAME = "aurora.duckdb"
QUIET = ("--quiet", "--no-use-colors", "--no-send-anonymous-usage-stats", "--log-level", "none", "--log-level-file", "none")


@dataclass(frozen=True)
class Workbench:
    """One refresh's folder."""

    folder: Path
    target: Path

    @property
    def file(self) -> Path:
        """The DuckDB file."""
        return self.folder / FILE_NAME

    def lay_out(self, sources: dict[str, pl.DataFrame]) -> None:
        """Start afresh with `sources` as views that dbt reads."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        with duckdb.connect(self.file) as connection:
            for name, frame in sources.items():
                parquet = self.folder / f"{name}.parquet"
                frame.write_parquet(parquet, compression="lz4", statistics=False)
                path = str(parquet).replace("'", "''")
                connection.execute(f"create view \"{name}\" as select * from read_parquet('{path}')")

    def build(self) -> None:
        """Make every model and try its tests.

        Raises:
            BuildFailed: Names what failed and why.
        """
        to_do = compiled.statements(self.target, self._compile)
        with duckdb.connect(self.file) as connection:
            compiled.run(connection, to_do)

    def _compile(self) -> None:
        result = run_dbt(self, "compile")
        if not result.success:
            raise BuildFailed(_failures(result))

    def table(self, name: str) -> pl.DataFrame:
        """A table that dbt made."""
        with duckdb.connect(self.file, read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return pl.DataFrame(connection.sql(f'select * from "{name}"').to_arrow_table())

    def throw_away(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def of_home(home: Home) -> Workbench:
    """The workbench of a home's refreshes; whoever uses it holds the publish lease."""
    return Workbench(home.path / "workbench", home.path / "dbt_target")


def run_dbt(workbench: Workbench, *arguments: str) -> "dbtRunnerResult":
    """Run dbt in this process on a workbench."""
    from dbt.cli.main import dbtRunner

    os.environ.update({"AURORA_WORKBENCH": str(workbench.folder), "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"})
    places = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(workbench.target),
              "--log-path", str(workbench.target / "logs")]  # fmt: skip
    return dbtRunner().invoke([*arguments, *places, *QUIET])


def _failures(result: "dbtRunnerResult") -> str:
    if result.exception is not None:
        return f"dbt could not compile its project: {result.exception}"
    rows: list[Any] = [row for row in result.result if row.status in {"error", "fail", "runtime error"}]  # pyright: ignore
    told = "; ".join(f"{row.node.name}: {' '.join((row.message or '').split())}" for row in rows[:5])
    return f"dbt could not compile its project: {told}"
