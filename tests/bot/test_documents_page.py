"""The page of documents at /van-ban: over HTTP, and in a real browser on a phone's screen."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from bot.channels.webchat import WebChat
from bot.config import WebConfig
from bot.gateway import Gateway
from embeddings.encoder import make_encoder
from handlers.references import documents_page
from handlers.router import handle, make_file
from handlers.services import Services
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from storage.database import open_database
from storage.store import Store
from tests.bot.browser import DESKTOP, PHONE, Watch, a_visitor
from tests.bot.pages import HOSTILE
from tests.bot.test_webchat_browser import contrast
from tests.storage.builders import a_vault, bring_up

pytest_plugins = ["tests.bot.browser"]
PROJECT = Path(__file__).parent.parent.parent
PATH = "/van-ban"
OLD = "41-QĐ/TW"


def a_site(folder: Path, knowledge: KnowledgeBase) -> WebChat:
    engine = open_database(f"sqlite:///{folder / 'site.db'}")
    bring_up(engine)
    store, services = Store(engine, a_vault()), Services(knowledge)
    gateway = Gateway(
        store,
        partial(handle, services=services),
        partial(make_file, services=services),
        make_documents=partial(documents_page, services),
    )
    return WebChat(WebConfig(port=0), gateway, store)


def a_client(web: WebChat) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(web.app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://tu-soi.test")


# --- over HTTP ------------------------------------------------------------------------------------------------------


async def test_page_shows_every_document_and_knows_nobody(tmp_path: Path, documents: KnowledgeBase) -> None:
    async with a_client(a_site(tmp_path, documents)) as client:
        answer = await client.get(PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    for document in documents.documents.values():
        assert document.is_plan or document.name in answer.text
    assert "set-cookie" not in answer.headers
    assert "<!-- " not in answer.text
    assert "/* webpages" not in answer.text


async def test_page_holds_no_script_and_its_policy_allows_none(tmp_path: Path, documents: KnowledgeBase) -> None:
    async with a_client(a_site(tmp_path, documents)) as client:
        answer = await client.get(PATH)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert policy.count("sha256-") == 1
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert (answer.headers["x-frame-options"], answer.headers["cache-control"]) == ("DENY", "no-store")


async def test_markup_in_a_registry_entry_is_words(tmp_path: Path) -> None:
    changed = [
        replace(d, title=HOSTILE, status=HOSTILE, number=f"{d.number}{HOSTILE}") if d.number == OLD else d
        for d in load_documents(PROJECT / "knowledge" / "documents")
    ]
    knowledge = build_knowledge(changed, make_encoder("bundled"), load_lexicon())
    async with a_client(a_site(tmp_path, knowledge)) as client:
        shown = (await client.get(PATH)).text
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;img src=x onerror=" in shown


async def test_only_looking_is_allowed(tmp_path: Path, documents: KnowledgeBase) -> None:
    async with a_client(a_site(tmp_path, documents)) as client:
        assert (await client.post(PATH)).status_code == 405
        assert (await client.get(f"{PATH}/x")).status_code == 404


async def test_where_no_documents_are_given_there_is_no_page(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'site.db'}")
    bring_up(engine)
    store = Store(engine, a_vault())
    async with a_client(WebChat(WebConfig(port=0), Gateway(store, lambda *_: []), store)) as client:
        answer = await client.get(PATH)
    assert (answer.status_code, "không có trang này" in answer.json()["error"]) == (404, True)


async def test_chat_leads_to_the_page_and_gives_the_picture(tmp_path: Path, documents: KnowledgeBase) -> None:
    async with a_client(a_site(tmp_path, documents)) as client:
        await client.get("/")
        answer = await client.post("/api/messages", json={"id": "m1", "text": "sơ đồ văn bản"})
        [message] = answer.json()["messages"]
        assert message["links"] == [{"label": "Xem trên trang riêng", "url": PATH}]
        picture = await client.get(message["files"][0]["url"])
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address(tmp_path_factory: pytest.TempPathFactory, documents: KnowledgeBase) -> AsyncIterator[str]:
    web = a_site(tmp_path_factory.mktemp("site"), documents)
    await web.start()
    yield f"http://127.0.0.1:{web.port}{PATH}"
    await web.stop()


async def opened(chromium: Browser, address: str, size: tuple[int, int], *, dark: bool = False) -> tuple[Page, Watch]:
    visitor = await a_visitor(chromium, size=size, dark=dark)
    page = await visitor.new_page()
    watch = Watch(address.split("/")[2])
    page.on("console", watch.on_console)
    page.on("pageerror", lambda error: watch.complaints.append(str(error)))
    page.on("request", watch.on_request)
    await page.goto(address)
    return page, watch


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("size", [(320, 640), PHONE, DESKTOP])
async def test_nothing_scrolls_sideways_even_with_every_card_open(
    chromium: Browser, address: str, size: tuple[int, int]
) -> None:
    page, watch = await opened(chromium, address, size)
    await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert await page.locator("details.card[open]").count() == await page.locator("details.card").count() > 30
    assert watch.complaints == []
    assert watch.foreign_requests == []
    await page.context.close()


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_picture_is_as_wide_as_the_screen_allows_and_its_words_can_be_read(
    chromium: Browser, address: str
) -> None:
    page, _ = await opened(chromium, address, PHONE)
    box = await page.locator(".picture svg").bounding_box()
    assert box is not None
    assert box["width"] > 290
    heights = await page.locator(".picture svg text").evaluate_all(
        "(all) => all.map((each) => each.getBoundingClientRect().height)"
    )
    assert min(heights) >= 9
    assert await page.get_by_role("img", name="Sơ đồ các văn bản").count() == 1
    await page.context.close()


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("dark", [False, True])
async def test_card_opens_without_a_script_and_can_be_read(chromium: Browser, address: str, *, dark: bool) -> None:
    page, _ = await opened(chromium, address, PHONE, dark=dark)
    card = page.locator("details.card", has_text=OLD).first
    await card.locator("summary").click()
    assert "Thay bằng: Quy định 377-QĐ/TW (08/10/2025)" in await card.inner_text()
    force = card.locator(".force")
    assert await force.inner_text() == "Đã được thay thế"
    colours = "(e) => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    assert contrast(*(await force.evaluate(colours))) >= 4.5
    tapped = await card.locator("summary").bounding_box()
    assert tapped is not None
    assert tapped["height"] >= 44
    await page.context.close()
