"""Answers HEAD as GET, without the body: FastAPI gives its routes no HEAD of their own."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware: who asks for the head of an answer gets that of GET, with its length."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; of the answer to HEAD every part of the body is empty."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def bare(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = dict(scope, method="GET")
        try:
            await self._app(asked, receive, bare)
        finally:
            # The log counts a request under the route that it met.
            if "route" in asked:
                scope["route"] = asked["route"]
