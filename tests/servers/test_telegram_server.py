import asyncio
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.calling import Bot, a_button, a_keyboard, a_picture
from tests.servers.telegram import TOKEN, TelegramServer
from tests.servers.telegram_drawn import parse_html

AN, BINH, GROUP = 1001, 1002, -500


# --- what it refuses


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": " \n"}, "message text is empty"),
        ({"text": "<b></b> ", "parse_mode": "HTML"}, "message text is empty"),
        ({"text": "a" * 4097}, "message is too long"),
        ({"text": "😀" * 2049}, "message is too long"),
        ({"text": "<b>a", "parse_mode": "HTML"}, "Can't find end tag"),
        ({"text": "<b><i>a</b></i>", "parse_mode": "HTML"}, "Unmatched end tag"),
        ({"text": "<h1>a</h1>", "parse_mode": "HTML"}, "Unsupported start tag"),
        ({"text": "1 < 2", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "<blockquote>a<blockquote>b</blockquote></blockquote>", "parse_mode": "HTML"}, "nested"),
        ({"text": "*a*", "parse_mode": "MarkdownV2"}, "parse_mode"),
        ({"text": "a", "reply_markup": a_keyboard(a_button(callback_data=""))}, "BUTTON_DATA_INVALID"),
        ({"text": "a", "reply_markup": a_keyboard(a_button(callback_data="đ" * 33))}, "BUTTON_DATA_INVALID"),
        ({"text": "a", "reply_markup": a_keyboard({"text": "", "callback_data": "x"})}, "BUTTON_TEXT_INVALID"),
        ({"text": "a", "reply_markup": a_keyboard({"text": "a"})}, "text buttons are unallowed"),
        ({"text": "a", "reply_markup": a_keyboard(a_button(callback_data="x", url="https://a.vn"))}, "BUTTON_TYPE"),
        ({"text": "a", "reply_markup": a_keyboard(a_button(url="a.vn"))}, "BUTTON_URL_INVALID"),
        ({"text": "a", "reply_markup": a_keyboard(a_button(web_app={"url": "http://a.vn"}))}, "Only HTTPS"),
        ({"text": "a", "reply_markup": a_keyboard(a_button(callback_data="x", style="pink"))}, "style"),
        ({"text": "a", "reply_markup": a_keyboard(a_button(copy_text={"text": "a" * 257}))}, "COPY_TEXT"),
        ({"text": "a", "reply_markup": a_keyboard(*[a_button()] * 101)}, "REPLY_MARKUP_TOO_LONG"),
        ({"text": "a", "reply_markup": {"inline_keyboard": [a_button()]}}, "Array of Arrays"),
        ({"text": "a", "reply_markup": "{"}, "can't parse reply_markup"),
        ({"text": "a", "reply_parameters": {"message_id": 5}}, "message to be replied not found"),
        ({"text": "a", "chat_id": 9}, "chat not found"),
        ({"text": "a", "chat_id": ""}, "chat_id is empty"),
    ],
)
async def test_telegram_refuses_what_it_cannot_show(
    server: TelegramServer, bot: Bot, parameters: Any, reason: str
) -> None:
    server.meet([AN])
    answer = await bot.refused("sendMessage", **{"chat_id": AN} | parameters)
    assert answer["error_code"] == 400
    assert reason in answer["description"]
    assert server.sends == []


async def test_what_just_fits_arrives_without_white_space_around_it(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN])
    sent = await bot("sendMessage", chat_id=AN, text=" <b>" + "&amp;" * 4096 + "</b>\n", parse_mode="HTML")
    assert sent["text"] == "&" * 4096
    assert sent["entities"] == [{"type": "bold", "offset": 0, "length": 4096}]
    assert (await bot("sendMessage", chat_id=str(AN), text="a", reply_markup=a_keyboard(a_button())))["reply_markup"]


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("&lt;a&gt; &nbsp; &#273;", "<a> &nbsp; đ", []),
        ('<a href="https://a.vn?a=1&amp;b=2">đây</a>', "đây", [("text_link", 0, 3)]),
        ("😀<blockquote expandable>a</blockquote>", "😀a", [("expandable_blockquote", 2, 1)]),
    ],
)
def test_html_is_read_as_telegram_reads_it(source: str, text: str, entities: list[tuple[str, int, int]]) -> None:
    read, found = parse_html(source)
    assert read == text
    assert [(entity["type"], entity["offset"], entity["length"]) for entity in found] == entities


