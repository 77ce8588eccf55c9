import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embeddings.cache import CacheError
from embeddings.encoder import make_encoder
from knowledge.answer import build_knowledge
from knowledge.calibration import SIGNALS, VIEWS, Calibration
from knowledge.evaluation import read_questions
from knowledge.fusion import weigh
from knowledge.fuzzy import mended_tokens, near_quote, neighbours
from knowledge.lexical import LexicalIndex, index_tokens, query_tokens
from knowledge.lexicon import Lexicon
from knowledge.loader import load_documents
from knowledge.model import Hit, Outcome
from knowledge.query import parse_query
from knowledge.search import Entry, Search, build_search
from knowledge.views import View, load_views
from tests.knowledge.builders import DOCUMENTS, PLAN, CountingEncoder

LEXICON: dict[str, Any] = {
    "abbreviations": [{"term": "cbcc", "kind": "organisation", "canonical": "cán bộ, công chức"}],
    "everyday": [],
    "function_words": "là gì đang của",
    "small_talk": [],
}
TEXTS = {
    "tuyen-truyen": "Đẩy mạnh tuyên truyền, giáo dục lý luận chính trị cho cán bộ, công chức.",
    "kiem-tra": "Nâng cao chất lượng công tác kiểm tra, giám sát, kỷ luật của tổ chức đảng.",
    "mien-nhiem": "Thực hiện nghiêm việc miễn nhiệm, từ chức đối với người đứng đầu.",
    "nhan-dan": "Người đứng đầu định kỳ tiếp và đối thoại với nhân dân; giám sát của nhân dân.",
}
ENTRIES = [Entry(id, text) for id, text in TEXTS.items()]


@pytest.fixture(scope="module")
def words() -> Lexicon:
    return Lexicon(LEXICON)


@pytest.fixture(scope="module")
def search(words: Lexicon) -> Search:
    return build_search(ENTRIES, CountingEncoder(), words)


def a_calibration(**weights: float) -> Calibration:
    """Each ranking weighs nothing, but for those that are named."""
    chosen = tuple(weights.get(name, 0.0) for name in SIGNALS)
    nothing = dict.fromkeys([*VIEWS, "bias", "threshold"], 0.0)
    return Calibration(chosen, chosen, chosen, nothing, nothing, {})


@pytest.fixture(scope="module")
def index(words: Lexicon) -> LexicalIndex:
    return LexicalIndex.build(list(TEXTS.values()), words.function_words)


def found(search: Search, text: str, *, k: int = 10, mode: str = "hybrid") -> list[str]:
    return [hit.passage_id for hit in search.search(search.parse(text), k=k, mode=mode)]


# --- BM25 ------------------------------------------------------------------------------------------------------


def test_text_is_indexed_folded_paired_and_as_accented() -> None:
    assert index_tokens("Kiểm tra") == ["kiem", "tra", "kiem_tra", "=kiêm3"]


def test_query_tokens_leave_function_words_out_unless_beside_content(words: Lexicon) -> None:
    assert query_tokens(parse_query("miễn nhiệm là gì", words)) == [
        *["mien", "nhiem", "=miên4", "=nhiêm5"],
        *["mien_nhiem", "nhiem_la"],
    ]


@pytest.mark.parametrize(
    ("typed", "id"),
    [
        ("kiểm tra, giám sát", "kiem-tra"),
        ("giám sát của nhân dân", "nhan-dan"),
        ("miễn nhiệm, từ chức", "mien-nhiem"),
        ("giao duc ly luan chinh tri", "tuyen-truyen"),
    ],
)
def test_exact_phrase_comes_first(search: Search, typed: str, id: str) -> None:
    assert found(search, typed, mode="bm25")[0] == id


def test_words_in_order_beat_the_same_words_apart(words: Lexicon) -> None:
    entries = [Entry("apart", "sát nhân dân giám đốc xa"), Entry("phrase", "giám sát xa nhân dân đốc")]
    assert found(build_search(entries, CountingEncoder(), words), "giám sát", mode="bm25")[0] == "phrase"


def test_same_accents_beat_other_accents(words: Lexicon) -> None:
    entries = [Entry("cam", "cảm ơn nhiều"), Entry("cam-quyen", "cầm quyền lâu")]
    built = build_search(entries, CountingEncoder(), words)
    assert found(built, "cầm", mode="bm25") == ["cam-quyen", "cam"]
    assert found(built, "cảm", mode="bm25") == ["cam", "cam-quyen"]


