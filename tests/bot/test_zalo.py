import json
from typing import Any, cast

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from bot.channels import zalo_files
from bot.channels.base import ChannelError, DeliveryError, FileLostError, FixedAnswer
from bot.channels.zalo import SECRET_HEADER, ZaloBot
from bot.channels.zalo_files import LARGEST_FILE_BYTES, file_ref
from bot.channels.zalo_updates import to_raw, understand
from bot.config import ZaloConfig
from bot.gateway import Gateway
from bot.pace import Pace
from handlers import channel_texts, texts
from handlers.messages import IncomingMessage
from tests.bot.zalo_helpers import NOW, SENT_AT, Kept, a_message, post_to, sample, shows

TOKEN = "1459232241454765289:a-secret-token"
AN = "6ede9afa66b88fe6d6a9"
WEBHOOK = "https://tusoi.example.vn/zalo"


def a_bot(answer: Any = None, *, take: Kept | None = None, pace: Pace | None = None, **config: Any) -> ZaloBot:
    """Return a bot whose requests are answered by a function, or with ok."""

    def ok(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"ok": True, "result": {"message_id": "m1", "id": "1", "date": 1}})

    given = ZaloConfig(token=SecretStr(config.pop("token", TOKEN)), **config)
    transport = httpx.MockTransport(answer or ok)
    return ZaloBot(given, cast("Gateway", None), pace or Pace(), take or Kept(), transport=transport)


async def refusal(answer: Any, *, part: int = 0, text: str = "Nhắc đồng chí.") -> DeliveryError:
    """Return what a send comes to that is answered so; the bot has started before."""
    started = False

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal started
        if request.url.path.endswith(("getMe", "setWebhook")):
            return httpx.Response(200, json={"ok": True, "result": {"id": "1"}})
        started = True
        return cast("httpx.Response", answer(request) if callable(answer) else answer)

    bot = a_bot(handle, webhook=WEBHOOK)
    await bot.start()
    with pytest.raises(DeliveryError) as raised:
        await bot.deliver(AN, a_message(text), part=part)
    await bot.stop()
    assert started
    assert TOKEN not in shows(raised.value)
    return raised.value


def said(code: int, description: str = "", *, status: int = 200, spelling: str = "error_code") -> httpx.Response:
    return httpx.Response(status, json={"ok": False, spelling: code, "description": description})


# --- What is no update of Zalo's --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    "missing_message missing_chat missing_text missing_event message_is_a_list number_ids text_is_an_object "
    "date_out_of_bounds nested".split(),
)
def test_what_is_malformed_is_kept_under_a_name_and_raises_when_it_is_read(name: str) -> None:
    body = sample(name)
    raw = to_raw(body)
    assert 0 < len(raw.external_id) <= 128
    assert len(raw.order_key) <= 128
    assert raw.body == body
    with pytest.raises((ValueError, KeyError, TypeError)):
        understand(body, now=NOW)


@pytest.mark.parametrize("name", ["unknown_event", "unknown_without_message", "text_blank", "from_a_bot"])
def test_what_asks_for_nothing_is_not_answered(name: str) -> None:
    assert understand(sample(name), now=NOW) is None


def test_what_was_too_large_to_be_kept_asks_for_nothing() -> None:
    assert understand({}, now=NOW) is None


def test_an_update_without_a_message_id_is_known_by_its_content() -> None:
    first, again = to_raw(sample("missing_message")), to_raw(sample("missing_message"))
    other = to_raw(sample("unknown_without_message"))
    assert first.external_id == again.external_id != other.external_id
    assert first.order_key == ""


def test_ids_out_of_all_bounds_name_nothing() -> None:
    body = sample("text")
    body["message"]["message_id"], body["message"]["chat"]["id"] = "x" * 129, "y" * 129
    raw = to_raw(body)
    assert len(raw.external_id) == 64
    assert raw.order_key == ""


def test_half_an_emoji_is_replaced_so_that_it_can_be_kept() -> None:
    raw = to_raw(sample("text_half_emoji"))
    assert json.dumps(raw.body, ensure_ascii=False).encode()
    heard = understand(raw.body, now=NOW)
    assert isinstance(heard, IncomingMessage)
    assert heard.text == "hỏng � rồi"


# --- What an update says ----------------------------------------------------------------------------------------


def test_a_text_is_understood_wrapped_or_not() -> None:
    assert understand(sample("text"), now=NOW) == IncomingMessage(
        "zalo", AN, "2d758cb5e222177a4e35", "sep de cap duoi lam bay thi sao", SENT_AT
    )
    assert understand(sample("text_wrapped"), now=NOW) == IncomingMessage(
        "zalo", AN, "2d758cb5e222177a4e36", "mục lục", SENT_AT
    )
    raw = to_raw(sample("text_wrapped"))
    assert (raw.external_id, raw.order_key, raw.body) == ("2d758cb5e222177a4e36", AN, sample("text_wrapped"))


