"""Our pages beside the chat: /tu-danh-gia, /bi-thu, which both speak to one address, and the documents at /van-ban."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from bot.channels.documents_page import DocumentsPage
from bot.channels.web_requests import (
    LARGEST_ID,
    UNKEEPABLE,
    Refusal,
    chat_id_of,
    content_security_policy,
    downloaded,
    is_foreign,
    new_token,
    read_json,
    set_cookie,
    token_of,
)
from bot.gateway import Gateway
from handlers import texts
from handlers.page_command import CommandNotUnderstood
from handlers.pages import CHECKLIST_PATH, DOCUMENTS_PATH, SECRETARY_PATH

FOLDER = Path(__file__).parent
PAGES = {CHECKLIST_PATH: "checklist.html", SECRETARY_PATH: "secretary.html"}

FILES = "/api/pages/{kind}/files/{number:int}"

_PART = re.compile(r"(?:/\* ([a-z]+\.(?:css|js)) \*/|<!-- ([a-z-]+\.html) -->)\n")
_Endpoint = Callable[[Request], Awaitable[Response]]


def page_routes(gateway: Gateway, *, secure_cookies: bool) -> list[Route]:
    """Return the routes of the pages and of what they post."""

    def shown(page: str) -> _Endpoint:
        policy = content_security_policy(page)

        async def show(request: Request) -> Response:
            response = HTMLResponse(page, headers={"Content-Security-Policy": policy})
            set_cookie(response, token_of(request) or new_token(), secure=secure_cookies)
            return response

        return show

    async def act(request: Request) -> Response:
        if is_foreign(request):
            raise Refusal(403, texts.FOREIGN_PAGE)
        known = token_of(request)
        token = known or new_token()
        command = await read_json(request)
        if not isinstance(command, dict):
            raise Refusal(400, texts.MESSAGE_NOT_UNDERSTOOD)
        kept = {key: UNKEEPABLE.sub("\ufffd", each) if isinstance(each, str) else each for key, each in command.items()}
        kind = request.path_params["kind"]
        try:
            page = await gateway.page(kind, "web", chat_id_of(token), kept, now=datetime.now(UTC))
        except CommandNotUnderstood as error:
            raise Refusal(400, texts.MESSAGE_NOT_UNDERSTOOD) from error
        if page is None:
            raise Refusal(404, texts.NO_SUCH_PAGE)
        response = JSONResponse(page, status_code=503 if "error" in page else 200)
        if known is None:
            set_cookie(response, token, secure=secure_cookies)
        return response

    async def give_file(request: Request) -> Response:
        token, kind = token_of(request), request.path_params["kind"]
        number, now = min(request.path_params["number"], LARGEST_ID), datetime.now(UTC)
        made = None
        if token is not None:
            made = await asyncio.to_thread(gateway.file_of_page, kind, "web", chat_id_of(token), number, now=now)
        if made is None:
            raise Refusal(404, texts.NO_SUCH_FILE)
        return downloaded(made)

    pages = [Route(path, shown(read_page(name))) for path, name in PAGES.items()]
    pages.append(Route(DOCUMENTS_PATH, DocumentsPage(gateway, read_page("documents.html")).show))
    return [*pages, Route("/api/pages/{kind}", act, methods=["POST"]), Route(FILES, give_file)]


def read_page(name: str) -> str:
    """Return a page with the styles, the scripts and what all pages have alike put in where it names them."""
    page = (FOLDER / name).read_text(encoding="utf-8")
    return _PART.sub(lambda found: (FOLDER / (found[1] or found[2])).read_text(encoding="utf-8"), page)
