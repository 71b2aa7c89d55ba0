"""Frames as files, part by part: CSV that a spreadsheet can use, Parquet, Arrow."""

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from app.api.negotiation import ARROW, CSV
from aurora.domain.calendar import day_start, local_dates, utc_offset_seconds

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
# How a key of a report begins: the instant or day that its other times are told beside.
_KEYS = ("interval_start_at", "local_date", "local_month")


def encoded(frames: Iterable[pl.DataFrame], schema: pa.Schema, form: str) -> Iterator[bytes]:
    """Frames of one schema in a form."""
    if form == CSV:
        return csv_parts(frames)
    return _binary((frame.select(schema.names).to_arrow().cast(schema) for frame in frames), schema, form)


def csv_parts(frames: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """CSV with one header, texts made harmless; nothing but a header where no row is. Instants end with their Z, clock times do not."""
    is_first = True
    for frame in frames:
        shown = harmless(frame.with_columns(_with_zone(frame)))
        yield shown.write_csv(include_header=is_first, datetime_format="%Y-%m-%d %H:%M:%S").encode()
        is_first = False


def _with_zone(frame: pl.DataFrame) -> list[pl.Expr]:
    instants = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone]
    return [pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in instants]


def harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts that a spreadsheet would take for a formula begin with an apostrophe; lists are joined by semicolons."""
    lists = [pl.col(name).list.join(";") for name, kind in frame.schema.items() if kind == pl.List]
    frame = frame.with_columns(lists)
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    bad = {name: pl.any_horizontal(pl.col(name).str.starts_with(sign) for sign in DANGEROUS) for name in texts}
    return frame.with_columns(pl.when(bad[name]).then("'" + pl.col(name)).otherwise(pl.col(name)).alias(name) for name in texts)


def with_local_time(frame: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    """A report for a spreadsheet: its key as local time, offset and UTC time, other instants in local time too."""
    key = next(name for name in _KEYS if name in frame.columns)
    if key == "interval_start_at":
        told = _told(frame.get_column(key), time_zone).insert_column(0, _days(frame.get_column(key), time_zone))
    else:
        days = frame.get_column(key)
        begins = [day_start(day, time_zone) for day in days.to_list()]
        told = _told(pl.Series(key, begins, dtype=pl.Datetime("us", "UTC")), time_zone).insert_column(0, days)
    others = [name for name, kind in frame.schema.items() if kind == pl.Datetime("us", "UTC") and name != key]
    local = frame.drop(key).with_columns(_local(frame.get_column(name), time_zone).alias(f"{name}_local") for name in others)
    return told.hstack(local.drop(others).get_columns())


def _days(moments: pl.Series, time_zone: str) -> pl.Series:
    return local_dates(moments, time_zone).alias("local_date")


def _told(moments: pl.Series, time_zone: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "local_time": _local(moments, time_zone),
            "utc_offset_hours": utc_offset_seconds(moments, time_zone) / 3600,
            "utc_time": moments.dt.replace_time_zone(None),
        }
    )


def _local(moments: pl.Series, time_zone: str) -> pl.Series:
    """What the site's clock shows, without a zone."""
    return moments.dt.replace_time_zone(None) + pl.Series(utc_offset_seconds(moments, time_zone) * 1_000_000).cast(pl.Duration("us"))


class _Outgoing:
    """A file to write to whose bytes are taken out as they come."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        """Keep a part until it is taken."""
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was written stays to be taken."""

    def taken(self) -> bytes:
        """What was written since the last call."""
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def _binary(tables: Iterable[pa.Table], schema: pa.Schema, form: str) -> Iterator[bytes]:
    sink = _Outgoing()
    with pa.PythonFile(sink, mode="w") as file:
        writer = pa.ipc.new_stream(file, schema) if form == ARROW else pq.ParquetWriter(file, schema, compression="zstd")
        with writer:
            for table in tables:
                writer.write_table(table)
                if part := sink.taken():
                    yield part
    yield sink.taken()
