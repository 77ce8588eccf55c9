"""Other texts take the place of those that answer: all of them or none, and never without a way back."""

import errno
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from embeddings.encoder import Encoder, make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.golden import Golden
from knowledge.intake.model import Intake, IntakeError, Recognized, Refusal
from knowledge.lexicon import Lexicon, load_lexicon
from knowledge.library import Library, LibraryBusyError, LibraryError
from knowledge.model import Document, DocumentKind, KnowledgeError, Outcome, TextKind
from knowledge.reload import LiveKnowledge, NothingToRollBackError, Report, Result, Stage

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
HEAD = """---
number: "{number}"
kind: quy định
title: "{title}"
issuer: "Bộ Chính trị"
date: "{date}"
status: "đang thực hiện"
text_kind: {text_kind}
confidence: verified
---
"""
FEES = "## Điều 1. Mức đóng đảng phí\n\nĐảng viên hưởng lương đóng đảng phí bằng một phần trăm tiền lương.\n"
MEETINGS = "## Điều 1. Sinh hoạt chi bộ\n\nChi bộ sinh hoạt định kỳ mỗi tháng một lần vào ngày mùng ba.\n"
FEE_QUESTION = Golden("đảng phí bằng bao nhiêu phần trăm tiền lương", ("1-qd-tw-2020/dieu-1",))
MEETING_QUESTION = Golden("chi bộ sinh hoạt định kỳ mấy lần một tháng", ("2-qd-tw-2020/dieu-1",))


