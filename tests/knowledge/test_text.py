import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from knowledge.text import accented_key, clean, collapse, fold, pairs, slug, syllables


def test_text_pasted_from_an_iphone_becomes_composed() -> None:
    pasted = unicodedata.normalize("NFD", "Đảng viên được xếp loại")
    assert pasted != "Đảng viên được xếp loại"
    assert clean(pasted) == "Đảng viên được xếp loại"


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("đảng\u200b viên", "đảng viên"),
        ("\ufeffmục 2.3", "mục 2.3"),
        ("mục\x00 2\x07.3", "mục 2.3"),
        ("\u202eđảng viên\u202c", "đảng viên"),
        ("\u2067mục 2\u2069", "mục 2"),
        ("cán\u00adbộ", "cánbộ"),
    ],
    ids=["zero-width", "byte order mark", "control", "right-to-left override", "isolate", "soft hyphen"],
)
def test_invisible_characters_are_removed(pasted: str, meant: str) -> None:
    assert clean(pasted) == meant


def test_line_breaks_stay_and_windows_ones_become_plain() -> None:
    assert clean("một\r\nhai\n\nba\tbốn") == "một\nhai\n\nba\tbốn"


def test_accent_behind_a_zero_width_space_is_composed() -> None:
    assert clean("hoa\u200b\u0300") == "hoà"


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x85", "\r"], ids=["Word line", "page", "next line", "old Mac"])
def test_a_break_between_words_still_parts_them(mark: str) -> None:
    assert syllables(clean(f"đảng{mark}viên")) == ["đảng", "viên"]


@given(st.text())
@example("a\u200b\u0301")
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(alphabet=st.characters(categories=["L", "M", "N", "P", "Zs"])))
def test_cleaning_visible_text_only_composes_it(text: str) -> None:
    assert clean(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Đảng viên", "dang vien"),
        ("đường lối", "duong loi"),
        ("ƯU ĐIỂM, KHUYẾT ĐIỂM", "uu diem, khuyet diem"),
        (unicodedata.normalize("NFD", "Uỷ ban Kiểm tra"), "uy ban kiem tra"),
        ("2212-QĐ/TU", "2212-qd/tu"),
    ],
)
def test_folding_drops_case_tones_and_hooks(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_folding_does_not_see_how_accents_are_encoded(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(("old", "new"), [("hoà", "hòa"), ("uỷ", "ủy"), ("thuỳ", "thùy"), ("khoá", "khóa")])
def test_both_places_of_a_tone_give_one_key(old: str, new: str) -> None:
    assert accented_key(old) == accented_key(new)


@pytest.mark.parametrize(
    ("one", "other"), [("đang", "đảng"), ("hoa", "hoà"), ("dang", "đang"), ("bi", "bí"), ("o", "ơ")]
)
def test_different_words_keep_different_keys(one: str, other: str) -> None:
    assert accented_key(one) != accented_key(other)


def test_vowel_marks_stay_in_the_key() -> None:
    assert accented_key("được") == "đươc5"


def test_syllables_are_letters_and_digits_in_order() -> None:
    assert syllables("“Tự diễn biến” (41-QĐ/TW)_x") == ["tự", "diễn", "biến", "41", "qđ", "tw", "x"]


def test_pairs_join_neighbours() -> None:
    assert pairs(["tự", "phê", "bình"]) == ["tự_phê", "phê_bình"]
    assert pairs(["tự"]) == []


@pytest.mark.parametrize(
    ("heading", "locator"),
    [("4. Năm đột phá", "4-nam-dot-pha"), ("Điều 5", "dieu-5"), ("“Tự diễn biến”, đẩy lùi", "tu-dien-bien-day-lui")],
)
def test_slug_of_a_heading_is_plain(heading: str, locator: str) -> None:
    assert slug(heading) == locator


def test_collapse_leaves_one_line() -> None:
    assert collapse("  một\n\n hai\tba ") == "một hai ba"
