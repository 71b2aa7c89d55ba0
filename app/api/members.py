"""Members of a site, and invitations to become one."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import Caller, Origin, OwnSite, Shared, refuse_without, site_for
from app.api.auth import TOO_MANY, Limits, wait
from app.api.bodies import JudgedLast
from app.api.errors import ExactJSON
from app.api.examples import answer
from aurora.accounts import invitations, memberships
from aurora.accounts.facts import Facts
from aurora.accounts.models import Site

router = APIRouter(tags=["members"], responses={401: {}}, route_class=JudgedLast)
ManagedSite = Annotated[Site, Depends(site_for("manage_members"))]


class Member(BaseModel):
    """Who may do what at a site, and until when."""

    user_id: str
    username: str
    role: str
    ends_at: datetime | None


class Members(BaseModel):
    """Members by user name."""

    members: list[Member]


class OpenInvitation(BaseModel):
    """A membership on offer."""

    invitation_id: str
    site_id: str
    email: str | None
    role: str
    ends_at: datetime | None
    created_at: datetime
    expires_at: datetime


class OpenInvitations(BaseModel):
    """Invitations that can still be accepted, the newest first."""

    invitations: list[OpenInvitation]


class MadeInvitation(OpenInvitation):
    """A new invitation and its secret, shown this once."""

    token: str


class Acceptance(Facts):
    """The secret of an invitation."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "an-example-of-a-secret-shown-once"}]})
    token: Annotated[str, Field(min_length=1, max_length=256)]


class Membership(BaseModel):
    """What one has become."""

    site_id: str
    role: str
    ends_at: datetime | None


@router.get("/sites/{site_id}/members", summary="Members of a site", response_class=ExactJSON, responses=answer(Members) | {404: {}})
def members(own: OwnSite, services: Shared) -> ExactJSON:
    """The members of a site, by user name."""
    return ExactJSON({"members": memberships.members_of(services.accounts, own.site_id)})


@router.post(
    "/sites/{site_id}/members", summary="Make somebody a member", status_code=201, response_class=ExactJSON,
    responses=answer(Member, 201) | {403: {}, 404: {}, 409: {}, **TOO_MANY},
)  # fmt: skip
def add_member(own: ManagedSite, caller: Caller, given: memberships.NewMember, services: Shared, throttle: Limits) -> ExactJSON:
    """The new member; a member who is one already gets the given role."""
    wait(throttle.member(caller.user_id))
    named = given.model_dump(exclude_unset=True)
    return ExactJSON(memberships.add_member(services.accounts, own.site_id, by=caller.user_id, **named), 201)


@router.delete("/sites/{site_id}/members/{user_id}", summary="End a membership", status_code=204, responses={403: {}, 404: {}, 409: {}})
def remove_member(own: OwnSite, user_id: str, caller: Caller, services: Shared) -> None:
    """End a membership: an owner anybody's, everybody their own; 409 for the last owner's."""
    if user_id != caller.user_id:
        refuse_without("manage_members", services, caller, own.site_id)
    memberships.remove_member(services.accounts, own.site_id, user_id, by=caller.user_id)


@router.get(
    "/sites/{site_id}/invitations", summary="Open invitations", response_class=ExactJSON,
    responses=answer(OpenInvitations) | {403: {}, 404: {}},
)  # fmt: skip
def open_invitations(own: ManagedSite, services: Shared) -> ExactJSON:
    """The invitations to a site that can still be accepted, the newest first."""
    return ExactJSON({"invitations": invitations.open_invitations(services.accounts, own.site_id)})


@router.post(
    "/sites/{site_id}/invitations", summary="Invite somebody", status_code=201, response_class=ExactJSON,
    responses=answer(MadeInvitation, 201) | {403: {}, 404: {}, 409: {}, **TOO_MANY},
)  # fmt: skip
def invite(own: ManagedSite, caller: Caller, given: invitations.NewInvitation, services: Shared, throttle: Limits) -> ExactJSON:
    """A new invitation, good for 14 days and one use; its secret is shown this once."""
    if given.email is not None and services.post.is_configured:
        wait(throttle.mail(caller.user_id, given.email))
    named = given.model_dump(exclude_unset=True)
    made = invitations.invite(services.accounts, own.site_id, caller.user_id, by=caller.user_id, **named)
    if given.email is not None and services.post.is_configured:
        recipient, post = given.email, services.post
        post.later(lambda: invitations.send_mail(post, recipient, caller.username, made["token"]))
    return ExactJSON(made, 201)


@router.delete(
    "/sites/{site_id}/invitations/{invitation_id}", summary="Withdraw an invitation", status_code=204, responses={403: {}, 404: {}}
)
def withdraw(own: ManagedSite, invitation_id: str, caller: Caller, services: Shared) -> None:
    """Make an invitation worthless."""
    invitations.withdraw(services.accounts, invitation_id, own.site_id, by=caller.user_id)


@router.post(
    "/invitations/accept", summary="Accept an invitation", response_class=ExactJSON,
    responses=answer(Membership) | {409: {"description": "One is a member with that role or more already."}, **TOO_MANY},
)  # fmt: skip
def accept(caller: Caller, given: Acceptance, services: Shared, throttle: Limits, whence: Origin) -> ExactJSON:
    """The membership one has got for the secret of an invitation; whoever holds the secret may, whatever address it was sent to."""
    wait(throttle.spend_token(whence.address or ""))
    return ExactJSON(invitations.accept(services.accounts, caller.user_id, given.token, by=caller.user_id))
