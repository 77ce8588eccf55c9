"""The checklist's page as it opens within Telegram: in a real browser, with what Telegram puts behind the address."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from bot.channels.webchat import WebChat
from bot.config import WebConfig
from handlers import mini_app_texts
from knowledge.answer import KnowledgeBase
from tests.bot.browser import a_visitor
from tests.bot.pages import AN, Hamlet
from tests.bot.test_init_data import fields_of, signed
from tests.bot.test_webpages_browser import open_at
from tests.servers.telegram import TOKEN

pytest_plugins = ["tests.bot.browser"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


class Site(Hamlet):
    """A hamlet on a port, with an open round, that opens within the bot."""

    def __init__(self, folder: Path, knowledge: KnowledgeBase) -> None:
        super().__init__(folder, knowledge)
        self.web = WebChat(WebConfig(port=0), self.web._gateway, self.store, telegram_token=TOKEN)
        self.add(AN)
        self.agree(AN)
        self.open()

    def address(self, user_id: int, **more: str) -> str:
        user = json.dumps({"id": user_id, "first_name": "An & +"}, ensure_ascii=False)
        init_data = signed(fields_of(at=datetime.now(UTC), user=user, **more))
        behind = f"tgWebAppData={quote(init_data, safe='')}&tgWebAppVersion=9.1&tgWebAppPlatform=android"
        return f"http://127.0.0.1:{self.web.port}/tu-danh-gia#{behind}"


@pytest_asyncio.fixture(loop_scope="module")
async def site(tmp_path: Path, documents: KnowledgeBase) -> AsyncIterator[Site]:
    site = Site(tmp_path, documents)
    with site.store.transaction() as transaction:
        transaction.people.link("telegram", "4004", site.ids[AN], now=datetime.now(UTC))
    await site.web.start()
    yield site
    await site.web.stop()


async def is_clean(page: Page) -> bool:
    return bool(await page.evaluate("location.hash") == "")


async def test_the_page_knows_who_opened_it_and_keeps_no_proof_in_its_address(chromium: Browser, site: Site) -> None:
    visitor = await a_visitor(chromium)
    page, watch = await open_at(visitor, site.address(4004))
    await expect(page.locator("#where")).to_have_text(AN)
    await expect(page.get_by_role("button", name="Bắt đầu")).to_be_visible()
    assert await is_clean(page)
    await page.reload()
    await expect(page.get_by_role("button", name="Bắt đầu")).to_be_visible()
    assert (watch.complaints, watch.foreign_requests) == ([], [])
    await visitor.close()


async def test_who_is_not_linked_reads_what_to_do_instead_of_the_checklist(chromium: Browser, site: Site) -> None:
    visitor = await a_visitor(chromium)
    page, watch = await open_at(visitor, site.address(5005))
    await expect(page.locator("#stage")).to_contain_text(mini_app_texts.NOT_LINKED)
    await expect(page.get_by_role("button", name="Bắt đầu")).to_have_count(0)
    assert await is_clean(page)
    assert (watch.complaints, watch.foreign_requests) == ([], [])
    await visitor.close()


async def test_while_the_server_is_away_the_page_tries_again(chromium: Browser, site: Site) -> None:
    visitor = await a_visitor(chromium)
    page = await visitor.new_page()
    tries = list[str]()

    async def away_at_first(route: Route) -> None:
        tries.append(route.request.method)
        await (route.abort() if len(tries) == 1 else route.continue_())

    await page.route("**/api/telegram", away_at_first)
    await page.goto(site.address(4004))
    await page.get_by_role("button", name="Thử lại ngay").click()
    await expect(page.get_by_role("button", name="Bắt đầu")).to_be_visible()
    assert tries == ["POST", "POST"]
    await visitor.close()
