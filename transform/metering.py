"""How a refresh reads meters: what is known of devices, and the decisions that were taken or reversed."""

from dataclasses import dataclass

import polars as pl

from aurora.domain import meters
from aurora.domain.meters import registers, units
from aurora.domain.meters.replacements import cut_lives
from transform import metered


@dataclass(frozen=True)
class Metering:
    """What the readings of some devices are read with.

    Attributes:
        devices: device_id, factor, channels (JSON).
        max_gap_seconds: How long a power sample holds, of devices that say so. [s]
        bounds: device_id, channel, most_kw. [kW]
        overruled: Decisions that people reversed: event id to who did.
        replacements: device_id, channel, at, start_kwh.
        switches: Decisions `unit_switch` of all registers.
    """

    devices: pl.DataFrame
    max_gap_seconds: dict[str, int]
    bounds: pl.DataFrame
    overruled: dict[str, str]
    replacements: pl.DataFrame
    switches: pl.DataFrame

    def energy(self, readings: pl.DataFrame) -> meters.MeterEnergy:
        """Energy and decisions from rows of `bronze/readings`."""
        return meters.energy(
            metered.as_metered(readings, self.devices), self.max_gap_seconds, self.bounds, self.overruled, self.replacements, self.switches
        )

    def spans(self, readings: pl.DataFrame) -> pl.DataFrame:
        """What register readings come to: device_id, channel, start_us, end_us (exclusive), energy_kwh and, of decisions, evidence."""
        counted = meters.current(metered.as_metered(readings, self.devices))
        spans, events = registers.segments(counted, self.bounds, self.overruled, self.replacements, self.switches)
        at = pl.col("at").dt.epoch("us")
        told = events.select("device_id", "channel", at.alias("start_us"), (at + 1).alias("end_us"), "evidence")
        return pl.concat([spans.drop("measure", "is_estimated"), told], how="diagonal")

    def calm_stretches(self, readings: pl.DataFrame) -> pl.DataFrame:
        """Readings of registers that `registers.REACH` sound ones precede, or that have none before: device_id, channel, start_us, end_us.

        Args:
            readings: Rows of `bronze/readings`, registers alone.
        """
        counted = meters.current(metered.as_metered(readings, self.devices))
        one_unit = units.in_kwh(registers.shown(counted), units.marked(self.switches, self.overruled))
        lives, _ = cut_lives(one_unit, self.replacements, self.overruled)
        paired = registers.with_soundness(lives, self.bounds)
        sound = pl.col("is_sound") & pl.col("before_us").is_not_null()
        run = sound.rolling_sum(registers.REACH, min_samples=registers.REACH)
        began = pl.col("at_us").shift(registers.REACH)
        return paired.select(
            "device_id", "channel", began.alias("start_us"), pl.col("at_us").alias("end_us"), (run == registers.REACH).alias("is_calm")
        ).filter(pl.col("is_calm"))
