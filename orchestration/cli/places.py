"""`aurora site` and `aurora device`: what is measured, and by what."""

from typing import Annotated

import typer

from orchestration.cli.context import open_context, show, show_table

site = typer.Typer(help="Places whose energy is measured.", no_args_is_help=True)
device = typer.Typer(help="What measures, and its keys.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
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
    topic: Annotated[str | None, typer.Option(help="MQTT topic it publishes to; Aurora's own otherwise.")] = None,
    interval_seconds: Annotated[int | None, typer.Option(min=1)] = None,
    role: Annotated[str, typer.Option(help="main, sub or check")] = "main",
    energy_source: Annotated[str | None, typer.Option(help="pv, wind, hydro, chp or other")] = None,
    json: Json = False,
) -> None:
    """Make a device."""
    from aurora.accounts import devices, sites

    accounts = open_context().accounts
    made = devices.add_device(
        accounts, sites.find_site(accounts, site).site_id, name=name, kind=kind, device_id=id, role=role, decoder=decoder, topic=topic,
        interval_seconds=interval_seconds, energy_source=energy_source,
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


@device.command("key")
def make_key(device: str, json: Json = False) -> None:
    """Make a key for a device; it is shown once."""
    from aurora.accounts import devices

    key_id, key = devices.new_key(open_context().accounts, device)
    show({"key_id": key_id, "key": key}, json, f"User name {device}, password (shown once): {key}")
