"""Asks a service over HTTP, again and with pauses where it does not answer; what goes wrong is told without address or token."""

from typing import TYPE_CHECKING

from ingestion.sources.rows import Ask, BadAnswer, Request

if TYPE_CHECKING:
    from requests import Response

TIMEOUT_SECONDS = 30.0
MOST_BYTES = 32 * 1024**2
BLOCK_BYTES = 64 * 1024
# A refusal of this kind carries its reason in the body, which the source reads.
TOLD_IN_THE_BODY = frozenset({400})
WAYS_OUT = {401: "Check its token.", 403: "Check its token.", 404: "Check its address and the zone.", 429: "It is asked too often."}


def asker(name: str, *, attempts: int = 5, pause_seconds: float = 1.0) -> Ask:
    """A function that asks the service `name` and returns the body.

    Args:
        name: For what is told about it.
        attempts: How often at most, where it does not answer, is overloaded or broken.
        pause_seconds: Before the second attempt; doubled with each. `Retry-After` is obeyed.

    Raises:
        BadAnswer: From the function: it did not answer, refused, or answered too much.
    """
    from dlt.sources.helpers import requests as helper
    from requests import RequestException

    client = helper.Client(
        request_timeout=TIMEOUT_SECONDS,
        raise_for_status=False,
        request_max_attempts=attempts,
        request_backoff_factor=pause_seconds,
        request_max_retry_delay=60,
    )

    def ask(request: Request) -> bytes:
        method = "GET" if request.json is None else "POST"
        try:
            with client.session.request(
                method, request.url, params=dict(request.params), headers=dict(request.headers), json=request.json, stream=True
            ) as response:
                if response.status_code >= 400 and response.status_code not in TOLD_IN_THE_BODY:
                    raise BadAnswer(
                        f"{name} answered {response.status_code}. {WAYS_OUT.get(response.status_code, 'It is asked again later.')}"
                    )
                return _body(name, response)
        except RequestException as error:
            raise BadAnswer(f"{name} could not be reached ({type(error).__name__}). It is asked again later.") from None

    return ask


def _body(name: str, response: "Response") -> bytes:
    body = bytearray()
    for block in response.iter_content(BLOCK_BYTES):
        body += block
        if len(body) > MOST_BYTES:
            raise BadAnswer(f"{name} answered more than {MOST_BYTES // 1024**2} MiB.")
    return bytes(body)
