import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from pydantic import SecretStr

from bot.channels.base import ChannelError, ChatChanged, DeliveryError
from bot.channels.zalo_oa import SIGNATURE_HEADER, ZaloOa
from bot.channels.zalo_oa_updates import OLDEST, is_kept, is_signed, to_raw, understand
from bot.config import ZaloOaConfig
from bot.gateway import Gateway
from bot.pace import Pace
from bot.webhooks import Webhooks
from handlers.messages import IncomingMessage
from storage.database import open_database
from storage.store import Store
from tests.bot.zalo_helpers import NOW, SENT_AT, Kept, a_message, post_to, sample, shows, until
from tests.servers.zalo_oa import APP_ID, APP_SECRET, OA_SECRET, REFRESH_TOKEN, ZaloOAServer, sign
from tests.storage.builders import a_vault, bring_up

AN = "6142494823107425536"
HOUR = timedelta(hours=1)


class LastHeard:
    """A gateway that knows when people last wrote, and nothing else."""

    def __init__(self) -> None:
        self.at: datetime | None = None
        self.is_broken = False
        self.asked = 0

    def last_heard(self, channel: str, chat_id: str) -> datetime | None:
        assert (channel, chat_id) == ("zalo_oa", AN)
        self.asked += 1
        if self.is_broken:
            raise OSError("database is locked")
        return self.at


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    engine = open_database(f"sqlite:///{tmp_path / 'tu-soi.db'}")
    bring_up(engine)
    yield Store(engine, a_vault())
    engine.dispose()


@pytest.fixture
async def server() -> AsyncIterator[ZaloOAServer]:
    here = ZaloOAServer()
    here.backoff_s = 0.05
    await here.start()
    yield here
    await here.stop()


def settings(base_url: str = "https://openapi.zalo.me", **config: Any) -> ZaloOaConfig:
    given = {
        "app_id": APP_ID,
        "app_secret": SecretStr(APP_SECRET),
        "refresh_token": SecretStr(REFRESH_TOKEN),
        "oa_secret_key": SecretStr(OA_SECRET),
        "base_url": base_url,
        "oauth_url": f"{base_url}/v4/oa/access_token",
    }
    return ZaloOaConfig.model_validate(given | config)


@asynccontextmanager
async def running(
    base_url: str, store: Store, *, take: Kept | None = None, heard: LastHeard | None = None, **given: Any
) -> AsyncIterator[ZaloOa]:
    """Give a started channel."""
    extras = {name: given.pop(name) for name in ("transport", "clock") if name in given}
    gateway = cast("Gateway", heard or LastHeard())
    channel = ZaloOa(settings(base_url, **given), gateway, Pace(), take or Kept(), store, **extras)
    await channel.start()
    yield channel
    await channel.stop()


