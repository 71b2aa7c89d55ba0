"""`aurora user`: people with a login."""

import sys
from typing import Annotated

import typer

from orchestration.cli.context import open_context, show

user = typer.Typer(help="People with a login.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if sys.stdin.isatty():
        return typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    from aurora.errors import Refused

    raise Refused("Give the password on standard input with --password-stdin.")


@user.command()
def add(
    name: str,
    role: Annotated[str, typer.Option(help="admin, consultant or user")] = "user",
    email: Annotated[str | None, typer.Option()] = None,
    password_stdin: FromStdin = False,
    json: Json = False,
) -> None:
    """Make a person with a login."""
    from aurora.accounts import people

    context = open_context()
    made = people.add_user(context.accounts, name, _password(password_stdin), role, email)
    show({"user_id": made.user_id, "username": made.username, "role": made.role}, json, f"{made.username} may log in as {made.role}.")


@user.command()
def role(name: str, role: str, json: Json = False) -> None:
    """Give a person another role."""
    from aurora.accounts import people

    people.set_role(open_context().accounts, name, role)
    show({"username": name, "role": role}, json, f"{name} is {role} now.")


@user.command()
def disable(name: str, json: Json = False) -> None:
    """Shut a person out at once."""
    from aurora.accounts import people

    people.disable(open_context().accounts, name)
    show({"username": name, "is_disabled": True}, json, f"{name} can no longer log in.")


@user.command()
def enable(name: str, json: Json = False) -> None:
    """Let a person in again who was shut out."""
    from aurora.accounts import people

    people.enable(open_context().accounts, name)
    show({"username": name, "is_disabled": False}, json, f"{name} may log in again.")


@user.command()
def password(name: str, password_stdin: FromStdin = False, json: Json = False) -> None:
    """Give a person another password and end their logins."""
    from aurora.accounts import people

    context = open_context()
    people.set_password(context.accounts, name, _password(password_stdin))
    show({"username": name}, json, f"{name} has a new password; open logins are ended.")


@user.command("list")
def list_people(json: Json = False) -> None:
    """Everybody with a login, also those who are disabled or wait to be purged."""
    from aurora.accounts import people
    from orchestration.cli.context import show_table

    columns = ("user_id", "username", "email", "role", "is_disabled", "created_at", "deleted_at")
    rows = [{name: getattr(person, name) for name in columns} for person in people.all_users(open_context().accounts)]
    show_table("People", rows, json, "users")


@user.command()
def purge(json: Json = False) -> None:
    """Forget people whose deletion is longer ago than AURORA_PURGE_DAYS, and logins that ended as long ago."""
    from datetime import UTC, datetime

    from aurora.accounts import people

    context = open_context()
    gone = people.purge(context.accounts, datetime.now(UTC), context.settings.purge_days)
    show(gone, json, f"{gone['users']} people, {gone['logins']} logins and {gone['entries']} entries of failed logins are forgotten.")


@user.command()
def audit(
    name: Annotated[str | None, typer.Argument(help="Only what this person did and what was done to them.")] = None,
    most: Annotated[int, typer.Option(min=1, help="How many entries, the newest first.")] = 100,
    json: Json = False,
) -> None:
    """Who did what, when."""
    from aurora.accounts import audit as log
    from aurora.accounts import people
    from orchestration.cli.context import show_table

    accounts = open_context().accounts
    person = people.user_by_name(accounts, name).user_id if name else None
    columns = ("at", "user_id", "action", "subject_kind", "subject_id", "site_id", "address", "details")
    rows = [{column: getattr(entry, column) for column in columns} for entry in log.entries(accounts, person, most)]
    show_table("Audit log", rows, json, "entries")


@user.command("rotate-key")
def rotate_key(json: Json = False) -> None:
    """Sign access tokens with a new key; those of the old one are good until they expire."""
    from datetime import UTC, datetime

    from aurora.accounts.signing import KeyRing

    context = open_context()
    key_id = KeyRing(context.settings, context.home).rotate(datetime.now(UTC))
    show({"key_id": key_id}, json, f"Access tokens are signed with key {key_id} from now on.")