def test_formal_wording_finds_what_was_abbreviated(search: Search) -> None:
    assert found(search, "cbcc", mode="bm25")[0] == "tuyen-truyen"


def test_words_that_no_text_holds_score_nothing(index: LexicalIndex, words: Lexicon) -> None:
    assert index.scores(parse_query("bóng đá ngoại hạng", words)).tolist() == [0, 0, 0, 0]
    assert not index.knows("ngoai_hang")


def test_rare_words_weigh_more(index: LexicalIndex) -> None:
    assert index.idf("mien") > index.idf("giam") > 0
    assert index.idf("chua-thay-bao-gio") == index.idf("mien")


def test_vocabulary_is_folded_syllables_only(index: LexicalIndex) -> None:
    assert "mien" in index.vocabulary
    assert index.vocabulary == sorted(index.vocabulary)
    assert not [token for token in index.vocabulary if token[0] == "=" or "_" in token]


def test_syllable_of_a_function_word_and_of_content_is_ambiguous(index: LexicalIndex) -> None:
    assert index.ambiguous == {"dang"}


# --- fuzzy -----------------------------------------------------------------------------------------------------


def test_misspelt_word_finds_its_neighbour(index: LexicalIndex, words: Lexicon) -> None:
    query = parse_query("kiễm tra giámm xát tuyyên", words)
    near = neighbours(query, index)
    assert near[4][0] == "tuyen"
    assert 1 not in near


def test_short_words_numbers_and_function_words_have_no_neighbours(index: LexicalIndex, words: Lexicon) -> None:
    assert neighbours(parse_query("xy 2031 là", words), index) == {}


def test_mended_tokens_pair_with_the_words_beside_them(words: Lexicon) -> None:
    query = parse_query("viec truyn giao", words)
    assert mended_tokens(query, {1: ["truyen"]}) == ["truyen", "viec_truyen", "truyen_giao"]


def test_misspelt_question_finds_its_passage(search: Search) -> None:
    assert found(search, "tuyyen truyenn giáo dụcc")[0] == "tuyen-truyen"


def test_near_quote_is_a_share_of_the_best_stretch(words: Lexicon) -> None:
    texts = ["x giam sat cua nhan dan y", "dien tap phong chay tai cho, xong xuoi"]
    exact, other = near_quote(parse_query("giám sát của nhân dân", words), texts)
    assert exact == 1.0
    assert 0 <= other < 0.7


# --- fusion ----------------------------------------------------------------------------------------------------


def test_fusion_by_hand() -> None:
    signals = np.array([[1.0, 0.5], [0.5, 1.0], [0.0, 0.25]], dtype=np.float32)
    assert weigh(signals, (0.6, 0.2)).tolist() == pytest.approx([0.7, 0.5, 0.05])


def test_fusion_of_nothing_is_nothing() -> None:
    assert weigh(np.zeros((0, 2), dtype=np.float32), (0.6, 0.2)).shape == (0,)


def test_every_ranking_needs_its_weight() -> None:
    with pytest.raises(ValueError, match="2 rankings, 1 weights"):
        weigh(np.zeros((3, 2), dtype=np.float32), (0.6,))


# --- the search ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["bm25", "dense", "hybrid"])
def test_every_mode_finds_the_passage(search: Search, mode: str) -> None:
    assert found(search, "miễn nhiệm, từ chức", mode=mode)[0] == "mien-nhiem"


@pytest.mark.parametrize(("k", "mode"), [(0, "hybrid"), (-1, "bm25"), (1, "sparse")])
def test_wrong_k_or_mode_is_refused(search: Search, k: int, mode: str) -> None:
    with pytest.raises(ValueError, match="k must be positive and mode one of"):
        search.search(search.parse("đảng"), k=k, mode=mode)


def test_hits_are_best_first(search: Search) -> None:
    hits = search.search(search.parse("giám sát của nhân dân"), k=4)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_k_cuts_the_same_ranking(search: Search) -> None:
    full = found(search, "giám sát nhân dân", k=4)
    assert found(search, "giám sát nhân dân", k=2) == full[:2]


