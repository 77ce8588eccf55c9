"""What the servers of all platforms share: HTTP, a clock that a test moves, webhooks that are posted until taken."""

import argparse
import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from tests.servers.faults import Fault, Faults, PaceLimit

Json = dict[str, Any]

# The most that any of the platforms takes in one request.
LARGEST_REQUEST_BYTES = 55 * 2**20


class Clock:
    """The time of day of a platform, which a test may move; timeouts and pace do not follow it."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time() + self._ahead_s

    def set(self, now: float) -> None:
        """Let it be this moment now."""
        self._ahead_s = now - time.time()

    def move(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._ahead_s += seconds


@dataclass(frozen=True, slots=True)
class Posting:
    """Something to be posted to a webhook.

    Attributes:
        key: what identifies it among those that wait.
        order: those with the same one are posted one after the other, each when the one before was taken.
        body: the bytes, the same at every try.
        headers: that go with it.
    """

    key: object
    order: str
    body: bytes
    headers: Mapping[str, str]


class Webhook:
    """Posts to an address until it answers 2xx: a chat's updates in order, chats side by side.

    Attributes:
        url: of the address.
        last_error: what was wrong with the latest try that failed; last_error_at when.
        tries: how often anything was posted.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        backoff_s: float,
        connections: int,
        taken: Callable[[Posting], None],
        clock: Clock,
        longest_backoff_s: float = 60.0,
    ) -> None:
        """Take the address.

        Args:
            timeout_s: an answer that takes longer does not count.
            backoff_s: from one try to the next, doubled each time up to longest_backoff_s.
            connections: so many requests at once.
            taken: is told of each posting that was answered 2xx.
            clock: for when an error was.
        """
        self.url = url
        self.last_error: str | None = None
        self.last_error_at: float | None = None
        self.tries = 0
        self._timeout_s, self._backoff_s, self._longest_s = timeout_s, backoff_s, longest_backoff_s
        self._taken, self._clock = taken, clock
        self._free = asyncio.Semaphore(connections)
        self._waiting: dict[str, deque[Posting]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        # A webhook is a fresh request each time or one that is kept: both are HTTP/1.1.
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=False))

    def post(self, posting: Posting) -> None:
        """Post something as soon as its turn has come."""
        if posting.order in self._waiting:
            self._waiting[posting.order].append(posting)
            return
        self._waiting[posting.order] = deque([posting])
        worker = asyncio.create_task(self._work(posting.order))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def close(self) -> None:
        """Post nothing any more."""
        for worker in list(self._workers):
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._client.close()

    async def _work(self, order: str) -> None:
        waiting = self._waiting[order]
        while waiting:
            backoff_s = self._backoff_s
            while not await self._try(waiting[0]):
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, self._longest_s)
            self._taken(waiting.popleft())
        del self._waiting[order]

    async def _try(self, posting: Posting) -> bool:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        try:
            async with self._free:
                self.tries += 1
                async with self._client.post(
                    self.url, data=posting.body, headers=dict(posting.headers), timeout=timeout, allow_redirects=False
                ) as answer:
                    await answer.read()
                    wrong = None if 200 <= answer.status < 300 else f"Wrong response from the webhook: {answer.status}"
        except TimeoutError:
            wrong = "Read timeout expired"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            wrong = f"Connection failed: {type(error).__name__}"
        if wrong is not None:
            self.last_error, self.last_error_at = wrong, self._clock.now()
        return wrong is None


