"""`aurora site` and `aurora device`: what is measured, and by what."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.context import Context, open_context, say, show, show_table
from orchestration.cli.facts import NOTHING, as_fact, with_site_facts
from orchestration.cli.members import moment

if TYPE_CHECKING:
    from aurora.lake.sealing import SealedDays

site = typer.Typer(help="Places whose energy is measured.", no_args_is_help=True)
device = typer.Typer(help="What measures, and its keys.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Inputs = Annotated[
    list[str] | None, typer.Option("--input", help="What an input measures, as emeter/1=production or use='consumption W'; many allowed.")
]
DEVICE_COLUMNS = ("device_id", "site_id", "name", "kind", "role", "energy_source", "interval_seconds", "topic")


@site.command("add")
def add_site(
    name: Annotated[str, typer.Option(help="What people call it.")],
    time_zone: Annotated[str, typer.Option(help="Such as Europe/Berlin.")],
    latitude: Annotated[float, typer.Option(min=-90, max=90)],
    longitude: Annotated[float, typer.Option(min=-180, max=180)],
    id: Annotated[str | None, typer.Option("--id", help="Its id; made from the name otherwise.")] = None,
    currency: Annotated[str | None, typer.Option(help="Such as EUR.")] = None,
    country: Annotated[str | None, typer.Option(help="Two letters, such as DE.")] = None,
    owner: Annotated[str | None, typer.Option(help="User name; the only admin otherwise.")] = None,
    json: Json = False,
) -> None:
    """Make a site."""
    from aurora.accounts import people, sites

    accounts = open_context().accounts
    person = people.user_by_name(accounts, owner) if owner else people.only_admin(accounts)
    facts = {"latitude": latitude, "longitude": longitude, "currency": currency, "country": country}
    made = sites.add_site(accounts, person, name=name, time_zone=time_zone, site_id=id, **facts)
    show({"site_id": made.site_id}, json, f"Site {made.site_id} belongs to {person.username}.")


@site.command("set")
@with_site_facts
def set_site(
    site: Annotated[str, typer.Argument(help="Id or unique name.")],
    facts: dict[str, Any],
    since: Annotated[
        str | None, typer.Option("--from", help="First local day in --time-zone, as 2026-07-01; empty or left out: it counts for all days.")
    ] = None,
    json: Json = False,
) -> None:
    """Change facts of a site, one option each; an empty value takes a fact away."""
    from aurora.accounts import sites
    from aurora.lake.history import priced_parts

    context = open_context()
    accounts = context.accounts
    found = sites.find_site(accounts, site)
    facts |= {} if since is None else {"time_zone_from": since or None}
    priced = priced_parts(context.lake, found.site_id) if "tariff_id" in facts else ()
    sites.change_site(accounts, found.site_id, priced_parts=priced, **facts)
    show({"site_id": found.site_id, "changed": sorted(facts)}, json, f"{found.site_id}: {len(facts)} facts changed.")


@site.command("import")
def import_sites(
    file: Annotated[Path, typer.Argument(help="CSV with a column for each fact.", exists=True, dir_okay=False)],
    owner: Annotated[str | None, typer.Option(help="User name; the only admin otherwise.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and make nothing.")] = False,
    json: Json = False,
) -> None:
    """Make many sites from a CSV file: all of them, or none with every bad line named."""
    from aurora.accounts import people, site_files
    from aurora.errors import Refused

    accounts = open_context().accounts
    person = people.user_by_name(accounts, owner) if owner else people.only_admin(accounts)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(f"{file} is not UTF-8 text. Save it as CSV in UTF-8.") from None
    made = site_files.add_sites(accounts, person, site_files.read_sites(text, as_fact), is_dry_run=dry_run)
    what = "could be made" if dry_run else "were made"
    show({"sites": made, "is_dry_run": dry_run}, json, f"{len(made)} sites {what}; they belong to {person.username}.")


@site.command("list")
def list_sites(json: Json = False) -> None:
    """Show every site."""
    from aurora.accounts import sites

    columns = ("site_id", "name", "time_zone", "country", "currency", "pv_capacity_kw", "battery_capacity_kwh", "tariff_id")
    rows = [{column: getattr(row, column) for column in columns} for row in sites.all_sites(open_context().accounts)]
    show_table("Sites", rows, json, "sites")


@device.command("add")
def add_device(
    site: Annotated[str, typer.Option(help="Id or unique name of its site.")],
    name: Annotated[str, typer.Option()],
    kind: Annotated[str, typer.Option(help="meter, inverter, battery, ev_charger, heat_pump, weather_station or gateway")],
    id: Annotated[str | None, typer.Option("--id")] = None,
    decoder: Annotated[str | None, typer.Option()] = None,
    topic: Annotated[str | None, typer.Option(help="MQTT topics or filters, commas between them; Aurora's own otherwise.")] = None,
    interval_seconds: Annotated[int | None, typer.Option(min=1)] = None,
    role: Annotated[str, typer.Option(help="main, sub or check")] = "main",
    energy_source: Annotated[str | None, typer.Option(help="pv, wind, hydro, chp or other")] = None,
    input: Inputs = None,
    json: Json = False,
) -> None:
    """Make a device."""
    from aurora.accounts import devices, sites

    accounts = open_context().accounts
    made = devices.add_device(
        accounts, sites.find_site(accounts, site).site_id, name=name, kind=kind, device_id=id, role=role, decoder=decoder, topic=topic,
        interval_seconds=interval_seconds, energy_source=energy_source, inputs=as_inputs(input),
    )  # fmt: skip
    show(
        {"device_id": made.device_id, "topic": made.topic},
        json,
        f"Device {made.device_id} publishes to {made.topic}. `aurora device key {made.device_id}` makes its password.",
    )


@device.command("list")
def list_devices(site: Annotated[str | None, typer.Option(help="Only of this site.")] = None, json: Json = False) -> None:
    """Show every device."""
    from aurora.accounts import devices, sites

    accounts = open_context().accounts
    chosen = sites.find_site(accounts, site).site_id if site else None
    rows = [{column: getattr(row, column) for column in DEVICE_COLUMNS} for row in devices.all_devices(accounts, chosen)]
    show_table("Devices", rows, json, "devices")


@device.command("set")
def set_device(
    device: str,
    name: Annotated[str | None, typer.Option()] = None,
    kind: Annotated[str | None, typer.Option(help="meter, inverter, battery, ev_charger, heat_pump, weather_station or gateway")] = None,
    role: Annotated[str | None, typer.Option(help="main, sub or check")] = None,
    energy_source: Annotated[str | None, typer.Option(help="pv, wind, hydro, chp or other")] = None,
    decoder: Annotated[str | None, typer.Option()] = None,
    interval_seconds: Annotated[int | None, typer.Option(min=1)] = None,
    max_gap_seconds: Annotated[int | None, typer.Option(min=1)] = None,
    topic: Annotated[str | None, typer.Option(help="MQTT topics it publishes to, as in `device add`.")] = None,
    input: Inputs = None,
    factor: Annotated[str | None, typer.Option(help="What its readings are multiplied by; empty for none.")] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="What a channel of its really is, as grid_import=production; many allowed, empty for none.")
    ] = None,
    replaced_at: Annotated[
        list[str] | None,
        typer.Option(
            help="When the meter was exchanged, as 2026-03-01T09:00:00Z or 2026-03-01T09:00:00Z=12.5 with what the new one showed."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Change facts of a device; those not named stay, an empty text takes one away. What may come often replaces all of its kind."""
    from aurora.accounts import devices

    given = {
        "name": name, "kind": kind, "role": role, "energy_source": energy_source, "decoder": decoder, "interval_seconds": interval_seconds,
        "max_gap_seconds": max_gap_seconds,
    }  # fmt: skip
    facts = {fact: None if value == NOTHING else value for fact, value in given.items() if value is not None}
    if input is not None:
        facts["inputs"] = as_inputs([pair for pair in input if pair])
    if factor is not None:
        facts["factor"] = as_figure(factor)
    if channel is not None:
        facts["channels"] = as_inputs([pair for pair in channel if pair])
    if replaced_at is not None:
        facts["replacements"] = [as_replacement(told) for told in replaced_at if told] or None
    context = open_context()
    devices.change_device(context.accounts, device, topic=topic, **facts)
    facts |= {} if topic is None else {"topic": topic}
    stands = _standing_days(context, device, facts)
    told = f" {stands.sentence(device)}" if stands else ""
    changed = {"device_id": device, "changed": sorted(facts), "sealed_days": stands.as_dict() if stands else None}
    show(changed, json, f"{device}: {len(facts)} facts changed.{told}")


