"""The caller's own account: profile, password, logins, export, and the way out for good."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from pydantic import BaseModel, Field

from app.api.access import Caller, CallerGrant, Origin, Shared, TokenIssuer
from app.api.auth import TOO_MANY, Limits, TokenPair, wait
from app.api.bodies import JudgedLast
from app.api.errors import ExactJSON, InputError
from app.api.shapes import AuditShape, ExportShape, LoginsShape
from app.services import Services
from app.throttle import Throttle
from aurora.accounts import audit, people
from aurora.accounts.facts import plain
from aurora.accounts.models import User
from aurora.accounts.people import Whence
from aurora.accounts.people.export import facts
from aurora.accounts.people.one_time import pending_email
from aurora.domain.texts import text

router = APIRouter(prefix="/users/me", tags=["people"], responses={401: {}}, route_class=JudgedLast)


class Person(BaseModel):
    """A person with a login."""

    user_id: str
    username: str
    full_name: str | None
    email: str | None
    pending_email: str | None = Field(None, description="An address that waits for its owner's confirmation.")
    email_confirmed_at: datetime | None
    language: str | None
    role: str
    created_at: datetime


class Profile(BaseModel):
    """What a person says of themselves; what is not named stays as it is, null forgets it."""

    full_name: str | None = Field(None, max_length=128, examples=["Ada Lovelace"])
    language: str | None = Field(None, pattern="^[a-z]{2}$", examples=["en"])
    email: str | None = Field(None, max_length=254, examples=["ada@example.com"])
    current_password: str | None = Field(None, max_length=1024, description="Needed for another e-mail address.")


class PasswordChange(BaseModel):
    """The password so far and the next one."""

    current_password: str = Field(max_length=1024)
    new_password: str = Field(max_length=1024)


class PasswordProof(BaseModel):
    """The caller's password."""

    password: str = Field(max_length=1024)


def prove(throttle: Throttle, user: User, password: str, whence: Whence, field: str) -> None:
    """Refuse who does not know the person's password: 400, and 429 after too many tries."""
    address = whence.address or ""
    wait(throttle.begin(user.username, address))
    if not people.is_password_of(user, password):
        raise InputError(field, text("account.wrong_password"))
    throttle.succeeded(user.username, address)


@router.get("", summary="Who I am")
def me(caller: Caller, services: Shared) -> Person:
    """The person the token was given to."""
    return _person(services, caller)


@router.put("", summary="Change my profile", responses={409: {"description": "The e-mail address is somebody else's."}, **TOO_MANY})
def change(given: Profile, caller: Caller, services: Shared, throttle: Limits, whence: Origin) -> Person:
    """Change what is named; another e-mail address needs the password, and waits for its confirmation where mail is configured."""
    named = given.model_dump(include=given.model_fields_set, exclude={"current_password"})
    if "full_name" in named:
        named["full_name"] = _name(named["full_name"])
    if "email" in named:
        email = named["email"] = people.check_email(named["email"]) if named["email"] else None
        if people.is_other_email(caller, email):
            prove(throttle, caller, given.current_password or "", whence, "current_password")
        if email and services.post.is_configured:
            wait(throttle.mail(caller.user_id, email))
    people.change_profile(services.accounts, services.post, caller, named)
    changed = people.user_by_id(services.accounts, caller.user_id)
    assert changed is not None, "the caller is there"
    return _person(services, changed)


@router.delete("", summary="Delete my account", status_code=204, responses={409: {"description": "You alone own a site."}, **TOO_MANY})
def leave(
    caller: Caller,
    services: Shared,
    throttle: Limits,
    whence: Origin,
    given: Annotated[PasswordProof | None, Body()] = None,
    password: Annotated[str | None, Header(alias="X-Password", description="The password, where a DELETE cannot carry a body.")] = None,
) -> None:
    """Shut the account at once and forget it after AURORA_PURGE_DAYS; needs the password."""
    proof = given.password if given else password
    if proof is None:
        raise InputError("password", text("api.required"))
    prove(throttle, caller, proof, whence, "password")
    people.delete_user(services.accounts, caller, datetime.now(UTC), whence.address)


@router.put("/password", summary="Change my password", responses=TOO_MANY)
def change_password(
    given: PasswordChange, caller: Caller, services: Shared, tokens: TokenIssuer, throttle: Limits, whence: Origin
) -> TokenPair:
    """Set the password, end all logins and begin a new one for the caller."""
    people.check_password(given.new_password, caller.username, caller.email)
    prove(throttle, caller, given.current_password, whence, "current_password")
    people.replace_password(services.accounts, caller, given.new_password, "password.change", caller.user_id, whence.address)
    changed = people.user_by_id(services.accounts, caller.user_id)
    assert changed is not None, "the caller is there"
    return TokenPair(**tokens.issue(changed, datetime.now(UTC), whence))  # pyright: ignore[reportArgumentType]


@router.get("/sessions", summary="My logins", response_class=ExactJSON, responses={200: {"model": LoginsShape}})
def sessions(grant: CallerGrant, services: Shared) -> ExactJSON:
    """Logins of browsers and programs that have not ended, the last used first."""
    found = people.logins_of(services.accounts, grant.user.user_id, datetime.now(UTC))
    return ExactJSON({"sessions": [_session(login, grant.login_id) for login in found]})


@router.delete("/sessions", summary="End my other logins", status_code=204)
def end_other_sessions(grant: CallerGrant, services: Shared) -> None:
    """End all logins but the caller's own."""
    people.revoke_others(services.accounts, grant.user.user_id, grant.login_id, datetime.now(UTC))


@router.delete("/sessions/{session_id}", summary="End one of my logins", status_code=204, responses={404: {}})
def end_session(session_id: str, caller: Caller, services: Shared) -> None:
    """End a login; its tokens and cookies are worthless at once."""
    people.revoke_login(services.accounts, caller.user_id, session_id, datetime.now(UTC))


@router.get("/audit", summary="What was done by me and to me", response_class=ExactJSON, responses={200: {"model": AuditShape}})
def my_audit(caller: Caller, services: Shared) -> ExactJSON:
    """The newest 1,000 entries of the audit log about the caller."""
    return ExactJSON({"entries": [facts(entry) for entry in audit.entries(services.accounts, caller.user_id)]})


@router.get("/export", summary="All that is held about me", response_class=ExactJSON, responses={200: {"model": ExportShape}})
def export(caller: Caller, services: Shared) -> ExactJSON:
    """Profile, memberships, sites, devices, logins, invitations, feedback and audit entries, as a file."""
    answer = ExactJSON(people.export_of(services.accounts, caller, datetime.now(UTC)))
    answer.headers["content-disposition"] = 'attachment; filename="aurora-export.json"'
    return answer


def _person(services: Services, user: User) -> Person:
    with services.accounts.reading() as session:
        pending = pending_email(session, user.user_id, datetime.now(UTC))
    return Person.model_validate({**facts(user), "pending_email": pending})


def _name(given: str | None) -> str | None:
    try:
        return plain(given) if given is not None else None
    except ValueError as error:
        raise InputError("full_name", str(error)) from None


def _session(login: Any, own_id: str) -> dict[str, Any]:
    shown = {name: value for name, value in facts(login).items() if name not in {"login_id", "user_id", "revoked_at"}}
    return {"session_id": login.login_id, **shown, "is_current": login.login_id == own_id}
