"""How Telegram hands updates out: to one poll at a time, or to a webhook."""

import asyncio
import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

from tests.servers.common import Json, Posting, Server, poll_until
from tests.servers.telegram_drawn import Refused, parsed

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
# These come only to who asks for them.
_BY_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_PORTS = (None, 80, 88, 443, 8443)
_OTHER_POLL = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
_HOOKED = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


class UpdatesServer(Server):
    """The part of Telegram that holds updates until a bot has confirmed them.

    Attributes:
        allow_local: whether a webhook may be anywhere and without HTTPS, as a Bot API server of one's own allows.
    """

    def __init__(self, *, allow_local: bool = True) -> None:
        super().__init__()
        self.allow_local = allow_local
        self._updates: dict[int, Json] = {}
        self._allowed: frozenset[str] | None = None
        self._poll = 0
        self._secret: str | None = None
        self._connections = 40
        self._last_id = 1000

    async def update(self, update: Json) -> int:
        """Put any update in the queue; it gets an id unless it has one. One of a kind nobody asked for is dropped."""
        update = {"update_id": self._new_id(), **update}
        number = int(update["update_id"])
        async with self._changed:
            if self._is_allowed(update):
                self._updates[number] = update
                if self._webhook is not None:
                    self._post(update)
            self._changed.notify_all()
        return number

    @property
    def waiting(self) -> int:
        """How many updates the bot has not confirmed."""
        return len(self._updates)

    async def wait_until_taken(self, timeout_s: float = 60.0) -> None:
        """Return as soon as the webhook has taken all.

        Raises:
            TimeoutError: it does not.
        """
        await poll_until(lambda: not self._updates, timeout_s)

    async def drop_waiting(self) -> None:
        """Forget what has not been confirmed."""
        self._updates.clear()

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _is_allowed(self, update: Json) -> bool:
        kinds = update.keys() - {"update_id"}
        wanted = kinds - _BY_REQUEST if self._allowed is None else kinds & self._allowed
        # One that is of no kind at all is a test's.
        return bool(wanted) or not kinds

    def _allow(self, parameters: Json) -> None:
        # What is not said stays as it was; an empty list is what is usual.
        if (kinds := parsed(parameters, "allowed_updates")) is not None:
            self._allowed = frozenset(kinds) or None

    # --- polling

    async def _do_getupdates(self, parameters: Json) -> list[Json]:
        if self._webhook is not None:
            raise Refused(409, _HOOKED)
        offset = int(parameters.get("offset") or 0)
        limit = min(max(int(parameters.get("limit") or 100), 1), 100)
        end = time.monotonic() + float(parameters.get("timeout") or 0)
        self._allow(parameters)
        async with self._changed:
            self._poll += 1
            mine = self._poll
            # Who polls now ends the poll that waits.
            self._changed.notify_all()
            self._forget_below(offset)
            while not self._updates:
                left = end - time.monotonic()
                if left <= 0:
                    return []
                try:
                    await asyncio.wait_for(self._changed.wait(), left)
                except TimeoutError:
                    return []
                if self._webhook is not None:
                    raise Refused(409, "Conflict: terminated by setWebhook request")
                if self._poll != mine:
                    raise Refused(409, _OTHER_POLL)
            return list(self._updates.values())[:limit]

    def _forget_below(self, offset: int) -> None:
        if offset < 0:
            kept = list(self._updates)[offset:]
            self._updates = {number: self._updates[number] for number in kept}
            return
        for number in [number for number in self._updates if number < offset]:
            del self._updates[number]

    # --- webhook

    async def _do_setwebhook(self, parameters: Json) -> bool:
        url = str(parameters.get("url") or "")
        if not url:
            return await self._do_deletewebhook(parameters)
        parts = urlsplit(url)
        if parts.scheme not in (("http", "https") if self.allow_local else ("https",)) or not parts.hostname:
            raise Refused(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if not self.allow_local and parts.port not in _PORTS:
            raise Refused(400, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        secret = parameters.get("secret_token")
        if secret is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", str(secret)):
            raise Refused(400, "Bad Request: secret token contains unallowed characters")
        connections = int(parameters.get("max_connections") or 40)
        if not 1 <= connections <= 100:
            raise Refused(400, "Bad Request: max_connections is out of range")
        self._allow(parameters)
        self._drop_if_asked(parameters)
        self._secret = None if secret is None else str(secret)
        self._connections = connections
        await self.enter_webhook(url, self._taken, connections)
        for update in self._updates.values():
            self._post(update)
        await self.tell()
        return True

    async def _do_deletewebhook(self, parameters: Json) -> bool:
        self._drop_if_asked(parameters)
        await self._leave_webhook()
        return True

    async def _do_getwebhookinfo(self, _: Json) -> Json:
        webhook = self._webhook
        info: Json = {
            "url": webhook.url if webhook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates),
        }
        if self._allowed is not None:
            info["allowed_updates"] = sorted(self._allowed)
        if webhook is not None:
            info |= {"ip_address": "127.0.0.1", "max_connections": self._connections}
            if webhook.last_error_at is not None:
                info |= {"last_error_date": int(webhook.last_error_at), "last_error_message": webhook.last_error}
        return info

    def _drop_if_asked(self, parameters: Json) -> None:
        if parameters.get("drop_pending_updates") in (True, "true", "True"):
            self._updates.clear()

    def _post(self, update: Json) -> None:
        assert self._webhook is not None
        headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            headers[SECRET_HEADER] = self._secret
        self.note_exchange({"webhook": self._webhook.url, "body": update})
        body = json.dumps(update, ensure_ascii=False).encode()
        self._webhook.post(Posting(update["update_id"], _order(update), body, headers))

    def _taken(self, posting: Posting) -> None:
        self._updates.pop(int(str(posting.key)), None)


def _order(update: Json) -> str:
    """Return within what an update keeps its order: its chat, or else its person; "" where it names neither."""
    body = next((value for name, value in update.items() if name != "update_id"), None)
    within = body.get("message", body) if isinstance(body, dict) else None
    return id_in(within, "chat") or id_in(within, "from")


def id_in(body: Any, name: str) -> str:
    """Return the id of the chat or person of that name in a part of an update; "" where there is none."""
    found = body.get(name) if isinstance(body, dict) else None
    return str(found.get("id", "")) if isinstance(found, dict) else ""