def a_file(
    folder: Path, name: str, text: str, *, number: str, date: str = "2020-05-05", kind: str = "official"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    head = HEAD.format(number=number, title=f"Quy định {number}", date=date, text_kind=kind)
    path.write_text(f"{head}{text}", encoding="utf-8")
    return path


def read_files(paths: Sequence[Path]) -> Iterator[Intake | IntakeError]:
    """Read Markdown, and refuse what is named so; what is named "quét" comes from OCR."""
    for path in paths:
        raw = path.read_bytes()
        if "hỏng" in path.name:
            yield IntakeError(path.name, Refusal.BROKEN)
            continue
        text = raw.decode().rpartition("---\n")[2].strip() + "\n"
        known = Recognized(
            "9-QĐ/TW", DocumentKind.REGULATION, datetime(2021, 1, 1).date(), "Bộ Chính trị", "Quy định 9"
        )
        sha256 = hashlib.sha256(raw).hexdigest()
        yield Intake(path.name, sha256, len(raw), text, is_ocr="quét" in path.name, recognized=known)


class Shelf:
    """A folder, a tray and what answers from them."""

    def __init__(self, folder: Path, encoder: Encoder, lexicon: Lexicon) -> None:
        self.folder, self.tray, self.data = folder / "documents", folder / "incoming", folder / "library"
        self.golden: list[Golden] = []
        self.built: list[tuple[str, ...]] = []
        self._encoder, self._lexicon = encoder, lexicon
        a_file(self.folder, "1-qd-tw-2020.md", FEES, number="1-QĐ/TW")
        a_file(self.folder, "2-qd-tw-2020.md", MEETINGS, number="2-QĐ/TW")
        self.tray.mkdir()

    def live(self, *, takes_folder: bool = True, steps_back: bool = False) -> LiveKnowledge:
        """Start anew."""
        live = LiveKnowledge(
            Library(self.data),
            folder=self.folder,
            tray=self.tray,
            golden=lambda: self.golden,
            build=self._build,
            save=lambda _knowledge: None,
            read=read_files,
        )
        live.open(at=NOW, takes_folder=takes_folder, steps_back=steps_back)
        return live

    def _build(
        self, documents: Sequence[Document], _helping: Sequence[Document], previous: KnowledgeBase | None
    ) -> KnowledgeBase:
        self.built.append(tuple(document.id for document in documents))
        return build_knowledge(documents, self._encoder, self._lexicon, previous=previous)

    def change_fees(self, percent: str) -> None:
        text = FEES.replace("một phần trăm", f"{percent} phần trăm")
        a_file(self.folder, "1-qd-tw-2020.md", text, number="1-QĐ/TW")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return make_encoder("bundled")


@pytest.fixture(scope="module")
def words() -> Lexicon:
    return load_lexicon()


@pytest.fixture
def shelf(tmp_path: Path, encoder: Encoder, words: Lexicon) -> Shelf:
    return Shelf(tmp_path, encoder, words)


def load(live: LiveKnowledge, reason: str = "", *, dry_run: bool = False, without: Sequence[str] = ()) -> Report:
    return live.reload(by="test", at=NOW, reason=reason, dry_run=dry_run, without=without)


def fees(live: LiveKnowledge) -> str:
    answer = live.knowledge.answer(FEE_QUESTION.question)
    assert answer.outcome is Outcome.ANSWERED
    return answer.quotes[0].text


# --- Loading --------------------------------------------------------------------------------------------------


def test_first_start_answers_from_the_folder_and_the_next_from_what_was_kept(shelf: Shelf) -> None:
    assert "bằng một phần trăm" in fees(shelf.live())
    again = shelf.live()
    assert "bằng một phần trăm" in fees(again)
    assert again.library.numbers() == [1]


def test_changed_document_answers_after_the_reload_under_a_new_version(shelf: Shelf) -> None:
    live = shelf.live()
    shelf.change_fees("hai")
    assert "một phần trăm" in fees(live)
    report = load(live)
    assert (report.result, report.version, report.before) == (Result.LOADED, 2, 1)
    assert report.difference.changed == ("1-qd-tw-2020",)
    assert (report.difference.passages_changed, report.difference.passages_added) == (1, 0)
    assert "hai phần trăm" in fees(live)
    assert [live.knowledge.documents[d].version for d in ("1-qd-tw-2020", "2-qd-tw-2020")] == [2, 1]


def test_nothing_new_is_no_change_even_when_files_were_touched(shelf: Shelf) -> None:
    live = shelf.live()
    os.utime(shelf.folder / "1-qd-tw-2020.md")
    report = load(live)
    assert (report.result, report.version) == (Result.UNCHANGED, 1)
    assert live.library.numbers() == [1]
    shelf.built.clear()
    shelf.live()
    assert len(shelf.built) == 1


def test_file_in_the_tray_is_loaded_and_stays_when_it_is_taken_away(shelf: Shelf) -> None:
    live = shelf.live()
    path = a_file(shelf.tray, "nêu gương.md", "## Điều 1. Nêu gương\n\nĐảng viên nêu gương.\n", number="5-QĐ/TW")
    report = load(live)
    assert report.difference.added == ("5-qd-tw-2020",)
    assert report.names == {"5-qd-tw-2020": "Quy định 5-QĐ/TW"}
    assert "nêu gương" in live.knowledge.passages["5-qd-tw-2020/dieu-1"].text
    kept = shelf.data / "sources" / hashlib.sha256(path.read_bytes()).hexdigest()
    assert kept.read_bytes() == path.read_bytes()
    path.unlink()
    assert load(live).result is Result.UNCHANGED
    assert "5-qd-tw-2020" in shelf.live().knowledge.documents


def test_same_file_under_another_name_is_no_change(shelf: Shelf) -> None:
    live = shelf.live()
    path = a_file(shelf.tray, "a.md", MEETINGS, number="5-QĐ/TW")
    load(live)
    (shelf.tray / "b.md").write_bytes(path.read_bytes())
    report = load(live)
    assert report.result is Result.UNCHANGED
    assert report.repeated == (("b.md", "Quy định 5-QĐ/TW"),)


def test_file_without_an_entry_goes_by_what_its_head_says(shelf: Shelf) -> None:
    live = shelf.live()
    (shelf.tray / "van ban.txt").write_text("## Điều 1. Nêu gương\n\nĐảng viên nêu gương.\n", encoding="utf-8")
    load(live)
    document = live.knowledge.documents["9-qd-tw-2021"]
    assert (document.number, document.text_kind) == ("9-QĐ/TW", TextKind.OFFICIAL)


def test_refused_file_is_named_and_the_rest_is_loaded(shelf: Shelf) -> None:
    live = shelf.live()
    (shelf.tray / "hỏng.pdf").write_bytes(b"%PDF-")
    a_file(shelf.tray, "tot.md", MEETINGS, number="5-QĐ/TW")
    report = load(live)
    assert [(error.name, error.refusal) for error in report.refused] == [("hỏng.pdf", Refusal.BROKEN)]
    assert report.difference.added == ("5-qd-tw-2020",)


def test_broken_file_of_the_folder_keeps_its_text_from_before(shelf: Shelf) -> None:
    live = shelf.live()
    (shelf.folder / "1-qd-tw-2020.md").write_text("---\nnumber: [\n---\nx", encoding="utf-8")
    report = load(live)
    assert [error.name for error in report.refused] == ["1-qd-tw-2020.md"]
    assert report.result is Result.UNCHANGED
    assert "một phần trăm" in fees(live)


def test_number_of_the_same_year_with_another_day_is_refused(shelf: Shelf) -> None:
    live = shelf.live()
    a_file(shelf.tray, "khac ngay.md", FEES, number="1-QĐ/TW", date="2020-06-06")
    report = load(live)
    assert [(error.refusal, error.facts["date"]) for error in report.refused] == [
        (Refusal.NUMBER_WITH_OTHER_DATE, "2020-05-05")
    ]
    assert report.result is Result.UNCHANGED


def test_number_of_another_year_is_another_document_and_is_pointed_at(shelf: Shelf) -> None:
    live = shelf.live()
    a_file(shelf.tray, "nam sau.md", FEES, number="1-QĐ/TW", date="2025-06-06")
    report = load(live)
    assert report.difference.added == ("1-qd-tw-2025",)
    assert report.same_number == (("nam sau.md", "1-qd-tw-2020"),)


def test_entry_that_closes_a_round_of_replacements_is_refused_and_the_rest_is_loaded(shelf: Shelf) -> None:
    live = shelf.live()
    path = a_file(shelf.folder, "2-qd-tw-2020.md", MEETINGS, number="2-QĐ/TW")
    path.write_text(
        path.read_text("utf-8").replace("text_kind", 'superseded_by: "1-QĐ/TW (5/5/2020)"\ntext_kind'), "utf-8"
    )
    load(live)
    path = a_file(shelf.folder, "1-qd-tw-2020.md", FEES.replace("một", "hai"), number="1-QĐ/TW")
    path.write_text(
        path.read_text("utf-8").replace("text_kind", 'superseded_by: "2-QĐ/TW (5/5/2020)"\ntext_kind'), "utf-8"
    )
    a_file(shelf.tray, "a.md", MEETINGS, number="5-QĐ/TW")
    report = load(live)
    assert [(error.name, error.refusal) for error in report.refused] == [
        ("1-qd-tw-2020.md", Refusal.CIRCULAR_REPLACEMENT)
    ]
    assert report.difference.added == ("5-qd-tw-2020",)
    assert "một phần trăm" in fees(live)


def test_official_text_goes_before_our_digest_whichever_came_later(shelf: Shelf) -> None:
    a_file(shelf.folder, "1-qd-tw-2020.md", FEES, number="1-QĐ/TW", kind="digest")
    live = shelf.live()
    a_file(shelf.tray, "toan van.md", FEES.replace("một", "đúng một"), number="1-QĐ/TW")
    load(live)
    assert "đúng một phần trăm" in fees(live)
    a_file(shelf.folder, "1-qd-tw-2020.md", FEES.replace("một", "chừng một"), number="1-QĐ/TW", kind="digest")
    load(live)
    assert "đúng một phần trăm" in fees(live)
    assert live.knowledge.documents["1-qd-tw-2020"].text_kind is TextKind.OFFICIAL


def test_received_document_is_let_go_only_when_asked(shelf: Shelf) -> None:
    live = shelf.live()
    a_file(shelf.tray, "a.md", MEETINGS, number="5-QĐ/TW")
    load(live)
    report = load(live, without=["5-qd-tw-2020"])
    assert report.difference.removed == ("5-qd-tw-2020",)
    assert load(live).result is Result.UNCHANGED
    assert "5-qd-tw-2020" not in live.knowledge.documents


def test_document_that_was_never_received_cannot_be_let_go(shelf: Shelf) -> None:
    live = shelf.live()
    a_file(shelf.tray, "a.md", MEETINGS, number="5-QĐ/TW")
    with pytest.raises(KnowledgeError, match="no received document '1-qd-tw-2020' to let go; there is: none"):
        load(live, without=["1-qd-tw-2020"])
    assert live.library.numbers() == [1]


@pytest.mark.parametrize("sha256", ["ab12", "../../ab12"])
def test_scanned_text_that_is_not_there_is_not_confirmed(shelf: Shelf, sha256: str) -> None:
    live = shelf.live()
    with pytest.raises(LibraryError, match="no scanned text"):
        live.library.confirm(sha256, by="admin")
    assert not list(shelf.data.parent.rglob("*.confirmed"))


def test_scanned_text_waits_until_somebody_has_compared_it(shelf: Shelf) -> None:
    live = shelf.live()
    a_file(shelf.tray, "quét.md", MEETINGS, number="5-QĐ/TW")
    report = load(live)
    assert report.result is Result.UNCHANGED
    [draft] = report.drafts
    assert [each.name for each in live.library.drafts()] == ["quét.md"]
    live.library.confirm(draft.sha256, by="admin")
    live.library.confirm(draft.sha256, by="admin")
    assert load(live).difference.added == ("5-qd-tw-2020",)
    assert live.library.drafts() == []


def test_citation_that_newly_leads_somewhere_is_told(shelf: Shelf) -> None:
    a_file(shelf.folder, "3-qd-tw-2020.md", "## Điều 1\n\nTheo Quy định số 5-QĐ/TW ngày 05/5/2020.\n", number="3-QĐ/TW")
    live = shelf.live()
    a_file(shelf.tray, "a.md", MEETINGS, number="5-QĐ/TW")
    report = load(live)
    assert [place for _, place in report.difference.resolved] == ["3-qd-tw-2020/dieu-1"]
    report = load(live, without=["5-qd-tw-2020"])
    assert [place for _, place in report.difference.broken] == ["3-qd-tw-2020/dieu-1"]


def test_progress_names_every_stage_in_order(shelf: Shelf) -> None:
    live, stages = shelf.live(), list[Stage]()
    shelf.golden = [FEE_QUESTION]
    shelf.change_fees("hai")
    live.reload(by="test", at=NOW, progress=lambda stage, _done, _total: stages.append(stage))
    assert stages == [Stage.READING, Stage.BUILDING, Stage.ASKING, Stage.WRITING]


# --- The gate -------------------------------------------------------------------------------------------------


def test_load_that_would_break_a_golden_question_is_refused_and_says_which(shelf: Shelf) -> None:
    shelf.golden = [FEE_QUESTION, MEETING_QUESTION]
    live = shelf.live()
    (shelf.folder / "1-qd-tw-2020.md").unlink()
    report = load(live)
    assert (report.result, report.version) == (Result.REFUSED, 1)
    assert report.difference.failing == (FEE_QUESTION.question,)
    assert report.difference.removed == ("1-qd-tw-2020",)
    assert "một phần trăm" in fees(live)
    assert "một phần trăm" in fees(shelf.live())


def test_refused_load_can_be_forced_and_the_reason_is_kept(shelf: Shelf) -> None:
    shelf.golden = [FEE_QUESTION]
    live = shelf.live()
    (shelf.folder / "1-qd-tw-2020.md").unlink()
    report = load(live, "quy định đã hết hiệu lực")
    assert (report.result, report.reason) == (Result.LOADED, "quy định đã hết hiệu lực")
    snapshot = live.library.snapshot(2)
    assert (snapshot.reason, snapshot.by, snapshot.made_at) == ("quy định đã hết hiệu lực", "test", NOW)
    assert live.knowledge.documents.keys() == {"2-qd-tw-2020"}


def test_question_whose_document_went_away_by_force_is_kept_as_failing(shelf: Shelf) -> None:
    shelf.golden = [FEE_QUESTION, MEETING_QUESTION]
    live = shelf.live()
    (shelf.folder / "1-qd-tw-2020.md").unlink()
    load(live, "quy định đã hết hiệu lực")
    assert live.library.snapshot(2).failing == (FEE_QUESTION.question,)


def test_question_that_failed_before_does_not_stand_in_the_way(shelf: Shelf) -> None:
    shelf.golden = [Golden("ai được miễn đóng", ("1-qd-tw-2020/dieu-7",))]
    live = shelf.live()
    shelf.change_fees("hai")
    assert load(live).result is Result.LOADED


def test_what_must_not_be_answered_is_a_golden_question_too(shelf: Shelf) -> None:
    shelf.golden = [Golden("đảng viên đi nước ngoài phải báo cáo ai")]
    live = shelf.live()
    text = "## Điều 1. Ra nước ngoài\n\nĐảng viên đi nước ngoài phải báo cáo chi ủy nơi sinh hoạt.\n"
    a_file(shelf.tray, "a.md", text, number="5-QĐ/TW")
    assert load(live).difference.failing == ("đảng viên đi nước ngoài phải báo cáo ai",)


def test_dry_run_tells_the_same_and_changes_nothing(shelf: Shelf) -> None:
    shelf.golden = [FEE_QUESTION]
    live = shelf.live()
    shelf.change_fees("hai")
    report = load(live, dry_run=True)
    assert (report.result, report.difference.changed, report.asked) == (Result.DRY_RUN, ("1-qd-tw-2020",), 1)
    assert "một phần trăm" in fees(live)
    assert live.library.numbers() == [1]


def test_changed_folder_goes_live_at_the_next_start_only_through_the_gate(shelf: Shelf) -> None:
    shelf.golden = [FEE_QUESTION]
    shelf.live()
    shelf.change_fees("hai")
    assert "hai phần trăm" in fees(shelf.live())
    (shelf.folder / "1-qd-tw-2020.md").unlink()
    assert "hai phần trăm" in fees(shelf.live())


def test_who_opens_in_order_to_load_is_told_what_changes(shelf: Shelf) -> None:
    shelf.live()
    shelf.change_fees("hai")
    live = shelf.live(takes_folder=False)
    assert "một phần trăm" in fees(live)
    assert load(live, dry_run=True).difference.changed == ("1-qd-tw-2020",)
    assert live.library.numbers() == [1]
    report = load(live)
    assert (report.result, report.before, report.difference.changed) == (Result.LOADED, 1, ("1-qd-tw-2020",))


# --- The way back ---------------------------------------------------------------------------------------------


def test_rolling_back_lets_the_texts_from_before_answer_and_loses_none(shelf: Shelf) -> None:
    live = shelf.live()
    shelf.change_fees("hai")
    load(live)
    report = live.roll_back(by="test", at=NOW)
    assert (report.result, report.version, report.difference.changed) == (Result.ROLLED_BACK, 3, ("1-qd-tw-2020",))
    assert "một phần trăm" in fees(live)
    assert live.knowledge.documents["1-qd-tw-2020"].version == 1
    live.roll_back(by="test", at=NOW, to=2)
    assert "hai phần trăm" in fees(live)
    assert live.knowledge.documents["1-qd-tw-2020"].version == 2


def test_step_back_holds_over_a_restart_and_until_the_next_reload(shelf: Shelf) -> None:
    live = shelf.live()
    shelf.change_fees("hai")
    load(live)
    live.roll_back(by="test", at=NOW)
    assert "một phần trăm" in fees(shelf.live())
    again = shelf.live()
    assert load(again).result is Result.LOADED
    assert "hai phần trăm" in fees(again)


def test_steps_back_go_on_backwards(shelf: Shelf) -> None:
    live = shelf.live()
    for percent in ("hai", "ba"):
        shelf.change_fees(percent)
        load(live)
    live.roll_back(by="test", at=NOW)
    assert "hai phần trăm" in fees(live)
    live.roll_back(by="test", at=NOW)
    assert "một phần trăm" in fees(live)
    with pytest.raises(NothingToRollBackError):
        live.roll_back(by="test", at=NOW)


def test_version_that_was_never_there_is_not_gone_back_to(shelf: Shelf) -> None:
    live = shelf.live()
    with pytest.raises(NothingToRollBackError, match="no version 7"):
        live.roll_back(by="test", at=NOW, to=7)


@pytest.mark.parametrize("broken", ["snapshots/000003.json", "texts"])
def test_from_a_damaged_version_one_can_still_go_back(shelf: Shelf, broken: str) -> None:
    live = shelf.live()
    for percent in ("hai", "ba"):
        shelf.change_fees(percent)
        load(live)
    path = shelf.data / broken
    if path.is_dir():
        path = next(each for each in path.iterdir() if "ba phần trăm" in each.read_text(encoding="utf-8"))
    path.write_bytes(b"{")
    with pytest.raises(LibraryError, match=path.name):
        shelf.live()
    live = shelf.live(takes_folder=False, steps_back=True)
    report = live.roll_back(by="test", at=NOW)
    assert (report.result, report.before, report.version) == (Result.ROLLED_BACK, 3, 4)
    live = shelf.live(takes_folder=False)
    assert "hai phần trăm" in fees(live)
    assert live.knowledge.documents["1-qd-tw-2020"].version == 2


def test_earlier_version_can_still_be_quoted(shelf: Shelf) -> None:
    live = shelf.live()
    shelf.change_fees("hai")
    load(live)
    earlier = live.earlier("1-qd-tw-2020", 1)
    assert earlier is not None
    assert "một phần trăm" in earlier.passage("1-qd-tw-2020/dieu-1").quotes[0].text
    assert live.earlier("1-qd-tw-2020", 3) is None
    assert live.earlier("khong-co", 1) is None


# --- Two at once, crashes, a full disk ------------------------------------------------------------------------


def test_second_administrator_is_told_that_somebody_is_loading(shelf: Shelf) -> None:
    live, other = shelf.live(), shelf.live()
    with live.library.loading(), pytest.raises(LibraryBusyError):
        load(other)
    assert load(other).result is Result.UNCHANGED


def test_what_another_process_loaded_is_followed(shelf: Shelf) -> None:
    live, other = shelf.live(), shelf.live()
    shelf.change_fees("hai")
    load(other)
    assert "một phần trăm" in fees(live)
    assert live.follow()
    assert not live.follow()
    assert "hai phần trăm" in fees(live)


class Killed(BaseException):
    """The program is gone at this point."""


def everything_that_is_written(monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException) -> Callable[[], int]:
    """Let the program end, or the disk be full, at the n-th file that takes its place."""
    count = 0
    replace = Path.replace

    def replacing(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == at:
            raise error
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replacing)
    return lambda: count


@pytest.mark.parametrize("at", range(1, 8))
def test_crash_at_any_step_leaves_the_old_texts_answering(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    live = shelf.live()
    shelf.change_fees("hai")
    a_file(shelf.tray, "a.md", MEETINGS, number="5-QĐ/TW")
    with monkeypatch.context() as patched:
        written = everything_that_is_written(patched, at, Killed())
        try:
            load(live)
        except Killed:
            assert live.library.current_number() == 1
            assert "một phần trăm" in fees(live)
        else:
            assert written() < at
    again = Library(shelf.data)
    assert again.numbers() in ([1], [1, 2])
    live = shelf.live()
    load(live)
    assert "hai phần trăm" in fees(live)
    assert "5-qd-tw-2020" in live.knowledge.documents


@pytest.mark.parametrize("at", range(1, 6))
def test_full_disk_is_said_and_the_old_texts_go_on_answering(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    live = shelf.live()
    shelf.change_fees("hai")
    a_file(shelf.tray, "a.md", MEETINGS, number="5-QĐ/TW")
    with monkeypatch.context() as patched:
        everything_that_is_written(patched, at, OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(LibraryError, match="No space left"):
            load(live)
    assert "một phần trăm" in fees(live)
    assert not list(shelf.data.rglob(".*.*"))
    assert load(live).result is Result.LOADED


def test_broken_pointer_names_the_file(shelf: Shelf) -> None:
    shelf.live()
    (shelf.data / "current").write_text("ba", encoding="ascii")
    with pytest.raises(LibraryError, match="current"):
        shelf.live()


def test_text_that_was_changed_by_hand_is_not_quoted(shelf: Shelf) -> None:
    shelf.live()
    for path in (shelf.data / "texts").iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace("một phần trăm", "mười phần trăm"), encoding="utf-8")
    with pytest.raises(LibraryError, match="changed by hand"):
        shelf.live()


def test_under_questions_a_swap_fails_none_and_mixes_no_versions(shelf: Shelf) -> None:
    live = shelf.live()
    ended, wrong, asked = threading.Event(), list[str](), [0]

    def ask() -> None:
        while not ended.is_set():
            knowledge = live.knowledge
            stored = knowledge.documents["1-qd-tw-2020"].text
            quote = knowledge.answer(FEE_QUESTION.question).quotes[0].text
            asked[0] += 1
            if quote not in stored:
                wrong.append(quote)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(10):
        shelf.change_fees(("hai", "ba")[n % 2])
        assert load(live).result is Result.LOADED
        time.sleep(0.01)
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert asked[0] > 10
