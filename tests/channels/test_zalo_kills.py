"""The real program, killed while it handles what people wrote on Zalo, and while it sends them the answers."""

import time
from collections import Counter
from pathlib import Path

from bot.app import open_store
from bot.channels.zalo import ZaloBot
from bot.replies import SPARE
from tests.soak.killing import ended
from tests.soak.message_kills import let_leases_run_out, replies_in, wait_until_quiet
from tests.soak.outside import Program, zalo_server

CHATS = [f"zalo-{n}" for n in range(16)]
STUCK = CHATS[0]
EACH = 3


def test_what_people_wrote_on_zalo_is_answered_once_though_the_program_was_killed(tmp_path: Path) -> None:
    program = Program(tmp_path)
    with zalo_server(CHATS) as zalo, ended(program):
        program.reach_zalo(zalo)
        open_store(program.config)
        zalo.ask("configure", {"backoff_s": 0.05})
        program.start()
        program.wait_until_ready()
        # It arrives, and nobody hears that it did.
        zalo.ask("fault", {"method": "sendMessage", "chat_id": STUCK, "hang_s": 60})
        for n in range(EACH):
            for chat in CHATS:
                zalo.ask("text", {"chat_id": chat, "text": f"/lenh{n}"})
        end = time.monotonic() + 20
        while STUCK not in {chat for _, chat, _ in zalo.sends()}:
            assert time.monotonic() < end
        program.kill()
        before = Counter(state for _, _, state in replies_in(program.config))
        assert 1 <= before["sending"] <= ZaloBot.at_once + SPARE
        let_leases_run_out(program.config)
        program.start()
        program.wait_until_ready()
        wait_until_quiet(zalo, program.config)
        assert program.stop() == 0
        told = replies_in(program.config)
        for chat in CHATS:
            of_chat = [(text, state) for to, text, state in told if to == chat]
            assert [f"/lenh{n}" in text for n, (text, _) in enumerate(of_chat)] == [True] * EACH
            arrived = [text for _, to, text in zalo.sends() if to == chat]
            unknown = {text for text, state in of_chat if state == "unknown"}
            assert len(arrived) == len(set(arrived))
            assert [text for text in arrived if text not in unknown] == [
                text for text, state in of_chat if state == "sent"
            ]
            assert len(unknown) <= 1
        assert [state for to, _, state in told if to == STUCK] == ["unknown", "sent", "sent"]
        assert Counter(state for _, _, state in told)["unknown"] == before["sending"]