async def refusal(store: Store, answer: httpx.Response, text: str = "Nhắc đồng chí.") -> DeliveryError:
    """Return what a send comes to that is answered so."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/access_token"):
            return httpx.Response(200, json={"access_token": "a", "refresh_token": "r", "expires_in": "3600"})
        return answer

    async with running("http://zalo", store, transport=httpx.MockTransport(handle)) as channel:
        with pytest.raises(DeliveryError) as raised:
            await channel.deliver(AN, a_message(text, created_at=datetime.now(UTC)), is_reply=True)
    return raised.value


# --- What is no event of Zalo's ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    "oa_missing_sender oa_missing_message oa_missing_text oa_missing_event oa_number_ids oa_text_is_a_list "
    "nested".split(),
)
def test_what_is_malformed_is_kept_under_a_name_and_raises_when_it_is_read(name: str) -> None:
    body = sample(name)
    if name == "nested":
        body["event_name"] = "user_send_text"
    raw = to_raw(body)
    assert 0 < len(raw.external_id) <= 128
    with pytest.raises((ValueError, KeyError, TypeError)):
        understand(body, now=NOW)


@pytest.mark.parametrize(
    "name",
    "oa_text_blank oa_click_chatnow oa_reacted oa_seen oa_sent_by_us oa_anonymous_text oa_group_text oa_unknown_event "
    "oa_unknown_kind".split(),
)
def test_what_asks_for_nothing_is_not_answered(name: str) -> None:
    assert understand(sample(name), now=NOW) is None


def test_what_was_too_large_to_be_kept_asks_for_nothing() -> None:
    assert understand({}, now=NOW) is None


@pytest.mark.parametrize("name", ["oa_seen", "oa_sent_by_us", "oa_anonymous_text", "oa_group_text"])
def test_what_can_never_be_answered_is_not_even_kept(name: str) -> None:
    assert not is_kept(sample(name))
    assert is_kept(sample("oa_text"))


def test_only_a_message_is_named_by_its_message_id() -> None:
    liked, text = to_raw(sample("oa_reacted")), to_raw(sample("oa_text"))
    assert (text.external_id, text.order_key) == ("cb31dff1c39642cc1b83", AN)
    assert liked.external_id != text.external_id
    assert liked.order_key == AN


# --- What an event says -----------------------------------------------------------------------------------------


def test_a_text_is_what_a_person_says() -> None:
    assert understand(sample("oa_text"), now=NOW) == IncomingMessage(
        "zalo_oa", AN, "cb31dff1c39642cc1b83", "quy định 41 còn hiệu lực không", SENT_AT
    )


def test_a_tapped_button_comes_as_a_text_and_is_a_tap() -> None:
    assert understand(sample("oa_tap"), now=NOW) == IncomingMessage(
        "zalo_oa", AN, "cb31dff1c39642cc1b84", "", SENT_AT, button_id="bcdfghjkmnpq"
    )


@pytest.mark.parametrize(
    ("name", "file_name", "ref"),
    [
        ("oa_image", "photo.jpg", "https://f20-zpc.zdn.vn/ban-scan.jpg"),
        ("oa_file", "377-qd-tw.pdf", "https://f20-zfcloud.zdn.vn/377-qd-tw.pdf"),
        ("oa_gif", "animation", None),
        ("oa_sticker", "sticker", None),
        ("oa_audio", "voice", None),
        ("oa_video", "video", None),
        ("oa_location", "location", None),
        ("oa_link", "link", None),
        ("oa_business_card", "contact", None),
        ("oa_without_attachments", "photo.jpg", None),
    ],
)
def test_what_comes_without_text_is_a_file_named_for_its_kind(name: str, file_name: str, ref: str | None) -> None:
    heard = understand(sample(name), now=NOW)
    assert isinstance(heard, IncomingMessage)
    assert (heard.file_name, heard.file_ref) == (file_name, ref)
    assert heard.text == ("trang 1" if name == "oa_image" else "")


def test_following_opens_the_chat_and_leaving_closes_it() -> None:
    assert understand(sample("oa_follow"), now=NOW) == ChatChanged(AN, is_open=True)
    assert understand(sample("oa_unfollow"), now=NOW) == ChatChanged(AN, is_open=False)


# --- The signature ----------------------------------------------------------------------------------------------

RAW = json.dumps(sample("oa_text"), ensure_ascii=False, indent=1).encode()


def signed(raw: bytes = RAW, *, key: str = OA_SECRET, timestamp: str = "1796107332123") -> str:
    return sign(APP_ID, raw, timestamp, key)


@pytest.mark.parametrize(
    ("signature", "is_right"),
    [
        (signed(), True),
        (signed().removeprefix("mac="), True),
        (signed().replace("mac=", "mac = ").upper().replace("MAC", "mac"), True),
        (signed(key=APP_SECRET), False),
        (signed(RAW + b" "), False),
        (signed(json.dumps(sample("oa_text")).encode()), False),
        (signed(timestamp="1796107332124"), False),
        (signed()[:-1], False),
        ("mac=" + hashlib.sha256(RAW).hexdigest(), False),
        ("", False),
        ("mac=đồng chí", False),
    ],
)
def test_the_signature_is_over_the_bytes_as_they_came(signature: str, is_right: bool) -> None:
    body = json.loads(RAW)
    assert is_signed(RAW, body, signature, app_id=APP_ID, oa_secret_key=OA_SECRET) is is_right


@pytest.mark.parametrize("timestamp", [None, "", "\ud800", "1e5", [1], True, "9" * 30])
def test_without_a_time_nothing_is_signed(timestamp: Any) -> None:
    body = {"timestamp": timestamp}
    raw = json.dumps(body).encode()
    signature = hashlib.sha256(APP_ID.encode() + raw + OA_SECRET.encode()).hexdigest()
    assert not is_signed(raw, body, signature, app_id=APP_ID, oa_secret_key=OA_SECRET)


@asynccontextmanager
async def listening(take: Kept, *, now: datetime = SENT_AT) -> AsyncIterator[ZaloOa]:
    """Give a channel that only listens."""
    yield ZaloOa(settings(), cast("Gateway", None), Pace(), take, cast("Store", None), clock=lambda: now)


@pytest.mark.parametrize("signature", [None, "", "mac=0", signed(key="another"), signed(RAW[:-1])])
async def test_a_forged_call_is_refused(signature: str | None) -> None:
    take = Kept()
    headers = {} if signature is None else {SIGNATURE_HEADER: signature}
    async with listening(take) as channel:
        assert await post_to(channel.routes(), "/zalo-oa", RAW, **headers) == 403
    assert take.tries == 0


@pytest.mark.parametrize(("age", "status"), [(timedelta(0), 200), (OLDEST, 200), (OLDEST + HOUR, 403), (-HOUR, 200)])
async def test_an_event_that_is_older_than_any_new_try_is_refused(age: timedelta, status: int) -> None:
    take = Kept()
    async with listening(take, now=SENT_AT + age) as channel:
        assert await post_to(channel.routes(), "/zalo-oa", RAW, **{SIGNATURE_HEADER: signed()}) == status
    assert len(take.updates) == (status == 200)


@pytest.mark.parametrize(
    ("raw", "status"),
    [(b"", 400), (b"[]", 400), (b'{"a":' * 60 + b"1" + b"}" * 60, 400), (b'"' + b"x" * 2**20 + b'"', 413)],
)
async def test_what_is_not_an_object_of_moderate_size_and_depth_is_refused(raw: bytes, status: int) -> None:
    async with listening(Kept()) as channel:
        assert await post_to(channel.routes(), "/zalo-oa", raw, **{SIGNATURE_HEADER: signed(raw)}) == status


async def test_an_event_is_confirmed_only_when_it_is_kept() -> None:
    take = Kept()
    take.fails = 1
    async with listening(take) as channel:
        statuses = [await post_to(channel.routes(), "/zalo-oa", RAW, **{SIGNATURE_HEADER: signed()}) for _ in range(3)]
    assert statuses == [503, 200, 200]
    assert [update.body for update in take.updates] == [sample("oa_text")]


async def test_what_is_not_worth_keeping_is_confirmed_all_the_same() -> None:
    take = Kept()
    raw = json.dumps(sample("oa_sent_by_us")).encode()
    async with listening(take) as channel:
        assert await post_to(channel.routes(), "/zalo-oa", raw, **{SIGNATURE_HEADER: signed(raw)}) == 200
    assert take.tries == 0


async def test_what_the_server_posts_is_kept_once(server: ZaloOAServer) -> None:
    take = Kept()
    take.fails = 2
    async with listening(take, now=datetime.now(UTC)) as channel:
        webhooks = Webhooks("127.0.0.1", 0, channel.routes(), lambda: {"ok": True})
        await webhooks.start()
        await server.webhook(f"http://127.0.0.1:{webhooks.port}/zalo-oa")
        await server.text(AN, "một", times=2)
        await server.file(AN, "sticker", url="https://zalo-api.zadn.vn/s.png", id="1")
        await server.unfollow(AN)
        await server.event({"event_name": "user_send_text", "sender": {"id": AN}}, sign_with="forged")
        await until(lambda: server.waiting == 1)
        await webhooks.stop()
    assert [update.body["event_name"] for update in take.updates] == ["user_send_text", "user_send_sticker", "unfollow"]


# --- Sending ----------------------------------------------------------------------------------------------------


async def test_choices_become_up_to_five_buttons_and_a_tap_comes_back(server: ZaloOAServer, store: Store) -> None:
    server.meet([AN])
    async with running(server.base_url, store) as channel:
        message = a_message("Chọn:", *"ABCDEFG", created_at=datetime.now(UTC))
        shown_as = await channel.deliver(AN, message, is_reply=True)
    [sent] = server.sent(AN)
    assert sent["text"] == "Chọn:\n\n6. F\n7. G\nĐồng chí gõ số để chọn."
    assert [(button["title"], button["type"], button["payload"]) for button in sent["buttons"]] == [
        (f"{n}. {label}", "oa.query.hide", f"#tap:bcdfghjkmn{n:02}") for n, label in enumerate("ABCDE", start=1)
    ]
    assert shown_as == sent["message_id"]


async def test_a_long_message_arrives_in_parts_and_goes_on_after_them(server: ZaloOAServer, store: Store) -> None:
    server.meet([AN])
    message = a_message("\n\n".join(letter * 1500 for letter in "abc"), "A", created_at=datetime.now(UTC))
    async with running(server.base_url, store) as channel:
        await channel.deliver(AN, message, part=1, is_reply=True)
    assert [(entry["text"][0], len(entry["buttons"])) for entry in server.sent(AN)] == [("b", 0), ("c", 1)]


@pytest.mark.parametrize(
    ("code", "permanent", "is_closed"),
    [
        (-213, True, True),
        (-217, True, True),
        (-227, True, True),
        (-244, True, True),
        (-201, True, False),
        (-211, True, False),
        (-224, True, False),
        (-230, True, False),
        (-321, True, False),
        (-200, False, False),
        (12345, False, False),
    ],
)
async def test_errors_of_zalos_list_say_whether_to_try_again(
    store: Store, code: int, permanent: bool, is_closed: bool
) -> None:
    refused = await refusal(store, httpx.Response(200, json={"error": code, "message": "chuyện riêng"}))
    assert (refused.permanent, refused.is_closed, refused.maybe_delivered) == (permanent, is_closed, False)
    assert "chuyện riêng" not in str(refused)


@pytest.mark.parametrize(("code", "wait_s"), [(-32, 5.0), (-234, 1800.0)])
async def test_being_asked_to_wait_says_for_how_long(store: Store, code: int, wait_s: float) -> None:
    refused = await refusal(store, httpx.Response(200, json={"error": code}))
    assert (refused.permanent, refused.retry_after_s) == (False, wait_s)


@pytest.mark.parametrize(
    ("answer", "maybe"),
    [
        (httpx.Response(200, content=b'{"err'), True),
        (httpx.Response(200, json={"data": {}}), True),
        (httpx.Response(502, content=b"<html>"), True),
        (httpx.Response(403, content=b"<html>"), False),
        (httpx.Response(429, headers={"Retry-After": "3"}, content=b""), False),
    ],
)
async def test_an_answer_that_is_not_zalos_tells_little(store: Store, answer: httpx.Response, maybe: bool) -> None:
    refused = await refusal(store, answer)
    assert (refused.permanent, refused.maybe_delivered) == (False, maybe)


@pytest.mark.parametrize("code", [-216, -124])
async def test_a_token_that_is_not_taken_is_exchanged_once_and_the_message_sent(
    server: ZaloOAServer, store: Store, code: int
) -> None:
    server.meet([AN])
    async with running(server.base_url, store) as channel:
        await until(lambda: server.refreshes == 1)
        server.fault("message", code=code)
        await channel.deliver(AN, a_message("một", created_at=datetime.now(UTC)), is_reply=True)
        server.expire_token()
        await channel.deliver(AN, a_message("hai", created_at=datetime.now(UTC)), is_reply=True)
        server.fault("message", code=code, times=2)
        with pytest.raises(DeliveryError) as raised:
            await channel.deliver(AN, a_message("ba", created_at=datetime.now(UTC)), is_reply=True)
        assert server.refreshes == 4
        # Where no token is taken, Zalo is not asked for one after the other.
        server.fault("message", code=code)
        with pytest.raises(DeliveryError):
            await channel.deliver(AN, a_message("bốn", created_at=datetime.now(UTC)), is_reply=True)
        await channel.deliver(AN, a_message("năm", created_at=datetime.now(UTC)), is_reply=True)
    assert [entry["text"] for entry in server.sent(AN)] == ["một", "hai", "năm"]
    assert server.refreshes == 4
    assert (raised.value.permanent, raised.value.maybe_delivered) == (False, False)


# --- The time in which an account may write -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid", "silent", "goes"),
    [
        (False, timedelta(hours=47, minutes=59), True),
        (False, timedelta(hours=48, minutes=1), False),
        (True, timedelta(hours=48, minutes=1), True),
        (True, timedelta(days=6, hours=23, minutes=59), True),
        (True, timedelta(days=7, minutes=1), False),
        (True, None, False),
        (False, None, False),
    ],
)
async def test_beyond_the_window_nothing_is_sent_and_nobody_is_charged(
    server: ZaloOAServer, store: Store, paid: bool, silent: timedelta | None, goes: bool
) -> None:
    server.meet([AN])
    now, heard = datetime.now(UTC), LastHeard()
    heard.at = None if silent is None else now - silent
    if silent is not None:
        server._people[AN].wrote_at = (now - silent).timestamp()
    async with running(server.base_url, store, heard=heard, paid=paid, clock=lambda: now) as channel:
        if goes:
            await channel.deliver(AN, a_message("Nhắc đồng chí."))
        else:
            with pytest.raises(DeliveryError) as raised:
                await channel.deliver(AN, a_message("Nhắc đồng chí."))
            assert (raised.value.permanent, raised.value.is_closed) == (True, False)
    assert server.calls.count("message") == goes
    assert [entry["charged"] for entry in server.sent(AN)] == (
        [silent > timedelta(hours=48)] if goes and silent else []
    )


async def test_a_reply_asks_nobody_when_it_was_asked_for_but_an_old_one_does(
    server: ZaloOAServer, store: Store
) -> None:
    server.meet([AN])
    now, heard = datetime.now(UTC), LastHeard()
    async with running(server.base_url, store, heard=heard, clock=lambda: now) as channel:
        await channel.deliver(AN, a_message("Đã ghi nhận.", created_at=now - HOUR), is_reply=True)
        await channel.say(AN, "Xin nhắn riêng.")
        assert heard.asked == 0
        with pytest.raises(DeliveryError):
            await channel.deliver(AN, a_message("Đã ghi nhận.", created_at=now - 50 * HOUR), is_reply=True)
        assert heard.asked == 1


async def test_a_database_that_is_away_is_no_fault_of_the_chat(server: ZaloOAServer, store: Store) -> None:
    heard = LastHeard()
    heard.is_broken = True
    async with running(server.base_url, store, heard=heard) as channel:
        with pytest.raises(DeliveryError) as raised:
            await channel.deliver(AN, a_message("Nhắc đồng chí."))
    assert (raised.value.permanent, raised.value.maybe_delivered) == (False, False)


# --- Settings, logs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["app_id", "app_secret", "refresh_token", "oa_secret_key"])
async def test_it_is_on_only_with_everything_it_needs(store: Store, missing: str) -> None:
    config = settings().model_copy(update={missing: None})
    assert settings().is_on
    assert not config.is_on
    with pytest.raises(ChannelError, match="zalo_oa"):
        await ZaloOa(config, cast("Gateway", None), Pace(), Kept(), store).start()


async def test_before_the_start_nothing_is_sent(store: Store) -> None:
    channel = ZaloOa(settings(), cast("Gateway", None), Pace(), Kept(), store)
    with pytest.raises(DeliveryError) as raised:
        await channel.deliver(AN, a_message("Nhắc đồng chí.", created_at=datetime.now(UTC)), is_reply=True)
    assert not raised.value.maybe_delivered
    await channel.edit(AN, a_message("Đang đọc…"), None)
    await channel.show_working(AN)
    await channel.answered(AN)


async def test_logs_hold_neither_tokens_nor_what_people_wrote(
    server: ZaloOAServer, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "chuyện riêng của tôi"
    take = Kept()
    take.fails = 1
    server.meet([AN])
    async with running(server.base_url, store, take=take) as channel:
        raw = json.dumps(sample("oa_text") | {"message": {"text": secret, "msg_id": "m"}}, ensure_ascii=False).encode()
        await post_to(channel.routes(), "/zalo-oa", raw, **{SIGNATURE_HEADER: "mac=0"})
        server.fault("message", code=-201, description=secret)
        with pytest.raises(DeliveryError) as raised:
            await channel.deliver(AN, a_message(secret, created_at=datetime.now(UTC)), is_reply=True)
        await asyncio.sleep(0)
    said = caplog.text + shows(raised.value)
    assert "bot.channels.zalo_oa" in {record.name for record in caplog.records}
    assert all(word not in said for word in (secret, APP_SECRET, OA_SECRET, REFRESH_TOKEN, "access-", "refresh-"))
