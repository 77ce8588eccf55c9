"""Two small buttons under the latest answer on the web page say what could as well be typed."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bot.channels.webchat import WebChat
from bot.config import WebConfig
from bot.gateway import Gateway
from handlers.messages import Block, BlockKind, IncomingMessage, Reply, say
from storage.database import open_database
from storage.store import Conversation, Store, Transaction
from tests.bot.browser import a_visitor
from tests.storage.builders import a_vault, bring_up

pytest_plugins = ["tests.bot.browser"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


def handle(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
    """Quote where something is asked, and say back what else is said."""
    if message.text != "hỏi":
        return [say(f"Đã nghe: {message.text}")]
    return [Reply((Block(BlockKind.QUOTE, "«tự soi»"), Block(BlockKind.CITATION, "— Kế hoạch, mục 2.1")))]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.db'}")
    bring_up(engine)
    yield Store(engine, a_vault())
    engine.dispose()


@pytest_asyncio.fixture(loop_scope="module", params=[True])
async def page(request: pytest.FixtureRequest, chromium: Browser, store: Store) -> AsyncIterator[Page]:
    web = WebChat(WebConfig(port=0), Gateway(store, handle), store, thumbs=request.param)
    await web.start()
    async with await a_visitor(chromium) as visitor:
        opened = await visitor.new_page()
        await opened.goto(f"http://127.0.0.1:{web.port}/")
        yield opened
    await web.stop()


async def send(page: Page, words: str) -> None:
    await page.locator("#text").fill(words)
    await page.locator("#send").click()


async def test_thumb_says_its_words_once(page: Page) -> None:
    await send(page, "hỏi")
    await page.get_by_role("button", name="Hữu ích").tap()
    await expect(page.locator(".mine .said").last).to_have_text("hữu ích")
    await expect(page.locator(".ours").last).to_contain_text("Đã nghe: hữu ích")
    await expect(page.locator(".thumbs:visible")).to_have_count(0)


async def test_only_the_latest_answer_has_thumbs_and_what_is_no_answer_has_none(page: Page) -> None:
    await send(page, "chào")
    await expect(page.locator(".ours")).to_have_count(1)
    await expect(page.locator(".thumbs")).to_have_count(0)
    for count in (2, 3):
        await send(page, "hỏi")
        await expect(page.locator(".ours")).to_have_count(count)
    await expect(page.locator(".thumbs:visible")).to_have_count(1)
    await page.get_by_role("button", name="Không đúng").tap()
    await expect(page.locator(".mine .said").last).to_have_text("không đúng")


async def test_thumbs_are_large_enough_for_a_thumb(page: Page) -> None:
    await send(page, "hỏi")
    await expect(page.locator(".thumbs:visible")).to_have_count(1)
    for button in await page.locator(".thumbs button").all():
        box = await button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 48
        assert box["x"] + box["width"] <= 360


@pytest.mark.parametrize("page", [False], indirect=True)
async def test_switched_off_there_are_none(page: Page) -> None:
    await send(page, "hỏi")
    await expect(page.locator(".ours")).to_have_count(1)
    await expect(page.locator(".thumbs")).to_have_count(0)
