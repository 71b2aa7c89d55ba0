"""What the accounts database says of sites, devices and tariffs, written to `dims/*` with its validity; what a change of it touches."""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from aurora.accounts import devices as device_accounts
from aurora.accounts import overrules
from aurora.accounts import sites as site_accounts
from aurora.accounts import tariffs as tariff_accounts
from aurora.accounts.database import Accounts
from aurora.accounts.tariffs import ALWAYS
from aurora.domain.calendar import first_difference, moved_zone
from aurora.lake.manifest import Publication
from aurora.lake.tables import TABLES
from transform import bounds, metered, scope
from transform.metering import Metering

SITE_FACTS_IN_USE = (
    "time_zone", "past_time_zones", "currency", "tariff_id", "pv_capacity_kw", "battery_capacity_kwh", "battery_power_kw", "fuse_a",
    "grid_limit_kw",
)  # fmt: skip
DEVICE_FACTS_IN_USE = (
    "site_id", "kind", "role", "energy_source", "interval_seconds", "max_gap_seconds", "retired_at", "factor", "channels", "replacements",
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """Facts as of this refresh.

    Attributes:
        sites: Columns of `dims/sites`, one row per site; time_zone is the site's calendar, see `aurora.domain.calendar`.
        devices: Columns of `dims/devices`, is_import and the site's time_zone, one row per device.
        prices: Columns of `dims/tariff_prices`.
        changed_sites: Ids of sites whose energy or money another fact now decides.
        moved_sites: Others whose calendar alone changed, and from which local day on.
        overruled: Decisions how a meter was read that a person reversed: event id to the user who did, `person` where that is not known.
    """

    sites: pl.DataFrame
    devices: pl.DataFrame
    prices: pl.DataFrame
    changed_sites: list[str]
    moved_sites: dict[str, date]
    overruled: dict[str, str]

    @property
    def zones(self) -> dict[str, str]:
        """Calendar of each site."""
        return dict(self.sites.select("site_id", "time_zone").rows())

    @property
    def max_gap_seconds(self) -> dict[str, int]:
        """How long a power sample holds, of devices that say so. [s]"""
        return dict(self.devices.drop_nulls("max_gap_seconds").select("device_id", "max_gap_seconds").rows())

    def metering(self, unit_switches: pl.DataFrame) -> Metering:
        """How these facts have meters read, with the decisions `unit_switch` of all registers."""
        return Metering(
            self.devices.select("device_id", "factor", "channels"),
            self.max_gap_seconds,
            bounds.of_devices(self.devices, self.sites),
            self.overruled,
            metered.replacements(self.devices),
            unit_switches,
        )


def synchronise(publication: Publication, accounts: Accounts, now: datetime) -> Facts:
    """Write what changed in accounts to the dims and say which sites it touches."""
    sites = _frame("dims/sites", [_columns("dims/sites", site) for site in site_accounts.all_sites(accounts)])
    every_device = device_accounts.all_devices(accounts)
    devices = _frame("dims/devices", [_columns("dims/devices", device) for device in every_device])
    prices = _frame(
        "dims/tariff_prices",
        [
            _columns("dims/tariff_prices", price)
            | {
                "currency": currency,
                "unit_price": float(price.unit_price),
                "valid_from": price.valid_from,
                "valid_until": price.valid_until,
            }
            for price, currency in tariff_accounts.all_prices(accounts)
        ],
    )
    since = _calendars_changed(publication, sites)
    changed = _update(publication, "dims/sites", "site_id", sites, SITE_FACTS_IN_USE, now) - set(since)
    sites = with_calendar(sites)
    changed |= _update(publication, "dims/devices", "device_id", devices, DEVICE_FACTS_IN_USE, now)
    repriced = _replace_prices(publication, prices)
    changed |= set(sites.filter(pl.col("tariff_id").is_in(repriced))["site_id"])
    of_files = [device.device_id for device in every_device if device.is_import]
    marked = devices.with_columns(pl.col("device_id").is_in(of_files).alias("is_import"))
    zoned = marked.join(sites.select("site_id", "time_zone"), on="site_id", how="inner")
    said = overrules.all_overrules(accounts).values()
    overruled = {one.event_id: one.user_id or overrules.SOMEBODY for one in said if one.is_overruled}
    only_moved = {site: day for site, day in since.items() if site not in changed}
    return Facts(sites, zoned, prices, sorted(changed), only_moved, overruled)


def with_calendar(sites: pl.DataFrame) -> pl.DataFrame:
    """The sites with time_zone as their calendar: of one that changed its zone, all of its zones, see `aurora.domain.calendar`."""
    past = [[(one["time_zone"], date.fromisoformat(one["until"])) for one in json.loads(told or "[]")] for told in sites["past_time_zones"]]
    names = [moved_zone(zones, now) for zones, now in zip(past, sites["time_zone"], strict=True)]
    return sites.with_columns(pl.Series("time_zone", names, dtype=pl.String))


def _calendars_changed(publication: Publication, sites: pl.DataFrame) -> dict[str, date]:
    """Sites of whose facts in use the calendar alone changed, and that from a day on: the first one that is another now."""
    held = publication.scan("dims/sites").filter(pl.col("valid_until").is_null()).collect()
    others = [name for name in SITE_FACTS_IN_USE if name not in {"time_zone", "past_time_zones"}]
    both = with_calendar(held).join(with_calendar(sites), on=["site_id", *others], nulls_equal=True, suffix="_now")
    days = {site: first_difference(old, new) for site, old, new in both.select("site_id", "time_zone", "time_zone_now").iter_rows()}
    return {site: day for site, day in days.items() if day is not None}


def with_new_sites(measured: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """What was measured where, and the same at the sites its devices are at now: their history moves with them."""
    at_now = measured.drop("site_id").join(devices.select("device_id", "site_id"), on="device_id", how="inner")
    return pl.concat([measured, at_now.select(measured.columns)]).unique()


def days_of_moved(measured: pl.DataFrame, moved: dict[str, date]) -> pl.DataFrame:
    """Days of sites from the one before their calendar changes on: site_id, local_date."""
    days = days_of_sites(measured, list(moved))
    since = pl.col("site_id").replace_strict(moved, return_dtype=pl.Date) if moved else pl.col("local_date")
    return days.filter(pl.col("local_date") >= since - timedelta(days=1))


def days_of_sites(measured: pl.DataFrame, site_ids: list[str]) -> pl.DataFrame:
    """Every day of the sites from their first reading to their last, and one on either side: site_id, local_date."""
    spans = (
        measured.filter(pl.col("site_id").is_in(site_ids))
        .group_by("site_id")
        .agg(pl.col("first_local_date").min() - timedelta(days=1), pl.col("last_local_date").max() + timedelta(days=1))
    )
    if spans.is_empty():
        return scope.no_days()
    dates = pl.date_ranges("first_local_date", "last_local_date").alias("local_date")
    return spans.select("site_id", dates).explode("local_date")


def _columns(table: str, row: Any) -> dict[str, Any]:
    return {name: _plain(getattr(row, name, None)) for name in TABLES[table].schema.names}


def _plain(value: Any) -> Any:
    """A fact as a column holds it; one with parts as JSON."""
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def _frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=pl.Schema(TABLES[table].schema))


def _update(publication: Publication, table: str, key: str, facts: pl.DataFrame, in_use: tuple[str, ...], now: datetime) -> set[str]:
    """Close the rows whose facts changed and open new ones; returns the sites (before and after) whose facts in use changed."""
    held = publication.scan(table).collect()
    open_rows = held.filter(pl.col("valid_until").is_null())
    compared = [name for name in facts.columns if name not in {"valid_from", "valid_until", "refresh_id"}]
    same = facts.join(open_rows, on=compared, how="semi", nulls_equal=True)
    fresh = facts.join(same, on=key, how="anti")
    if fresh.is_empty() and open_rows.height == facts.height:
        return set()
    known = set(held[key])
    fresh = fresh.with_columns(
        pl.when(pl.col(key).is_in(list(known)))
        .then(pl.lit(now))
        .otherwise(pl.lit(ALWAYS))
        .cast(pl.Datetime("us", "UTC"))
        .alias("valid_from")
    )
    closing = pl.col("valid_until").is_null() & ~pl.col(key).is_in(same[key].to_list())
    closed = held.with_columns(
        pl.when(closing).then(pl.lit(now)).otherwise(pl.col("valid_until")).cast(pl.Datetime("us", "UTC")).alias("valid_until")
    )
    _write_all(publication, table, pl.concat([closed.select(facts.columns), fresh.select(facts.columns)]))
    before = open_rows.join(facts, on=[key, *in_use], how="anti", nulls_equal=True)
    after = facts.filter(pl.col(key).is_in(list(known))).join(open_rows, on=[key, *in_use], how="anti", nulls_equal=True)
    return {*before["site_id"], *after["site_id"]}


def _replace_prices(publication: Publication, prices: pl.DataFrame) -> list[str]:
    """Write the prices where they changed; returns the tariffs that did."""
    held = publication.scan("dims/tariff_prices").collect()
    compared = [name for name in prices.columns if name != "refresh_id"]
    gone = held.join(prices, on=compared, how="anti", nulls_equal=True)
    fresh = prices.join(held, on=compared, how="anti", nulls_equal=True)
    changed = pl.concat([gone["tariff_id"], fresh["tariff_id"]]).unique().to_list()
    if changed:
        _write_all(publication, "dims/tariff_prices", prices)
    return changed


def _write_all(publication: Publication, table: str, rows: pl.DataFrame) -> None:
    key = list(TABLES[table].key)
    held = publication.scan(table).select(key).collect()
    publication.replace(table, rows, pl.concat([held, rows.select(key)]).unique())