@pytest.mark.parametrize(("token", "method", "code"), [("1:other", "getMe", 401), (TOKEN, "sendPigeon", 404)])
async def test_a_wrong_token_and_an_unknown_method_are_refused(
    server: TelegramServer, client: httpx.AsyncClient, token: str, method: str, code: int
) -> None:
    assert (await Bot(server, client, token).refused(method))["error_code"] == code


async def test_a_body_that_is_not_json_is_refused(bot: Bot) -> None:
    for body in (b"{", b"[]"):
        answer = await bot.client.post(
            f"{bot.base}/getMe", content=body, headers={"Content-Type": "application/json"}
        )  # fmt: skip
        assert answer.status_code == 400


async def test_form_fields_are_taken_as_json_is(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN])
    fields = {"chat_id": str(AN), "text": "a", "reply_markup": json.dumps(a_keyboard(a_button()))}
    answer = await bot.client.post(f"{bot.base}/sendmessage", data=fields)
    assert answer.json()["result"]["reply_markup"] == a_keyboard(a_button())


# --- edits and taps


async def test_only_what_it_knows_and_what_changes_is_edited(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN])
    sent = await bot("sendMessage", chat_id=AN, text="a", reply_markup=a_keyboard(a_button()))
    edit = {"chat_id": AN, "message_id": sent["message_id"]}
    same = await bot.refused("editMessageText", **edit, text="a", reply_markup=a_keyboard(a_button()))
    assert "message is not modified" in same["description"]
    edited = await bot("editMessageText", **edit, text="a")
    assert "reply_markup" not in edited
    assert edited["edit_date"]
    assert "not modified" in (await bot.refused("editMessageReplyMarkup", **edit))["description"]
    assert (await bot("editMessageReplyMarkup", **edit, reply_markup=a_keyboard(a_button())))["reply_markup"]
    unknown = await bot.refused("editMessageText", chat_id=AN, message_id=5, text="b")
    assert unknown["description"] == "Bad Request: message to edit not found"
    assert "message_id" in (await bot.refused("editMessageText", chat_id=AN, text="b"))["description"]
    await server.text(AN, "của tôi")
    [mine] = [update["message"] for update in await bot("getUpdates")]
    theirs = await bot.refused("editMessageText", chat_id=AN, message_id=mine["message_id"], text="b")
    assert theirs["description"] == "Bad Request: message can't be edited"


async def test_a_message_is_deleted_once(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN])
    sent = await bot("sendMessage", chat_id=AN, text="a")
    assert await bot("deleteMessage", chat_id=AN, message_id=sent["message_id"])
    gone = await bot.refused("deleteMessage", chat_id=AN, message_id=sent["message_id"])
    assert gone["description"] == "Bad Request: message to delete not found"


async def test_a_tap_is_answered_once_and_in_time(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN])
    await bot("sendMessage", chat_id=AN, text="a", reply_markup=a_keyboard(a_button()))
    await server.tap(AN, "x")
    await server.tap(AN, "x")
    first, late = [update["callback_query"] for update in await bot("getUpdates")]
    assert first["message"]["text"] == "a"
    assert await bot("answerCallbackQuery", callback_query_id=first["id"])
    assert (
        "query is too old" in (await bot.refused("answerCallbackQuery", callback_query_id=first["id"]))["description"]
    )
    assert "query ID is invalid" in (await bot.refused("answerCallbackQuery", callback_query_id="5"))["description"]
    assert (
        "TOO_LONG"
        in (await bot.refused("answerCallbackQuery", callback_query_id=late["id"], text="a" * 201))["description"]
    )
    server.move(3600)
    assert "too old" in (await bot.refused("answerCallbackQuery", callback_query_id=late["id"]))["description"]


async def test_a_tap_needs_its_button_unless_it_is_forged(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN])
    await bot("sendMessage", chat_id=AN, text="a", reply_markup=a_keyboard(a_button()))
    with pytest.raises(LookupError):
        await server.tap(AN, "of another")
    await server.tap(AN, "of another", is_forged=True)
    assert [update["callback_query"]["data"] for update in await bot("getUpdates")] == ["of another"]


# --- files


