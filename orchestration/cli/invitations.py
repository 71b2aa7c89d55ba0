"""`aurora site invite`, `site invitations` and `site invitation`: memberships offered to people, who accept them in the pages."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.context import open_context, show, show_table
from orchestration.cli.members import moment

if TYPE_CHECKING:
    from aurora.accounts.database import Accounts
    from aurora.accounts.models import User

invitation = typer.Typer(help="One open invitation.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Site = Annotated[str, typer.Argument(help="Id or unique name of the site.")]


def invite(
    site: Site,
    email: Annotated[str, typer.Option(help="Where the invitation is mailed, if mail is set up.")],
    role: Annotated[str, typer.Option(help="viewer, consultant or owner")] = "viewer",
    until: Annotated[
        str | None,
        typer.Option(help="Last day of the membership, such as 2026-12-31, or a time with offset; a consultant's must be given."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="User name of the owner who invites; the only one otherwise.")] = None,
    json: Json = False,
) -> None:
    """Offer somebody a membership; the address to open is good for 14 days and one use, and is shown this once."""
    from aurora.accounts import invitations, sites
    from aurora.mail import Post

    context = open_context()
    accounts, post = context.accounts, Post(context.settings)
    found = sites.find_site(accounts, site)
    host = _host(accounts, found.site_id, by)
    given = {"role": role, "email": email, "ends_at": end_of(until, found.calendar)}
    made = invitations.invite(accounts, found.site_id, host.user_id, **given)
    is_mailed = post.is_configured and invitations.send_mail(post, email, host.username, made["token"], is_patient=False)
    link = invitations.link(post, made["token"])
    words = f"A mail is on its way to {email}." if is_mailed else f"No mail was sent. Give {email} this address:"
    show(made | {"link": link, "is_mailed": is_mailed}, json, f"{words}\n{link}")


def invitations(site: Site, json: Json = False) -> None:
    """Show the invitations to a site that can still be accepted."""
    from aurora.accounts import invitations, sites

    accounts = open_context().accounts
    rows = invitations.open_invitations(accounts, sites.find_site(accounts, site).site_id)
    show_table("Open invitations", rows, json, "invitations")


@invitation.command("withdraw")
def withdraw(
    invitation_id: Annotated[str, typer.Argument(metavar="ID", help="As `aurora site invitations` shows it.")], json: Json = False
) -> None:
    """Make an invitation worthless."""
    from aurora.accounts import invitations

    site_id = invitations.withdraw(open_context().accounts, invitation_id)
    show({"invitation_id": invitation_id, "site_id": site_id}, json, f"The invitation {invitation_id} to {site_id} is worthless now.")


def end_of(until: str | None, time_zone: str) -> datetime | None:
    """When a membership ends: the midnight at the site that closes the named day, or the named time. Raises Refused where it is neither."""
    try:
        day = None if until is None else datetime.strptime(until, "%Y-%m-%d").date()  # noqa: DTZ007 - a day of the site
    except ValueError:
        return moment(until)
    from aurora.domain.calendar import day_start

    return None if day is None else day_start(day + timedelta(days=1), time_zone)


def _host(accounts: "Accounts", site_id: str, username: str | None) -> "User":
    """The owner an invitation comes from. Raises Refused where it is nobody, or not said which of several."""
    from aurora.accounts import memberships, people
    from aurora.errors import Refused

    owners = [member["username"] for member in memberships.members_of(accounts, site_id) if member["role"] == "owner"]
    if username is None and len(owners) != 1:
        raise Refused(f"{site_id} has {len(owners)} owners: say who invites with --by USER.")
    host = people.user_by_name(accounts, username or owners[0])
    if host.username not in owners:
        raise Refused(f"{host.username} does not own {site_id}; an invitation comes from an owner: {', '.join(owners)}.")
    return host
