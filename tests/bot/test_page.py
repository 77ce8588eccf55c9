"""The whole product in a real browser: the real documents behind the real page.

TUSOI_SCREENSHOTS=1 writes the pictures of the README anew.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bot.app import build_gateway, open_store
from bot.channels.webchat import WebChat
from bot.config import Config, WebConfig, load_config
from tests.bot.browser import DESKTOP, a_visitor, open_page

pytest_plugins = ["tests.bot.browser"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

DOCS = Path(__file__).parent.parent.parent / "docs"
QUESTION = "sep de cap duoi lam bay ma ko biet thi co bi gi ko"
ANSWER = "người đứng đầu cơ quan, tổ chức phải chịu trách nhiệm nếu không kịp thời phát hiện"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("product")
    return load_config(environment={"TUSOI_DATA_DIR": str(folder)})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address(config: Config) -> AsyncIterator[str]:
    store = open_store(config)
    web = WebChat(WebConfig(port=0), build_gateway(config, store), store)
    await web.start()
    yield f"http://127.0.0.1:{web.port}/"
    await web.stop()


async def ask(page: Page, text: str) -> None:
    await page.get_by_role("textbox").fill(text)
    await page.get_by_role("textbox").press("Enter")


async def keep_picture(page: Page, name: str) -> None:
    if os.environ.get("TUSOI_SCREENSHOTS"):
        await page.wait_for_timeout(300)
        await page.screenshot(path=DOCS / name)


async def test_question_is_answered_with_a_quote_and_its_place(chromium: Browser, address: str) -> None:
    async with await a_visitor(chromium) as visitor:
        page, watch = await open_page(visitor, address)
        await ask(page, QUESTION)
        log = page.get_by_role("log")
        await expect(log.locator("blockquote").last).to_contain_text(ANSWER)
        await expect(log).to_contain_text("mục 2.4, gạch đầu dòng 3")
        await keep_picture(page, "chat-360.png")
        assert watch.complaints == []
        assert watch.foreign_requests == []


async def test_choice_opens_the_whole_passage_and_a_reload_keeps_it(chromium: Browser, address: str) -> None:
    async with await a_visitor(chromium) as visitor:
        page, _ = await open_page(visitor, address)
        await ask(page, QUESTION)
        await page.get_by_role("button", name="Đọc cả đoạn").click()
        whole = page.get_by_role("log").locator("blockquote").last
        await expect(whole).to_contain_text("Nâng cao hiệu quả hoạt động giám sát chuyên đề")
        await page.reload()
        await expect(page.get_by_role("log").locator("blockquote")).to_have_count(2)
        await expect(page.get_by_role("log")).to_contain_text("Nâng cao hiệu quả hoạt động giám sát chuyên đề")


async def test_typed_number_does_what_the_button_does(chromium: Browser, address: str) -> None:
    async with await a_visitor(chromium) as visitor:
        page, _ = await open_page(visitor, address)
        await ask(page, "mục lục")
        await ask(page, "1")
        await expect(page.get_by_role("log")).to_contain_text("Mục 1 có 3 nội dung")


async def test_long_answers_fit_a_narrow_screen(chromium: Browser, address: str) -> None:
    async with await a_visitor(chromium, dark=True) as visitor:
        page, _ = await open_page(visitor, address)
        await ask(page, "mục lục")
        await expect(page.get_by_role("log")).to_contain_text("2.5. Phát huy vai trò")
        await keep_picture(page, "chat-360-dark.png")
        await ask(page, "điều 5 quy định 41")
        await expect(page.get_by_role("log")).to_contain_text("đã được thay thế bởi Quy định 377-QĐ/TW")
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_wide_screen_shows_the_same(chromium: Browser, address: str) -> None:
    async with await a_visitor(chromium, size=DESKTOP) as visitor:
        page, _ = await open_page(visitor, address)
        await ask(page, "QĐ 41 về từ chức nói gì về phiếu tín nhiệm")
        await expect(page.get_by_role("log")).to_contain_text("Tóm lược: Có trên 50% số phiếu tín nhiệm thấp")
        await keep_picture(page, "chat-1280.png")
