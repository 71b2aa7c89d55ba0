"""Register readings: a running total, of which the differences are the energy.

A total that falls and has recovered by the next reading is a *dip*: the low reading is left out. A total that falls and stays low is a
*reset*: the meter counted again from zero, so what it shows now is the energy since, as far as it is known. Where that is more than
can have passed, another meter took its place (a *replacement*) and the energy between the two readings is unknown. None of them yields a
negative difference or counts energy twice.
"""

import hashlib

import polars as pl

from aurora.domain.meters.readings import SEGMENT_COLUMNS, SERIES, crosses_quarter

# How many readings of a register, before and after a changed one, can be read differently because of it: the change may make its
# neighbour a dip or not, and the span to that neighbour starts one further. Two dips never follow each other.
REACH = 3

# More than any home or small business draws for long; what a new meter shows beyond this was not used since the last reading. [kW]
MOST_RESET_KW = 100.0

EVENT_COLUMNS = ("event_id", "device_id", "channel", "kind", "at", "evidence", "energy_kwh_affected")
_TOLD = {
    "reset": ", counted from zero since",
    "dip": " and had recovered by the next reading",
    "replacement": ", more than can have passed since; the energy between the two is unknown",
}
_EVENT_SCHEMA = {"event_id": pl.String, "device_id": pl.String, "channel": pl.String, "kind": pl.String,
                 "at": pl.Datetime("us", "UTC"), "evidence": pl.String, "energy_kwh_affected": pl.Float64}  # fmt: skip


def segments(readings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Spans between the readings of each register, and the decisions taken.

    Args:
        readings: Current `register_kwh` readings, sorted by key.

    Returns:
        Segments, and events with the columns `EVENT_COLUMNS`.
    """
    before, after = pl.col("value").shift(1).over(SERIES), pl.col("value").shift(-1).over(SERIES)
    judged = readings.with_columns(((pl.col("value") < before) & (after >= before)).fill_null(value=False).alias("is_dip"))
    kept = judged.filter(~pl.col("is_dip"))
    pairs = kept.with_columns(
        pl.col("measured_at").shift(1).over(SERIES).alias("before_at"), pl.col("value").shift(1).over(SERIES).alias("value_before")
    ).filter(pl.col("before_at").is_not_null())
    fell = pl.col("value") < pl.col("value_before")
    hours = (pl.col("measured_at") - pl.col("before_at")).dt.total_microseconds() / 3.6e9
    is_replaced = fell & (pl.col("value") > MOST_RESET_KW * hours)
    is_reset = fell & ~is_replaced
    replaced, pairs = pairs.filter(is_replaced), pairs.filter(~is_replaced)
    spans = pairs.select(
        *SERIES,
        "measure",
        pl.col("before_at").dt.epoch("us").alias("start_us"),
        pl.col("measured_at").dt.epoch("us").alias("end_us"),
        pl.when(is_reset).then(pl.col("value")).otherwise(pl.col("value") - pl.col("value_before")).alias("energy_kwh"),
    ).with_columns((crosses_quarter(pl.col("start_us"), pl.col("end_us"))).alias("is_spread"))
    dips = judged.with_columns(before.alias("value_before")).filter(pl.col("is_dip"))
    told = [_events(pairs.filter(is_reset), "reset"), _events(replaced, "replacement"), _events(dips, "dip")]
    return spans.select(SEGMENT_COLUMNS), pl.concat(told)


def _events(decided: pl.DataFrame, kind: str) -> pl.DataFrame:
    if decided.is_empty():
        return pl.DataFrame(schema=_EVENT_SCHEMA)
    rows = [
        (
            event_id(row["device_id"], row["channel"], kind, row["measured_at"].isoformat()),
            row["device_id"],
            row["channel"],
            kind,
            row["measured_at"],
            f"{row['value_before']:.3f} kWh fell to {row['value']:.3f} kWh" + _TOLD[kind],
            {"reset": row["value"], "dip": row["value_before"] - row["value"]}.get(kind),
        )
        for row in decided.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=_EVENT_SCHEMA, orient="row")


def event_id(*parts: str) -> str:
    """An id that is the same at every rebuild."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]
