"""An administrator loads documents, is refused, forces, goes back; others may not; old buttons keep their words."""

import errno
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.app import build_gateway
from bot.app import build_live as build_documents
from bot.channels.console import Console
from bot.config import Config, load_config
from bot.jobs import Jobs, free_path
from handlers import document_texts
from knowledge.answer import KnowledgeBase
from knowledge.intake.model import Intake, Recognized
from knowledge.intake.ocr import has_tesseract
from knowledge.library import Library
from knowledge.reload import LiveKnowledge
from storage.database import open_database
from storage.jobs import Jobs as KeptJobs
from storage.store import Store
from tests.knowledge.intake.papers import a_picture
from tests.storage.builders import a_vault, bring_up

PROJECT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
PLAN = "ke-hoach-ket-luan-21"
QUESTION = "kế hoạch yêu cầu tự phê bình và phê bình thế nào"
ENTRY = """---
number: "{number}"
kind: quy định
title: "Quy định về trồng cây {number}"
issuer: "Bộ Chính trị"
date: "2026-05-05"
status: "đang thực hiện"
text_kind: official
confidence: verified
---
"""


class Office:
    """The program with folders of its own, and people in its terminal."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.tray = config.documents.tray
        self.tray.mkdir(parents=True, exist_ok=True)
        engine = open_database(config.database_url)
        bring_up(engine)
        self.store = Store(engine, a_vault())
        self.live = build_documents(config)
        self._start()

    def _start(self) -> None:
        jobs = Jobs(self.store, self.live, self.tray, lambda _channel, ref: Path(ref).read_bytes())
        self._console = Console(build_gateway(self.config, self.store, self.live), self.store, jobs=jobs)
        self.choices: dict[str, list[str]] = {}
        self.choice_ids: dict[str, list[str]] = {}

    def do(self, user: str, **command: Any) -> list[str]:
        """Do something; return what was said, in order; what is said otherwise begins with "~"."""
        said = []
        for message in self._console._obey(json.dumps({"user": user, **command}))["messages"]:
            said.append(f"{'~' if message['edits'] else ''}{message['text']}")
            if message["choices"]:
                self.choices[user], self.choice_ids[user] = message["choices"], message["choice_ids"]
        return said

    def say(self, user: str, text: str) -> list[str]:
        return self.do(user, text=text)

    def choose(self, user: str, label: str) -> list[str]:
        return self.do(user, choose=self.choices[user].index(label) + 1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the index of the documents that ship."""
    folder = tmp_path_factory.mktemp("built")
    build_documents(load_config(environment={"TUSOI_DATA_DIR": str(folder)}))
    return folder


@pytest.fixture
def office(tmp_path: Path, built: Path) -> Office:
    shutil.copytree(PROJECT / "knowledge" / "documents", tmp_path / "documents")
    for index in ("index", "index-questions"):
        shutil.copytree(built / index, tmp_path / "data" / index)
    config = load_config(
        environment={
            "TUSOI_DATA_DIR": str(tmp_path / "data"),
            "TUSOI_DOCUMENTS__FOLDER": str(tmp_path / "documents"),
            "TUSOI_ADMINS": '["console:admin"]',
        }
    )
    return Office(config)


def drop(folder: Path, name: str, number: str = "5-QĐ/TW", text: str = "Mỗi chi bộ trồng mười cây bàng.") -> Path:
    path = folder / name
    path.write_text(f"{ENTRY.format(number=number)}\n## Điều 1. Trồng cây\n\n{text}\n", encoding="utf-8")
    return path


def change_plan(office: Office, old: str, new: str) -> None:
    path = office.config.documents.folder / f"{PLAN}.txt"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_whoever_is_no_administrator_neither_loads_nor_goes_back(office: Office) -> None:
    for words in ("nạp lại", "khôi phục", "bản quét", "vẫn nạp vì tôi muốn thế"):
        assert office.say("an", words) == [document_texts.ONLY_ADMIN]


