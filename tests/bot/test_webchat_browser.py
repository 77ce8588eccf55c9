"""The page in a real browser, against the real server with a handler that has learnt its lines."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import APIResponse, Browser, Locator, Page, Route, expect

from bot.channels.webchat import WebChat
from bot.config import WebConfig
from bot.gateway import Gateway
from handlers.messages import Block, BlockKind, Button, IncomingMessage, Reply, say
from storage.database import open_database
from storage.store import Conversation, Store, Transaction
from tests.bot.browser import DESKTOP, a_visitor, open_page
from tests.storage.builders import a_vault, bring_up

pytest_plugins = ["tests.bot.browser"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

QUOTE = "«… tự soi, tự sửa định kỳ 6 tháng một lần.»"
CITATION = "— Kế hoạch thực hiện Kết luận 21-KL/TW, mục 2.1"
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


def handle(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
    """Answer by the book; a number means the latest choices, as on every channel."""
    button = transaction.button(conversation.id, message.button_id) if message.button_id else None
    if message.text.isdigit():
        choices = transaction.latest_buttons(conversation.id)
        button = next((choice for choice in choices if choice.ordinal == int(message.text)), None)
    if button:
        return [say(f"Đã chọn {button.argument}")]
    if message.text == "hỏng":
        raise RuntimeError("a handler that fails")
    if message.text == "dài":
        return [say("\n".join(f"Dòng {number}" for number in range(80)))]
    if message.text == "chậm":
        time.sleep(1)
    if message.text == "html":
        blocks = tuple(Block(kind, HOSTILE) for kind in BlockKind)
        return [Reply(blocks, (Button(HOSTILE, "read", "html"),))]
    blocks = (
        Block(BlockKind.NOTICE, "Văn bản này đã được thay thế."),
        Block(BlockKind.QUOTE, QUOTE),
        Block(BlockKind.CITATION, CITATION),
        Block(BlockKind.TEXT, "Dòng một\nDòng hai"),
    )
    return [Reply(blocks, (Button("Đọc cả đoạn", "read", "cả đoạn"), Button("Mục 2.1", "section", "mục 2.1")))]


class Site:
    """A web chat that can go down and come back on the same port, with the same database."""

    def __init__(self, folder: Path) -> None:
        engine = open_database(f"sqlite:///{folder / 'chat.db'}")
        bring_up(engine)
        self.store = Store(engine, a_vault())
        self.web = WebChat(WebConfig(port=0), Gateway(self.store, handle), self.store)
        self.is_up = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.web.port}/"

    async def come_up(self) -> None:
        self.web = WebChat(WebConfig(port=self.web.port), Gateway(self.store, handle), self.store)
        await self.web.start()
        self.is_up = True

    async def go_down(self) -> None:
        await self.web.stop()
        self.is_up = False

    def times_stored(self, text: str) -> int:
        with self.store.transaction() as transaction:
            conversation_ids = range(1, 30)
            messages = [message for number in conversation_ids for message in transaction.history(number)]
        return [message.text for message in messages if not message.is_ours].count(text)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    await site.go_down()


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Browser, site: Site) -> AsyncIterator[Page]:
    """Open the page on a phone as someone new; afterwards nothing may have complained or called elsewhere."""
    if not site.is_up:
        await site.come_up()
    async with await a_visitor(chromium) as visitor:
        page, watch = await open_page(visitor, site.address)
        yield page
        assert watch.complaints == []
        assert watch.foreign_requests == []


async def send(page: Page, text: str) -> None:
    await page.get_by_label("Câu hỏi của đồng chí").fill(text)
    await page.get_by_role("button", name="Gửi câu hỏi").click()


def answers(page: Page) -> Locator:
    return page.locator(".ours")


async def test_a_newcomer_is_welcomed_and_asks_with_one_tap(page: Page) -> None:
    await expect(page.locator(".welcome")).to_contain_text("Chào đồng chí")
    await expect(page.locator(".welcome")).to_contain_text("mã ẩn danh")
    await page.get_by_role("button", name="Kế hoạch yêu cầu tự soi bao lâu một lần?").tap()
    await expect(page.locator(".mine .said")).to_have_text("Kế hoạch yêu cầu tự soi bao lâu một lần?")
    await expect(answers(page).locator("blockquote")).to_have_text(QUOTE)


async def test_a_question_is_answered_with_quote_citation_and_notice(page: Page) -> None:
    await send(page, "tự soi bao lâu một lần")
    answer = answers(page)
    await expect(answer.locator("figure blockquote")).to_have_text(QUOTE)
    await expect(answer.locator("figcaption")).to_have_text(CITATION)
    await expect(answer.get_by_role("note")).to_contain_text("Lưu ý")
    await expect(page.locator(".mine .state")).to_contain_text("đã gửi")
    assert "Dòng một\nDòng hai" in await answer.inner_text()
    log = page.get_by_role("log")
    await expect(log).to_have_attribute("aria-live", "polite")
    await expect(log).to_contain_text(QUOTE)
    await expect(page.get_by_label("Câu hỏi của đồng chí")).to_have_value("")


async def test_a_choice_can_be_tapped_or_typed_as_its_number(page: Page) -> None:
    await send(page, "hỏi")
    await page.get_by_role("button", name="2 Mục 2.1").tap()
    await expect(page.locator(".mine .said").last).to_have_text("Mục 2.1")
    await expect(answers(page).last).to_contain_text("Đã chọn mục 2.1")
    await send(page, "1")
    await expect(answers(page).last).to_contain_text("Đã chọn cả đoạn")


async def test_a_choice_of_an_earlier_message_still_works(page: Page) -> None:
    await send(page, "một")
    await expect(answers(page)).to_have_count(1)
    await send(page, "hai")
    await expect(answers(page)).to_have_count(2)
    await answers(page).first.get_by_role("button", name="1 Đọc cả đoạn").tap()
    await expect(answers(page).last).to_contain_text("Đã chọn cả đoạn")


async def test_shortcuts_send_their_words(page: Page) -> None:
    for word in ("Mục lục", "Văn bản", "Trợ giúp"):
        await page.get_by_role("navigation").get_by_role("button", name=word).tap()
        await expect(page.locator(".mine .said").last).to_have_text(word)
    await expect(answers(page)).to_have_count(3)


async def test_a_slow_answer_shows_that_it_is_being_looked_for(page: Page) -> None:
    await send(page, "chậm")
    await expect(page.get_by_text("Đang tìm trong văn bản…")).to_be_visible()
    await expect(page.locator(".mine .state")).to_have_text("đang gửi…")
    await expect(answers(page)).to_have_count(1)
    await expect(page.get_by_text("Đang tìm trong văn bản…")).to_be_hidden()


async def test_a_long_answer_is_shown_from_its_first_line(page: Page) -> None:
    await send(page, "dài")
    await expect(answers(page)).to_contain_text("Dòng 79")
    await expect(page.locator(".mine .said")).to_be_in_viewport()
    await page.get_by_role("button", name="↓").tap()
    await expect(answers(page).locator("time")).to_be_in_viewport()


async def test_hostile_html_is_shown_as_text(page: Page) -> None:
    await send(page, HOSTILE)
    await send(page, "html")
    await expect(page.get_by_role("button", name=HOSTILE)).to_be_visible()
    await expect(page.locator(".mine .said").first).to_have_text(HOSTILE)
    await expect(answers(page).last.locator("blockquote")).to_have_text(HOSTILE)
    await page.reload()
    await expect(answers(page).last.locator("blockquote")).to_have_text(HOSTILE)
    assert await page.locator("#log img, #log script").count() == 0
    assert await page.title() == "Tự Soi"


async def test_a_reload_keeps_the_conversation_and_the_draft(page: Page) -> None:
    await send(page, "một")
    await expect(answers(page)).to_have_count(1)
    await page.get_by_label("Câu hỏi của đồng chí").fill("đang gõ dở")
    await page.reload()
    await expect(page.locator(".mine .said")).to_have_text("một")
    await expect(answers(page)).to_have_count(1)
    await expect(page.locator(".welcome")).to_have_count(0)
    await expect(page.get_by_label("Câu hỏi của đồng chí")).to_have_value("đang gõ dở")
    await page.get_by_role("button", name="1 Đọc cả đoạn").tap()
    await expect(answers(page).last).to_contain_text("Đã chọn cả đoạn")


async def test_what_was_written_while_the_server_was_down_arrives_once_and_in_order(page: Page, site: Site) -> None:
    await send(page, "trước khi nghỉ")
    await expect(answers(page)).to_have_count(1)
    await site.go_down()
    await send(page, "gửi lúc nghỉ 1")
    await send(page, "gửi lúc nghỉ 2")
    unsent = "Chưa gửi được, trang sẽ tự gửi lại"
    await expect(page.locator(".mine .state").filter(has_text=unsent)).to_have_count(2)
    await expect(page.get_by_role("button", name="Gửi lại")).to_have_count(2)
    await expect(page.locator("#connection")).to_contain_text("Mất kết nối")
    await site.come_up()
    await expect(answers(page)).to_have_count(3)
    await expect(page.locator("#connection")).to_be_empty()
    await expect(page.locator(".mine .said")).to_have_text(["trước khi nghỉ", "gửi lúc nghỉ 1", "gửi lúc nghỉ 2"])
    assert [site.times_stored(f"gửi lúc nghỉ {number}") for number in (1, 2)] == [1, 1]
    await page.reload()
    await expect(page.locator(".mine .said")).to_have_text(["trước khi nghỉ", "gửi lúc nghỉ 1", "gửi lúc nghỉ 2"])
    await expect(answers(page)).to_have_count(3)


async def test_an_unsent_message_survives_a_reload_and_is_sent_then(page: Page, site: Site) -> None:
    await site.go_down()
    await send(page, "gửi sau khi tải lại")
    await expect(page.get_by_role("button", name="Gửi lại")).to_be_visible()
    await site.come_up()
    await page.reload()
    await expect(answers(page)).to_have_count(1)
    await expect(page.locator(".mine .said")).to_have_text(["gửi sau khi tải lại"])
    assert site.times_stored("gửi sau khi tải lại") == 1


async def test_an_answer_lost_on_the_way_is_fetched_with_the_same_id(page: Page, site: Site) -> None:
    lost: list[APIResponse] = []

    async def lose_the_first(route: Route) -> None:
        if lost:
            await route.continue_()
            return
        lost.append(await route.fetch())
        await route.abort()

    await page.route("**/api/messages", lose_the_first)
    await send(page, "lạc đường")
    await expect(answers(page)).to_have_count(1)
    await expect(page.locator(".mine")).to_have_count(1)
    await expect(page.locator(".mine .state")).to_contain_text("đã gửi")
    assert site.times_stored("lạc đường") == 1


async def test_what_the_server_could_not_handle_waits_for_the_person(page: Page) -> None:
    await send(page, "hỏng")
    await expect(answers(page)).to_contain_text("do lỗi máy chủ")
    await expect(page.get_by_role("button", name="Gửi lại")).to_be_visible()
    await send(page, "câu khác")
    await expect(answers(page).locator("blockquote")).to_have_text(QUOTE)
    await page.reload()
    await expect(page.locator(".mine .said")).to_have_text(["câu khác", "hỏng"])
    await page.get_by_role("button", name="Bỏ").tap()
    await expect(page.locator(".mine .said")).to_have_text(["câu khác"])


async def test_a_message_stored_elsewhere_appears_when_the_page_looks_again(page: Page, site: Site) -> None:
    await send(page, "một")
    await expect(answers(page)).to_have_count(1)
    second = await page.context.new_page()
    await second.goto(site.address)
    await send(second, "từ máy khác")
    await expect(answers(second)).to_have_count(2)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator(".mine .said")).to_have_text(["một", "từ máy khác"])
    await expect(answers(page)).to_have_count(2)


async def test_everything_can_be_done_with_the_keyboard_alone(page: Page) -> None:
    async def tab_to(target: Locator) -> None:
        for _ in range(20):
            if await target.evaluate("element => element === document.activeElement"):
                return
            await page.keyboard.press("Tab")
        pytest.fail("twenty tabs did not reach it")

    await tab_to(page.get_by_label("Câu hỏi của đồng chí"))
    await page.keyboard.type("dòng một")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("dòng hai")
    await page.keyboard.press("Enter")
    await expect(answers(page)).to_have_count(1)
    assert await page.locator(".mine .said").inner_text() == "dòng một\ndòng hai"
    choice = page.get_by_role("button", name="2 Mục 2.1")
    await tab_to(choice)
    assert await choice.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    await page.keyboard.press("Enter")
    await expect(answers(page).last).to_contain_text("Đã chọn mục 2.1")
    await expect(choice).to_be_focused()


@pytest.mark.parametrize("letters", [0, 4], ids=["usual letters", "largest letters"])
async def test_a_narrow_phone_shows_everything_within_reach_of_a_thumb(page: Page, letters: int) -> None:
    for _ in range(letters):
        await page.get_by_role("button", name="Chữ to hơn").tap()
    await send(page, "hỏi")
    await expect(answers(page)).to_have_count(1)
    widths = "element => [element.scrollWidth, element.clientWidth]"
    for area in ("html", "#scroller"):
        content, window = await page.locator(area).evaluate(widths)
        assert content <= window, area
    for button in await page.locator("button:visible, textarea").all():
        box = await button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 48, await button.inner_text()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360


async def test_letters_start_at_18_px_and_the_chosen_size_is_remembered(page: Page) -> None:
    size = "element => parseFloat(getComputedStyle(element).fontSize)"
    assert await page.locator("body").evaluate(size) == 18
    await page.get_by_role("button", name="Chữ to hơn").tap()
    larger = await page.locator("body").evaluate(size)
    assert larger > 18
    await page.reload()
    assert await page.locator("body").evaluate(size) == larger


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_both_schemes_can_be_read(page: Page, chromium: Browser, site: Site, dark: bool) -> None:
    async with await a_visitor(chromium, size=DESKTOP, dark=dark) as visitor:
        page, watch = await open_page(visitor, site.address)
        await send(page, "hỏi")
        await expect(answers(page)).to_have_count(1)
        for part in ("h1", ".subtitle", ".said", ".state", "blockquote", "figcaption", ".notice p", ".number", "#send"):
            ink, ground = await page.locator(part).first.evaluate(
                """element => {
                    const ink = getComputedStyle(element).color;
                    const ground = () => getComputedStyle(element).backgroundColor;
                    while (ground() === "rgba(0, 0, 0, 0)") element = element.parentNode;
                    return [ink, ground()];
                }"""
            )
            assert contrast(ink, ground) >= 4.5, part
        ground = await page.locator("body").evaluate("element => getComputedStyle(element).backgroundColor")
        assert (luminance(ground) < 0.05) == dark
        assert watch.complaints == []


def contrast(one: str, other: str) -> float:
    """Return the ratio of WCAG 2.2, from 1 to 21, of two colours as a browser computes them."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_a_very_long_message_neither_stalls_the_page_nor_fills_it(page: Page) -> None:
    await send(page, "ộ" * 100_000)
    await expect(answers(page)).to_have_count(1)
    await expect(page.locator(".mine .said")).to_contain_text("(còn 98.500 ký tự)")
    await send(page, "x" * 1_100_000)
    await expect(answers(page).last).to_contain_text("dài quá")