def test_prior_shuts_out_and_lifts(search: Search) -> None:
    query = search.parse("giám sát")
    only = np.array([0, 0, 1, 0], dtype=np.float32)
    assert {hit.passage_id for hit in search.search(query, k=4, prior=only)} <= {"mien-nhiem"}
    no_check = np.array([1, 0, 1, 1], dtype=np.float32)
    assert search.search(query, k=4, prior=no_check)[0].passage_id == "nhan-dan"
    half = np.array([1, 1, 1, 0.01], dtype=np.float32)
    assert search.search(query, k=4, prior=half)[0].passage_id == "kiem-tra"


def test_shut_out_entries_do_not_use_up_the_candidates(words: Lexicon) -> None:
    entries = [*(Entry(f"x{n}", "giám sát giám sát") for n in range(10)), Entry("last", "giám sát một lần")]
    search = build_search(entries, CountingEncoder(), words, candidates=2)
    prior = np.array([0.0] * 10 + [1.0], dtype=np.float32)
    assert [hit.passage_id for hit in search.search(search.parse("giám sát"), k=1, prior=prior)] == ["last"]


def test_same_question_gives_the_same_hits_every_time(search: Search, words: Lexicon) -> None:
    again = build_search(ENTRIES, CountingEncoder(), words)
    for text in ("giám sát", "người đứng đầu", "tuyyên truyền", "cbcc"):
        first = search.search(search.parse(text), k=4)
        assert first == search.search(search.parse(text), k=4) == again.search(again.parse(text), k=4)


def test_entries_that_say_the_same_come_in_their_order(words: Lexicon) -> None:
    search = build_search([Entry(id, "giám sát") for id in "cab"], CountingEncoder(), words)
    assert found(search, "giám sát") == ["c", "a", "b"]


def test_heading_above_a_text_is_searched_too(words: Lexicon) -> None:
    search = build_search([Entry("a", "Một."), Entry("b", "Hai.", "Căn cứ miễn nhiệm")], CountingEncoder(), words)
    assert found(search, "miễn nhiệm") == ["b"]


def test_weights_decide_between_rankings(words: Lexicon) -> None:
    search = build_search(ENTRIES, CountingEncoder(), words, calibration=a_calibration(lexical=1))
    query = search.parse("giám sát của nhân dân")
    by_words = [hit.passage_id for hit in search.search(query, k=2)]
    assert by_words == [hit.passage_id for hit in search.search(query, k=2, mode="bm25")]


VIEWS_OF_TEXTS = [
    View("mien-nhiem", "sếp làm sai có phải rời ghế không"),
    View("nhan-dan", "bà con có được gặp lãnh đạo không"),
    View("kiem-tra", "ai soi tổ chức đảng"),
    View("?đảng phí", "đóng đảng phí bao nhiêu"),
]


def test_view_finds_its_passage(words: Lexicon) -> None:
    search = build_search(
        ENTRIES, CountingEncoder(), words, views=VIEWS_OF_TEXTS, calibration=a_calibration(view_dense=1)
    )
    assert found(search, "sếp phải rời ghế khi nào")[0] == "mien-nhiem"
    assert search.search(search.parse("bà con gặp lãnh đạo"), k=1)[0].passage_id == "nhan-dan"


def test_views_can_be_left_out(words: Lexicon, search: Search) -> None:
    viewed = build_search(ENTRIES, CountingEncoder(), words, views=VIEWS_OF_TEXTS)
    query = viewed.parse("sếp phải rời ghế khi nào")
    assert viewed.search(query, k=4, curated=False) == search.search(query, k=4)


def test_what_the_documents_leave_open_is_seen_and_never_a_hit(words: Lexicon) -> None:
    search = build_search(ENTRIES, CountingEncoder(), words, views=VIEWS_OF_TEXTS)
    near = search.find(search.parse("đảng phí đóng bao nhiêu"), k=10)
    far = search.find(search.parse("miễn nhiệm, từ chức"), k=10)
    assert {one.hit.passage_id for one in near} <= TEXTS.keys()
    assert near[0].signals["uncovered_dense"] > far[0].signals["uncovered_dense"]


def test_view_of_a_passage_that_is_not_there_says_nothing(words: Lexicon, search: Search) -> None:
    viewed = build_search(ENTRIES, CountingEncoder(), words, views=[View("gone", "giám sát")])
    assert found(viewed, "giám sát") == found(search, "giám sát")


