"""Which sources this installation asks, and about what: from the settings and the facts of its sites."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from aurora import processes
from aurora.accounts import devices, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site
from aurora.errors import Refused
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.settings import Settings
from ingestion.sources.asking import asker
from ingestion.sources.electricity_maps import ElectricityMaps
from ingestion.sources.entsoe import Entsoe
from ingestion.sources.nord_pool import NordPool
from ingestion.sources.octopus import TARIFF, Octopus
from ingestion.sources.open_meteo import OpenMeteo
from ingestion.sources.pull import Pulled, pull
from ingestion.sources.pvgis import Pvgis
from ingestion.sources.rows import Ask, Source, Target
from ingestion.sources.tibber import Tibber
from ingestion.sources.uk_carbon import UkCarbon

GREAT_BRITAIN = "GB"
NOTE = "sources"
# A kilometre or so is fine enough for weather, and tells nobody where a home is.
PLACE_DIGITS = 2

# Names the demo's answers, which nobody measured, before the service they are in the form of.
RECORDED = "recorded:"
RECORDINGS = "recordings"

Wanted = tuple[Source, Sequence[Target]]


def wanted_sources(settings: Settings, accounts: Accounts, home: Home | None = None) -> list[Wanted]:
    """Each source that the settings name, and about what; makes the weather stations of sites that have a place and none yet.

    In a demo whose settings name none, its own server of recorded answers stands for them.

    Raises:
        Refused: If the settings name one that there is not.
    """
    named = {name.strip() for name in settings.sources.split(",")} - {""}
    makers = _makers(settings)
    unknown = sorted(named - makers.keys())
    if unknown:
        raise Refused(f"AURORA_SOURCES names {', '.join(unknown)}. There are {', '.join(makers)}.")
    known = sites.all_sites(accounts)
    chosen = [make() for name, make in makers.items() if name in named]
    if not chosen and home is not None and home.is_demo:
        note = home.read_note(RECORDINGS)
        chosen = recorded(note["url"]) if note and processes.is_alive(note["pid"], note["started_at"]) else []
    return [(source, targets) for source in chosen if (targets := _targets(source, accounts, known))]


def recorded(url: str) -> list[Source]:
    """The services that the demo's server at an address stands for."""
    made = OpenMeteo(url, url), Entsoe(f"{url}/api", ""), ElectricityMaps(url, ""), UkCarbon(url)
    return [replace(source, name=f"{RECORDED}{source.name}") for source in made]


def _makers(settings: Settings) -> dict[str, Callable[[], Source]]:
    return {
        "open_meteo": lambda: OpenMeteo(settings.open_meteo_url, settings.open_meteo_archive_url),
        "pvgis": lambda: Pvgis(settings.pvgis_url),
        "entsoe": lambda: Entsoe(settings.entsoe_url, settings.entsoe_token.get_secret_value()),
        "nord_pool": lambda: NordPool(settings.nord_pool_url),
        "octopus": lambda: Octopus(settings.octopus_url),
        "tibber": lambda: Tibber(settings.tibber_url, settings.tibber_token.get_secret_value()),
        "electricity_maps": lambda: ElectricityMaps(settings.electricity_maps_url, settings.electricity_maps_token.get_secret_value()),
        "uk_carbon": lambda: UkCarbon(settings.uk_carbon_url),
    }


def _targets(source: Source, accounts: Accounts, known: Sequence[Site]) -> list[Target]:
    """What a source is asked about: places for weather, else the sites' zones that are of its kind."""
    if source.kind == "weather":
        return _stations(accounts, known)
    if source.kind == "carbon":
        zones = sorted({site.carbon_zone for site in known if site.carbon_zone})
        return [Target(zone) for zone in zones if (zone == GREAT_BRITAIN) == isinstance(source, UkCarbon)]
    priced = {site.price_zone: site.currency or "EUR" for site in known if site.price_zone}
    return [Target(zone, currency=priced[zone]) for zone in sorted(priced) if bool(TARIFF.match(zone)) == isinstance(source, Octopus)]


def pull_all(
    lake: Lake,
    accounts: Accounts,
    settings: Settings,
    home: Home,
    now: datetime,
    *,
    only: str | None = None,
    ask_with: Callable[[str], Ask] = asker,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Pulled]:
    """Ask every source that is wanted, or one, and leave a note of what became of each.

    Args:
        lake: Where to.
        accounts: Knows the sites.
        settings: Which sources, and their addresses.
        home: Keeps the pipelines' state and the note.
        now: Our clock.
        only: Name of the one source to ask.
        ask_with: Makes the function that asks a service, by its name.
        progress: Told `(done, total, label)`.
    """
    wanted = [pair for pair in wanted_sources(settings, accounts, home) if only in {None, pair[0].name.removeprefix(RECORDED)}]
    outcomes: list[Pulled] = []
    for done, (source, targets) in enumerate(wanted):
        if progress:
            progress(done, len(wanted), source.name)
        outcomes += pull(lake, home.path / "dlt", source, targets, ask_with(source.name), now)
    if progress:
        progress(len(wanted), len(wanted), "done")
    before = home.read_note(NOTE).get("pulled", [])
    told = {(one["source"], one["target"]): one for one in before} | {(one.source, one.target): one.as_dict() for one in outcomes}
    home.note(NOTE, {"pulled": list(told.values())})
    return outcomes


def _stations(accounts: Accounts, known: Sequence[Site]) -> list[Target]:
    """The station of each site that has a place: its own of forecasts, beside one that it may really have."""
    found: list[Target] = []
    for site in known:
        if site.latitude is None or site.longitude is None:
            continue
        station = f"{site.site_id[:55]}-weather"
        if not any(device.device_id == station for device in devices.all_devices(accounts, site.site_id)):
            devices.add_device(accounts, site.site_id, name="Weather of this place", kind="weather_station", device_id=station)
            if not site.weather_station_id:
                sites.change_site(accounts, site.site_id, weather_station_id=station)
        found.append(Target(station, round(site.latitude, PLACE_DIGITS), round(site.longitude, PLACE_DIGITS)))
    return found
