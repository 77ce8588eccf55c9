import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.intake.encodings import broken_accents, convert, decode, reads_as_vietnamese
from knowledge.intake.model import FindingKind, IntakeError, Refusal
from knowledge.loader import load_documents
from tests.knowledge.builders import DOCUMENTS

# The two encodings as their standards have them, written down here a second time: letter -> bytes.
TCVN3_LETTERS = "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ"
TCVN3_BYTES = bytes.fromhex(
    "a1a2a3a4a5a6a7a8a9aaabacadaeb5b6b7b8b9bbbcbdbec6c7c8c9cacbcccecfd0d1d2d3d4d5d6d7d8dcdddedfe1e2e3e4e5e6e7e8e9"
    "eaebecedeeeff1f2f3f4f5f6f7f8f9fafbfcfdfe"
)
VNI_TONES = {"\u0301": "ùÙ", "\u0300": "øØ", "\u0309": "ûÛ", "\u0303": "õÕ", "\u0323": "ïÏ"}
VNI_ROOFED = {"\u0301": "áÁ", "\u0300": "àÀ", "\u0309": "åÅ", "\u0303": "ãÃ", "\u0323": "äÄ", "": "âÂ"}
VNI_CUPPED = {"\u0301": "éÉ", "\u0300": "èÈ", "\u0309": "úÚ", "\u0303": "üÜ", "\u0323": "ëË", "": "êÊ"}
VNI_I = {"\u0301": "íÍ", "\u0300": "ìÌ", "\u0309": "æÆ", "\u0303": "óÓ", "\u0323": "òÒ"}
SYLLABLES = (
    "đảng viên điều lệ quy định nghị quyết chỉ thị kết luận cấp ủy chi bộ tổ chức kiểm tra giám sát kỷ luật trách nhiệm"
    " nêu gương phẩm chất đạo đức lối sống suy thoái tự diễn biến chuyển hóa những người đứng đầu cơ quan đơn vị hội"
    " nghị nhiệm kỳ ổn thuở khuỷu khuya xuất hữu quyền lợi ý kiến ưu ưỡn ặc ẵm kỹ mỹ quý giữ gìn nghĩa vụ thưởng phạt"
).split()
WORDS = st.sampled_from(SYLLABLES)
# TCVN3 cannot write a toned capital among small letters.
PLAIN_FIRST = [word for word in SYLLABLES if word[0].isascii() or word[0] in "đăâêôơư"]


def to_tcvn3(text: str) -> bytes:
    table = dict(zip(TCVN3_LETTERS, TCVN3_BYTES, strict=True))
    return bytes(table.get(c, table.get(c.lower(), ord(c) & 0xFF)) for c in text)


def to_vni(text: str) -> bytes:
    written = []
    for letter in text:
        marks = unicodedata.normalize("NFD", letter)
        base, upper = marks[0].lower(), letter.isupper()
        tone = next((c for c in marks if c in VNI_TONES), "")
        if letter in "đĐ":
            written.append("Ñ" if upper else "ñ")
        elif len(marks) == 1:
            written.append(letter)
        elif "\u0302" in marks or "\u0306" in marks:
            accent = (VNI_ROOFED if "\u0302" in marks else VNI_CUPPED)[tone][upper]
            written.append(marks[0] + accent)
        elif base == "i":
            written.append(VNI_I[tone][upper])
        elif letter in "ỵỴ":
            written.append("Î" if upper else "î")
        else:
            horned = {"o": "ôÔ", "u": "öÖ"}[base][upper] if "\u031b" in marks else marks[0]
            written.append(horned + (VNI_TONES[tone][upper] if tone else ""))
    return "".join(written).encode("cp1252")


@st.composite
def vietnamese(draw: st.DrawFn) -> str:
    """Lines of Vietnamese in small letters, with capitals at the beginning, or all in capitals."""
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        words = draw(st.lists(WORDS, min_size=6, max_size=12, unique=True))
        shape = draw(st.sampled_from(["small", "title", "capitals"]))
        if shape == "title":
            words[0] = draw(st.sampled_from(PLAIN_FIRST)).capitalize()
        line = " ".join(words) + draw(st.sampled_from([".", ";", "", " (khoản 2)"]))
        lines.append(line.upper() if shape == "capitals" else line)
    return "\n".join(lines)


