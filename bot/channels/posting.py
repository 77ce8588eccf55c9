"""Posts to a platform with httpx, and tells apart what surely did not arrive from what may have.

Addresses and headers hold tokens, and httpx keeps both in its exceptions: they end here, and only their kind is told.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 20.0  # generous: a send that times out may have arrived, and nobody can tell
CONNECTIONS = 16
# What fails before a request has left us.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
    UnicodeError,  # what no header can hold
)


class SendError(Exception):
    """A call to a platform did not succeed; its kinds say what that means."""


class NotSentError(SendError):
    """A request surely did not arrive; the message says why, never where to."""


class MaybeSentError(SendError):
    """A request may have arrived, and no whole answer came back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform answered.

    Attributes:
        body: the JSON object; None where it was none.
        retry_after_s: what the header of that name asks to wait.
    """

    status: int
    body: dict[str, Any] | None
    retry_after_s: float | None = None


def new_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Return a client for one platform; redirects are not followed, for they would carry tokens elsewhere.

    Args:
        transport: another than the network.
    """
    return httpx.AsyncClient(
        transport=transport,
        follow_redirects=False,
        timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
    )


async def post(
    client: httpx.AsyncClient,
    url: str,
    *,
    json: Mapping[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Answer:
    """Post JSON or a form; return what was answered, whatever its status.

    Raises:
        NotSentError, MaybeSentError: nothing whole came back.
    """
    if client.is_closed:
        raise NotSentError("closed")
    timeout = httpx.Timeout(read_timeout_s, connect=CONNECT_TIMEOUT_S)
    not_sent = maybe_sent = ""
    try:
        # An answer that trickles in for ever would never time out otherwise.
        async with asyncio.timeout(CONNECT_TIMEOUT_S + 2 * read_timeout_s):
            response = await client.post(url, json=json, data=form, headers=headers, timeout=timeout)
        return Answer(response.status_code, _object_in(response), _retry_after_s(response))
    except _NOT_SENT as error:
        not_sent = type(error).__name__
    except (httpx.HTTPError, TimeoutError) as error:
        maybe_sent = type(error).__name__
    # Out here, neither as cause nor as context does an exception hang on that knows the address.
    if not_sent:
        raise NotSentError(not_sent)
    raise MaybeSentError(maybe_sent)


def _object_in(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _retry_after_s(response: httpx.Response) -> float | None:
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
