import itertools
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from knowledge.keyboard import is_syllable
from knowledge.lexical import LexicalIndex
from knowledge.lexicon import LEXICON_FILE, Lexicon, LexiconError, load_lexicon
from knowledge.loader import load_documents
from knowledge.query import SEARCHED_CHARACTERS, Query, parse_query
from knowledge.text import fold
from tests.knowledge.builders import DOCUMENTS

SMALL: dict[str, Any] = {
    "abbreviations": [
        {"term": "cbcc", "kind": "organisation", "canonical": "cán bộ, công chức"},
        {"term": "đv", "kind": "teencode", "canonical": "đảng viên"},
        {"term": "hang thang", "kind": "spelling_variant", "canonical": "hằng tháng"},
        {"term": "TU", "kind": "ambiguous", "senses": ["Tỉnh ủy", "Trung ương"]},
    ],
    "everyday": [
        {"formal": "miễn nhiệm", "everyday": ["cho thôi chức"]},
        {"formal": "ma túy", "everyday": ["hàng đá"]},
        {"formal": "kỷ luật", "everyday": ["phạt"]},
    ],
    "function_words": "là gì đang thì của",
    "small_talk": ["cho hỏi"],
}


@pytest.fixture(scope="module")
def small() -> Lexicon:
    return Lexicon(SMALL)


def formal(lexicon: Lexicon, typed: str) -> list[str]:
    return [" ".join(expansion.tokens) for expansion in parse_query(typed, lexicon).expansions]


def content(query: Query) -> list[str]:
    return [token for token, kept in zip(query.tokens, query.is_content, strict=True) if kept]


# --- expansion -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("cbcc", ["cán bộ công chức"]),
        ("CBCC", ["cán bộ công chức"]),
        ("đv", ["đảng viên"]),
        ("dv", ["đảng viên"]),
        ("cho thôi chức", ["miễn nhiệm"]),
        ("cho thoi chuc", ["miễn nhiệm"]),
        ("hàng đá", ["ma túy"]),
        ("hang da", ["ma túy"]),
        ("phạt", ["kỷ luật"]),
        ("cán bộ", []),
    ],
)
def test_formal_wording_of_what_was_typed(small: Lexicon, typed: str, meant: list[str]) -> None:
    assert formal(small, typed) == meant


@pytest.mark.parametrize("typed", ["hang dà", "hăng đá", "phát", "phất", "đv1", "cho thổi chức"])
def test_other_accents_are_other_words(small: Lexicon, typed: str) -> None:
    assert formal(small, typed) == []


def test_ambiguous_form_brings_all_its_senses_lightly(small: Lexicon) -> None:
    expansions = parse_query("TU", small).expansions
    assert [expansion.tokens for expansion in expansions] == [("tỉnh", "ủy"), ("trung", "ương")]
    assert all(0 < expansion.weight < 0.5 for expansion in expansions)


def test_everyday_words_weigh_less_the_shorter_they_are(small: Lexicon) -> None:
    by_form = {
        form: parse_query(form, small).expansions[0].weight for form in ("cho thôi chức", "hàng đá", "phạt", "cbcc")
    }
    assert by_form["phạt"] < by_form["hàng đá"] < by_form["cho thôi chức"] < by_form["cbcc"] == 1.0


def test_expansion_says_which_words_it_stands_for(small: Lexicon) -> None:
    [expansion] = parse_query("ai bị cho thôi chức vậy", small).expansions
    assert (expansion.start, expansion.end) == (2, 5)


def test_own_words_stay_beside_the_formal_ones(small: Lexicon) -> None:
    assert parse_query("cbcc", small).tokens == ("cbcc",)


def test_real_lexicon_knows_what_members_write(lexicon: Lexicon) -> None:
    for typed, meant in [("cbcc", "cán bộ công chức"), ("hang thang", "hằng tháng"), ("ko", "không")]:
        assert meant in formal(lexicon, typed), typed


# --- function words -------------------------------------------------------------------------------------------


def test_function_words_carry_no_content(small: Lexicon) -> None:
    assert content(parse_query("nhiệm vụ của đảng viên là gì", small)) == ["nhiệm", "vụ", "đảng", "viên"]


def test_function_words_without_accents_carry_none_either(small: Lexicon) -> None:
    assert content(parse_query("nhiem vu cua dang vien la gi", small)) == ["nhiem", "vu", "vien"]


