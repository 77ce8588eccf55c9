"""The people and groups that a bot meets on Telegram, and what they do."""

import json
from collections.abc import Iterable
from typing import Any

from tests.servers.common import Json
from tests.servers.telegram_drawn import Refused, entities_of, picture_size
from tests.servers.telegram_updates import UpdatesServer, id_in

BOT = {"id": 123456, "is_bot": True, "first_name": "Tự Soi", "username": "TuSoiBot"}


class PeopleServer(UpdatesServer):
    """The part of Telegram that knows chats, messages and files.

    Attributes:
        hears_all: whether the bot hears everything in groups; else only commands, mentions and answers to it.
    """

    def __init__(self, *, allow_local: bool = True) -> None:
        super().__init__(allow_local=allow_local)
        self.hears_all = False
        self._messages: dict[tuple[int, int], Json] = {}
        self._chats: set[str] = set()
        self._strangers: set[str] = set()
        self._blocked: set[str] = set()
        self._moved: dict[str, int] = {}
        self._titles: dict[int, str] = {}
        # By query id, in which chat and when.
        self._open_taps: dict[str, tuple[int, float]] = {}
        # What each file holds, and how large it is said to be.
        self._files: dict[str, tuple[bytes, int]] = {}

    async def text(self, chat_id: int, text: str, *, sender: int | None = None, reply_to: int | None = None) -> int:
        """Write to the bot; return the update id, 0 where the bot does not hear it.

        Args:
            sender: who writes, in a group.
            reply_to: the message that is answered.
        """
        await self._open(chat_id)
        content: Json = {"text": text}
        if entities := entities_of(text):
            content["entities"] = entities
        if reply_to is not None:
            content["reply_to_message"] = self._messages[chat_id, reply_to]
        message = self._new_message(chat_id, sender=_person(sender or abs(chat_id)), **content)
        is_heard = chat_id > 0 or self.hears_all or self._is_for_bot(message)
        self.note(chat_id, "user", "text", text=text, **({} if is_heard else {"heard": False}))
        return await self.update({"message": message}) if is_heard else 0

    async def edited(self, chat_id: int, text: str) -> int:
        """Change the latest text that a person wrote; return the update id."""
        messages = [message for message in self._in(chat_id) if message["from"] != BOT and "text" in message]
        message = messages[-1] | {"text": text, "edit_date": int(self.clock.now())}
        self._messages[chat_id, message["message_id"]] = message
        self.note(chat_id, "user", "edited", text=text)
        return await self.update({"edited_message": message})

    async def file(
        self, chat_id: int, name: str, content: bytes, *, size: int | None = None, caption: str | None = None
    ) -> int:
        """Send the bot a file, which it may fetch if it is not too large; return the update id."""
        await self._open(chat_id)
        document = self._keep_file(content, size) | {"file_name": name}
        more = {} if caption is None else {"caption": caption}
        message = self._new_message(chat_id, sender=_person(abs(chat_id)), document=document, **more)
        self.note(chat_id, "user", "document", name=name)
        return await self.update({"message": message})

    async def photo(self, chat_id: int, content: bytes, *, caption: str | None = None) -> int:
        """Send the bot a photo, of which there is a small copy too; return the update id."""
        await self._open(chat_id)
        width, height = picture_size(content)
        small = self._keep_file(content[: len(content) // 2 + 1]) | {"width": 90, "height": 90}
        photo = [small, self._keep_file(content) | {"width": width, "height": height}]
        more = {} if caption is None else {"caption": caption}
        message = self._new_message(chat_id, sender=_person(abs(chat_id)), photo=photo, **more)
        self.note(chat_id, "user", "photo")
        return await self.update({"message": message})

    async def tap(self, chat_id: int, data: str, *, sender: int | None = None, is_forged: bool = False) -> int:
        """Tap the button with this callback data under the latest message that has it; return the update id.

        Args:
            sender: who taps, in a group.
            is_forged: the data need not be under any message of the chat, as with a program that speaks for a person.
        """
        await self._open(chat_id)
        messages = [message for message in self._in(chat_id) if is_forged or data in _callback_data(message)]
        if not messages:
            raise LookupError("no message of this chat has such a button")
        query_id = str(self._new_id())
        self._open_taps[query_id] = (chat_id, self.clock.now())
        self.note(chat_id, "user", "tap", data=data)
        query = {"id": query_id, "from": _person(sender or chat_id), "chat_instance": str(chat_id), "data": data}
        return await self.update({"callback_query": query | {"message": dict(messages[-1])}})

    async def update(self, update: Json) -> int:
        """Put any update in the queue; it gets an id unless it has one. One of a kind nobody asked for is dropped."""
        # What comes may be malformed on purpose.
        if chat_id := id_in(update.get("message"), "chat"):
            self._chats.add(chat_id)
        return await super().update(update)

    def meet(self, chat_ids: Iterable[int]) -> None:
        """Let people have written to the bot some time ago, so that it may write to them."""
        self._chats.update(str(chat_id) for chat_id in chat_ids)

    def stranger(self, chat_id: int) -> None:
        """Let there be a person who has never written to the bot."""
        self._strangers.add(str(chat_id))

    async def block(self, chat_id: int) -> int:
        """Block the bot, of which it is told; return the update id."""
        self._blocked.add(str(chat_id))
        self.note(chat_id, "user", "block")
        return await self._tell_membership(chat_id, "member", "kicked")

    async def unblock(self, chat_id: int) -> int:
        """Let the bot write again, of which it is told; return the update id."""
        self._blocked.discard(str(chat_id))
        self.note(chat_id, "user", "unblock")
        return await self._tell_membership(chat_id, "kicked", "member")

    async def join(self, chat_id: int, title: str = "Chi bộ") -> int:
        """Take the bot into a group, whose id is negative; return the update id."""
        self._titles[chat_id] = title
        self._chats.add(str(chat_id))
        return await self._tell_membership(chat_id, "left", "member")

    async def leave(self, chat_id: int) -> int:
        """Put the bot out of a group; return the update id."""
        self._chats.discard(str(chat_id))
        self._strangers.add(str(chat_id))
        return await self._tell_membership(chat_id, "member", "kicked")

    async def migrate(self, chat_id: int, new_id: int) -> None:
        """Make a supergroup of a group; the bot is told in both, and refused in the old one."""
        self._moved[str(chat_id)] = new_id
        self._titles[new_id] = self._titles.get(chat_id, "Chi bộ")
        person = _person(abs(chat_id))
        await self.update({"message": self._new_message(chat_id, sender=person, migrate_to_chat_id=new_id)})
        await self.update({"message": self._new_message(new_id, sender=person, migrate_from_chat_id=chat_id)})

    # --- bookkeeping

    def _chat(self, parameters: Json) -> int:
        """Return the chat spoken to; a bot knows only those who wrote first.

        Raises:
            Refused: it may not be written to.
        """
        chat_id = str(parameters.get("chat_id") or "")
        if not chat_id:
            raise Refused(400, "Bad Request: chat_id is empty")
        if chat_id in self._moved:
            new_id = self._moved[chat_id]
            raise Refused(
                400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=new_id
            )  # fmt: skip
        if chat_id in self._blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        if chat_id in self._chats:
            return int(chat_id)
        if chat_id in self._strangers:
            raise Refused(
                403,
                "Forbidden: bot was kicked from the group chat"
                if chat_id.startswith("-")
                else "Forbidden: bot can't initiate conversation with a user",
            )
        raise Refused(400, "Bad Request: chat not found")

    async def _open(self, chat_id: int) -> None:
        # Who has blocked a bot cannot write to it either.
        if str(chat_id) in self._blocked:
            await self.unblock(chat_id)

    async def _tell_membership(self, chat_id: int, before: str, after: str) -> int:
        def member(status: str) -> Json:
            return {"user": BOT, "status": status} | ({"until_date": 0} if status == "kicked" else {})

        changed = {
            "chat": self._describe(chat_id),
            "from": _person(abs(chat_id)),
            "date": int(self.clock.now()),
            "old_chat_member": member(before),
            "new_chat_member": member(after),
        }
        return await self.update({"my_chat_member": changed})

    def _describe(self, chat_id: int) -> Json:
        if chat_id > 0:
            return {"id": chat_id, "type": "private", "first_name": f"Người {chat_id}"}
        kind = "supergroup" if chat_id <= -(10**12) else "group"
        return {"id": chat_id, "type": kind, "title": self._titles.get(chat_id, "Chi bộ")}

    def _in(self, chat_id: int) -> list[Json]:
        return [message for (chat, _), message in self._messages.items() if chat == chat_id]

    def _is_for_bot(self, message: Json) -> bool:
        text = message["text"].casefold()
        if message.get("reply_to_message", {}).get("from") == BOT or f"@{BOT['username']}".casefold() in text:
            return True
        command = text.split()[0] if text.startswith("/") else ""
        return bool(command) and "@" not in command

    def _keep_file(self, content: bytes, size: int | None = None) -> Json:
        file_id = f"file-{self._new_id()}"
        said = len(content) if size is None else size
        self._files[file_id] = (content, said)
        return {"file_id": file_id, "file_unique_id": file_id, "file_size": said}

    def _new_message(self, chat_id: int, *, sender: Json, **content: Any) -> Json:
        message = {
            "message_id": self._new_id(),
            "date": int(self.clock.now()),
            "chat": self._describe(chat_id),
            "from": sender,
            **json.loads(json.dumps(content)),
        }
        self._messages[chat_id, message["message_id"]] = message
        return message


def _person(person_id: int) -> Json:
    return {"id": person_id, "is_bot": False, "first_name": f"Người {person_id}", "language_code": "vi"}


def _callback_data(message: Json) -> set[str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return {button["callback_data"] for row in rows for button in row if "callback_data" in button}