# --- not to be touched -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Điều 1. Phạm vi điều chỉnh và đối tượng áp dụng",
        "Quy định số 37-QĐ/TW; mức 25 °C, 5 m², § 3, «trích», ½, ±2 %, © 2024",
        "The committee shall decide. “Quoted” – naïve café façade résumé",
        "Les élèves étaient très fâchés à l'école, où même les évêques ont été élus.",
        "Größe, Maß und Übung für Bürger; Straße, fröhlich, Äpfel",
        "Señor Núñez comió piñas y después bebió café en la montaña",
        "ĐẢNG CỘNG SẢN VIỆT NAM",
        "đ/c An, QĐ, HĐND, UBND",
    ],
)
def test_right_vietnamese_and_other_languages_are_never_converted(text: str) -> None:
    assert convert(text) == (text, None)
    assert decode(text.encode()) == (text, ())


def test_no_shipped_document_is_converted_or_listed() -> None:
    for document in load_documents(DOCUMENTS):
        for line in document.text.splitlines():
            assert convert(line) == (line, None)
        assert broken_accents(document.text) == (), document.id


@given(vietnamese())
@settings(max_examples=60, deadline=None)
def test_right_vietnamese_has_no_findings(text: str) -> None:
    assert decode(text.encode()) == (text, ())


