"""The page of documents at /van-ban: their picture and their cards, the same for everyone, without a script."""

import asyncio
from collections.abc import Mapping
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bot.channels.web_requests import Refusal, content_security_policy
from bot.gateway import Gateway
from handlers import texts


class DocumentsPage:
    """Shows the documents as they are at the moment of asking; it knows nobody and sets no cookie."""

    def __init__(self, gateway: Gateway, page: str) -> None:
        """Take the page, with <!-- subtitle -->, <!-- picture --> and <!-- groups --> where they go."""
        self._gateway = gateway
        self._page = page
        # What is put in holds neither styles nor scripts, so that the policy of the bare page serves them all.
        self._policy = content_security_policy(page)

    async def show(self, _request: Request) -> Response:
        """Return the page."""
        shown = await asyncio.to_thread(self._gateway.documents_page)
        if shown is None:
            raise Refusal(404, texts.NO_SUCH_PAGE)
        return HTMLResponse(self._filled(shown), headers={"Content-Security-Policy": self._policy})

    def _filled(self, shown: Mapping[str, Any]) -> str:
        groups = "".join(map(_group, shown["groups"]))
        left_out = f'<p class="notice">{escape(shown["left_out"])}</p>' if shown["left_out"] else ""
        parts = {
            "<!-- subtitle -->": escape(shown["subtitle"]),
            # Drawn by us, its texts escaped where they were put in.
            "<!-- picture -->": shown["picture"],
            "<!-- groups -->": f"{groups}{left_out}",
        }
        page = self._page
        for place, part in parts.items():
            page = page.replace(place, part, 1)
        return page


def _group(group: Mapping[str, Any]) -> str:
    return f"<h2>{escape(group['heading'])}</h2>{''.join(map(_card, group['cards']))}"


def _card(card: Mapping[str, Any]) -> str:
    force = f'<span class="force">{escape(card["force"])}</span>' if card["force"] else ""
    facts = "".join(f"<li>{escape(line)}</li>" for line in card["lines"])
    name = f'<span class="name">{escape(card["name"])}{force}</span>'
    return f'<details class="card"><summary>{name}</summary><ul class="facts">{facts}</ul></details>'
