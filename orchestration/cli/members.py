"""`aurora member`: who may do what at which site."""

from datetime import datetime
from typing import Annotated

import typer

from orchestration.cli.context import open_context, show, show_table

member = typer.Typer(help="Who may do what at which site.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Site = Annotated[str, typer.Option(help="Id or unique name of the site.")]


def moment(text: str | None) -> datetime | None:
    """The time an option names. Raises Refused where it is none, or lacks an offset."""
    from aurora.errors import Refused

    try:
        found = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min  # noqa: DTZ901 - stands for what cannot be read
    if found is not None and found.tzinfo is None:
        raise Refused(f"{text} is not a time with offset. Write one such as 2026-12-31T23:00:00Z.")
    return found


@member.command("add")
def add_member(
    username: str,
    site: Site,
    role: Annotated[str, typer.Option(help="owner, consultant or viewer")] = "viewer",
    ends_at: Annotated[str | None, typer.Option(help="When it ends, such as 2026-12-31T23:00:00Z; a consultant's must be given.")] = None,
    json: Json = False,
) -> None:
    """Make somebody a member of a site, or give a member another role."""
    from aurora.accounts import memberships, sites

    accounts = open_context().accounts
    site_id = sites.find_site(accounts, site).site_id
    made = memberships.add_member(accounts, site_id, username=username, role=role, ends_at=moment(ends_at))
    show({"site_id": site_id} | made, json, f"{made['username']} is {role} of {site_id} now.")


@member.command("list")
def list_members(site: Site, json: Json = False) -> None:
    """Show the members of a site."""
    from aurora.accounts import memberships, sites

    accounts = open_context().accounts
    show_table("Members", memberships.members_of(accounts, sites.find_site(accounts, site).site_id), json, "members")


@member.command("remove")
def remove_member(username: str, site: Site, json: Json = False) -> None:
    """End a membership."""
    from aurora.accounts import memberships, people, sites

    accounts = open_context().accounts
    site_id = sites.find_site(accounts, site).site_id
    user = people.user_by_name(accounts, username)
    memberships.remove_member(accounts, site_id, user.user_id)
    show({"site_id": site_id, "user_id": user.user_id}, json, f"{user.username} is no member of {site_id} any more.")
