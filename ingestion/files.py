"""Imports a file of energy data: maps its columns, lands what is new through a dlt pipeline, and says what became of every value."""

import hashlib
import secrets
from collections.abc import Callable
from collections.abc import Mapping as Mapped
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import polars as pl

from aurora.accounts import devices, loads, sites
from aurora.accounts.database import Accounts
from aurora.accounts.facts import DeviceRole
from aurora.accounts.models import Device, Load, Site
from aurora.domain.mapping import Mapping, Wishes, looks_like_energies, looks_like_totals, propose
from aurora.domain.meters.readings import is_estimated
from aurora.errors import Refused
from aurora.lake.store import Between, Lake
from aurora.settings import Settings
from ingestion import bronze
from ingestion.exports import filled, read_export
from ingestion.exports.series import Series
from ingestion.exports.table import Export
from ingestion.loads import land_load, land_refused
from ingestion.packing import unpacked
from ingestion.plausibility import Doubt, SiteLimits, doubts
from ingestion.rivals import first_rival
from ingestion.summaries import LoadSummary, first_refused, shown_mapping, write_refused
from ingestion.tables import KEY, Readout, refuse_unreadable
from ingestion.withdrawals import is_withdrawn

IMPORTED = "import:"

Progress = Callable[[int, int, str], None]


