import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import zalo_oa
from tests.servers.listener import listener
from tests.servers.zalo_oa import APP_ID, APP_SECRET, OA_SECRET, REFRESH_TOKEN, ZaloOAServer

AN, BINH = "6142494823001", "6142494823002"
HOUR_S = 3600.0


@pytest.fixture
async def server() -> AsyncIterator[ZaloOAServer]:
    server = ZaloOAServer()
    server.backoff_s = 0.01
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(server: ZaloOAServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10, verify=False, base_url=server.base_url) as client:
        yield client


async def refresh(client: httpx.AsyncClient, token: str = REFRESH_TOKEN, **other: str) -> Any:
    body = {"refresh_token": token, "app_id": APP_ID, "grant_type": "refresh_token"} | other
    secret = body.pop("secret_key", APP_SECRET)
    return (await client.post("/v4/oa/access_token", data=body, headers={"secret_key": secret})).json()


async def send(client: httpx.AsyncClient, access: str, message: object, user_id: object = AN) -> Any:
    body = {"recipient": {"user_id": user_id}, "message": message}
    answer = await client.post("/v3.0/oa/message/cs", json=body, headers={"access_token": access})
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture
async def access(client: httpx.AsyncClient) -> str:
    return str((await refresh(client))["access_token"])


def a_template(*buttons: Any, text: str = "Chọn giúp:") -> Any:
    return {"text": text, "attachment": {"type": "template", "payload": {"buttons": list(buttons)}}}


def a_button(title: str = "Đồng ý", payload: Any = "#1", kind: str = "oa.query.hide") -> Any:
    return {"title": title, "type": kind, "payload": payload}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "message is missing"),
        ({}, "text is empty"),
        ({"text": " "}, "text is empty"),
        ({"text": "đ" * 2001}, "longer than 2000"),
        ({"text": "a", "attachment": {"type": "file"}}, "attachment is not supported"),
        ({"text": "a", "attachment": {"type": "template", "payload": {"template_type": "list"}}}, "template is not"),
        (a_template(), "1 to 5 buttons"),
        (a_template(*[a_button(f"{n}") for n in range(6)]), "1 to 5 buttons"),
        (a_template(a_button(title="")), "button title"),
        (a_template(a_button(title="a" * 101)), "button title"),
        (a_template(a_button(payload="a" * 1001)), "button payload"),
        (a_template(a_button(payload={"id": 1})), "button payload"),
        (a_template(a_button(kind="oa.dance")), "button type"),
        (a_template(a_button(kind="oa.open.url", payload="https://a.vn")), "button url"),
        (a_template("Đồng ý"), "button type"),
    ],
)
async def test_the_account_refuses_what_cannot_be_shown(
    server: ZaloOAServer, client: httpx.AsyncClient, access: str, message: Any, reason: str
) -> None:
    server.meet([AN])
    answer = await send(client, access, message)
    assert answer["error"] == zalo_oa.WRONG_PARAMETER
    assert reason in answer["message"]
    assert server.sent(AN) == []


@pytest.mark.parametrize(
    "other",
    [{"refresh_token": "another"}, {"app_id": "1"}, {"grant_type": "password"}, {"secret_key": "another"}],
)
async def test_a_wrong_refresh_brings_no_token(server: ZaloOAServer, client: httpx.AsyncClient, other: Any) -> None:
    answer = await refresh(client, **other)
    assert answer["error"] < 0
    assert "access_token" not in answer
    assert server.refreshes == 0


async def test_a_refresh_token_works_once_and_brings_the_next(server: ZaloOAServer, client: httpx.AsyncClient) -> None:
    first = await refresh(client)
    assert first["expires_in"] == "3600"
    assert (await refresh(client))["error"] == -14014
    second = await refresh(client, first["refresh_token"])
    assert second["access_token"] != first["access_token"]
    assert server.refreshes == 2