async def test_files_arrive_and_are_kept_by_what_they_hold(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN])
    content = "Phiếu của đồng chí".encode() * 1000
    answer = await bot.client.post(
        f"{bot.base}/sendDocument",
        data={"chat_id": AN, "document": "attach://file0", "caption": "<b>Phiếu</b>", "parse_mode": "HTML"},
        files={"file0": ("phiếu.docx", content, "application/msword")},
    )
    document = answer.json()["result"]["document"]
    assert (document["file_name"], document["file_size"]) == ("phiếu.docx", len(content))
    [entry] = server.transcripts[AN]
    assert (entry["method"], entry["name"], entry["size"]) == ("sendDocument", "phiếu.docx", len(content))
    assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert entry["caption"] == "Phiếu"
    path = (await bot("getFile", file_id=document["file_id"]))["file_path"]
    assert (await bot.client.get(f"{server.base_file_url}{TOKEN}/{path}")).content == content
    assert (await bot.client.get(f"{server.base_file_url}1:other/{path}")).status_code == 404
    assert (await bot("sendDocument", chat_id=AN, document=document["file_id"]))["document"]["file_size"] == len(
        content
    )


async def test_a_photo_is_a_picture(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN])

    async def send(content: bytes, **data: Any) -> Any:
        files = {"photo": ("a.png", content, "image/png")}
        return (await bot.client.post(f"{bot.base}/sendPhoto", data={"chat_id": AN} | data, files=files)).json()

    photo = (await send(a_picture(40, 30)))["result"]["photo"]
    assert (photo[-1]["width"], photo[-1]["height"]) == (40, 30)
    assert "IMAGE_PROCESS_FAILED" in (await send(b"%PDF-1.7"))["description"]
    assert "DIMENSIONS" in (await send(a_picture(500, 2)))["description"]
    assert "non-empty" in (await send(b""))["description"]
    assert "caption is too long" in (await send(a_picture(), caption="a" * 1025))["description"]
    assert "no photo" in (await bot.refused("sendPhoto", chat_id=AN, photo="https://a.vn/a.png"))["description"]


async def test_what_people_send_is_fetched_up_to_20_megabytes(server: TelegramServer, bot: Bot) -> None:
    await server.file(AN, "quy định.docx", b"PK", caption="đây")
    await server.file(AN, "lon.pdf", b"x", size=30 * 2**20)
    await server.photo(AN, a_picture())
    small, large, photo = [update["message"] for update in await bot("getUpdates")]
    path = (await bot("getFile", file_id=small["document"]["file_id"]))["file_path"]
    assert (await bot.client.get(f"{server.base_file_url}{TOKEN}/{path}")).content == b"PK"
    assert "too big" in (await bot.refused("getFile", file_id=large["document"]["file_id"]))["description"]
    assert "wrong file_id" in (await bot.refused("getFile", file_id="nothing"))["description"]
    assert [copy["width"] for copy in photo["photo"]] == [90, 4]


async def test_a_download_may_fail_and_tear(server: TelegramServer, bot: Bot) -> None:
    await server.file(AN, "a.txt", b"a" * 1000)
    [update] = await bot("getUpdates")
    path = f"{server.base_file_url}{TOKEN}/{update['message']['document']['file_id']}"
    server.fault("file", code=502)
    server.fault("file", cut=True)
    assert (await bot.client.get(path)).status_code == 502
    with pytest.raises(httpx.TransportError):
        await bot.client.get(path)
    assert len((await bot.client.get(path)).content) == 1000


# --- commands and the button beside the text field


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"commands": [{"command": f"a{n}", "description": "a"} for n in range(101)]}, "COMMANDS_TOO_MUCH"),
        ({"commands": [{"command": "Mục", "description": "a"}]}, "BOT_COMMAND_INVALID"),
        ({"commands": [{"command": "a", "description": ""}]}, "DESCRIPTION_INVALID"),
        ({"commands": None}, "Array"),
        ({"commands": [], "scope": {"type": "chat", "chat_id": 9}}, "chat not found"),
        ({"commands": [], "scope": {"type": "village"}}, "scope"),
        ({"commands": [], "language_code": "vie"}, "language code"),
    ],
)
async def test_commands_are_refused_that_cannot_be(bot: Bot, parameters: Any, reason: str) -> None:
    assert reason in (await bot.refused("setMyCommands", **parameters))["description"]