def import_file(
    lake: Lake,
    accounts: Accounts,
    settings: Settings,
    file: Path,
    site: str,
    *,
    device: str | None = None,
    role: str | None = None,
    time_column: str | None = None,
    time_zone: str | None = None,
    unit: str | None = None,
    channels: Mapped[str, str] | None = None,
    measure: str | None = None,
    label: str | None = None,
    decimal: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> LoadSummary:
    """Import a file of energy data: one that a vendor exports, or any CSV or Parquet file with a time column and a column per channel.

    Args:
        lake: Where readings go.
        accounts: Knows the site and its devices; keeps the load.
        settings: Of this installation.
        file: What to import.
        site: Id or unique name of the site.
        device: Lands on this device instead of the site's import device.
        role: `check` or `sub`: lands on an import device of that role, beside what main devices measure. `main` with a device: adds to
            what other main devices measure at the same time.
        time_column: Name of the time column.
        time_zone: Zone of times without offset.
        unit: `Wh kWh MWh W kW`, for all channel columns.
        channels: Channel of each column to read, by the column's name.
        measure: `interval_kwh register_kwh power_kw`, for all channel columns.
        label: Whether times name the `start` or the `end` of an interval.
        decimal: Whether numbers have a decimal `point` or `comma`.
        dry_run: Say what would happen and change nothing.
        progress: Told `(done, total, label)`.
        now: Our clock.

    Raises:
        Refused: If the file, the mapping or the device leave a doubt; says which flag settles it.
    """
    told = progress or (lambda _done, _total, _label: None)
    moment = now or datetime.now(UTC)
    place = sites.find_site(accounts, site)
    told(0, 4, "reading")
    given = Wishes(time_column, time_zone, unit, dict(channels or {}), measure, label, decimal)
    content = _understood(lake, accounts, place, file, given, moment + timedelta(seconds=settings.future_seconds))
    told(1, 4, "comparing")
    target = _target(accounts, place, device, role, is_dry=True)
    fresh, known_from = _not_yet_known(lake, target.device_id, content.readout.readings)
    is_said_to_add = device is not None and role == "main"
    if target.role == "main" and not is_said_to_add and not fresh.is_empty():
        _refuse_rivals(lake, accounts, place, target.device_id, content.readout.readings)
    if not dry_run:
        target = _target(accounts, place, device, role, is_dry=False)
    told(2, 4, "landing")
    if dry_run:
        told(4, 4, "done")
        return _summary("", content, fresh.height, None)
    load_id = f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    rejected_file = write_refused(content.readout.refused, file, settings.resolved_home / "rejected", load_id)
    summary = _summary(load_id, content, fresh.height, rejected_file)
    _keep(accounts, summary, place, target, file, content.noted(known_from), moment)
    stamps = bronze.stamps_above(lake)
    land_load(lake, stamps, settings.resolved_home / "dlt", load_id, target.device_id, fresh, moment)
    told(3, 4, "landing")
    land_refused(lake, stamps, load_id, target.device_id, content.readout.refused, moment)
    if is_withdrawn(lake, load_id):
        raise Refused(f"{load_id} was undone while it ran; nothing of it is stored.")
    told(4, 4, "done")
    return summary


@dataclass(frozen=True)
class _Content:
    """What a file says, and how that was told.

    Attributes:
        chosen: What people said of its columns, now or for the last file like it.
        mapping_from: That file's import, if it decided.
    """

    export: Export | Series
    chosen: Wishes
    mapping: Mapping
    mapping_from: str | None
    readout: Readout
    doubts: list[Doubt]

    @property
    def header(self) -> str:
        """Fingerprint of its columns, by which another file like it is known."""
        return loads.fingerprint(self.export.columns)

    def noted(self, known_from: list[str]) -> str:
        """What is kept of it with its load."""
        return loads.noted(asdict(self.mapping), self.header, _said(self.chosen), known_from, self.readout.qualities)


def _understood(lake: Lake, accounts: Accounts, place: Site, file: Path, given: Wishes, latest: datetime) -> _Content:
    """What a file says of a site up to `latest`. Raises Refused where it leaves a doubt, or cannot be true."""
    with unpacked(file) as plain:
        export = read_export(plain, given.time_column)
    chosen, mapping_from = _as_before(lake, accounts, place, loads.fingerprint(export.columns), given)
    mapping = _mapping(export, filled(chosen, export.wishes))
    readout = export.read_out(mapping).until(latest)
    refuse_unreadable(readout, mapping)
    if chosen.measure is None and export.wishes.measure is None:
        asked = {meaning.channel for name, meaning in mapping.columns.items() if name not in export.deltas}
        _refuse_hidden_totals(readout.readings.filter(pl.col("channel").is_in(asked)))
    found = doubts(readout.readings, SiteLimits(place.fuse_a, place.pv_capacity_kw, place.latitude, place.longitude))
    certain = next((doubt for doubt in found if doubt.is_certain), None)
    if certain is not None and chosen.unit is None:
        raise Refused(certain.sentence)
    return _Content(export, chosen, mapping, mapping_from, readout, found)


def _mapping(export: Export | Series, wishes: Wishes) -> Mapping:
    """What the file's columns mean. Raises Refused where that is not said, by the file or by a person."""
    unsaid = [name for name in export.unsaid if getattr(wishes, name) is None]
    if unsaid:
        flags = " and ".join(f"--{name}" for name in unsaid)
        named = ", ".join(export.columns[1:])
        raise Refused(f"The file does not say in which unit or how {named} count. Say it with {flags}, and which is what with --channel.")
    return propose(export.columns, wishes, may_add=export.may_add)


def _costs(export: Export | Series, mapping: Mapping) -> dict[str, float]:
    """What the file says that the series which were read cost, by currency."""
    found: dict[str, float] = {}
    for name in mapping.columns:
        currency, amount = export.costs.get(name, ("", 0.0))
        if name in export.costs:
            found[currency] = round(found.get(currency, 0.0) + amount, 5)
    return found


def _as_before(lake: Lake, accounts: Accounts, site: Site, header: str, given: Wishes) -> tuple[Wishes, str | None]:
    """What is said of the columns now, or was for the site's newest file with the same ones; and which import that was, if it decides."""
    before = next((load for load in loads.of_header(accounts, site.site_id, header) if not is_withdrawn(lake, load.load_id)), None)
    if before is None:
        return given, None
    chosen = filled(given, Wishes(**loads.notes(before)["chosen"]))
    return chosen, before.load_id if chosen != given else None


def _said(wishes: Wishes) -> dict[str, Any]:
    return {name: value for name, value in asdict(wishes).items() if value}


def _refuse_hidden_totals(readings: pl.DataFrame) -> None:
    """Raise Refused where values behave as if they were the other of totals and energies than their column's name says."""
    for (column, measure), rows in readings.group_by("column", "measure", maintain_order=True):
        values = rows.sort("measured_at").get_column("value").to_numpy()
        if measure == "interval_kwh" and looks_like_totals(values, str(column)):
            raise Refused(
                f"The column {column} only ever grows, like a meter's total."
                " Say --measure register_kwh if it is one, else --measure interval_kwh."
            )
        if measure == "register_kwh" and looks_like_energies(values):
            raise Refused(
                f"The column {column} is named like a meter's total, and its values fall."
                " Say --measure interval_kwh if they are energies, else --measure register_kwh."
            )


def _target(accounts: Accounts, site: Site, device: str | None, role: str | None, *, is_dry: bool) -> Device:
    """The device the readings land on; a dry run makes none."""
    roles = get_args(DeviceRole)
    if role is not None and role not in roles:
        raise Refused(f"--role must be one of {', '.join(roles)}.")
    if device is not None:
        found = devices.find_device(accounts, device)
        if found.site_id != site.site_id:
            raise Refused(f"The device {device} belongs to {found.site_id}, not to {site.site_id}. Name a device of that site.")
        return found
    known = devices.all_devices(accounts, site.site_id)
    if role in {None, "main"}:
        found = next((one for one in known if one.is_import), None)
        return found or (_unmade(site, "main") if is_dry else devices.import_device(accounts, site))
    wish = f"{site.site_id[:50]}-import-{role}"
    found = next((one for one in known if one.device_id == wish), None)
    if found is not None or is_dry:
        return found or _unmade(site, str(role))
    return devices.add_device(accounts, site.site_id, name=f"{site.name} import ({role})", kind="meter", device_id=wish, role=str(role))


def _unmade(site: Site, role: str) -> Device:
    return Device(device_id="", site_id=site.site_id, role=role)


def _refuse_rivals(lake: Lake, accounts: Accounts, site: Site, own_id: str, readings: pl.DataFrame) -> None:
    """Raise Refused where another main device measured the same channel in the same time: the two would be added up."""
    others = [one.device_id for one in devices.all_devices(accounts, site.site_id) if one.role == "main" and one.device_id != own_id]
    found = first_rival(lake, others, readings)
    if found is not None:
        device_id, channel, at = found
        raise Refused(
            f"{device_id} already measures {channel} at {at.isoformat()} and the two would be added up."
            f" Put the file on that device with --device {device_id}, beside it with --role check or --role sub and no --device,"
            " or where both count with --role main and a --device of its own."
        )


def _bronze_between(lake: Lake, readings: pl.DataFrame) -> pl.LazyFrame:
    times = readings.get_column("measured_at")
    low, high = times.min(), times.max()
    frame = lake.scan(bronze.READINGS, between=[Between("measured_at", low)])
    return frame.filter(pl.col("measured_at") <= high)


def _rises(readings: pl.DataFrame) -> bool:
    """Whether the readings of each series follow one another in time, so that none is there twice."""
    parts = readings.select(KEY).partition_by(*(column for column in KEY if column != "measured_at"))
    return all((part["measured_at"].diff().drop_nulls() > timedelta(0)).all() for part in parts)


def _not_yet_known(lake: Lake, device_id: str, readings: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The readings that bronze does not have yet as the newest of their key, and the imports that brought the others.

    The same value that was estimated and is measured now, or the reverse, is another reading. Of several readings of one key in the file
    the last counts: where bronze has that one, it has the others.
    """
    same = [*KEY, "interval_seconds", "value", "is_estimated"]
    is_rising = _rises(readings)
    once = readings if is_rising else readings.unique(same, keep="last", maintain_order=True)
    if once.is_empty() or not device_id:
        return once, []
    newest = (
        _bronze_between(lake, once)
        .filter(pl.col("device_id") == device_id)
        .sort("received_at", "sequence", "source", "value")
        .unique(KEY, keep="last")
        .with_columns(is_estimated())
        .select(*same, "source")
        .collect()
    )
    if newest.is_empty():
        return once, []
    last = once if is_rising else once.unique(KEY, keep="last")
    known = newest.join(last, on=same, how="semi", nulls_equal=True)
    sources = known.get_column("source").unique().sort()
    known_from = [source.removeprefix(IMPORTED) for source in sources.to_list() if source.startswith(IMPORTED)]
    return once.join(known, on=KEY, how="anti", maintain_order="left"), known_from


def _summary(load_id: str, content: _Content, new: int, rejected_file: str | None) -> LoadSummary:
    readout = content.readout
    times = readout.readings.get_column("measured_at")
    first, last = (None, None) if times.is_empty() else (times.min(), times.max())
    return LoadSummary(
        load_id=load_id,
        read=readout.read,
        new=new,
        known=readout.readings.height - new,
        rejected=readout.refused.height,
        rejected_file=rejected_file,
        first_at=first.isoformat() if isinstance(first, datetime) else None,
        last_at=last.isoformat() if isinstance(last, datetime) else None,
        format=content.export.format,
        mapping=shown_mapping(content.mapping, content.export.columns),
        mapping_from=content.mapping_from,
        costs=_costs(content.export, content.mapping),
        doubts=[{"column": one.column, "finding": one.finding, "sentence": one.sentence} for one in content.doubts],
        ambiguous=readout.ambiguous,
        qualities=readout.qualities,
        refused_rows=first_refused(readout.refused),
    )


def _keep(accounts: Accounts, summary: LoadSummary, site: Site, target: Device, file: Path, mapping: str, now: datetime) -> None:
    """Write the load down before its rows land, so that even one that is cut short can be listed and undone."""
    row = Load(
        load_id=summary.load_id,
        site_id=site.site_id,
        device_id=target.device_id,
        file_name=file.name[:256],
        file_hash=_hash(file),
        mapping=mapping,
        readings_read=summary.read,
        readings_new=summary.new,
        readings_known=summary.known,
        readings_rejected=summary.rejected,
        first_at=datetime.fromisoformat(summary.first_at) if summary.first_at else None,
        last_at=datetime.fromisoformat(summary.last_at) if summary.last_at else None,
        loaded_at=now,
    )
    with accounts.transaction() as session:
        session.add(row)


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