def _standing_days(context: Context, device: str, changed: dict[str, Any]) -> "SealedDays | None":
    """The days of a device that the change of these facts does not reach any more."""
    from aurora.lake import manifest
    from aurora.lake.sealing import READING_FACTS, sealed_days

    return sealed_days(manifest.newest(context.lake), device) if READING_FACTS & changed.keys() else None


@device.command("retire")
def retire_device(
    device: str,
    at: Annotated[str | None, typer.Option(help="When, such as 2026-12-31T23:00:00Z; now otherwise.")] = None,
    json: Json = False,
) -> None:
    """End a device: from then on nothing of it is taken; what it sent stays."""
    from aurora.accounts import devices

    when = moment(at) or datetime.now(UTC)
    devices.change_device(open_context().accounts, device, retired_at=when)
    show({"device_id": device, "retired_at": when.isoformat()}, json, f"{device} sends until {when.isoformat(timespec='seconds')}.")


@device.command("move")
def move_device(device: str, site: Annotated[str, typer.Option(help="Id or unique name of its new site.")], json: Json = False) -> None:
    """Move a device to another site."""
    from aurora.accounts import devices, sites

    accounts = open_context().accounts
    goal = sites.find_site(accounts, site).site_id
    devices.change_device(accounts, device, site_id=goal)
    show({"device_id": device, "site_id": goal}, json, f"{device} is at {goal} now.")


