import pytest

from handlers import intake_texts
from knowledge.intake.model import Finding, FindingKind, IntakeError, Refusal


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_names_the_file_says_what_is_wrong_and_what_to_do(refusal: Refusal) -> None:
    text = intake_texts.refused(IntakeError("quy-dinh.docx", refusal))
    assert text.startswith("quy-dinh.docx: ")
    assert text.endswith(".")
    assert "đồng chí" in text.lower()
    assert refusal.value not in text
    assert "None" not in text
    assert text.count(". ") <= 3


@pytest.mark.parametrize("kind", FindingKind)
def test_every_finding_is_said_in_one_line(kind: FindingKind) -> None:
    (line,) = intake_texts.findings("a.docx", [Finding(kind, "đoạn này", page=3, count=2)])
    assert line.startswith("a.docx: ")
    assert " 2 " in line
    assert line.endswith(", trang 3: “đoạn này”.")
    assert kind.value not in line


@pytest.mark.parametrize(
    ("refusal", "facts", "words"),
    [
        (Refusal.TOO_LARGE, {"mb": "120", "allowed_mb": "50"}, "quá lớn (120 MB, được tối đa 50 MB)"),
        (Refusal.TOO_MANY_PAGES, {"pages": "10000", "allowed": "2000"}, "(10.000 trang, được tối đa 2.000 trang)"),
        (Refusal.TOO_MANY_ENTRIES, {"entries": "6000", "allowed": "5000"}, "(6.000 phần, được tối đa 5.000 phần)"),
        (Refusal.TOO_LONG, {"allowed": "10000000"}, "(được tối đa 10.000.000 chữ cái)"),
        (Refusal.TOO_LONG, {"seconds": "60"}, "quá 60 giây"),
        (Refusal.NOT_WHAT_IT_SAYS, {"says": ".docx", "is": ".pdf"}, "(tên ghi .docx, bên trong là .pdf)"),
        (Refusal.WRONG_REGISTRY_ENTRY, {"problem": "is not valid YAML near line 3"}, "sai ở gần dòng 3."),
        (Refusal.WRONG_REGISTRY_ENTRY, {"problem": "holds a wrong 'date' or number"}, "sai ở mục “date”."),
        (Refusal.NAME_OF_ANOTHER, {"document": "Quy định 41-QĐ/TW"}, "mang tên tệp của Quy định 41-QĐ/TW nhưng"),
        (
            Refusal.NUMBER_WITH_OTHER_DATE,
            {"number": "41-QĐ/TW", "date": "2021-11-03"},
            "số 41-QĐ/TW đã nạp trước đây nhưng ghi ngày khác (03/11/2021)",
        ),
        (Refusal.WRONG_REGISTRY_ENTRY, {"problem": "registry entry needs 'title' as text"}, "sai ở mục “title”"),
        (
            Refusal.WRONG_REGISTRY_ENTRY,
            {"problem": "registry entry refers to parts of itself"},
            "sai: chỉ được ghi các dòng ngắn",
        ),
    ],
)
def test_refusals_tell_the_figures(refusal: Refusal, facts: dict[str, str], words: str) -> None:
    assert words in intake_texts.refused(IntakeError("a.docx", refusal, facts))


def test_findings_of_a_kind_are_one_line_with_all_pages_and_the_first_words() -> None:
    found = [
        Finding(FindingKind.WHITE_TEXT, "một", page=3),
        Finding(FindingKind.COMMENT, "sửa câu này"),
        Finding(FindingKind.WHITE_TEXT, "hai " * 30, page=3),
        *(Finding(FindingKind.WHITE_TEXT, f"chỗ {page}", page=page) for page in (5, 6, 7)),
        Finding(FindingKind.MACROS),
    ]
    assert intake_texts.findings("a.docx", found) == [
        f"a.docx: Đã bỏ 5 đoạn chữ trắng (chữ ẩn), trang 3, 5, 6…: “một”, “{('hai ' * 15).strip()}…”, “chỗ 5” "
        "và 2 chỗ khác.",
        "a.docx: Đã bỏ 1 lời nhận xét ghi bên lề: “sửa câu này”.",
        "a.docx: Tệp có 1 chương trình kèm theo (macro), tôi không chạy.",
    ]
    assert intake_texts.findings("a.docx", []) == []
