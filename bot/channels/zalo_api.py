"""Zalo's Bot API over httpx: one call, one answer. The token stands in every address, so none is ever shown.

What Zalo says counts, not the HTTP status: `ok: true` is success, and an error names its code in `error_code` or
`errorCode`, with any status, 200 too.
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx

from bot.channels.base import DeliveryError
from bot.channels.posting import READ_TIMEOUT_S, Answer, MaybeSentError, NotSentError, SendError, post

UNAUTHORIZED, NOT_FOUND, TIMED_OUT, TOO_MANY, BAD_REQUEST = 401, 404, 408, 429, 400
WAIT_S = 5.0  # where Zalo asks to wait and does not say how long
MEND_S = 60.0  # an administrator has to act before another try makes sense
_LONGEST_WAIT_S = 3600.0
_LONGEST_DESCRIPTION = 150
# Errors that mean what they say even where a proxy has replaced their text.
_PLAIN_STATUSES = (UNAUTHORIZED, TIMED_OUT, TOO_MANY)
_CLOSED = re.compile(r"(chat|user|conversation|recipient)\b.*\b(not found|not exist|unknown|invalid|blocked)|blocked")


class ZaloError(SendError):
    """Zalo refused a call.

    Attributes:
        code: as Zalo gives it; the HTTP status where it gives none.
        description: in lower case, without the token.
        retry_after_s: what it asks to wait.
    """

    def __init__(self, code: int, description: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code} {description}".strip())
        self.code = code
        self.description = description
        self.retry_after_s = retry_after_s


class ZaloApi:
    """The methods of the Bot API by their names."""

    def __init__(self, base_url: str, token: str, client: httpx.AsyncClient) -> None:
        self._base = f"{base_url}{token}"
        self._token = token
        self._client = client

    async def call(self, method: str, parameters: Mapping[str, Any], *, read_timeout_s: float = READ_TIMEOUT_S) -> Any:
        """Return the result of a method.

        Raises:
            ZaloError: it was refused.
            NotSentError, MaybeSentError: there is no answer of Zalo's.
        """
        answer = await post(
            self._client, f"{self._base}/{method}", json=dict(parameters), read_timeout_s=read_timeout_s
        )
        body = answer.body
        if body is not None and body.get("ok") is True:
            return body.get("result")
        if body is None and answer.status not in _PLAIN_STATUSES:
            # Not Zalo's own words. Who refuses before it (4xx) did not hand the call on; with any other status Zalo
            # may have done what was asked, and its answer was lost or torn on the way back.
            if 300 <= answer.status < 500:
                raise NotSentError(f"HTTP {answer.status} without an answer of Zalo")
            raise MaybeSentError(f"HTTP {answer.status} without an answer of Zalo")
        raise self._refusal(answer, body or {})

    def _refusal(self, answer: Answer, body: Mapping[str, Any]) -> ZaloError:
        codes = (body.get("error_code"), body.get("errorCode"), answer.status)
        code = next(each for each in map(_code, codes) if each is not None)
        description = str(body.get("description") or "").replace(self._token, "…").lower()
        parameters = body.get("parameters")
        within = parameters.get("retry_after") if isinstance(parameters, dict) else None
        waits = (_seconds(within), _seconds(body.get("retry_after")), answer.retry_after_s)
        return ZaloError(code, description[:_LONGEST_DESCRIPTION], next((each for each in waits if each), None))


def undelivered(error: SendError, parts_sent: int) -> DeliveryError:
    """Say what an error means for the message that was being sent.

    Where Zalo itself says `ok: false`, 403 and 5xx among it (403 is its word for an error of its server), the message
    did not arrive and goes again: Zalo documents no error after which it would have. The exception is 408, by which a
    part of Zalo tells that another part did not answer in time. Where no word of Zalo's came back after the request
    had left us, nobody can tell.
    """
    if isinstance(error, NotSentError):
        return DeliveryError(f"zalo cannot be reached: {error}", permanent=False, parts_sent=parts_sent)
    if not isinstance(error, ZaloError) or error.code == TIMED_OUT:
        return DeliveryError(
            f"no answer of zalo: {error}", permanent=False, maybe_delivered=True, parts_sent=parts_sent
        )
    reason = f"zalo refused the message: {error}"
    if error.code == TOO_MANY:
        wait_s = min(error.retry_after_s or WAIT_S, _LONGEST_WAIT_S)
        return DeliveryError("zalo asked to wait", permanent=False, retry_after_s=wait_s, parts_sent=parts_sent)
    if error.code == UNAUTHORIZED:
        return DeliveryError(reason, permanent=False, retry_after_s=MEND_S, parts_sent=parts_sent)
    if error.code in (BAD_REQUEST, NOT_FOUND):
        is_closed = error.code == NOT_FOUND or _CLOSED.search(error.description) is not None
        return DeliveryError(reason, permanent=True, is_closed=is_closed, parts_sent=parts_sent)
    return DeliveryError(reason, permanent=False, parts_sent=parts_sent)


def _code(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e9 else None