def test_loading_is_begun_told_and_its_result_said_with_a_way_back(office: Office) -> None:
    drop(office.tray, "trong cay.md")
    started, ended, result = office.say("admin", "nap lai")
    assert started == document_texts.STARTED
    assert ended == f"~{document_texts.ENDED}"
    assert result.startswith("Đã nạp xong: phiên bản 2 đang trả lời, gồm 24 văn bản.")
    assert "Thêm: Quy định 5-QĐ/TW." in result
    assert "không câu nào hỏng" in result
    assert office.choices["admin"] == [document_texts.ROLL_BACK]
    assert "mười cây bàng" in office.say("an", "quy định 5 điều 1 nói gì")[0]
    back = office.choose("admin", document_texts.ROLL_BACK)[-1]
    assert back.startswith("Đã khôi phục: phiên bản 3 đang trả lời, gồm 23 văn bản.")
    assert "mười cây bàng" not in office.say("an", "quy định 5 điều 1 nói gì")[0]


def test_version_that_is_typed_answers_again_and_one_that_is_not_there_is_said_with_those_that_are(
    office: Office,
) -> None:
    for number in range(2):
        drop(office.tray, f"{number}.md", number=f"{number + 5}-QĐ/TW", text=f"Mỗi chi bộ trồng {number + 7} cây bàng.")
        office.say("admin", "nạp lại")
    assert office.say("admin", "khôi phục phiên bản 9")[-1] == document_texts.no_such_version((1, 2))
    assert "gồm 23 văn bản" in office.say("admin", "Khoi phuc 1")[-1]
    assert "gồm 24 văn bản" in office.say("admin", "khôi phục về bản 2.")[-1]
    assert office.say("an", "khôi phục 2") == [document_texts.ONLY_ADMIN]


def test_load_that_breaks_golden_questions_is_refused_then_forced_with_a_reason(office: Office) -> None:
    (office.config.documents.folder / "377-qd-tw-2025.md").unlink()
    result = office.say("admin", "nạp lại")[-1]
    assert result.startswith("CHƯA NẠP: ")
    assert "Phiên bản 1 vẫn đang trả lời." in result
    assert "Bỏ: Quy định 377-QĐ/TW." in result
    assert office.choose("admin", document_texts.FORCE) == [document_texts.FORCE_HOW]
    assert office.say("admin", "vẫn nạp") == [document_texts.REASON_NEEDED]
    forced = office.say("admin", "vẫn nạp: quy định đã hết hiệu lực")[-1]
    assert "lý do: quy định đã hết hiệu lực" in forced
    assert "377-qd-tw-2025" not in office.live.knowledge.documents
    assert Library(office.live.library.folder).snapshot(2).reason == "quy định đã hết hiệu lực"


def test_refused_file_is_named_and_the_rest_answers(office: Office) -> None:
    (office.tray / "rong.txt").write_bytes(b"")
    drop(office.tray, "trong cay.md")
    result = office.say("admin", "nạp lại")[-1]
    assert "rong.txt" in result
    assert "Thêm: Quy định 5-QĐ/TW." in result


def test_sent_file_is_read_under_a_harmless_name_and_answers(office: Office, tmp_path: Path) -> None:
    sent = drop(tmp_path, "trồng cây.md")
    received, *_, result = office.do("admin", file=str(sent))
    assert received == document_texts.RECEIVED
    assert "Thêm: Quy định 5-QĐ/TW." in result
    assert [path.name for path in office.tray.iterdir()] == ["trồng cây.md"]


@pytest.mark.parametrize("name", ["mat.txt", f"{'quy định về việc ' * 6}.txt", "hai  dấu  cách.txt"])
def test_sent_file_with_a_stamp_of_secrecy_is_not_kept(office: Office, tmp_path: Path, name: str) -> None:
    sent = tmp_path / name
    sent.write_text("TỈNH ỦY HÀ NAM\nMẬT\nNội dung mật.\n", encoding="utf-8")
    assert "có đóng dấu mật" in office.do("admin", file=str(sent))[-1]
    assert list(office.tray.iterdir()) == []
    kept = [path for path in office.live.library.folder.rglob("*") if path.is_file()]
    assert not any("Nội dung mật".encode() in path.read_bytes() for path in kept)