async def test_commands_are_seen_by_the_nearest_scope_and_language(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN, BINH])

    def said(text: str) -> list[dict[str, str]]:
        return [{"command": "a", "description": text}]

    await bot("setMyCommands", commands=said("mọi người"))
    await bot("setMyCommands", commands=said("tiếng Việt"), language_code="vi")
    await bot("setMyCommands", commands=said("bí thư"), scope={"type": "chat", "chat_id": AN})
    await bot("setMyCommands", commands=said("nhóm"), scope={"type": "all_group_chats"})
    seen = [server.commands_seen(chat)[0]["description"] for chat in (AN, BINH, GROUP)]
    assert seen == ["bí thư", "tiếng Việt", "nhóm"]
    assert server.commands_seen(BINH, "en") == said("mọi người")
    assert await bot("getMyCommands", language_code="vi") == said("tiếng Việt")
    await bot("deleteMyCommands", scope={"type": "chat", "chat_id": AN})
    assert await bot("getMyCommands", scope={"type": "chat", "chat_id": AN}) == []


async def test_the_menu_button_opens_pages_by_https_only(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN])

    def opens(url: str) -> Any:
        return {"type": "web_app", "text": "Phiếu", "web_app": {"url": url}}

    assert "HTTPS" in (await bot.refused("setChatMenuButton", menu_button=opens("http://a.vn")))["description"]
    await bot("setChatMenuButton", chat_id=AN, menu_button=opens("https://a.vn/phieu"))
    assert await bot("getChatMenuButton", chat_id=AN) == opens("https://a.vn/phieu")
    assert await bot("getChatMenuButton") == {"type": "default"}
    assert "unsupported" in (await bot.refused("setChatMenuButton", menu_button={"type": "dance"}))["description"]


# --- the clock, the judge's record, the process


async def test_the_clock_can_be_moved(server: TelegramServer, bot: Bot) -> None:
    await server.text(AN, "nay")
    server.move(86_400)
    await server.edited(AN, "mai")
    today, tomorrow = await bot("getUpdates")
    assert tomorrow["edited_message"]["edit_date"] - today["message"]["date"] == pytest.approx(86_400, abs=5)
    assert tomorrow["edited_message"]["text"] == "mai"


async def test_what_is_asked_and_answered_is_kept_when_that_is_wanted(server: TelegramServer, bot: Bot) -> None:
    await bot("getMe")
    assert server.exchanges == []
    server.record()
    await server.text(AN, "chào")
    await bot("sendMessage", chat_id=AN, text="chào")
    await bot.client.post(f"{bot.base}/sendDocument", data={"chat_id": AN}, files={"document": ("a.txt", b"a")})
    sent, file = server.exchanges
    assert (sent["method"], sent["parameters"]["text"], sent["answer"]["ok"]) == ("sendMessage", "chào", True)
    assert file["parameters"]["document"] == {"file": "a.txt"}


async def test_telegram_takes_many_requests_over_connections_that_stay(server: TelegramServer) -> None:
    server.meet(range(1, 101))
    body = json.dumps({"chat_id": 7, "text": "a"}).encode()
    head = f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def ask(count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(count):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*(ask(50) for _ in range(8)))
    assert len(server.sends) == 400
    # Measured: above 1,000 a second, both sides on one core.
    assert time.monotonic() - began < 10


async def test_telegram_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.servers.telegram", "--port", "0"),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said = json.loads(await process.stdout.readline())
    here = TelegramServer()
    here.port = said["port"]
    try:
        async with httpx.AsyncClient(verify=False, base_url=f"http://127.0.0.1:{said['port']}") as client:
            bot = Bot(here, client)
            await client.post("/_test/text", json={"chat_id": AN, "text": "chào"})
            await client.post("/_test/file", json={"chat_id": AN, "name": "a.txt", "content": "YQ=="})
            await client.post("/_test/block", json={"chat_id": AN})
            updates = await bot("getUpdates")
            assert [sorted(update)[0] for update in updates] == ["message", "message", "my_chat_member"]
            assert (await client.post("/_test/waiting", json={})).json() == 3
            assert (await bot.refused("sendMessage", chat_id=AN, text="a"))["error_code"] == 403
            transcript = (await client.post("/_test/transcript", json={"chat_id": AN})).json()
            assert [entry["method"] for entry in transcript] == ["text", "document", "block"]
            assert (await client.post("/_test/sends", json={})).json() == []
    finally:
        process.terminate()
        await process.wait()