@device.command("key")
def make_key(
    device: str,
    revoke: Annotated[str | None, typer.Option(help="Id of a key to end, instead of making one.")] = None,
    json: Json = False,
) -> None:
    """Make a key for a device, which is shown once, or end one."""
    from aurora.accounts import keys

    accounts = open_context().accounts
    if revoke is not None:
        keys.revoke_key(accounts, revoke, device_id=device)
        show({"key_id": revoke, "is_revoked": True}, json, f"The key {revoke} of {device} is worthless within five seconds.")
        return
    key_id, key = keys.new_key(accounts, device)
    show({"key_id": key_id, "key": key}, json, f"User name {device}, password (shown once): {key}")
    if len(keys.keys_of(accounts, device_id=device)) > 1:
        say(f"Mosquitto knows one password a user: from now on this one for {device}. The older keys stay good elsewhere.")


def as_inputs(pairs: list[str] | None) -> dict[str, str] | None:
    """What each input measures, of texts `name=words`; None for none."""
    return {name.strip(): words.strip() for name, _, words in (pair.rpartition("=") for pair in pairs)} if pairs else None


def as_figure(text: str) -> float | str | None:
    """The number that a text is; null where it is empty; what is none stays a text, to be refused."""
    try:
        return float(text) if text.strip() else None
    except ValueError:
        return text


def as_replacement(text: str) -> dict[str, Any]:
    """An exchange of a meter, of a text `at` or `at=kWh`."""
    at, _, start = text.partition("=")
    return {"at": at.strip()} | ({"start_kwh": as_figure(start)} if start else {})