@pytest.mark.parametrize(
    "raw", [b"\x00\x01\x02\x03" * 20, bytes(range(256)) * 4, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"]
)
def test_bytes_that_are_no_text_are_refused(raw: bytes) -> None:
    with pytest.raises(IntakeError) as caught:
        decode(raw)
    assert caught.value.refusal is Refusal.WRONG_ENCODING


def test_western_text_in_one_byte_a_letter_stays_western() -> None:
    text = "Les élèves étaient très fâchés à l'école, où même les évêques ont été élus."
    assert decode(text.encode("cp1252")) == (text, ())


# --- converted ---------------------------------------------------------------------------------------------------


@given(vietnamese())
@settings(max_examples=80, deadline=None)
def test_tcvn3_comes_back_as_it_was_written(text: str) -> None:
    back, findings = decode(to_tcvn3(text))
    assert back == text
    assert [(f.kind, f.excerpt[:7]) for f in findings] == [(FindingKind.CONVERTED_ENCODING, "TCVN3: ")]


@given(vietnamese())
@settings(max_examples=80, deadline=None)
def test_vni_comes_back_as_it_was_written(text: str) -> None:
    back, findings = decode(to_vni(text))
    assert back == text
    assert [(f.kind, f.excerpt[:5]) for f in findings] == [(FindingKind.CONVERTED_ENCODING, "VNI: ")]


@given(vietnamese(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@settings(max_examples=60, deadline=None)
def test_unicode_comes_back_without_a_finding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == (text, ())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_read(encoding: str) -> None:
    text = "Điều 1. Phạm vi điều chỉnh\nQuy định này áp dụng với đảng viên."
    assert decode(text.encode(encoding)) == (text, ())


def test_windows_1258_is_read_and_told() -> None:
    text = "Điều 1. Đảng viên chấp hành nghị quyết"
    raw = unicodedata.normalize("NFD", text).replace("o\u0302", "ô").replace("e\u0302", "ê").replace("a\u0302", "â")
    raw = raw.replace("u\u031b", "ư").replace("o\u031b", "ơ").replace("e\u0323\u0302", "ê\u0323")
    back, findings = decode(raw.encode("cp1258"))
    assert back == text
    assert findings[0].excerpt.startswith("Windows-1258: ")


def test_viscii_is_read_and_told() -> None:
    # "Điều 1. Đảng viên chấp hành nghị quyết"
    raw = bytes.fromhex("d069ab7520312e20d0e46e67207669ea6e206368a4702068e06e68206e6768b820717579aa74")
    back, findings = decode(raw)
    assert back == "Điều 1. Đảng viên chấp hành nghị quyết"
    assert findings[0].excerpt.startswith("VISCII: ")


@pytest.mark.parametrize(
    ("old", "font", "text"),
    [
        ("quy ®Þnh", ".VnTime", "quy định"),
        ("quy ®Þnh", "ABCDEF+.VnTime,Bold", "quy định"),
        ("quy ®Þnh", ".VnTimeH", "QUY ĐỊNH"),
        ("ban hanh", ".VnTimeH", "BAN HANH"),
        ("ban hanh", ".VnTime", "ban hanh"),
        ("chæ thò", "VNI-Times", "chỉ thị"),
        ("chỉ thị", "VNI-Times", "chỉ thị"),
        ("quy định", ".VnTimeH", "quy định"),
        ("§iÒu 5", None, "Điều 5"),
        ("café", None, "café"),
        ("café", "Times New Roman", "café"),
    ],
)
def test_font_tells_how_few_words_are_read(old: str, font: str | None, text: str) -> None:
    back, finding = convert(old, font)
    assert back == text
    assert (finding is not None) == (text != old)


@pytest.mark.parametrize("line", ["Số 88-QĐ/TU", "Số 88-QĐ/TU          Hà Nam, ngày 12 tháng 10 năm 2026"])
def test_capitals_of_a_documents_number_tell_nothing_of_the_word_before_it(line: str) -> None:
    text = f"{line}\nĐảng viên phải gương mẫu thực hiện quy định này"
    assert decode(to_tcvn3(text))[0] == text


def test_capital_that_tcvn3_cannot_write_follows_the_letters_around_it() -> None:
    line = "Điều 1. PHẠM VI ÁP DỤNG của Quy định này, QUY ĐỊNH VỀ BỔ NHIỆM."
    assert decode(to_tcvn3(line))[0] == line


# --- listed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        "Đi\ufffdu",
        "\ue001ảng",
        "Äiá»u",
        "thÃ´ng",
        "Æ°u",
        "®ảng",
        "ph¶i",
        "đuợc",
        "đưọc",
        "k\u0301",
        "ạ\u0301",
        "ngu\u0323o\u0300i",
        "h?ng",
        "đ?nh",
    ],
)
def test_damaged_word_is_listed_as_it_stands(word: str) -> None:
    [finding] = broken_accents(f"Cấp ủy {word} quy định, chi bộ {word} họp")
    assert (finding.kind, finding.excerpt, finding.count) == (FindingKind.BROKEN_ACCENT, word, 2)


@pytest.mark.parametrize("text", ["Có phải không?Có.", "https://dang.vn/tim?q=chi", "Phải làm gì? Ai làm?", "a/b?c"])
def test_question_mark_at_its_place_is_no_damage(text: str) -> None:
    assert broken_accents(text) == ()


def test_accents_written_apart_are_one_finding() -> None:
    [finding] = broken_accents(unicodedata.normalize("NFD", "Điều lệ Đảng"))
    assert (unicodedata.normalize("NFC", finding.excerpt), finding.count) == ("Điều", 3)


def test_lists_of_damage_stay_short() -> None:
    text = " ".join(f"h\ufffdng{n}" for n in range(500))
    findings = broken_accents(text)
    assert len(findings) == 51
    assert sum(f.count for f in findings) == 500


@pytest.mark.parametrize("word", ["thuở", "huơ", "khuỷu", "quýt", "nghiêng", "Ổn", "hoà", "hòa", "GIỮ", "uỷ", "Quới"])
def test_right_syllable_reads_as_vietnamese(word: str) -> None:
    assert reads_as_vietnamese(word)


@pytest.mark.parametrize("word", ["été", "đuợc", "cãp", "strằ", "ñ", "họ̀c", "ph¶i"])
def test_other_words_do_not_read_as_vietnamese(word: str) -> None:
    assert not reads_as_vietnamese(word)


def test_module_needs_no_file_of_its_own() -> None:
    assert decode(Path(__file__).read_bytes())[0] == Path(__file__).read_text(encoding="utf-8")