def test_shut_out_passage_is_not_let_in_by_its_view(words: Lexicon) -> None:
    search = build_search(ENTRIES, CountingEncoder(), words, views=VIEWS_OF_TEXTS)
    prior = np.array([1, 1, 0, 1], dtype=np.float32)
    hits = search.search(search.parse("sếp làm sai có phải rời ghế không"), k=4, prior=prior)
    assert "mien-nhiem" not in [hit.passage_id for hit in hits]


def test_question_without_words_finds_nothing(search: Search) -> None:
    assert search.search(search.parse("?!"), k=3) == []


def test_empty_store_gives_no_hits(words: Lexicon) -> None:
    search = build_search([], CountingEncoder(), words)
    assert search.search(search.parse("đảng viên"), k=3) == []


def test_store_without_words_gives_no_hits(words: Lexicon) -> None:
    search = build_search([Entry("a", "…")], CountingEncoder(), words)
    assert search.search(search.parse("đảng viên"), k=3) == []


def test_each_ranking_tells_what_it_saw(search: Search) -> None:
    signals = {one.hit.passage_id: one.signals for one in search.find(search.parse("miễn nhiệm"), k=4)}
    assert signals["mien-nhiem"]["lexical"] == 1
    assert all(one["lexical"] == 0 for id, one in signals.items() if id != "mien-nhiem")
    assert signals["mien-nhiem"]["dense"] == max(one["dense"] for one in signals.values()) > 0


# --- the saved index -------------------------------------------------------------------------------------------


def built(folder: Path, words: Lexicon, entries: Sequence[Entry] = ENTRIES, fingerprint: str | None = None) -> int:
    """Build over a folder; return how many texts had to be encoded."""
    encoder = CountingEncoder(fingerprint)
    search = build_search(entries, encoder, words, folder=folder)
    assert found(search, "miễn nhiệm, từ chức")[0] == "mien-nhiem"
    # Each text is encoded whole, and once more as its only piece.
    return encoder.encoded // 2


def test_saved_index_is_used_again(tmp_path: Path, words: Lexicon) -> None:
    assert built(tmp_path / "index", words) == 4
    assert built(tmp_path / "index", words) == 0


def test_saved_index_ranks_as_the_one_just_built(tmp_path: Path, words: Lexicon, search: Search) -> None:
    built(tmp_path / "index", words)
    saved = build_search(ENTRIES, CountingEncoder(), words, folder=tmp_path / "index")
    for text in ("giám sát", "dang vien", "tuyyên truyền"):
        assert saved.search(saved.parse(text), k=4) == search.search(search.parse(text), k=4)


@pytest.mark.parametrize(
    "entries",
    [
        [*ENTRIES, Entry("moi", "Một văn bản mới.")],
        [Entry("tuyen-truyen", "Sửa một chữ."), *ENTRIES[1:]],
        [Entry("doi-ten", ENTRIES[0].text), *ENTRIES[1:]],
        [Entry(ENTRIES[0].id, ENTRIES[0].text, "Tiêu đề"), *ENTRIES[1:]],
        ENTRIES[::-1],
    ],
    ids=["added", "changed", "renamed", "headed", "reordered"],
)
def test_index_is_built_again_when_documents_change(tmp_path: Path, words: Lexicon, entries: list[Entry]) -> None:
    built(tmp_path / "index", words)
    assert built(tmp_path / "index", words, entries) == len(entries)
    assert built(tmp_path / "index", words, entries) == 0


def test_index_is_built_again_when_the_encoder_changes(tmp_path: Path, words: Lexicon) -> None:
    built(tmp_path / "index", words)
    assert built(tmp_path / "index", words, fingerprint="another") == 4


def test_index_is_built_again_when_function_words_change(tmp_path: Path, words: Lexicon) -> None:
    built(tmp_path / "index", words)
    assert built(tmp_path / "index", Lexicon({**LEXICON, "function_words": "là gì đang của thì"})) == 4


def test_index_stays_when_only_synonyms_change(tmp_path: Path, words: Lexicon) -> None:
    built(tmp_path / "index", words)
    assert built(tmp_path / "index", Lexicon({**LEXICON, "abbreviations": []})) == 0


