"""Whether what the program asks of Telegram is what aiogram takes for the Bot API, in long conversations."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.judge.conftest import Judge
from tests.judge.phones import OurPhone, assess, codes, enrol, open_round, stopped
from tests.servers.calling import a_picture
from tests.soak.outside import Program, Telegram, free_port, telegram_server

pytestmark = pytest.mark.judge

GROUP = -1_002_003_004_005
QUESTION = "chia sẻ bài trên fb mà sau mới biết tin giả thì tính sao"


def the_phones(server: Telegram, names: Any) -> dict[str, OurPhone]:
    return {name: OurPhone(2000 + number, server) for number, name in enumerate(names)}


def test_aiogram_takes_all_that_the_program_asks_while_it_polls(tmp_path: Path, aiogram: Judge) -> None:
    with telegram_server([]) as server:
        server.ask("record")
        program = Program(tmp_path, server)
        program.environment["TUSOI_WEB__ADDRESS"] = "https://tusoi.example.vn"
        held = codes(program.config)
        phones = the_phones(server, held)
        secretary, member, admin = phones["secretary"], phones["member"], phones["admin"]
        with stopped(program):
            for name, phone in phones.items():
                enrol(phone, held[name])
            open_round(secretary)
            member.wait_for("mở kỳ")
            assess(member, question=QUESTION)
            member.tap("Tải bản của tôi")
            for words in ("của tôi", "mục lục", "văn bản", "41-QĐ/TW nói gì", "trợ giúp", "dừng"):
                member.say(words)
            secretary.say("tiến độ")
            secretary.tap("Xuất")
            secretary.say("báo cáo")
            content = base64.b64encode("# Quy định thử\n\nĐiều 1. Một điều.\n".encode()).decode()
            server.ask("file", {"chat_id": admin.chat_id, "name": "quy-dinh-thu.md", "content": content})
            admin.say("nạp lại")
            admin.wait_for("tin dưới")
            picture = base64.b64encode(a_picture()).decode()
            server.ask("photo", {"chat_id": member.chat_id, "content": picture, "caption": "trang này nói gì"})
            server.ask("join", {"chat_id": GROUP, "title": "Chi bộ 3"})
            server.ask("text", {"chat_id": GROUP, "text": "@TuSoiBot ơi", "sender": member.chat_id})
            server.ask("edited", {"chat_id": member.chat_id, "text": "sửa lại"})
            server.ask("block", {"chat_id": member.chat_id})
            assert member.say("tôi quay lại đây")
        exchanges = server.ask("exchanges")
    told = aiogram(exchanges)
    assert told["wrong"] == []
    # Of a refusal aiogram sees only the form, so none may happen.
    refused = [one["answer"]["description"] for one in exchanges if "method" in one and not one["answer"]["ok"]]
    assert refused == []
    assert {
        *("getMe", "getUpdates", "deleteWebhook", "setMyCommands", "deleteMyCommands", "setChatMenuButton"),
        *("sendMessage", "editMessageText", "answerCallbackQuery", "sendDocument", "getFile"),
    } <= told["methods"].keys()
    assert told["updates"].keys() == {"message", "edited_message", "callback_query", "my_chat_member"}
    assert told["methods"]["sendMessage"] >= 25


def test_aiogram_takes_all_that_the_program_asks_behind_a_webhook(tmp_path: Path, aiogram: Judge) -> None:
    with telegram_server([]) as server:
        server.ask("record")
        program = Program(tmp_path, server)
        port = free_port()
        program.environment |= {
            "TUSOI_TELEGRAM__WEBHOOK": f"http://127.0.0.1:{port}/telegram",
            "TUSOI_WEBHOOKS__PORT": str(port),
        }
        held = codes(program.config)
        phones = the_phones(server, held)
        with stopped(program):
            enrol(phones["member"], held["member"])
            assert "mục 2.4" in phones["member"].say("người đứng đầu chậm xử lý thì sao")
            assert server.ask("waiting") == 0
        told = aiogram(server.ask("exchanges"))
    assert told["wrong"] == []
    assert told["refusals"] == 0
    assert "setWebhook" in told["methods"]
    assert "getUpdates" not in told["methods"]
    assert told["updates"] == {"message": 2, "callback_query": 1}