def test_word_that_also_writes_a_content_word_is_kept(small: Lexicon) -> None:
    kept = parse_query("nhiem vu cua dang vien la gi", small, None, frozenset({"dang"}))
    assert content(kept) == ["nhiem", "vu", "dang", "vien"]
    accented = parse_query("việc đang làm", small, None, frozenset({"dang"}))
    assert content(accented) == ["việc", "làm"]


def test_documents_tell_which_words_are_ambiguous(lexicon: Lexicon) -> None:
    texts = [document.text for document in load_documents(DOCUMENTS)]
    parse = partial(
        parse_query, lexicon=lexicon, keep_unaccented=LexicalIndex.build(texts, lexicon.function_words).ambiguous
    )
    assert content(parse("dang vien la gi")) == ["dang", "vien"]
    assert content(parse("đảng viên là gì")) == ["đảng", "viên"]
    assert content(parse("đang là gì")) == []


def test_phrases_around_a_question_carry_no_content(small: Lexicon) -> None:
    assert content(parse_query("cho hỏi miễn nhiệm", small)) == ["miễn", "nhiệm"]


# --- what was typed -------------------------------------------------------------------------------------------


def test_query_is_clean_on_one_line_and_mended(small: Lexicon) -> None:
    query = parse_query("  ddangr\u200b vieen\n\nlà   gì ", small)
    assert query.text == "đảng viên là gì"
    assert query.folded == ("dang", "vien", "la", "gi")


def test_only_the_first_characters_are_searched(small: Lexicon) -> None:
    query = parse_query("đảng viên " * 500 + "miễn nhiệm", small)
    assert len(query.text) <= SEARCHED_CHARACTERS
    assert "miễn" not in query.tokens
    assert len(query.tokens) == len(query.is_content) == len(query.folded)


@pytest.mark.parametrize("typed", ["", "   ", "…?!", "😀"])
def test_query_without_words_is_empty(small: Lexicon, typed: str) -> None:
    query = parse_query(typed, small)
    assert (query.tokens, query.is_content, query.expansions) == ((), (), ())


def test_longest_query_is_parsed_at_once(lexicon: Lexicon) -> None:
    began = time.process_time()
    parse_query("ư" * 1000 + "a1" * 5000, lexicon)
    # What grows with the square of the letters would take minutes.
    assert time.process_time() - began < 20


# --- the file ----------------------------------------------------------------------------------------------------


def test_every_small_talk_phrase_of_the_file_is_cut_off(lexicon: Lexicon) -> None:
    for phrase in itertools.chain.from_iterable(lexicon.small_talk.values()):
        assert content(parse_query(" ".join(phrase), lexicon)) == []


def test_function_words_of_the_file_have_accents_where_they_should(lexicon: Lexicon) -> None:
    assert any(word != fold(word) for word in lexicon.function_words)
    assert content(parse_query("bị thì là của các những", lexicon)) == []


@pytest.mark.parametrize("missing", ["abbreviations", "everyday", "function_words", "small_talk"])
def test_content_without_a_part_is_refused(missing: str) -> None:
    with pytest.raises(LexiconError, match=missing):
        Lexicon({key: value for key, value in SMALL.items() if key != missing})


def test_entry_without_its_field_is_refused() -> None:
    with pytest.raises(LexiconError, match="senses"):
        Lexicon({**SMALL, "abbreviations": [{"term": "x", "kind": "synonym"}]})


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"a: [1"], ids=["no file", "not UTF-8", "not YAML"])
def test_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "lexicon.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LexiconError, match=r"lexicon\.yaml"):
        load_lexicon(path)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("nhà chung cư ai quản lý", False),
        ("khách du lịch", False),
        ("đầu tư công", False),
        ("nghị quyết của TƯ", True),
        ("CƯ giao việc", True),
        ("CHUNG CƯ AI QUẢN LÝ", False),
    ],
)
def test_abbreviation_that_reads_like_a_word_is_met_in_capitals_only(
    lexicon: Lexicon, typed: str, *, meant: bool
) -> None:
    organisations = {"trung ương", "cấp uỷ", "đảng uỷ"}
    assert bool(organisations & set(formal(lexicon, typed))) is meant


def test_every_abbreviation_of_the_file_that_reads_like_a_word_stays_out_of_plain_sentences(lexicon: Lexicon) -> None:
    content = yaml.safe_load(LEXICON_FILE.read_text(encoding="utf-8"))
    collisions = [e["term"] for e in content["abbreviations"] if e["term"].isupper() and is_syllable(e["term"])]
    assert {"TƯ", "CƯ", "TU", "ĐU"} <= set(collisions)
    for term in collisions:
        assert not [e for e in parse_query(f"một {term.lower()} nào đó", lexicon).expansions if e.start == 1], term
