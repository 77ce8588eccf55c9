"""The checklist's page and the secretary's in a real browser, as an elderly member has them on a phone."""

import io
import re
import time
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pypdf
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, Route, expect

from assessment.model import ItemAnswer, Role
from bot.channels.web_requests import COOKIE
from knowledge.answer import KnowledgeBase
from storage.rounds import StoredAnswer
from tests.bot.browser import PHONE, Watch, a_visitor
from tests.bot.pages import FOCUS, Hamlet, token_of
from tests.bot.test_webchat_browser import contrast

pytest_plugins = ["tests.bot.browser"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

AN, BINH, CUONG, DUNG = "Nguyễn Văn An", "Trần Thị Bình", "Lê Văn Cường", "Phạm Thị Dung"
HOSTILE = '<img src=x onerror="document.title=1"></script><script>document.title=2</script>'
NONE = StoredAnswer(ItemAnswer.NONE)


class Site(Hamlet):
    """A hamlet on a port, with an open round."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"


@pytest_asyncio.fixture(loop_scope="module")
async def site(tmp_path: Path, documents: KnowledgeBase) -> AsyncIterator[Site]:
    site = Site(tmp_path, documents)
    site.add(BINH, Role.SECRETARY)
    site.add(AN)
    site.add(CUONG, has_phone=False)
    site.add(DUNG)
    await site.web.start()
    yield site
    await site.web.stop()


async def as_member(visitor: BrowserContext, site: Site, name: str, letter: str) -> None:
    """Let the browser belong to somebody who has agreed."""
    await visitor.add_cookies([{"name": COOKIE, "value": token_of(letter), "url": site.address}])
    site.enrol(name, token_of(letter))


async def open_at(visitor: BrowserContext, address: str) -> tuple[Page, Watch]:
    page = await visitor.new_page()
    page.set_default_timeout(30_000)
    watch = Watch(address.split("/")[2])
    page.on("console", watch.on_console)
    page.on("pageerror", lambda error: watch.complaints.append(str(error)))
    page.on("request", watch.on_request)
    await page.goto(address)
    await page.locator('#stage[aria-busy="false"]').wait_for()
    return page, watch


class Finger:
    """Taps, and counts."""

    def __init__(self, page: Page) -> None:
        self.page, self.taps = page, 0

    async def tap(self, name: str, within: str = "main") -> None:
        await self.page.locator(within).get_by_role("button", name=name, exact=True).tap()
        self.taps += 1

    async def answer(self, number: int, label: str) -> None:
        await self.tap(label, within=f"#item-{number} .answers")

    async def whole_group(self) -> None:
        await self.page.get_by_role("button", name="Cả nhóm").tap()
        self.taps += 1


async def go_through(finger: Finger) -> None:
    """Answer what is left with nothing, from the first group to the preview."""
    for group in range(1, 7):
        await expect(finger.page.locator("#group-now")).to_have_text(f"Nhóm {group}/6")
        for number in FOCUS:
            if await finger.page.locator(f"#item-{number}").count():
                await finger.answer(number, "Không có biểu hiện")
        await finger.whole_group()
    await expect(finger.page.get_by_role("heading", name="Xem lại trước khi nộp")).to_be_visible()


async def check_screen(page: Page) -> None:
    """Check what holds for every screen: it fits, it can be hit, it can be read, and everything has a name."""
    # A screen that is being drawn anew is looked at when it stands.
    await page.wait_for_load_state("networkidle")
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    controls = ", ".join(f"{tag}:visible" for tag in ("button", "a", "summary", "input", "textarea"))
    for control in await page.locator(controls).all():
        box = await control.bounding_box()
        name = await control.evaluate("e => e.getAttribute('aria-label') || e.textContent || e.labels[0].textContent")
        assert name.strip()
        assert box is not None
        assert min(box["width"], box["height"]) >= 48, name
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= PHONE[0], name
    for part in ("h1", "h2", "h3", "p", "li", "summary", ".press", ".badge", ".done", "blockquote", "strong", "#saved"):
        for element in await page.locator(f"{part}:visible").all():
            assert contrast(*await colours(element)) >= 4.5, (part, await element.inner_text())
    ids = await page.locator("[id]").evaluate_all("all => all.map(each => each.id)")
    assert len(ids) == len(set(ids))


async def colours(element: Locator) -> tuple[str, str]:
    ink, ground = await element.evaluate(
        """element => {
            const ink = getComputedStyle(element).color;
            const ground = () => getComputedStyle(element).backgroundColor;
            while (ground() === "rgba(0, 0, 0, 0)") element = element.parentNode;
            return [ink, ground()];
        }"""
    )
    return ink, ground


# --- a member ------------------------------------------------------------------------------------------------------


async def test_member_with_nothing_to_report_is_done_in_eleven_taps(chromium: Browser, site: Site) -> None:
    round_id = site.open()
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, AN, "a")
        began = time.perf_counter()
        page, watch = await open_at(visitor, f"{site.address}/tu-danh-gia")
        finger = Finger(page)
        await finger.tap("Bắt đầu")
        await go_through(finger)
        await finger.tap("Xác nhận nộp")
        await expect(page.locator(".done")).to_contain_text("Đã ghi nhận. Phiếu ")
        assert time.perf_counter() - began < 60
        # The beginning, six groups, three items of the month's focus, handing in.
        assert finger.taps == 11
        assert watch.complaints == []
        assert watch.foreign_requests == []
    assert site.answers(AN, round_id) == dict.fromkeys(range(1, 20), NONE)
    with site.store.transaction() as transaction:
        assert transaction.rounds.shown(round_id, site.ids[AN]) == set(range(1, 20))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_new_member_goes_from_the_slip_to_the_receipt_with_two_items_and_a_note(
    chromium: Browser, site: Site, dark: bool
) -> None:
    round_id = site.open()
    async with await a_visitor(chromium, dark=dark) as visitor:
        page, watch = await open_at(visitor, f"{site.address}/tu-danh-gia?code={site.code(AN)}")
        finger = Finger(page)
        assert page.url == f"{site.address}/tu-danh-gia"
        assert "code" not in await page.evaluate("JSON.stringify(history.state || {}) + location.href")
        await check_screen(page)
        await page.get_by_role("button", name=re.compile("Dùng mã")).tap()
        await expect(page.get_by_text("Đồng chí có đồng ý không?")).to_be_visible()
        await check_screen(page)
        await finger.tap("Đồng ý")
        await check_screen(page)
        await finger.tap("Bắt đầu")
        await finger.answer(4, "Có biểu hiện")
        await finger.tap("Báo cáo với chi bộ")
        await page.get_by_text("Ghi thêm (không bắt buộc)").tap()
        await expect(page.get_by_text("không nêu tên người khác")).to_be_visible()
        await expect(page.get_by_text("Bí thư chi bộ đọc được đoạn này")).to_be_visible()
        await page.get_by_label("Ghi thêm về Điều 4").fill(HOSTILE)
        await finger.answer(5, "Có biểu hiện")
        await finger.tap("Báo cáo với chi bộ", within="#item-5")
        await check_screen(page)
        await go_through(finger)
        await expect(page.get_by_text("đồng chí báo cáo điều 4, 5")).to_be_visible()
        await expect(page.get_by_text("đoạn đồng chí ghi thêm ở điều 4")).to_be_visible()
        await finger.tap("Tôi muốn trao đổi trực tiếp với bí thư")
        await expect(page.get_by_text("đồng chí muốn trao đổi trực tiếp (")).to_be_visible()
        await check_screen(page)
        await finger.tap("Xác nhận nộp")
        await expect(page.locator(".done")).to_contain_text("Đã ghi nhận. Phiếu ")
        await check_screen(page)
        await finger.tap("Xem lại phiếu")
        await page.get_by_role("button", name="Sửa Điều 4").tap()
        await expect(page.get_by_label("Ghi thêm về Điều 4")).to_have_value(HOSTILE)
        await finger.answer(5, "Không có biểu hiện")
        await expect(page.locator("#saved")).to_have_text("✓ Đã lưu")
        assert watch.complaints == []
        assert await page.title() == "Tự đánh giá · Tự Soi"
    answers = site.answers(AN, round_id)
    assert answers[4] == StoredAnswer(ItemAnswer.PRESENT, is_reported=True, note=HOSTILE)
    assert answers[5] == NONE
    with site.store.transaction() as transaction:
        response = transaction.rounds.response(round_id, site.ids[AN])
        assert response is not None
        assert response.wants_talk
        assert response.is_submitted


async def test_two_items_to_report_cost_a_few_taps_more(chromium: Browser, site: Site) -> None:
    site.open()
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, AN, "a")
        page, _ = await open_at(visitor, f"{site.address}/tu-danh-gia")
        finger = Finger(page)
        await finger.tap("Bắt đầu")
        for number in (4, 5):
            await finger.answer(number, "Có biểu hiện")
            await finger.tap("Báo cáo với chi bộ", within=f"#item-{number}")
        await go_through(finger)
        await finger.tap("Xác nhận nộp")
        await expect(page.locator(".done")).to_contain_text("Đã ghi nhận")
        assert finger.taps == 15


async def test_items_of_the_focus_are_open_and_answered_by_themselves(chromium: Browser, site: Site) -> None:
    round_id = site.open()
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, AN, "a")
        page, _ = await open_at(visitor, f"{site.address}/tu-danh-gia")
        finger = Finger(page)
        await finger.tap("Bắt đầu")
        await expect(page.locator("#item-1 details")).not_to_have_attribute("open", "")
        await finger.whole_group()
        first = page.locator(".item").first
        await expect(first).to_have_id("item-3")
        await expect(first.locator("details")).to_have_attribute("open", "")
        await finger.whole_group()
        await expect(first).to_contain_text("đồng chí trả lời riêng giúp")
        await expect(page.locator("#group-now")).to_have_text("Nhóm 2/6")
        await expect(page.locator("#count-now")).to_have_text("6/19")
        await expect(page.locator("#saved")).to_have_text("✓ Đã lưu")
    assert 3 not in site.answers(AN, round_id)


async def test_article_opens_verbatim_with_its_place(chromium: Browser, site: Site) -> None:
    site.open()
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, AN, "a")
        page, _ = await open_at(visitor, f"{site.address}/tu-danh-gia")
        await page.get_by_role("button", name="Bắt đầu").tap()
        await page.get_by_role("button", name="Đọc Điều 1").tap()
        await expect(page.locator("#item-1 blockquote")).to_contain_text("Tóm lược: Đảng viên không được có lời nói")
        await expect(page.locator("#item-1")).to_contain_text("Quy định 37-QĐ/TW (25/10/2021), Điều 1")
        await check_screen(page)
        await page.get_by_role("button", name="Cất Điều 1").tap()
        await expect(page.locator("#item-1 blockquote")).to_be_hidden()


async def test_what_was_not_saved_is_said_and_sent_again(chromium: Browser, site: Site) -> None:
    round_id = site.open()
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, AN, "a")
        page, _ = await open_at(visitor, f"{site.address}/tu-danh-gia")
        finger = Finger(page)
        await finger.tap("Bắt đầu")
        await expect(page.locator("#count-now")).to_have_text("0/19")

        async def cut(route: Route) -> None:
            await route.abort()

        await page.route("**/api/pages/**", cut)
        await finger.answer(1, "Không có biểu hiện")
        await finger.answer(4, "Có biểu hiện")
        await expect(page.locator("#saved")).to_contain_text("Chưa lưu được, đang thử lại")
        assert site.answers(AN, round_id) == {}
        await page.unroute("**/api/pages/**")
        await page.get_by_role("button", name="Thử lại ngay").tap()
        await expect(page.locator("#saved")).to_have_text("✓ Đã lưu")
    assert site.answers(AN, round_id) == {1: NONE, 4: StoredAnswer(ItemAnswer.PRESENT)}


async def test_phones_own_back_leads_to_the_group_before_and_a_reload_stays(chromium: Browser, site: Site) -> None:
    site.open()
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, AN, "a")
        page, _ = await open_at(visitor, f"{site.address}/tu-danh-gia")
        finger = Finger(page)
        await finger.tap("Bắt đầu")
        await finger.whole_group()
        await expect(page.locator("#group-now")).to_have_text("Nhóm 2/6")
        await expect(page.locator("#saved")).to_have_text("✓ Đã lưu")
        await page.reload()
        await expect(page.locator("#group-now")).to_have_text("Nhóm 2/6")
        await page.go_back()
        await expect(page.locator("#group-now")).to_have_text("Nhóm 1/6")
        chosen = page.locator("#item-1 .answers").get_by_role("button", pressed=True)
        await expect(chosen).to_have_text("Không có biểu hiện")


async def test_other_tabs_answers_show_when_the_page_is_looked_at_again(chromium: Browser, site: Site) -> None:
    site.open()
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, AN, "a")
        one, _ = await open_at(visitor, f"{site.address}/tu-danh-gia")
        await Finger(one).tap("Bắt đầu")
        other, _ = await open_at(visitor, f"{site.address}/tu-danh-gia")
        await Finger(other).tap("Bắt đầu")
        await Finger(other).answer(4, "Cần trao đổi")
        await expect(other.locator("#saved")).to_have_text("✓ Đã lưu")
        await one.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        chosen = one.locator("#item-4 .answers").get_by_role("button", pressed=True)
        await expect(chosen).to_have_text("Cần trao đổi")


async def test_everything_can_be_done_with_the_keyboard(chromium: Browser, site: Site) -> None:
    round_id = site.open()
    async with await a_visitor(chromium, size=(1280, 800)) as visitor:
        await as_member(visitor, site, AN, "a")
        page, _ = await open_at(visitor, f"{site.address}/tu-danh-gia")
        # A new screen is read from its heading on; the next key goes to what stands below it.
        assert await page.evaluate("document.activeElement.tagName") == "H2"
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#group-now")).to_have_text("Nhóm 1/6")
        for _ in range(3):
            await page.keyboard.press("Tab")
        outline = "parseFloat(getComputedStyle(document.activeElement).outlineWidth)"
        assert await page.evaluate("document.activeElement.textContent") == "Không có biểu hiện"
        assert await page.evaluate(outline) >= 3
        await page.keyboard.press("Space")
        await expect(page.locator("#saved")).to_have_text("✓ Đã lưu")
    assert site.answers(AN, round_id) == {1: NONE}


async def test_largest_letters_still_fit(chromium: Browser, site: Site) -> None:
    site.open()
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, BINH, "b")
        page, _ = await open_at(visitor, f"{site.address}/tu-danh-gia")
        for _ in range(4):
            await page.get_by_role("button", name="Chữ to hơn").tap()
        await page.get_by_role("button", name="Bắt đầu").tap()
        await page.locator("#item-4").get_by_role("button", name="Có biểu hiện", exact=True).tap()
        await check_screen(page)
        page, _ = await open_at(visitor, f"{site.address}/bi-thu")
        await check_screen(page)


# --- the secretary -------------------------------------------------------------------------------------------------


async def test_secretary_opens_reminds_reads_and_copies(chromium: Browser, site: Site) -> None:
    site.add(HOSTILE)
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, BINH, "b")
        page, watch = await open_at(visitor, f"{site.address}/bi-thu")
        finger = Finger(page)
        await expect(page.locator("main")).to_contain_text("đã được thay bằng 207-QĐ/TW")
        await check_screen(page)
        await finger.tap("Xác nhận mở kỳ")
        await expect(page.locator(".big")).to_have_text("0/5 đã nộp")
        await expect(page.locator("main")).to_contain_text("Đã mở kỳ tháng")
        await finger.tap("Nhắc 1 đồng chí")
        await expect(page.locator(".ask")).to_contain_text("Sẽ nhắc 1 đồng chí")
        await check_screen(page)
        await finger.tap("Xác nhận nhắc")
        await expect(page.locator(".done")).to_contain_text("1 đồng chí")
        with site.store.transaction() as transaction:
            [found] = transaction.rounds.of_cell(site.cell)
            member = site.ids[HOSTILE]
            for number in range(1, 20):
                transaction.rounds.answer(found.id, member, number, NONE)
            given = StoredAnswer(ItemAnswer.PRESENT, is_reported=True, note=HOSTILE)
            transaction.rounds.answer(found.id, member, 4, given)
            transaction.rounds.want_talk(found.id, member, wanted=True)
            transaction.rounds.submit(found.id, member, on=found.opened_on)
        await finger.tap("Xem số mới nhất")
        await expect(page.locator(".big")).to_have_text("1/5 đã nộp")
        await expect(page.get_by_role("heading", name="Muốn trao đổi trực tiếp (1)")).to_be_visible()
        assert HOSTILE not in await page.locator("#reading").inner_text()
        await finger.tap("Xem điều được báo cáo và tóm tắt")
        await expect(page.locator("#reading blockquote")).to_have_text(HOSTILE)
        await check_screen(page)
        await visitor.grant_permissions(["clipboard-read", "clipboard-write"])
        await finger.tap("Chép đoạn này")
        await expect(page.locator("#reading")).to_contain_text("Đã chép")
        assert "1/5 đảng viên đã nộp phiếu" in await page.evaluate("navigator.clipboard.readText()")
        await expect(page.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"Tháng \d\d.\d\d: 1.5"))
        assert watch.complaints == []
        assert await page.title() == "Trang của bí thư · Tự Soi"


async def test_page_of_a_large_cell_prints_on_one_sheet(chromium: Browser, site: Site) -> None:
    for number in range(1, 37):
        site.add(f"Nguyễn Thị Hoàng Lan {number}")
    for months_ago in range(5, 0, -1):
        site.open(months_ago=months_ago)
    round_id = site.open()
    with site.store.transaction() as transaction:
        for number in range(1, 13):
            member = site.ids[f"Nguyễn Thị Hoàng Lan {number}"]
            given = StoredAnswer(ItemAnswer.PRESENT, is_reported=number <= 4, note="Đã sửa." if number <= 4 else "")
            transaction.rounds.answer(round_id, member, 4, given)
            for item in range(5, 14):
                differs = StoredAnswer(ItemAnswer.DISCUSS) if item == number else NONE
                transaction.rounds.answer(round_id, member, item, differs)
            transaction.rounds.submit(round_id, member, on=date(2026, 11, 20))
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, BINH, "b")
        page, _ = await open_at(visitor, f"{site.address}/bi-thu")
        await page.get_by_role("button", name="Xem điều được báo cáo và tóm tắt").tap()
        await page.locator("#minutes").wait_for()
        printed = pypdf.PdfReader(io.BytesIO(await page.pdf(prefer_css_page_size=True)))
    assert len(printed.pages) == 1
    text = printed.pages[0].extract_text()
    assert "12/40 đã nộp" in text
    assert "Nguyễn Thị Hoàng Lan 36" in text
    assert "chỉ nêu sau hạn nộp" in " ".join(text.split())
    assert "Nhắc" not in text


# --- the chat ------------------------------------------------------------------------------------------------------


async def test_chat_offers_the_code_of_a_slip_and_links_to_the_page(chromium: Browser, site: Site) -> None:
    site.open()
    async with await a_visitor(chromium) as visitor:
        page = await visitor.new_page()
        page.set_default_timeout(30_000)
        await page.goto(f"{site.address}/?code={site.code(DUNG)}")
        assert page.url == f"{site.address}/"
        await page.get_by_role("button", name=re.compile("Dùng mã")).tap()
        log = page.get_by_role("log")
        await expect(log).to_contain_text(f"Chào đồng chí {DUNG}")
        await page.get_by_role("button", name="Đồng ý").tap()
        await expect(log).to_contain_text("đã lưu sự đồng ý")
        await page.get_by_role("textbox").fill("tự đánh giá")
        await page.get_by_role("textbox").press("Enter")
        link = log.get_by_role("link", name="Làm trên trang web")
        box = await link.bounding_box()
        assert box is not None
        assert box["height"] >= 48
        await link.tap()
        await expect(page.get_by_role("heading", name=re.compile("Kỳ tự đánh giá"))).to_be_visible()


async def test_chat_shows_files_as_links(chromium: Browser, site: Site) -> None:
    round_id = site.open()
    async with await a_visitor(chromium) as visitor:
        await as_member(visitor, site, BINH, "b")
        with site.store.transaction() as transaction:
            transaction.rounds.answer(round_id, site.ids[BINH], 4, NONE)
        page = await visitor.new_page()
        page.set_default_timeout(30_000)
        await page.goto(f"{site.address}/")
        await page.get_by_role("textbox").fill("báo cáo")
        await page.get_by_role("textbox").press("Enter")
        async with page.expect_download() as downloading:
            await page.get_by_role("link", name=re.compile(r"^Tải .*xlsx")).tap()
        assert Path(await (await downloading.value).path()).read_bytes()[:2] == b"PK"