def test_scanned_text_is_shown_to_its_end_in_whole_lines_before_it_can_be_confirmed(office: Office) -> None:
    text = "".join(f"Điều {n}. Chi bộ trồng cây bàng ở khu phố {n}.\n" for n in range(1, 61))
    office.live.library.keep_draft(Intake("quet.png", "ab" * 32, 9, text, (), (), True, Recognized()))
    office.say("admin", "bản quét")
    read = [office.choose("admin", office.choices["admin"][0])[-1]]
    while document_texts.DRAFT_ON in office.choices["admin"]:
        assert document_texts.CONFIRM_DRAFT not in office.choices["admin"]
        read.append(office.choose("admin", document_texts.DRAFT_ON)[-1])
    assert document_texts.CONFIRM_DRAFT in office.choices["admin"]
    shown = [line for message in read for line in message.splitlines() if line.startswith("Điều ")]
    assert len(read) > 1
    assert shown == text.splitlines()


@pytest.mark.skipif(
    not has_tesseract(), reason="Tesseract with its Vietnamese data is not installed (see `make tools`)"
)
def test_photo_answers_only_after_an_admin_has_confirmed_what_was_read(office: Office, tmp_path: Path) -> None:
    lines = ("TỈNH ỦY HÀ NAM", "Số 32-KL/TU", "Hà Nam, ngày 6 tháng 9 năm 2026", "KẾT LUẬN", "về trồng cây bàng")
    sent = tmp_path / "photo.jpg"
    a_picture((*lines, "Điều 1. Trồng cây", "Mỗi chi bộ trồng mười cây bàng ở khu phố.")).save(sent)
    question = "mỗi chi bộ trồng mấy cây bàng ở khu phố"
    assert "chờ đồng chí đối chiếu và xác nhận" in office.do("admin", file=str(sent))[-1]
    assert "trồng mười cây bàng" not in office.say("an", question)[-1]
    office.say("admin", "bản quét")
    assert "Mỗi chi bộ trồng mười cây bàng ở khu phố." in office.choose("admin", "Xem photo.jpg")[-1]
    assert "Thêm: Kết luận 32-KL/TU." in office.choose("admin", document_texts.CONFIRM_DRAFT)[-1]
    assert "— Kết luận 32-KL/TU (06/09/2026), Điều 1, trang 1, bản 1" in office.say("an", question)[-1]


def test_sent_entry_waits_for_its_document(office: Office, tmp_path: Path) -> None:
    entry, text = tmp_path / "trong cay.yaml", tmp_path / "trong cay.txt"
    entry.write_text(ENTRY.format(number="5-QĐ/TW").strip("-\n"), encoding="utf-8")
    text.write_text("## Điều 1. Trồng cây\n\nMỗi chi bộ trồng mười cây bàng.\n", encoding="utf-8")
    assert "trong cay.yaml: là tệp khai báo" in office.do("admin", file=str(entry))[-1]
    assert "Thêm: Quy định 5-QĐ/TW." in office.do("admin", file=str(text))[-1]


def test_file_of_somebody_else_is_not_kept(office: Office, tmp_path: Path) -> None:
    sent = drop(tmp_path, "trồng cây.md")
    [said] = office.do("an", file=str(sent))
    assert "tệp" in said
    assert list(office.tray.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Temp\\quy định.docx", "quy định.docx"),
        ("a\nb\x00.pdf", "a_b_.pdf"),
        ("\u202etxt.exe", "_txt.exe"),
        ("…", "_"),
        ("", "van-ban"),
        (".hidden.md", "hidden.md"),
        ("$(rm -rf).txt", "_(rm -rf).txt"),
        ("x" * 300 + ".docx", "x" * 80 + ".docx"),
    ],
)
def test_name_with_tricks_is_harmless(tmp_path: Path, name: str, kept: str) -> None:
    path = free_path(tmp_path, name)
    assert (path.parent, path.name) == (tmp_path, kept)


def test_a_document_called_after_its_file_has_a_harmless_name(office: Office) -> None:
    (office.tray / "vườn\n\x1b[31mươm.txt").write_text("Mỗi chi bộ có một vườn ươm.\n", encoding="utf-8")
    said = office.say("admin", "nạp lại")[-1]
    assert "Thêm: vườn [31mươm." in said
    assert "\x1b" not in said


def test_second_file_of_a_name_does_not_take_the_place_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"1")
    assert free_path(tmp_path, "a.docx").name == "a (2).docx"