async def test_a_refresh_whose_answer_was_torn_has_spent_the_token(
    server: ZaloOAServer, client: httpx.AsyncClient
) -> None:
    server.fault("access_token", cut=True)
    with pytest.raises(httpx.TransportError):
        await refresh(client)
    assert (await refresh(client))["error"] == -14014


async def test_an_access_token_lasts_an_hour(server: ZaloOAServer, client: httpx.AsyncClient, access: str) -> None:
    server.meet([AN])
    assert (await send(client, access, {"text": "a"}))["error"] == 0
    assert (await send(client, "another", {"text": "a"}))["error"] == zalo_oa.WRONG_TOKEN
    server.move(HOUR_S + 1)
    assert (await send(client, access, {"text": "a"}))["error"] == zalo_oa.WRONG_TOKEN


async def test_a_message_names_itself_and_who_gets_it(
    server: ZaloOAServer, client: httpx.AsyncClient, access: str
) -> None:
    server.meet([AN])
    answer = await send(client, access, {"text": "chào đồng chí"})
    assert answer["message"] == "Success"
    assert answer["data"]["user_id"] == AN
    [sent] = server.sent(AN)
    assert (sent["text"], sent["message_id"], sent["charged"]) == ("chào đồng chí", answer["data"]["message_id"], False)


async def keep_alive(server: ZaloOAServer, client: httpx.AsyncClient) -> str:
    server._refresh_token = REFRESH_TOKEN
    return str((await refresh(client))["access_token"])


@pytest.mark.parametrize(
    ("silent_h", "error", "charged"),
    [(47.9, 0, False), (48.1, 0, True), (167.9, 0, True), (168.1, zalo_oa.TOO_LONG_AGO, None)],
)
async def test_two_days_are_free_and_seven_are_paid_for(
    server: ZaloOAServer, client: httpx.AsyncClient, silent_h: float, error: int, charged: bool | None
) -> None:
    server.meet([AN])
    server.move(silent_h * HOUR_S)
    access = await keep_alive(server, client)
    assert (await send(client, access, {"text": "a"}))["error"] == error
    assert [entry["charged"] for entry in server.sent(AN)] == ([] if charged is None else [charged])
    server.meet([AN])
    assert (await send(client, access, {"text": "b"}))["error"] == 0


async def test_what_is_not_paid_for_is_refused(server: ZaloOAServer, client: httpx.AsyncClient) -> None:
    server.meet([AN])
    server.configure(charged_quota=1)
    server.move(50 * HOUR_S)
    access = await keep_alive(server, client)
    errors = [(await send(client, access, {"text": "a"}))["error"] for _ in range(2)]
    assert errors == [0, zalo_oa.QUOTA_USED_UP]


async def test_strangers_and_those_who_left_are_not_written_to(
    server: ZaloOAServer, client: httpx.AsyncClient, access: str
) -> None:
    server.meet([AN])
    assert (await send(client, access, {"text": "a"}, BINH))["error"] == zalo_oa.WRONG_USER
    assert (await send(client, access, {"text": "a"}, 5))["error"] == zalo_oa.WRONG_USER
    await server.unfollow(AN)
    assert (await send(client, access, {"text": "a"}))["error"] == zalo_oa.NOT_FOLLOWED
    await server.follow(AN)
    assert (await send(client, access, {"text": "a"}))["error"] == 0


async def test_a_tapped_button_comes_back_as_a_text(
    server: ZaloOAServer, client: httpx.AsyncClient, access: str
) -> None:
    async with listener() as hook:
        await server.webhook(hook.url)
        await server.text(AN, "chào")
        await send(client, access, a_template(a_button("Đồng ý", "#1"), a_button("Để sau", "#2")))
        await server.tap(AN, "Để sau")
        await server.wait_until_taken()
    assert [event["event_name"] for event in hook.heard] == ["user_send_text", "user_send_text"]
    assert [event["message"]["text"] for event in hook.heard] == ["chào", "#2"]
    assert hook.heard[0]["sender"] == {"id": AN}
    assert hook.heard[0]["timestamp"].isdigit()


