"""Asks the sources and lands what is new through one dlt pipeline, whose state says up to where each zone is known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from aurora import logs
from aurora.lake.store import Between, Lake
from aurora.lake.tables import TABLES
from ingestion.loads import dlt_switches
from ingestion.sources.rows import Ask, BadAnswer, Kind, Row, Source, Target

TABLE_OF: Mapping[Kind, str] = {"prices": "bronze/prices", "carbon": "bronze/carbon", "weather": "bronze/weather"}
TIME_OF: Mapping[Kind, str] = {"prices": "interval_start_at", "carbon": "interval_start_at", "weather": "measured_at"}
PIPELINE = "sources"
STAMPS = {"source", "received_at"}

log = logs.logger(__name__)


@dataclass(frozen=True)
class Pulled:
    """What became of one source and zone.

    Attributes:
        state: `ok`; `not_published_yet`: part of what was asked for is not there yet; `failed`: what is known stays, it is asked again.
        rows: New rows.
        newest_at: Time of the newest value that is known; None where there is none.
        message: Why, where it failed.
    """

    source: str
    kind: Kind
    target: str
    state: str
    rows: int
    newest_at: datetime | None
    checked_at: datetime
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        times = {name: at.isoformat() if (at := getattr(self, name)) else None for name in ("newest_at", "checked_at")}
        return asdict(self) | times


def pull(lake: Lake, state: Path, source: Source, targets: Sequence[Target], ask: Ask, now: datetime) -> list[Pulled]:
    """Ask a source about each target, from where it is known on, and land what bronze does not have yet.

    A span that fails ends the asking about its target; what came before it is landed and not asked for again.

    Args:
        lake: Where to.
        state: Folder of dlt's state.
        source: Whom to ask.
        targets: About what.
        ask: How.
        now: Our clock.
    """
    import dlt

    outcomes: dict[str, Pulled] = {}
    table = TABLE_OF[source.kind]

    @dlt.destination(batch_size=0, loader_file_format="parquet", name="bronze", loader_parallelism_strategy="sequential")
    def bronze_rows(path: Any, _table: Any) -> None:
        lake.land(table, pq.read_table(path).select(TABLES[table].schema.names).cast(TABLES[table].schema))

    @dlt.resource(name=f"{_plain(source)}_rows", max_table_nesting=0)
    def rows() -> Iterator[pa.Table]:
        known: dict[str, str] = dlt.current.resource_state().setdefault("until", {})
        for target in targets:
            yield from _asked(lake, source, target, ask, known, outcomes, now)

    with dlt_switches(state):
        pipeline = dlt.pipeline(pipeline_name=f"{PIPELINE}_{_plain(source)}", destination=bronze_rows(), pipelines_dir=str(state))
        pipeline.run(rows()).raise_on_failed_jobs()
    return list(outcomes.values())


def _asked(
    lake: Lake, source: Source, target: Target, ask: Ask, known: dict[str, str], outcomes: dict[str, Pulled], now: datetime
) -> Iterator[pa.Table]:
    """New rows about one target, span by span; writes down up to where it is known now."""
    since = datetime.fromisoformat(known[target.name]) if target.name in known else None
    newest, new, state, message = since, 0, "ok", ""
    for span in source.spans(since, now):
        try:
            answer = source.fetch(ask, target, span, now)
        except BadAnswer as bad:
            state, message = "failed", str(bad)
            log.warning("a source failed", source=source.name, target=target.name, reason=message)
            break
        state = "not_published_yet" if answer.is_awaited else "ok"
        fresh = _fresh(lake, source.kind, _frame(source, answer.rows, now))
        settled = [at for row in answer.rows if (at := _time(row)) <= now or source.kind == "prices"]
        if settled:
            newest = max(newest or settled[0], *settled)
            known[target.name] = newest.isoformat()
        if fresh.height:
            new += fresh.height
            yield fresh.to_arrow().cast(TABLES[TABLE_OF[source.kind]].schema)
    outcomes[target.name] = Pulled(source.name, source.kind, target.name, state, new, newest, now, message)


def _plain(source: Source) -> str:
    return source.name.replace(":", "_")


def _time(row: Row) -> datetime:
    return row.measured_at if hasattr(row, "measured_at") else row.interval_start_at  # pyright: ignore[reportAttributeAccessIssue]


def _frame(source: Source, rows: Sequence[Row], now: datetime) -> pl.DataFrame:
    """Rows as the table of their kind holds them."""
    schema = TABLES[TABLE_OF[source.kind]].schema
    stamp = now.astimezone(UTC).replace(microsecond=0)
    given = {name: [getattr(row, name) for row in rows] for name in schema.names if name not in STAMPS}
    whole = given | {"source": [source.name] * len(rows), "received_at": [stamp] * len(rows)}
    return pl.DataFrame(pa.table({name: pa.array(whole[name], schema.field(name).type) for name in schema.names}, schema=schema))


def _fresh(lake: Lake, kind: Kind, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that say something else than the newest of their key in bronze."""
    if rows.is_empty():
        return rows
    table, time = TABLES[TABLE_OF[kind]], TIME_OF[kind]
    low, high = rows.get_column(time).min(), rows.get_column(time).max()
    same = [name for name in table.schema.names if name not in STAMPS]
    newest = (
        lake.scan(table.name, between=[Between(time, low)])
        .filter((pl.col(time) <= high) & (pl.col("source") == rows["source"][0]))
        .sort("received_at")
        .unique(list(table.key), keep="last")
        .select(same)
        .collect()
    )
    return rows.join(newest, on=same, how="anti", nulls_equal=True, maintain_order="left")