def test_button_of_an_old_answer_shows_what_it_quoted_and_leads_to_the_text_of_today(office: Office) -> None:
    first = office.say("an", "mục 2.1 gạch đầu dòng 5 nói gì")[0]
    assert ", bản 1" in first
    [whole] = [label for label in office.choices["an"] if "Cả mục" in label or "mục" in label.lower()][:1]
    button_id = office.choice_ids["an"][office.choices["an"].index(whole)]
    change_plan(office, "dĩ hòa vi quý", "xuề xòa cho qua")
    assert "Thay đổi: " in office.say("admin", "vẫn nạp vì thử đổi lời")[-1]
    shown = office.do("an", tap=button_id)[0]
    assert "dĩ hòa vi quý" in shown
    assert shown.startswith("Đây là lời của bản 1")
    assert "Hiện nay dùng bản 2" in shown
    assert "— Kế hoạch thực hiện Kết luận 21-KL/TW, mục 2.1" in shown
    now = office.choose("an", document_texts.SEE_NOW)[0]
    assert now.startswith("Mục 2.1 có 6 nội dung")
    assert ", bản 2" in now
    again = office.say("an", "mục 2.1 gạch đầu dòng 5 nói gì")[0]
    assert "xuề xòa cho qua" in again
    assert ", bản 2" in again


def test_button_of_a_listed_point_shows_the_point_as_it_was_listed(office: Office) -> None:
    office.say("an", "mục 2.5 nói gì")
    assert office.choices["an"][0].startswith("Ý 1: Các cấp ủy, chính quyền, Mặt trận Tổ")
    point = office.choice_ids["an"][0]
    change_plan(office, "Các cấp ủy, chính quyền, Mặt trận Tổ quốc", "Các cấp ủy, chính quyền, Mặt trận")
    office.say("admin", "vẫn nạp vì thử đổi lời")
    shown = office.do("an", tap=point)[0]
    assert shown.startswith("Đây là lời của bản 1, như lúc trả lời. Hiện nay dùng bản 2 của văn bản này.")
    assert "«Các cấp ủy, chính quyền, Mặt trận Tổ quốc" in shown
    assert "«Các cấp ủy, chính quyền, Mặt trận và" in office.choose("an", document_texts.SEE_NOW)[0]


def test_way_on_in_an_old_list_goes_on_with_the_points_that_were_listed(office: Office) -> None:
    old, new = "Đẩy mạnh thực hiện thí điểm một số chủ trương", "Thực hiện thí điểm vài chủ trương"
    for was, words in ((old, old), (new, new)):
        office.say("an", "mục 2.2 nói gì")
        following = office.choice_ids["an"][office.choices["an"].index("Xem tiếp")]
        change_plan(office, words, old if words == new else new)
        office.say("admin", "vẫn nạp vì thử đổi lời")
        shown = office.do("an", tap=following)[0]
        assert shown.startswith("Đây là lời của bản ")
        assert f"«{was}" in shown
        assert "«Các cấp ủy, tổ chức đảng, lãnh đạo cơ quan" not in shown
        seen = office.choose("an", document_texts.SEE_NOW)[0]
        assert f"«{old if words == new else new}" in seen
        assert not seen.startswith("Đây là lời")


def test_old_button_of_a_replaced_digest_says_so_first_and_names_its_version(office: Office) -> None:
    office.say("an", "quy định 41 điều 1 nói gì")
    following = office.choice_ids["an"][office.choices["an"].index("Đoạn tiếp theo")]
    path = office.config.documents.folder / "41-qd-tw-2021.md"
    path.write_text(path.read_text(encoding="utf-8") + "\n\nGhi thêm ở cuối.\n", encoding="utf-8")
    office.say("admin", "vẫn nạp vì thử đổi lời")
    replaced, said, *words, cited, digest = office.do("an", tap=following)[0].split("\n")
    assert replaced == "Quy định 41-QĐ/TW (03/11/2021) đã được thay thế bởi Quy định 377-QĐ/TW (08/10/2025)."
    assert said == "Đây là lời của bản 1, như lúc trả lời. Hiện nay dùng bản 2 của văn bản này."
    assert words[0].startswith("Tóm lược: ")
    assert cited.endswith(", bản 1")
    assert digest == "Bản tóm lược không thay văn bản chính thức."
    path.unlink()
    office.say("admin", "vẫn nạp vì bỏ văn bản")
    gone = office.do("an", tap=following)[0].split("\n")
    assert gone[0].startswith("Quy định 41-QĐ/TW (03/11/2021) đã được thay thế bởi ")
    assert gone[1] == "Đây là lời của bản 1. Văn bản này hiện không còn trong kho."
    assert gone[2:] == [*words, cited, digest]