class Server(ABC):
    """A platform as a bot sees it, on a port of this machine.

    From another process a test looks on and plays the people by POST with a JSON body to /_test/NAME, where NAME is one
    of TESTS: the body holds the arguments of the method of that name.

    Attributes:
        transcripts: by chat, in order, {"by": "user" | "bot", "method": …, …} of all that was said and done.
        calls: names of the methods called, in order.
        exchanges: with records on, what was asked and answered: {"method", "parameters", "status", "answer"}, and
            {"webhook", "body"} of what was posted.
        backoff_s: before a webhook is tried again; timeout_s: how long its answer may take. Both before it is set.
        pace: how fast the platform takes messages.
    """

    TESTS: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.clock = Clock()
        self.faults = Faults()
        self.pace = PaceLimit()
        self.transcripts: defaultdict[Any, list[Json]] = defaultdict(list)
        self.calls: list[str] = []
        self.records = False
        self.exchanges: list[Json] = []
        self.port = 0
        self.backoff_s = 1.0
        self.timeout_s = 60.0
        self.webhook_connections = 40
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._webhook: Webhook | None = None

    @abstractmethod
    def add_routes(self, application: web.Application) -> None:
        """Add what bots call."""

    async def start(self, port: int = 0) -> None:
        """Serve on a port of this machine, any free one for 0."""
        application = web.Application(client_max_size=LARGEST_REQUEST_BYTES)
        self.add_routes(application)
        application.router.add_post("/_test/{name}", self._serve_test)
        # A long poll must not outlive the bot that asked.
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        self.port = urlsplit(site.name).port or self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port, and post nothing any more."""
        await self._leave_webhook()
        if self._runner:
            await self._runner.cleanup()

    # --- what a test orders and sees

    def fault(self, method: str, **what: Any) -> None:
        """Let the next calls of a method go wrong, see Fault."""
        self.faults.add(Fault(method, **what))

    def mend(self) -> None:
        """Let everything go well again: no faults, no limits."""
        self.faults.clear()
        self.pace = PaceLimit()

    def limit(self, per_second: int | None = None, per_chat: int | None = None, retry_after_s: int = 1) -> None:
        """Take no more messages than this in any second, see PaceLimit."""
        self.pace = PaceLimit(per_second, per_chat, retry_after_s)

    def move(self, seconds: float) -> None:
        """Let so many seconds pass on the platform's clock."""
        self.clock.move(seconds)

    def set_clock(self, now: float) -> None:
        """Let it be this moment on the platform's clock, in seconds since 1970."""
        self.clock.set(now)

    def record(self) -> None:
        """Keep all that is asked and answered from now on."""
        self.records = True

    def transcript(self, chat_id: Any) -> list[Json]:
        """Return what was said and done in a chat."""
        return self.transcripts[chat_id]

    def forget(self) -> None:
        """Empty what only grows: transcripts, calls, exchanges."""
        self.transcripts.clear()
        self.calls.clear()
        self.exchanges.clear()

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Return as soon as a condition holds that depends on what bots or people do.

        Raises:
            TimeoutError: it does not come about.
        """
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    # --- for the platforms

    async def tell(self) -> None:
        """Wake whoever waits for something to change."""
        async with self._changed:
            self._changed.notify_all()

    def note(self, chat_id: Any, by: str, method: str, **what: Any) -> None:
        """Add a line to a chat's transcript."""
        self.transcripts[chat_id].append({"by": by, "method": method, "at": self.clock.now()} | what)

    def note_exchange(self, exchange: Json) -> None:
        """Keep an exchange, if these are kept; as it is now, not as it may become."""
        if self.records:
            self.exchanges.append(json.loads(json.dumps(exchange, default=str)))

    async def enter_webhook(
        self, url: str, taken: Callable[[Posting], None], connections: int | None = None
    ) -> Webhook:
        """Begin to post to an address, instead of the one before."""
        await self._leave_webhook()
        self._webhook = Webhook(
            url,
            timeout_s=self.timeout_s,
            backoff_s=self.backoff_s,
            connections=connections or self.webhook_connections,
            taken=taken,
            clock=self.clock,
        )
        return self._webhook

    async def _leave_webhook(self) -> None:
        if self._webhook is not None:
            webhook, self._webhook = self._webhook, None
            await webhook.close()

    async def answer_after(self, fault: Fault | None, request: web.Request, answer: web.Response) -> web.StreamResponse:
        """Return an answer, late or torn where that was ordered."""
        if fault is None or fault.is_error:
            return answer
        if fault.hang_s:
            await asyncio.sleep(fault.hang_s)
        if not fault.cut:
            return answer
        body = answer.body if isinstance(answer.body, bytes) else b"{}"
        torn = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
        # More is promised than comes.
        torn.content_length = len(body)
        await torn.prepare(request)
        await torn.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.abort()
        return torn

    async def _serve_test(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.TESTS:
            raise web.HTTPNotFound
        body = await request.json() if request.can_read_body else {}
        return web.json_response(await self.serve_test(name, body))

    async def serve_test(self, name: str, body: Json) -> Any:
        """Return what a method of TESTS answers to another process."""
        found = getattr(self, name)
        result = found(**body) if callable(found) else found
        if asyncio.iscoroutine(result):
            result = await result
        return {} if result is None else result


async def poll_until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Return as soon as a condition holds of which nobody tells.

    Raises:
        TimeoutError: it does not come about.
    """
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


COMMON_TESTS = (
    *("fault", "mend", "limit", "move", "set_clock", "record"),
    *("transcript", "calls", "exchanges", "forget"),
)


def run(
    description: str, make: Callable[[argparse.Namespace], Server], options: Iterable[str] = (), **said: str
) -> None:
    """Serve until ended, after a line of JSON that says where.

    Args:
        make: makes the server from the arguments.
        options: switches, such as "--allow-local".
        said: options with a value, and what they are by default; they are named in the line.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0)
    for option in options:
        parser.add_argument(option, action="store_true")
    for name, value in said.items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=value)
    arguments = parser.parse_args()

    async def serve() -> None:
        server = make(arguments)
        await server.start(arguments.port)
        print(json.dumps({"port": server.port} | {name: getattr(arguments, name) for name in said}), flush=True)
        await asyncio.Event().wait()

    asyncio.run(serve())
