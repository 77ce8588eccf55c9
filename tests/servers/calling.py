"""A bot's side of a Telegram server, call by call, and what it may send."""

import io
from typing import Any

import httpx
from PIL import Image

from tests.servers.telegram import TOKEN, TelegramServer


class Bot:
    """Calls the methods of a server as a program does."""

    def __init__(self, server: TelegramServer, client: httpx.AsyncClient, token: str = TOKEN) -> None:
        self.base, self.client = f"{server.base_url}{token}", client

    async def ask(self, method: str, **parameters: Any) -> httpx.Response:
        return await self.client.post(f"{self.base}/{method}", json=parameters)

    async def __call__(self, method: str, **parameters: Any) -> Any:
        """Return the result of a call that goes well."""
        answer = (await self.ask(method, **parameters)).json()
        assert answer["ok"], answer
        return answer["result"]

    async def refused(self, method: str, **parameters: Any) -> Any:
        """Return the answer to a call that does not."""
        answer = await self.ask(method, **parameters)
        assert answer.json()["ok"] is False
        assert answer.json()["error_code"] == answer.status_code
        return answer.json()


def a_keyboard(*buttons: Any) -> Any:
    return {"inline_keyboard": [[button] for button in buttons]}


def a_button(**what: Any) -> Any:
    return {"text": "Đồng ý"} | (what or {"callback_data": "x"})


def a_picture(width: int = 4, height: int = 3) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height)).save(made, "PNG")
    return made.getvalue()
