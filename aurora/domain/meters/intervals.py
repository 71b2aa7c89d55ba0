"""Interval readings: energy over `interval_seconds` from `measured_at` on; where two cover the same time, the later received counts."""

import heapq
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from aurora.domain.meters.readings import QUARTER_US, SEGMENT_COLUMNS, SERIES, crosses_quarter, is_estimated


def segments(readings: pl.DataFrame) -> pl.DataFrame:
    """Spans of the interval readings, none overlapping another of its device and channel.

    Args:
        readings: Current `interval_kwh` readings with `rank`, sorted by key.
    """
    start = pl.col("measured_at").dt.epoch("us")
    spans = readings.filter(pl.col("interval_seconds") > 0).select(
        *SERIES,
        "measure",
        start.alias("start_us"),
        (start + pl.col("interval_seconds") * 1_000_000).alias("end_us"),
        pl.col("value").alias("energy_kwh"),
        is_estimated(),
        "rank",
    )
    reach = pl.col("end_us").cum_max().shift(1).over(SERIES)
    spans = spans.with_columns((pl.col("start_us") < reach).fill_null(value=False).alias("overlaps"))
    spans = spans.with_columns((~pl.col("overlaps")).cum_sum().alias("cluster"))
    # A window over the clusters, of which there are as many as readings, takes six times as long.
    alone = ~(pl.col("overlaps") | pl.col("overlaps").shift(-1, fill_value=False))
    simple = spans.filter(alone).with_columns(pl.col("is_estimated") | crosses_quarter(pl.col("start_us"), pl.col("end_us")))
    return pl.concat([simple.select(SEGMENT_COLUMNS), _resolved(spans.filter(~alone))])


class Span(NamedTuple):
    """One interval reading on the time line; the greater `rank` was received later."""

    device_id: str
    channel: str
    measure: str
    start_us: int
    end_us: int
    energy_kwh: float
    is_estimated: bool
    rank: int

    def piece(self, begin: int, end: int) -> tuple[str, str, str, int, int, float, bool]:
        """The part from `begin` to `end` as a segment; energy is shared by time."""
        is_whole = begin == self.start_us and end == self.end_us
        energy = self.energy_kwh if is_whole else self.energy_kwh * (end - begin) / (self.end_us - self.start_us)
        is_estimated = self.is_estimated or not is_whole or self.start_us // QUARTER_US != (self.end_us - 1) // QUARTER_US
        return self.device_id, self.channel, self.measure, begin, end, energy, is_estimated


def _resolved(spans: pl.DataFrame) -> pl.DataFrame:
    """Overlapping spans cut so that each moment belongs to the last received of those that cover it."""
    schema = spans.select(SEGMENT_COLUMNS).schema
    rows: list[tuple[str, str, str, int, int, float, bool]] = []
    for _, cluster in spans.group_by("cluster", maintain_order=True):
        rows += _cut([Span(*row) for row in cluster.select(Span._fields).iter_rows()])
    return pl.DataFrame(rows, schema=schema, orient="row")


def _cut(spans: list[Span]) -> list[tuple[str, str, str, int, int, float, bool]]:
    edges = sorted({edge for span in spans for edge in (span.start_us, span.end_us)})
    waiting = sorted(spans, key=lambda span: span.start_us, reverse=True)
    covering: list[tuple[int, Span]] = []
    pieces: list[tuple[int, int, Span]] = []
    for begin, end in pairwise(edges):
        while waiting and waiting[-1].start_us <= begin:
            span = waiting.pop()
            heapq.heappush(covering, (-span.rank, span))
        while covering and covering[0][1].end_us <= begin:
            heapq.heappop(covering)
        if not covering:
            continue
        winner = covering[0][1]
        if pieces and pieces[-1][2] is winner and pieces[-1][1] == begin:
            pieces[-1] = (pieces[-1][0], end, winner)
        else:
            pieces.append((begin, end, winner))
    return [span.piece(begin, end) for begin, end, span in pieces]