def test_two_administrators_at_once_are_told_so(office: Office) -> None:
    with office.live.library.loading():
        assert office.say("admin", "nạp lại")[-1] == document_texts.BUSY


def test_file_that_comes_while_somebody_loads_is_kept_for_the_next_load(office: Office, tmp_path: Path) -> None:
    sent = drop(tmp_path, "trồng cây.md")
    with office.live.library.loading():
        assert office.do("admin", file=str(sent))[-1] == document_texts.BUSY_FILE_KEPT
    assert "Thêm: Quy định 5-QĐ/TW." in office.say("admin", "nạp lại")[-1]


def test_nothing_to_go_back_to_is_said(office: Office) -> None:
    assert office.say("admin", "khôi phục")[-1] == document_texts.NOTHING_BEFORE


class Killed(BaseException):
    """The end of the program, which nothing catches."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def end_in_the_middle(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program end while it loads."""
    with monkeypatch.context() as patched:
        patched.setattr(LiveKnowledge, "reload", killed)
        with pytest.raises(Killed):
            office.say("admin", "nạp lại")


def test_load_that_a_crash_cut_off_is_told_at_the_next_start(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    end_in_the_middle(office, monkeypatch)
    told: list[str] = []
    jobs = Jobs(office.store, office.live, office.tray, lambda *_: b"")
    jobs.say_interrupted(["console"], lambda _job, message, _is_edit: told.append(message.text), now=NOW)
    assert told == [document_texts.CUT_OFF, document_texts.INTERRUPTED]
    told.clear()
    jobs.say_interrupted(["console"], lambda _job, message, _is_edit: told.append(message.text), now=NOW)
    assert told == []


def test_failure_nobody_expected_is_a_calm_sentence_with_a_code(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(LiveKnowledge, "reload", fail)
    assert "mã" in office.say("admin", "nạp lại")[-1]


def test_end_of_a_load_that_cannot_be_kept_is_said_when_it_can(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    drop(office.tray, "trong cay.md")
    with monkeypatch.context() as patched:
        patched.setattr(KeptJobs, "finish", full)
        started, progress = office.say("admin", "nạp lại")
    assert started == document_texts.STARTED
    assert progress.startswith("~")
    _, ended, result = office.say("an", "xin chào")
    assert ended == f"~{document_texts.ENDED}"
    assert result.startswith("Đã nạp xong: phiên bản 2")
    assert len(office.say("an", "xin chào")) == 1


def test_interruption_that_cannot_be_kept_is_told_once_when_it_can(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_in_the_middle(office, monkeypatch)
    told: list[str] = []
    jobs = Jobs(office.store, office.live, office.tray, lambda *_: b"")
    with monkeypatch.context() as patched:
        patched.setattr(KeptJobs, "finish", killed)
        with pytest.raises(Killed):
            jobs.say_interrupted(["console"], lambda _job, message, _is_edit: told.append(message.text), now=NOW)
    jobs.say_interrupted(["console"], lambda _job, message, _is_edit: told.append(message.text), now=NOW)
    assert told == [document_texts.CUT_OFF, document_texts.INTERRUPTED]


def test_loads_stand_in_the_log_without_content(office: Office) -> None:
    office.say("admin", "nạp lại")
    with office.store.transaction() as transaction:
        actions = [entry.action for entry in transaction.audit.entries()]
    assert actions == ["reload documents"]


def test_documents_are_the_same_for_a_whole_message(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    knowledge = office.live.knowledge

    def now(live: LiveKnowledge) -> KnowledgeBase:
        seen.append(live)
        return knowledge

    monkeypatch.setattr(LiveKnowledge, "knowledge", property(now))
    office.say("an", QUESTION)
    # Once to look ahead, before the transaction, and once for the whole of the message.
    assert len(seen) == 2
