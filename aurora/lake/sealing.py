"""Days of devices whose raw readings are gone, for whoever changes what would decide how those were read: their figures stand."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from aurora.lake.among import among
from aurora.lake.manifest import Snapshot
from aurora.lake.store import Between

SEALED = "silver/sealed"
DAY = timedelta(days=1)
# Facts of a device by which its raw readings are read; others count for sealed days too.
READING_FACTS = frozenset({"factor", "channels", "replacements", "max_gap_seconds"})


@dataclass(frozen=True)
class SealedDays:
    """UTC days of a device whose figures stand.

    Attributes:
        first_date: The first of them.
        last_date: The last of them; days without readings may lie between.
        days: How many.
    """

    first_date: date
    last_date: date
    days: int

    def as_dict(self) -> dict[str, Any]:
        """The days as JSON can hold them."""
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(self).items()}

    def sentence(self, device_id: str) -> str:
        """What to tell whoever changed how the device is read."""
        days = "1 day" if self.days == 1 else f"{self.days} days"
        span = f"from {self.first_date} to {self.last_date} (UTC)"
        return f"The figures of {days} of {device_id} {span} stand as they are: the raw readings are gone."


def sealed_days(snapshot: Snapshot, device_id: str) -> SealedDays | None:
    """The sealed days of a device; None where there are none."""
    dates = _units(snapshot, [device_id])["measured_date"].unique().sort().to_list()
    return SealedDays(dates[0], dates[-1], len(dates)) if dates else None


def sealed_of(snapshot: Snapshot, places: Iterable[tuple[str, datetime]]) -> set[tuple[str, datetime]]:
    """Those of some devices' instants that lie on a sealed day of theirs."""
    asked = list(places)
    if not asked:
        return set()
    dates = [at.date() for _, at in asked]
    found = _units(snapshot, {device for device, _ in asked}, [Between("measured_date", min(dates), max(dates) + DAY)])
    units = set(found.iter_rows())
    return {(device, at) for device, at in asked if (device, at.date()) in units}


def _units(snapshot: Snapshot, device_ids: Iterable[str], between: Iterable[Between] = ()) -> pl.DataFrame:
    """Sealed days of some devices: device_id, measured_date."""
    rows = snapshot.scan(SEALED, list(between)).filter(among("device_id", device_ids))
    return rows.select("device_id", "measured_date").unique().collect()