def test_times_are_milliseconds_as_number_or_digits_and_now_where_there_is_none() -> None:
    times = [understand(sample(name), now=NOW) for name in ("text_date_in_digits", "text_without_date")]
    assert [heard.sent_at for heard in times if isinstance(heard, IncomingMessage)] == [SENT_AT, NOW]


@pytest.mark.parametrize(
    ("name", "file_name", "ref", "text"),
    [
        ("image", "photo.jpg", "https://f20-zpc.zdn.vn/6158893/ban-scan.jpg", ""),
        ("image_photo", "photo.jpg", "https://photo-stal-3.zadn.vn/w/ban-scan.jpg", "trang 1"),
        ("image_elsewhere", "photo.jpg", None, ""),
        ("image_without_https", "photo.jpg", None, ""),
        ("sticker", "sticker", None, ""),
        ("voice", "voice", None, ""),
    ],
)
def test_what_comes_without_text_is_a_file_named_for_its_kind(
    name: str, file_name: str, ref: str | None, text: str
) -> None:
    heard = understand(sample(name), now=NOW)
    assert isinstance(heard, IncomingMessage)
    assert (heard.file_name, heard.file_ref, heard.text) == (file_name, ref, text)


def test_what_zalo_does_not_hand_on_is_answered_kindly_and_kept_nowhere() -> None:
    assert understand(sample("unsupported"), now=NOW) == FixedAnswer(AN, channel_texts.NOT_HANDED_ON)
    assert "?" not in channel_texts.NOT_HANDED_ON


@pytest.mark.parametrize("name", ["group_mention", "group_unsupported"])
def test_in_a_group_people_are_asked_to_write_privately(name: str) -> None:
    assert understand(sample(name), now=NOW) == FixedAnswer("g1f6b2c0d4e8a93b7715", texts.PLEASE_WRITE_PRIVATELY)


# --- Files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://f20-zpc.zdn.vn/a.jpg",
        "https://zdn.vn.example.com/a.jpg",
        "https://evilzdn.vn/a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://f20-zpc.zdn.vn:8443/a.jpg",
        "https://f20-zpc.zdn.vn@example.com/a.jpg",
        "https://user:word@f20-zpc.zdn.vn/a.jpg",
        "https://[::1/a.jpg",
        "https://f20-zpc.zdn.vn/" + "a" * 2000,
        "https://f20-zpc.zdn.vn/đ.jpg",
        "file:///etc/passwd",
        "",
        None,
        7,
        ["https://f20-zpc.zdn.vn/a.jpg"],
    ],
)
async def test_no_address_but_zalos_own_over_https_is_ever_fetched(url: Any) -> None:
    assert file_ref(url) is None
    if isinstance(url, str):
        with pytest.raises(FileLostError):
            await a_bot().fetch(url)


