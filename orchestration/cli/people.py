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
def password(name: str, password_stdin: FromStdin = False, json: Json = False) -> None:
    """Give a person another password and end their logins."""
    from aurora.accounts import people

    context = open_context()
    people.set_password(context.accounts, name, _password(password_stdin))
    show({"username": name}, json, f"{name} has a new password; open logins are ended.")
