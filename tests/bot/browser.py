"""A headless Chromium for tests of the page; use it with pytest_plugins = ["tests.bot.browser"].

All of it lives in one event loop a module, so tests say pytest.mark.asyncio(loop_scope="module").
"""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = (360, 740)
DESKTOP = (1280, 800)


@dataclass
class Watch:
    """What a page should never do: complain on its console, or talk to another host."""

    host: str
    complaints: list[str] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        # A server that is down or refuses, as some tests want it, makes the browser say so on the page's behalf.
        is_expected = message.text.startswith("Failed to load resource") and "/api/" in message.location["url"]
        if message.type in ("error", "warning") and not is_expected:
            self.complaints.append(message.text)

    def on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and parts.netloc != self.host:
            self.foreign_requests.append(request.url)


def find_chromium() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    path = find_chromium()
    if path is None:
        reason = f"no browser on PATH: install one of {', '.join(NAMES)} to test the page"
        # Where nobody reads the list of skipped tests, a missing browser must not look like success.
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


async def a_visitor(browser: Browser, *, size: tuple[int, int] = PHONE, dark: bool = False) -> BrowserContext:
    """Return a browser of one's own: no cookies, nothing remembered, a phone's screen unless told."""
    return await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        has_touch=size == PHONE,
        locale="vi-VN",
        timezone_id="Asia/Ho_Chi_Minh",
        reduced_motion="reduce",
    )


async def open_page(visitor: BrowserContext, address: str) -> tuple[Page, Watch]:
    """Open the page and wait until it has read its history; the watch notes what goes wrong from the first byte on."""
    page = await visitor.new_page()
    page.set_default_timeout(30_000)
    watch = Watch(urlsplit(address).netloc)
    page.on("console", watch.on_console)
    page.on("pageerror", lambda error: watch.complaints.append(str(error)))
    page.on("request", watch.on_request)
    await page.goto(address)
    await page.locator('#log[aria-busy="false"]').wait_for()
    return page, watch