@pytest.fixture
def lookup(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the addresses that every name has, to be changed."""
    addresses = ["118.102.2.1"]

    async def found(_: str) -> list[str]:
        return list(addresses)

    monkeypatch.setattr(zalo_files, "addresses_of", found)
    return addresses


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "::1", "fd00::1"])
async def test_a_name_of_zalos_that_leads_into_a_network_is_not_followed(lookup: list[str], address: str) -> None:
    lookup.append(address)
    with pytest.raises(FileLostError):
        await a_bot(lambda _: httpx.Response(200, content=b"secret")).fetch("https://f20-zpc.zdn.vn/a.jpg")


async def test_a_picture_is_fetched_from_the_address_that_was_looked_up(lookup: list[str]) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b"\xff\xd8 a picture")

    assert await a_bot(answer).fetch("https://f20-zpc.zdn.vn/a.jpg?x=1") == b"\xff\xd8 a picture"
    assert str(asked[0].url) == f"https://{lookup[0]}/a.jpg?x=1"
    assert asked[0].headers["Host"] == "f20-zpc.zdn.vn"
    assert asked[0].extensions["sni_hostname"] == "f20-zpc.zdn.vn"


@pytest.mark.usefixtures("lookup")
@pytest.mark.parametrize(
    ("answer", "too_large"),
    [
        (httpx.Response(302, headers={"Location": "https://169.254.169.254/"}), False),
        (httpx.Response(404), False),
        (httpx.Response(200, headers={"Content-Length": str(LARGEST_FILE_BYTES + 1)}, content=b""), True),
        (httpx.Response(200, content=b"x" * (LARGEST_FILE_BYTES + 1)), True),
    ],
)
async def test_a_file_that_cannot_be_had_is_lost(answer: httpx.Response, too_large: bool) -> None:
    with pytest.raises(FileLostError) as raised:
        await a_bot(lambda _: answer).fetch("https://f20-zpc.zdn.vn/a.jpg")
    assert raised.value.too_large is too_large


# --- What becomes of a send -------------------------------------------------------------------------------------


def raising(error: type[httpx.RequestError]) -> Any:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error(f"cannot reach {request.url}", request=request)

    return answer


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_what_could_not_leave_goes_again(error: type[httpx.RequestError]) -> None:
    refused = await refusal(raising(error))
    assert (refused.permanent, refused.maybe_delivered, refused.parts_sent) == (False, False, 0)


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteTimeout])
async def test_what_left_and_was_not_answered_may_have_arrived(error: type[httpx.RequestError]) -> None:
    refused = await refusal(raising(error))
    assert (refused.permanent, refused.maybe_delivered) == (False, True)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b'{"ok": true, "resu'),
        httpx.Response(200, content=b"[]"),
        httpx.Response(500, content=b"<html>"),
        httpx.Response(504, content=b""),
        said(408, "Request timeout"),
        httpx.Response(408, content=b""),
    ],
)
async def test_an_answer_that_is_not_zalos_leaves_open_whether_it_arrived(answer: httpx.Response) -> None:
    assert (await refusal(answer)).maybe_delivered


@pytest.mark.parametrize(
    "answer",
    [
        said(403, "Internal server error"),
        said(500, "Internal server error"),
        said(500, "Internal server error", status=500, spelling="errorCode"),
        said(-1, "?"),
        httpx.Response(200, json={"ok": False}),
        httpx.Response(403, content=b"<html>a proxy</html>"),
        httpx.Response(404, content=b"<html>a proxy</html>"),
        httpx.Response(302, headers={"Location": "https://example.com/"}),
    ],
)
async def test_what_surely_did_not_arrive_goes_again(answer: httpx.Response) -> None:
    refused = await refusal(answer)
    assert (refused.permanent, refused.maybe_delivered, refused.is_closed) == (False, False, False)


@pytest.mark.parametrize(
    ("answer", "is_closed"),
    [
        (said(400, "Bad Request: chat not found"), True),
        (said(400, "Bad Request: chat not found", spelling="errorCode"), True),
        (said(400, "User has blocked the bot", status=400), True),
        (said(404, "Not Found"), True),
        (said(400, "Bad Request: text is longer than 2000 characters"), False),
    ],
)
async def test_a_refusal_for_good_says_whether_the_chat_is_closed(answer: httpx.Response, is_closed: bool) -> None:
    refused = await refusal(answer)
    assert (refused.permanent, refused.is_closed) == (True, is_closed)


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        (said(429, "Quota exceeded"), 5.0),
        (said(429, "Quota exceeded", status=429, spelling="errorCode"), 5.0),
        (httpx.Response(429, json={"ok": False, "error_code": 429, "parameters": {"retry_after": 7}}), 7.0),
        (httpx.Response(429, headers={"Retry-After": "9"}, content=b""), 9.0),
        (httpx.Response(429, headers={"Retry-After": "soon"}, content=b""), 5.0),
    ],
)
async def test_being_asked_to_wait_says_for_how_long(answer: httpx.Response, wait_s: float) -> None:
    refused = await refusal(answer)
    assert (refused.permanent, refused.retry_after_s) == (False, wait_s)


async def test_a_revoked_token_is_no_fault_of_the_chat() -> None:
    refused = await refusal(said(401, f"Unauthorized: {TOKEN}"))
    assert (refused.permanent, refused.is_closed) == (False, False)
    assert refused.retry_after_s is not None


async def test_parts_that_arrived_before_are_counted_and_broadcasts_halted() -> None:
    texts_sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        texts_sent.append(json.loads(request.content)["text"])
        if len(texts_sent) == 2:
            return said(429)
        return httpx.Response(200, json={"ok": True, "result": {"message_id": "m1", "date": 1}})

    refused = await refusal(answer, text="a" * 5000)
    assert (refused.parts_sent, refused.retry_after_s) == (1, 5.0)
    assert [len(text) for text in texts_sent] == [2000, 2000]


async def test_before_the_start_nothing_is_sent() -> None:
    with pytest.raises(DeliveryError) as raised:
        await a_bot().deliver(AN, a_message("Nhắc đồng chí."))
    assert not raised.value.maybe_delivered
    await a_bot().show_working(AN)


# --- The webhook ------------------------------------------------------------------------------------------------

SECRET = "mot-bi-mat-cua-chi-bo"


def a_webhook_bot(take: Kept) -> ZaloBot:
    return a_bot(take=take, webhook=WEBHOOK, webhook_secret=SecretStr(SECRET))


@pytest.mark.parametrize("headers", [{}, {SECRET_HEADER: ""}, {SECRET_HEADER: "x"}, {SECRET_HEADER: SECRET + "x"}])
async def test_a_forged_call_is_refused(headers: dict[str, str]) -> None:
    take = Kept()
    body = json.dumps(sample("text")).encode()
    assert await post_to(a_webhook_bot(take).routes(), "/zalo", body, **headers) == 403
    assert take.tries == 0


async def test_a_forged_call_is_refused_before_its_body_is_read() -> None:
    read = False

    async def body() -> Any:
        nonlocal read
        read = True
        yield b"{}"

    app = Starlette(routes=list(a_webhook_bot(Kept()).routes()))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ours") as client:
        answer = await client.post("/zalo", content=body(), headers={SECRET_HEADER: "wrong"})
    assert (answer.status_code, read) == (403, False)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"\xff\xfe\xff", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": ' + b"9" * 5000 + b"}", 400),
        (b'{"a":' * 100 + b"1" + b"}" * 100, 400),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"a": "' + b"x" * 2**20 + b'"}', 413),
    ],
)
async def test_what_is_not_an_object_of_moderate_size_and_depth_is_refused(content: bytes, status: int) -> None:
    take = Kept()
    assert await post_to(a_webhook_bot(take).routes(), "/zalo", content, **{SECRET_HEADER: SECRET}) == status
    assert take.tries == 0


async def test_an_update_is_confirmed_only_when_it_is_kept() -> None:
    take = Kept()
    take.fails = 1
    bot, body = a_webhook_bot(take), json.dumps(sample("text"), ensure_ascii=False).encode()
    assert await post_to(bot.routes(), "/zalo", body, **{SECRET_HEADER: SECRET}) == 503
    assert take.updates == []
    assert await post_to(bot.routes(), "/zalo", body, **{SECRET_HEADER: SECRET}) == 200
    assert [(update.external_id, update.order_key) for update in take.updates] == [("2d758cb5e222177a4e35", AN)]
    assert take.updates[0].body == sample("text")


async def test_a_malformed_update_is_kept_for_an_administrator() -> None:
    take = Kept()
    body = json.dumps(sample("number_ids")).encode()
    assert await post_to(a_webhook_bot(take).routes(), "/zalo", body, **{SECRET_HEADER: SECRET}) == 200
    assert len(take.updates) == 1


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://tusoi.example.vn", "/zalo"),
        ("https://tusoi.example.vn/", "/zalo"),
        ("https://tusoi.example.vn/bot/tu-soi", "/bot/tu-soi"),
    ],
)
async def test_zalo_is_told_where_we_listen_and_a_secret_made_from_the_token(address: str, path: str) -> None:
    told: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("setWebhook"):
            told.append(json.loads(request.content))
        return httpx.Response(200, json={"ok": True, "result": {"id": "1"}})

    bot = a_bot(answer, webhook=address)
    await bot.start()
    await bot.stop()
    assert told == [{"url": f"https://tusoi.example.vn{path}", "secret_token": told[0]["secret_token"]}]
    secret = told[0]["secret_token"]
    assert len(secret) == 64
    assert TOKEN not in secret
    assert [route.path for route in bot.routes()] == [path]
    assert await post_to(bot.routes(), path, b'{"a": 1}', **{SECRET_HEADER: secret}) == 200


def test_without_a_webhook_nothing_is_served() -> None:
    assert list(a_bot().routes()) == []


# --- The token --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "nonsense", "123:with blank", "123:a/../b?c", "123:đ"])
async def test_what_is_no_token_is_refused_without_a_request(token: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise AssertionError

    with pytest.raises(ChannelError, match="TUSOI_ZALO__TOKEN"):
        await a_bot(answer, token=token).start()


@pytest.mark.parametrize("answer", [said(401, f"Unauthorized {TOKEN}"), httpx.Response(401, content=b"")])
async def test_a_refused_token_is_told_without_showing_it(answer: httpx.Response) -> None:
    with pytest.raises(ChannelError) as raised:
        await a_bot(lambda _: answer).start()
    assert "TUSOI_ZALO__TOKEN was refused" in str(raised.value)
    assert TOKEN not in shows(raised.value)
