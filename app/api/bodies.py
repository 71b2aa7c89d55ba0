"""Bodies of requests, judged last: rights first, then whether the body is JSON and of the right shape, and never too large."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from app.api.access import asks_for_login
from app.api.errors import unauthorized
from aurora.domain.texts import text

# The longest contract that may be sent has a thousand prices, which is about 150 KiB.
MOST_BYTES = 256 * 1024
MOST_SECONDS = 10.0
# Stands for a body that is no JSON. No model takes a text, so it is refused by the model, which is asked after the rights.
NOT_JSON = "not JSON"


class PatientRequest(Request):
    """A request whose body is read up to the limit and whose JSON never raises."""

    async def stream(self) -> AsyncGenerator[bytes]:
        """The body in parts, a form's too. Raises HTTPException: 413 where it is too large, 408 where it comes too slowly."""
        most, found = min(self.app.state.services.settings.max_body_bytes, MOST_BYTES), 0
        parts, until = super().stream(), time.monotonic() + MOST_SECONDS
        while True:
            try:
                part = await asyncio.wait_for(anext(parts), until - time.monotonic())
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise HTTPException(408, text("api.body_too_slow", seconds=round(MOST_SECONDS)), {"Connection": "close"}) from None
            found += len(part)
            if found > most:
                raise HTTPException(413, text("api.body_too_large", most=most))
            yield part

    async def json(self) -> Any:
        """The content, or `NOT_JSON`."""
        try:
            content = json.loads(await self.body())
            # Half of a pair of surrogates passes for text until somebody has to write it.
            json.dumps(content, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return NOT_JSON
        return content


class JudgedLast(APIRoute):
    """A route that asks for rights before it judges the body, also where that is no JSON at all."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, over a `PatientRequest`."""
        handler = super().get_route_handler()
        needs_login = asks_for_login(self.dependant)

        async def patient(request: Request) -> Response:
            if needs_login and "authorization" not in request.headers:
                raise unauthorized(text("api.no_credentials"))
            return await handler(PatientRequest(request.scope, request.receive))

        return patient
