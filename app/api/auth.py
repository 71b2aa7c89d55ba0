"""Logging in and out of the API."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, Field

from app.api.access import Caller, Shared, TokenIssuer
from app.api.errors import unauthorized
from app.throttle import Throttle
from aurora.accounts.people import check_login
from aurora.domain.texts import text

router = APIRouter(tags=["people"])


class TokenPair(BaseModel):
    """An access token for the `Authorization: Bearer` header, and the means to get the next one."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds the access token is good for.")
    refresh_token: str = Field(description="Good for one call of /v1/auth/refresh.")
    user_id: str


class RefreshToken(BaseModel):
    """What /v1/auth/token or /v1/auth/refresh gave last."""

    refresh_token: str = Field(min_length=1, max_length=256)


class Person(BaseModel):
    """A person with a login."""

    user_id: str
    username: str
    email: str | None
    role: str
    created_at: datetime


@router.post("/auth/token", summary="Log in", responses={401: {}, 429: {"description": "Too many failed attempts; see Retry-After."}})
def log_in(form: Annotated[OAuth2PasswordRequestForm, Depends()], request: Request, services: Shared, tokens: TokenIssuer) -> TokenPair:
    """Tokens for a user name and password."""
    throttle: Throttle = request.app.state.throttle
    address = request.client.host if request.client else ""
    if seconds := throttle.begin(form.username, address):
        raise HTTPException(429, text("login.too_many", seconds=seconds), {"Retry-After": str(seconds)})
    user = check_login(services.accounts, form.username, form.password)
    if user is None:
        raise unauthorized(text("api.wrong_login"))
    throttle.succeeded(form.username, address)
    return TokenPair(**tokens.issue(user, datetime.now(UTC)))  # pyright: ignore[reportArgumentType]


@router.post("/auth/refresh", summary="Get new tokens", responses={401: {}})
def refresh(given: RefreshToken, tokens: TokenIssuer) -> TokenPair:
    """New tokens for a refresh token."""
    renewed = tokens.renew(given.refresh_token, datetime.now(UTC))
    if renewed is None:
        raise unauthorized(text("api.bad_refresh_token"))
    return TokenPair(**renewed)  # pyright: ignore[reportArgumentType]


@router.post("/auth/logout", summary="Log out", status_code=204)
def log_out(given: RefreshToken, tokens: TokenIssuer) -> None:
    """Make a refresh token worthless; the access token ends by itself."""
    tokens.end(given.refresh_token, datetime.now(UTC))


@router.get("/users/me", summary="Who I am", responses={401: {}})
def me(caller: Caller) -> Person:
    """The person the token was given to."""
    return Person.model_validate(caller, from_attributes=True)
