"""Sends as a Zalo Official Account, API version 3: success is `error: 0`, whatever the HTTP status."""

from typing import Any

import httpx

from bot.channels.base import DeliveryError
from bot.channels.numbered import Part
from bot.channels.posting import Answer, MaybeSentError, NotSentError, SendError, post
from bot.channels.zalo_oa_tokens import NoTokenError, OaTokenKeeper
from bot.channels.zalo_oa_updates import TAP
from bot.channels.zalo_updates import LONGEST_ID

BUTTONS_LIMIT, TITLE_LIMIT = 5, 100
WAIT_S = 5.0  # where Zalo asks to wait and does not say how long
NIGHT_WAIT_S = 1800.0
# The codes are those of Zalo's list of errors; the number of a code says nothing by itself.
_TOKEN_REFUSED = (-216, -124, -220, 401)
_TOO_FAST = (-32, 429)
# The person has left the account, has blocked it, or is not there any more.
_CLOSED = (-213, -217, -222, -227, -244)
# Nothing that waiting would change: wrong to Zalo, too long ago, not in the account's plan, not paid.
_PERMANENT = (
    -201,
    -204,
    -207,
    -210,
    -211,
    -218,
    -221,
    -224,
    -230,
    -232,
    -233,
    -235,
    -240,
    -248,
    -305,
    -311,
    -320,
    -321,
)
_NOT_AT_NIGHT = -234


class ZaloOaError(SendError):
    """Zalo refused a message; `code` is its number, or the HTTP status where it gave none."""

    def __init__(self, code: int, retry_after_s: float | None = None) -> None:
        super().__init__(f"error {code}")
        self.code = code
        self.retry_after_s = retry_after_s


class ZaloOaApi:
    """The one method that is needed."""

    def __init__(self, base_url: str, tokens: OaTokenKeeper, client: httpx.AsyncClient) -> None:
        self._url = f"{base_url.rstrip('/')}/v3.0/oa/message/cs"
        self._tokens = tokens
        self._client = client

    async def send(self, user_id: str, part: Part) -> str | None:
        """Send a text with its buttons; return the message's id.

        A token that Zalo does not take is exchanged, once.

        Raises:
            ZaloOaError: it was refused.
            NotSentError, MaybeSentError: there is no answer of Zalo's.
            NoTokenError: there is no access token, and nothing was sent.
        """
        body = {"recipient": {"user_id": user_id}, "message": _message(part)}
        token = await self._tokens.access_token()
        code = 0
        for is_last in (False, True):
            answer = await post(self._client, self._url, json=body, headers={"access_token": token})
            code = _code(answer)
            if code == 0:
                return _message_id(answer)
            if code not in _TOKEN_REFUSED:
                break
            if is_last:
                self._tokens.distrust()
                break
            token = await self._tokens.access_token(refused=token)
        raise ZaloOaError(code, answer.retry_after_s)


def undelivered(error: SendError, parts_sent: int) -> DeliveryError:
    """Say what an error means for the message that was being sent.

    An error that Zalo names means that the message did not arrive. One that its list does not explain is tried again:
    who sends gives up after a while.
    """
    if isinstance(error, NoTokenError):
        return DeliveryError(str(error), permanent=False, retry_after_s=error.retry_after_s, parts_sent=parts_sent)
    if isinstance(error, NotSentError):
        return DeliveryError(f"zalo cannot be reached: {error}", permanent=False, parts_sent=parts_sent)
    if not isinstance(error, ZaloOaError):
        return DeliveryError(
            f"no answer of zalo: {error}", permanent=False, maybe_delivered=True, parts_sent=parts_sent
        )
    reason = f"zalo refused the message: {error}"
    if error.code in _TOO_FAST:
        wait_s = error.retry_after_s or WAIT_S
        return DeliveryError("zalo asked to wait", permanent=False, retry_after_s=wait_s, parts_sent=parts_sent)
    if error.code == _NOT_AT_NIGHT:
        return DeliveryError(reason, permanent=False, retry_after_s=NIGHT_WAIT_S, parts_sent=parts_sent)
    is_closed = error.code in _CLOSED
    is_permanent = is_closed or error.code in _PERMANENT
    return DeliveryError(reason, permanent=is_permanent, is_closed=is_closed, parts_sent=parts_sent)


def _message(part: Part) -> dict[str, Any]:
    message: dict[str, Any] = {"text": part.text}
    if part.buttons:
        # Such a button sends its payload as if the person had written it, and the chat does not show it.
        buttons = [
            {"title": title, "type": "oa.query.hide", "payload": f"{TAP}{button_id}"}
            for title, button_id in part.buttons
        ]
        message["attachment"] = {"type": "template", "payload": {"template_type": "button", "buttons": buttons}}
    return message


def _code(answer: Answer) -> int:
    """Return the error that Zalo names, 0 for success.

    Raises:
        NotSentError, MaybeSentError: these are not Zalo's words.
    """
    code = answer.body.get("error") if answer.body is not None else None
    if isinstance(code, str) and code.lstrip("-").isdecimal():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    if answer.status in (401, 429):
        return answer.status
    # Who refuses before Zalo (4xx) did not hand the call on; with any other status Zalo may have sent the message.
    if 300 <= answer.status < 500:
        raise NotSentError(f"HTTP {answer.status} without an answer of Zalo")
    raise MaybeSentError(f"HTTP {answer.status} without an answer of Zalo")


def _message_id(answer: Answer) -> str | None:
    data = answer.body.get("data") if answer.body is not None else None
    found = data.get("message_id") if isinstance(data, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= LONGEST_ID else None
