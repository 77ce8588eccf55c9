"""Lets our pages, opened within Telegram, know whose they are: /api/telegram."""

import asyncio
import logging
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.channels.init_data import InitDataError, verified
from bot.channels.web_requests import Refusal, chat_id_of, is_foreign, new_token, read_json, set_cookie, token_of
from bot.gateway import Gateway, Joined
from handlers import mini_app_texts, texts

log = logging.getLogger(__name__)

PATH = "/api/telegram"
_REFUSED = {
    Joined.NOT_LINKED: mini_app_texts.NOT_LINKED,
    Joined.REPLAYED: mini_app_texts.NOT_PROVED,
    Joined.WEB_OF_ANOTHER: mini_app_texts.WEB_OF_ANOTHER,
}


def mini_app_routes(gateway: Gateway, token: str | None, *, secure_cookies: bool) -> list[Route]:
    """Return the route that takes what Telegram gave to a page as proof of who opened it.

    Args:
        token: of the bot within which the page was opened; None where there is none, and nothing is a proof.
    """

    async def join(request: Request) -> Response:
        if is_foreign(request):
            raise Refusal(403, texts.FOREIGN_PAGE)
        content = await read_json(request)
        init_data = content.get("init_data") if isinstance(content, dict) else None
        if not isinstance(init_data, str):
            raise Refusal(400, texts.MESSAGE_NOT_UNDERSTOOD)
        now = datetime.now(UTC)
        if token is None:
            raise Refusal(403, mini_app_texts.NOT_PROVED)
        try:
            proved = verified(init_data, token, now=now)
        except InitDataError as error:
            log.warning("telegram: a page's proof was refused: %s", error)
            raise Refusal(403, mini_app_texts.NOT_PROVED) from error
        known = token_of(request)
        cookie = known or new_token()
        joined = await asyncio.to_thread(
            gateway.join_chat, "telegram", proved.user_id, "web", chat_id_of(cookie), proved.digest, now=now
        )
        if joined is not Joined.JOINED:
            raise Refusal(403, _REFUSED[joined])
        response = JSONResponse({"joined": True})
        if known is None:
            set_cookie(response, cookie, secure=secure_cookies)
        return response

    return [Route(PATH, join, methods=["POST"])]