INDEX_FILES = """vectors.faiss manifest.json params.index.json vocab.index.json ambiguous.txt
    counts.npy indices.csc.index.npy indptr.csc.index.npy""".split()


@pytest.mark.parametrize("how", ["empty", "half", "garbage", "gone"])
@pytest.mark.parametrize("name", INDEX_FILES)
def test_damaged_index_is_built_again(tmp_path: Path, words: Lexicon, name: str, how: str) -> None:
    folder = tmp_path / "index"
    built(folder, words)
    path = folder / name
    raw = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "half": raw[: len(raw) // 2], "garbage": b"\xff\x00\xfe" * 50}[how])
    assert built(folder, words) == 4
    assert built(folder, words) == 0


def test_index_of_other_vectors_is_built_again(tmp_path: Path, words: Lexicon) -> None:
    built(tmp_path / "index", words)
    other = tmp_path / "other"
    build_search(ENTRIES[:2], CountingEncoder(), words, folder=other)
    shutil.copy(other / "vectors.faiss", tmp_path / "index" / "vectors.faiss")
    assert built(tmp_path / "index", words) == 4


def test_folder_that_cannot_be_written_is_named(tmp_path: Path, words: Lexicon) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(CacheError, match=r"file/index: cannot be written .*: check data_dir"):
        build_search(ENTRIES, CountingEncoder(), words, folder=blocked / "index")


def test_build_that_fails_leaves_the_old_index(tmp_path: Path, words: Lexicon, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "index"
    built(folder, words)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(_: LexicalIndex, folder: Path) -> None:
        (folder / "half.npy").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(LexicalIndex, "save", full)
        with pytest.raises(CacheError, match="No space left on device"):
            build_search(ENTRIES[::-1], CountingEncoder(), words, folder=folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    assert built(folder, words) == 0


def test_hit_of_the_whole_store_carries_passage_ids(knowledge: Any) -> None:
    [hit] = knowledge.search("thi tuyển cạnh tranh chức danh lãnh đạo", k=1)
    assert isinstance(hit, Hit)
    assert hit.passage_id == "ke-hoach-ket-luan-21/2.2#3"


def test_curated_questions_are_encoded_once_and_again_when_one_changes(words: Lexicon, tmp_path: Path) -> None:
    counts = []
    for views in (VIEWS_OF_TEXTS, VIEWS_OF_TEXTS, VIEWS_OF_TEXTS[1:]):
        encoder = CountingEncoder()
        build_search(ENTRIES, encoder, words, views=views, folder=tmp_path / "index")
        counts.append(encoder.asked)
    assert counts == [len(VIEWS_OF_TEXTS), 0, len(VIEWS_OF_TEXTS) - 1]


def test_damaged_index_of_curated_questions_is_built_again(words: Lexicon, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    query = "sếp phải rời ghế khi nào"
    before = found(build_search(ENTRIES, CountingEncoder(), words, views=VIEWS_OF_TEXTS, folder=folder), query)
    (tmp_path / "index-questions" / "vectors.npy").write_bytes(b"broken")
    assert found(build_search(ENTRIES, CountingEncoder(), words, views=VIEWS_OF_TEXTS, folder=folder), query) == before


def test_documents_that_nobody_has_written_questions_for_are_found_beside_one_that_has(lexicon: Lexicon) -> None:
    views = [view for view in load_views() if view.passage_id.startswith(f"{PLAN}/") or not view.is_covered]
    knowledge = build_knowledge(load_documents(DOCUMENTS), make_encoder("bundled"), lexicon, views=views)
    questions = read_questions(DOCUMENTS.parents[1] / "tests" / "retrieval" / "questions.jsonl")
    asked = [q for q in questions if q.gold and not any(gold.startswith(f"{PLAN}/") for gold in q.gold)]
    assert len(asked) >= 30
    answers = [(knowledge.answer(question.text), question) for question in asked]
    right = [
        answer.quotes[0].citation.document_id in {gold.split("/", 1)[0] for gold in question.gold}
        for answer, question in answers
        if answer.quotes
    ]
    assert sum(right) >= 0.75 * len(asked)
    refused = [knowledge.answer(q.text).outcome for q in questions if q.kind == "out_of_scope"]
    assert refused.count(Outcome.ANSWERED) <= 0.12 * len(refused)
