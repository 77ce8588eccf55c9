"""An administrator on the web page: sends a file, sees how far it is, reads what came of it, goes back."""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from bot.app import build_gateway, build_live, open_store, work
from bot.channels.web_requests import COOKIE
from bot.channels.webchat import LARGEST_FILE_BYTES, WebChat
from bot.config import WebConfig, load_config
from handlers import document_texts, texts
from storage.jobs import Jobs
from tests.bot.browser import a_visitor, open_page

pytestmark = [pytest.mark.asyncio(loop_scope="module")]
pytest_plugins = ["tests.bot.browser"]

PROJECT = Path(__file__).parent.parent.parent
FILES = PROJECT / "tests" / "transcripts" / "files"
ADMIN, OTHER = "a" * 32, "b" * 32


@dataclass
class Served:
    """The program on a port of its own."""

    address: str
    tray: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("office")
    shutil.copytree(PROJECT / "knowledge" / "documents", folder / "documents")
    admin = hashlib.sha256(ADMIN.encode()).hexdigest()[:32]
    config = load_config(
        environment={
            "TUSOI_DATA_DIR": str(folder / "data"),
            "TUSOI_DOCUMENTS__FOLDER": str(folder / "documents"),
            "TUSOI_ADMINS": f'["web:{admin}"]',
        }
    )
    store, live = open_store(config), build_live(config)
    web = WebChat(WebConfig(port=0), build_gateway(config, store, live), store)
    await web.start()
    working = asyncio.create_task(work(config, store, live, [web]))
    yield Served(f"http://127.0.0.1:{web.port}/", config.documents.tray)
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    await web.stop()


def a_program(served: Served, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=served.address, cookies={COOKIE: token}, trust_env=False, timeout=60)


def headers(name: str, message_id: str) -> dict[str, str]:
    return {"X-File-Name": name, "X-Message-Id": message_id}


async def test_file_of_somebody_else_is_refused_and_not_kept(served: Served) -> None:
    async with a_program(served, OTHER) as other:
        await other.post("/api/messages", json={"id": "m1", "text": "xin chào"})
        assert (await other.get("/api/history")).json()["sends_files"] is False
        answer = await other.post("/api/files", content=b"x", headers=headers("a.txt", "f1"))
        assert (answer.status_code, answer.json()) == (403, {"error": texts.NO_FILES})
    assert not served.tray.exists() or list(served.tray.iterdir()) == []


async def test_load_is_done_after_the_database_was_away(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def away(*_: object, **__: object) -> None:
        loop.call_soon_threadsafe(tried.set)
        raise OSError("the database is away")

    async with a_program(served, ADMIN) as admin:
        with monkeypatch.context() as patched:
            patched.setattr(Jobs, "take", away)
            await admin.post("/api/messages", json={"id": "away1", "text": "nạp lại"})
            await asyncio.wait_for(tried.wait(), 10)
        async with asyncio.timeout(30):
            while (history := (await admin.get("/api/history")).json())["working"]:
                await asyncio.sleep(0.1)
    assert "Không có gì thay đổi." in history["messages"][-1]["blocks"][0]["text"]


async def test_page_of_another_site_cannot_send_a_file(served: Served) -> None:
    async with a_program(served, ADMIN) as admin:
        await admin.post("/api/messages", json={"id": "m1", "text": "xin chào"})
        foreign = {**headers("a.txt", "f1"), "Sec-Fetch-Site": "cross-site"}
        assert (await admin.post("/api/files", content=b"x", headers=foreign)).status_code == 403


async def test_file_that_is_too_large_or_empty_is_refused(served: Served) -> None:
    async with a_program(served, ADMIN) as admin:
        await admin.post("/api/messages", json={"id": "m1", "text": "xin chào"})
        large = await admin.post("/api/files", content=b"x" * (LARGEST_FILE_BYTES + 1), headers=headers("a.txt", "f2"))
        assert (large.status_code, large.json()["error"]) == (413, texts.FILE_TOO_LARGE)
        empty = await admin.post("/api/files", content=b"", headers=headers("a.txt", "f3"))
        assert (empty.status_code, empty.json()["error"]) == (400, texts.FILE_EMPTY)
    assert not served.tray.exists() or list(served.tray.iterdir()) == []


@pytest.mark.browser
async def test_administrator_sends_a_file_reads_what_came_of_it_and_goes_back(
    chromium: Browser, served: Served
) -> None:
    async with await a_visitor(chromium) as visitor:
        await visitor.add_cookies([{"name": COOKIE, "value": ADMIN, "url": served.address}])
        page, watch = await open_page(visitor, served.address)
        await page.get_by_role("textbox").fill("xin chào")
        await page.get_by_role("textbox").press("Enter")
        log = page.get_by_role("log")
        await expect(log).to_contain_text("Chào đồng chí")
        await page.reload()
        await expect(page.get_by_role("button", name="Gửi tệp văn bản")).to_be_visible()
        await page.locator("#file").set_input_files(FILES / "trong-cay.md")
        await expect(log).to_contain_text("Đã nạp xong: phiên bản 2 đang trả lời, gồm 24 văn bản.", timeout=60_000)
        # The message that told how far it was says now that it is over.
        await expect(log).to_contain_text(document_texts.ENDED)
        await expect(log).not_to_contain_text(document_texts.RECEIVED)
        if os.environ.get("TUSOI_SCREENSHOTS"):
            await page.screenshot(path=PROJECT / "docs" / "documents-360.png")
        await page.get_by_role("button", name=document_texts.ROLL_BACK).click()
        await expect(log).to_contain_text("Đã khôi phục: phiên bản 3 đang trả lời", timeout=60_000)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert (watch.complaints, watch.foreign_requests) == ([], [])


@pytest.mark.browser
async def test_who_may_not_send_files_sees_no_button_for_it(chromium: Browser, served: Served) -> None:
    async with await a_visitor(chromium) as visitor:
        page, _ = await open_page(visitor, served.address)
        await expect(page.get_by_role("button", name="Gửi tệp văn bản")).to_be_hidden()
