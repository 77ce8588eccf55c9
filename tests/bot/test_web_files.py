"""Files over the web: for the chat they were sent to, and for nobody else."""

from collections.abc import Callable
from pathlib import Path

from bot.channels.webchat import WebChat
from bot.config import WebConfig
from bot.gateway import Gateway
from handlers.files import File
from handlers.messages import IncomingMessage, Reply, say, with_files
from storage.store import Conversation, Transaction
from tests.bot.test_webchat import a_store, a_visitor

NAME = "bản của tôi.docx"


def handle(_message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
    return [with_files(say("Tệp đây."), (NAME, "own:docx"))]


def make_file(
    _message: IncomingMessage, _conversation: Conversation, _transaction: Transaction, name: str, recipe: str
) -> Callable[[], File]:
    return lambda: File(name, recipe.encode())


async def test_file_is_for_the_cookie_it_was_sent_to_and_for_no_other(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    web = WebChat(WebConfig(), Gateway(store, handle, make_file), store)
    async with a_visitor(web) as owner, a_visitor(web) as other:
        await owner.get("/")
        await other.get("/")
        [message] = (await owner.post("/api/messages", json={"id": "m1", "text": "tệp"})).json()["messages"]
        [file] = message["files"]
        assert file["name"] == NAME
        assert "own:docx" not in str(message)
        fetched = await owner.get(file["url"])
        assert (fetched.status_code, fetched.content) == (200, b"own:docx")
        assert fetched.headers["content-type"].endswith("wordprocessingml.document")
        await other.post("/api/messages", json={"id": "m1", "text": "tệp"})
        refused = await other.get(file["url"])
        assert refused.status_code == 404
        assert b"own:docx" not in refused.content
    async with a_visitor(web) as stranger:
        assert (await stranger.get(file["url"])).status_code == 404


async def test_file_that_is_no_longer_to_be_had_is_not_there(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    web = WebChat(WebConfig(), Gateway(store, handle, lambda *_: None), store)
    async with a_visitor(web) as owner:
        await owner.get("/")
        [message] = (await owner.post("/api/messages", json={"id": "m1", "text": "tệp"})).json()["messages"]
        assert (await owner.get(message["files"][0]["url"])).status_code == 404
