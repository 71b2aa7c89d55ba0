"""Getting in and out of the API: registering, logging in, renewing tokens, and the way back after a forgotten password."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Request
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, Field, model_validator

from app.api.access import Origin, Shared, TokenIssuer, get_bearer
from app.api.bodies import JudgedLast
from app.api.errors import InputError, unauthorized
from app.throttle import Throttle
from aurora.accounts import people
from aurora.domain.texts import text
from aurora.errors import Refused, WrongFacts

router = APIRouter(tags=["people"], route_class=JudgedLast)
TOO_MANY: dict[int | str, dict[str, Any]] = {429: {"description": "Too many tries; see Retry-After."}}


class TokenPair(BaseModel):
    """An access token for the `Authorization: Bearer` header, and the means to get the next one."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds the access token is good for.")
    refresh_token: str = Field(description="Good for one call of /v1/auth/refresh; a second one ends the login.")
    user_id: str


class RefreshToken(BaseModel):
    """What /v1/auth/token or /v1/auth/refresh gave last."""

    refresh_token: str = Field(min_length=1, max_length=256)


class NewPerson(BaseModel):
    """Somebody who registers; other fields are ignored, a role too."""

    username: str = Field(max_length=64, examples=["ada"])
    email: str = Field(max_length=254, examples=["ada@example.com"])
    password: str = Field(max_length=1024, examples=["correct horse battery"])


class Registered(BaseModel):
    """A new person. With mail configured the address is theirs once they have confirmed it."""

    user_id: str
    username: str
    email: str
    role: str
    created_at: datetime


class ResetWish(BaseModel):
    """Who wants back in, by either."""

    email: str | None = Field(None, max_length=254, examples=["ada@example.com"])
    username: str | None = Field(None, max_length=64)

    @model_validator(mode="after")
    def _names_somebody(self) -> "ResetWish":
        if not (self.email or self.username):
            raise ValueError("name the person by either email or username")
        return self


class Reset(BaseModel):
    """The token of the mail and the new password."""

    token: str = Field(max_length=256)
    password: str = Field(max_length=1024)


class Told(BaseModel):
    """What happened, in words."""

    detail: str


def get_throttle(request: Request) -> Throttle:
    """The limits of this installation."""
    return request.app.state.throttle


Bearer = Annotated[str | None, Depends(get_bearer)]
Limits = Annotated[Throttle, Depends(get_throttle)]


def wait(seconds: int) -> None:
    """Refuse with 429 where there are seconds to wait."""
    if seconds:
        raise HTTPException(429, text("login.too_many", seconds=seconds), {"Retry-After": str(seconds)})


def may_register(services: Shared) -> None:
    """Refuse with 403 where only an admin adds people."""
    if services.settings.registration == "closed":
        raise HTTPException(403, text("account.closed"))


@router.post(
    "/auth/register",
    summary="Register",
    status_code=201,
    dependencies=[Depends(may_register)],
    responses={403: {"description": "Registration is closed."}, 409: {"description": "The user name is taken."}, **TOO_MANY},
)
def register(given: NewPerson, services: Shared, throttle: Limits, whence: Origin) -> Registered:
    """Make an account of role `user`; a taken e-mail address is not told where mail is configured."""
    wait(throttle.register(whence.address or ""))
    user = people.register(services.accounts, services.post, given.username, given.password, given.email, whence.address)
    return Registered(user_id=user.user_id, username=user.username, email=given.email, role=user.role, created_at=user.created_at)


@router.post("/auth/token", summary="Log in", responses={401: {}, **TOO_MANY})
def log_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], services: Shared, tokens: TokenIssuer, throttle: Limits, whence: Origin
) -> TokenPair:
    """Tokens for a user name and password."""
    address = whence.address or ""
    wait(throttle.begin(form.username, address))
    user = people.check_login(services.accounts, form.username, form.password, address)
    if user is None:
        raise unauthorized(text("api.wrong_login"))
    throttle.succeeded(form.username, address)
    return TokenPair(**tokens.issue(user, datetime.now(UTC), whence))  # pyright: ignore[reportArgumentType]


@router.post("/auth/refresh", summary="Get new tokens", responses={401: {}})
def refresh(given: RefreshToken, tokens: TokenIssuer) -> TokenPair:
    """New tokens for a refresh token."""
    renewed = tokens.renew(given.refresh_token, datetime.now(UTC))
    if renewed is None:
        raise unauthorized(text("api.bad_refresh_token"))
    return TokenPair(**renewed)  # pyright: ignore[reportArgumentType]


@router.post("/auth/logout", summary="Log out", status_code=204, responses={401: {}})
def log_out(
    services: Shared,
    tokens: TokenIssuer,
    bearer: Bearer,
    given: Annotated[RefreshToken | None, Body()] = None,
) -> None:
    """End the login of the refresh token, or of the bearer token where none is given; its tokens are worthless at once."""
    now = datetime.now(UTC)
    if given:
        tokens.end(given.refresh_token, now)
    elif bearer is None:
        raise unauthorized(text("api.no_credentials"))
    elif (grant := tokens.grant(bearer)) is None:
        raise unauthorized(text("api.bad_token"))
    else:
        people.revoke_login(services.accounts, grant.user.user_id, grant.login_id, now)


@router.post("/auth/password-reset", summary="Ask for a way back in", status_code=202, responses=TOO_MANY)
def ask_reset(given: ResetWish, services: Shared, throttle: Limits, whence: Origin) -> Told:
    """A mail to the person with that user name or e-mail address, if there is one; the answer is always the same."""
    wait(throttle.reset(given.email or given.username or "", whence.address or ""))
    people.send_reset(services.accounts, services.post, given.email or given.username or "")
    return Told(detail=text("account.reset_sent"))


@router.post("/auth/password-reset/confirm", summary="Set a new password with the token of the mail", status_code=204, responses=TOO_MANY)
def reset(given: Reset, services: Shared, throttle: Limits, whence: Origin) -> None:
    """Set the password and end all logins of the person the token was sent to."""
    wait(throttle.spend_token(whence.address or ""))
    try:
        people.reset_password(services.accounts, given.token, given.password, whence.address)
    except WrongFacts:
        raise
    except Refused as error:
        raise InputError("token", str(error)) from None