async def test_events_are_signed_over_the_bytes_as_they_come(server: ZaloOAServer) -> None:
    async with listener() as hook:
        await server.webhook(hook.url)
        await server.text(AN, "Đồng chí")
        await server.event({"event_name": "user_send_text"}, sign_with="another key")
        await server.wait_until_taken()
    signatures = [headers["X-ZEvent-Signature"] for headers in hook.headers]
    expected = [
        "mac=" + hashlib.sha256(APP_ID.encode() + raw + event["timestamp"].encode() + OA_SECRET.encode()).hexdigest()
        for raw, event in zip(hook.raw, hook.heard, strict=True)
    ]
    assert [given == right for given, right in zip(signatures, expected, strict=True)] == [True, False]


async def test_an_event_that_is_not_answered_in_time_comes_again(server: ZaloOAServer) -> None:
    server.configure(timeout_s=0.1)
    async with listener() as hook:
        late = [0.3, 0.0]
        hook.before_answer = lambda: asyncio.sleep(late.pop(0) if late else 0)
        await server.webhook(hook.url)
        await server.text(AN, "một")
        await server.wait_until_taken()
    assert [event["message"]["text"] for event in hook.heard] == ["một", "một"]
    assert hook.raw[0] == hook.raw[1]
    assert ZaloOAServer().timeout_s == 2.0


async def test_files_and_echoes_come_as_events_of_their_own(
    server: ZaloOAServer, client: httpx.AsyncClient, access: str
) -> None:
    server.configure(echoes=True)
    async with listener() as hook:
        await server.webhook(hook.url)
        await server.file(AN, "image", url="https://f1.zdn.vn/a.jpg")
        await send(client, access, {"text": "đã nhận"})
        await server.wait_until_taken()
    assert [event["event_name"] for event in hook.heard] == ["user_send_image", "oa_send_text"]


async def test_faults_come_in_http_200_or_as_ordered(
    server: ZaloOAServer, client: httpx.AsyncClient, access: str
) -> None:
    server.meet([AN])
    server.fault("message", code=zalo_oa.TOO_FAST, description="Rate limit exceeded")
    assert (await send(client, access, {"text": "a"}))["error"] == zalo_oa.TOO_FAST
    server.fault("message", http_status=502)
    with pytest.raises(AssertionError):
        await send(client, access, {"text": "a"})
    server.limit(per_second=1)
    assert [(await send(client, access, {"text": "a"}))["error"] for _ in range(2)] == [0, zalo_oa.TOO_FAST]


async def test_an_image_of_a_megabyte_is_taken_and_no_larger(
    server: ZaloOAServer, client: httpx.AsyncClient, access: str
) -> None:
    async def upload(size: int) -> Any:
        files = {"file": ("a.png", bytes(size), "image/png")}
        return (await client.post("/v3.0/oa/upload/image", files=files, headers={"access_token": access})).json()

    assert (await upload(2**20))["data"]["attachment_id"]
    assert (await upload(2**20 + 1))["error"] == -210
    assert server.calls.count("upload") == 2


async def test_the_account_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.servers.zalo_oa", "--port", "0", "--refresh-token", "r1"),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said = json.loads(await process.stdout.readline())
    try:
        base = f"http://127.0.0.1:{said['port']}"
        async with httpx.AsyncClient(verify=False, base_url=base) as client, listener() as hook:
            await client.post("/_test/webhook", json={"url": hook.url})
            await client.post("/_test/text", json={"user_id": AN, "text": "chào"})
            token = (await refresh(client, said["refresh_token"]))["access_token"]
            assert (await send(client, token, {"text": "chào đồng chí"}))["error"] == 0
            transcript = (await client.post("/_test/transcript", json={"chat_id": AN})).json()
            assert [entry["text"] for entry in transcript] == ["chào", "chào đồng chí"]
            assert (await client.post("/_test/refreshes", json={})).json() == 1
            async with asyncio.timeout(10):
                while not hook.heard:
                    await asyncio.sleep(0.01)
    finally:
        process.terminate()
        await process.wait()
