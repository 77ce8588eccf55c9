"""What was updated answers as what was built anew, while the one before goes on answering."""

import gc
import random
import shutil
import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings import cache
from embeddings.cache import CacheError
from knowledge import prepared as preparing
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.indexes import Entry
from knowledge.lexical import LexicalIndex, index_tokens
from knowledge.lexicon import Lexicon
from knowledge.model import Document
from knowledge.postings import Postings
from knowledge.search import Search, build_search
from knowledge.views import View
from tests.knowledge.builders import CountingEncoder, a_document

LEXICON: dict[str, Any] = {
    "abbreviations": [{"term": "cbcc", "kind": "organisation", "canonical": "cán bộ, công chức"}],
    "everyday": [],
    "function_words": "là gì đang của ca",
    "small_talk": [],
}
WORDS = "kiểm tra giám sát kỷ luật Đảng đang dang hoà hòa cán bộ của cả ca nhân dân chi bộ họp tháng 5 12 a_b".split()
QUERIES = ("kiểm tra giám sát", "dang", "cán bộ của chi bộ", "hoà 12", "kiem tra khong co", "nhân dân")


@pytest.fixture(scope="module")
def words() -> Lexicon:
    return Lexicon(LEXICON)


def a_text(chance: random.Random, words: Sequence[str] = WORDS) -> str:
    return " ".join(chance.choices(words, k=chance.randrange(12)))


# --- BM25 -------------------------------------------------------------------------------------------------------


texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), max_size=6)


@settings(max_examples=40, deadline=None)
@given(texts)
def test_scores_are_those_of_bm25s(texts: list[str]) -> None:
    if not any(texts):
        return
    ours = LexicalIndex.build(texts, frozenset())
    # It has no text without words; ours get one word more that nobody asks for.
    theirs = bm25s.BM25()
    theirs.index([[*index_tokens(text), "*"] for text in texts], show_progress=False)
    for token in {token for text in texts for token in index_tokens(text)}:
        np.testing.assert_allclose(
            ours.scores_of([token]), theirs.get_scores_from_ids([theirs.vocab_dict[token]]), rtol=1e-6
        )


def same(ours: LexicalIndex, anew: LexicalIndex, tokens: Sequence[str]) -> None:
    assert ours.vocabulary == anew.vocabulary
    assert ours.ambiguous == anew.ambiguous
    for token in tokens:
        assert ours.knows(token) is anew.knows(token), token
        assert ours.idf(token) == anew.idf(token), token
        np.testing.assert_array_equal(ours.scores_of([token, "kiem"]), anew.scores_of([token, "kiem"]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_any_sequence_of_changes_gives_the_scores_of_an_index_built_anew(seed: int) -> None:
    chance = random.Random(seed)
    function_words = Lexicon(LEXICON).function_words
    held = [a_text(chance) for _ in range(chance.randrange(6))]
    index = LexicalIndex.build(held, function_words)
    for _ in range(3):
        kept = [at for at in range(len(held)) if chance.random() < 0.7] + [-1] * chance.randrange(3)
        chance.shuffle(kept)
        fresh = [a_text(chance) for at in kept if at < 0]
        left = iter(fresh)
        held = [held[at] if at >= 0 else next(left) for at in kept]
        index = index.updated(np.asarray(kept, dtype=np.int64), fresh)
        tokens = [*{token for text in held for token in index_tokens(text)}, "kiem_tra", "=hoa2", "moi", "a_b"]
        same(index, LexicalIndex.build(held, function_words), tokens)


def test_few_changes_to_many_texts_are_kept_beside_what_is_shared(tmp_path: Path) -> None:
    chance = random.Random(3)
    held = [f"{a_text(chance)} dieu{number}" for number in range(60)]
    first = index = LexicalIndex.build(held, frozenset())
    for step in range(12):
        kept = [at for at in range(len(held)) if at % 17 != step]
        kept.insert(step, -1)
        held = [held[at] if at >= 0 else f"{a_text(chance)} moi{step}" for at in kept]
        index = index.updated(np.asarray(kept, dtype=np.int64), [held[step]])
        tokens = sorted({token for text in held for token in index_tokens(text)})
        anew = LexicalIndex.build(held, frozenset())
        same(index, anew, tokens)
        for token in tokens:
            assert index.holding([token, "kiem"]) == anew.holding([token, "kiem"])
    index.save(tmp_path)
    same(LexicalIndex.load(tmp_path, len(held)), index, tokens)
    assert first.vocabulary == LexicalIndex.build([f"dieu{n}" for n in range(60)] + WORDS, frozenset()).vocabulary


def test_index_that_was_updated_from_goes_on_as_before() -> None:
    old = LexicalIndex.build(["kiểm tra", "giám sát"], frozenset())
    before = old.scores_of(["kiem", "tra"]).tolist()
    new = old.updated(np.asarray([1, -1]), ["kỷ luật mới"])
    assert (new.knows("moi"), new.knows("ky_luat"), new.knows("kiem")) == (True, True, False)
    assert (old.knows("moi"), old.knows("ky_luat"), old.knows("kiem")) == (False, False, True)
    assert old.scores_of(["kiem", "tra", "moi"]).tolist() == before
    assert old.vocabulary == ["giam", "kiem", "sat", "tra"]


def test_saved_index_that_was_updated_is_whole(tmp_path: Path) -> None:
    index = LexicalIndex.build(["kiểm tra", "giám sát"], frozenset()).updated(np.asarray([-1, 1]), ["kỷ luật"])
    index.save(tmp_path)
    loaded = LexicalIndex.load(tmp_path, 2)
    same(loaded, index, ["ky", "ky_luat", "kiem", "=giam", "giam"])
    same(loaded.updated(np.asarray([0]), []), LexicalIndex.build(["kỷ luật"], frozenset()), ["ky", "giam"])


def test_saved_index_of_another_number_of_texts_is_refused(tmp_path: Path) -> None:
    LexicalIndex.build(["kiểm tra"], frozenset()).save(tmp_path)
    with pytest.raises(ValueError, match="index of 1 texts, not of 2"):
        LexicalIndex.load(tmp_path, 2)


def test_words_without_end_are_counted_up_to_a_limit() -> None:
    many = Postings.count(
        np.zeros(70_000, dtype=np.int64), np.zeros(70_000, dtype=np.int64), np.asarray([70_001], dtype=np.int32)
    )
    assert many.counts.tolist() == [65_535]


@settings(max_examples=40, deadline=None)
@given(texts, st.lists(st.sampled_from(["kiem", "tra", "kiem_tra", "dang", "moi"]), max_size=3), st.integers(0, 3))
def test_texts_that_hold_some_tokens(texts: list[str], tokens: list[str], enough: int) -> None:
    holding = LexicalIndex.build(texts, frozenset()).holding(tokens, enough=enough)
    exactly = [at for at, text in enumerate(texts) if tokens and set(tokens) <= set(index_tokens(text))]
    assert set(exactly) <= set(holding)
    assert holding == exactly or len(holding) <= enough


# --- the search ---------------------------------------------------------------------------------------------------


def an_entry(chance: random.Random, number: int) -> Entry:
    context = chance.choice(["", "Tiêu đề kiểm tra"])
    if chance.random() < 0.3:
        return Entry(f"d/{number}", "", context, tuple((f"d/{number}", a_text(chance)) for _ in range(2)))
    return Entry(f"d/{number}", a_text(chance), context)


def seen(search: Search) -> list[list[tuple[str, float]]]:
    return [
        [(hit.passage_id, round(hit.score, 4)) for hit in search.search(search.parse(text), k=5)] for text in QUERIES
    ]


VIEWS = [View("d/1", "Khi nào thì họp?"), View("?đảng phí", "Đóng bao nhiêu?"), View("d/3", "Ai giám sát?")]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32))
def test_any_sequence_of_changes_gives_the_hits_of_a_search_built_anew(words: Lexicon, seed: int) -> None:
    chance = random.Random(seed)
    entries = [an_entry(chance, number) for number in range(chance.randrange(8))]
    search = build_search(entries, CountingEncoder(), words, views=VIEWS)
    for _ in range(3):
        entries = [entry for entry in entries if chance.random() < 0.8]
        changed = {chance.randrange(10) for _ in range(2)}
        entries = [e for e in entries if int(e.id[2:]) not in changed] + [an_entry(chance, at) for at in changed]
        chance.shuffle(entries)
        search = build_search(entries, CountingEncoder(), words, views=VIEWS, previous=search)
        assert seen(search) == seen(build_search(entries, CountingEncoder(), words, views=VIEWS))


def entries_of(count: int, *, changed: int | None = None) -> list[Entry]:
    chance = random.Random(7)
    found = [Entry(f"d/{number}", f"{a_text(chance)} văn bản {number}") for number in range(count)]
    return [replace(e, text=f"{e.text} mới") if number == changed else e for number, e in enumerate(found)]


def test_only_what_changed_is_encoded_again(words: Lexicon) -> None:
    encoder = CountingEncoder()
    before = build_search(entries_of(20), encoder, words, views=VIEWS)
    encoder.encoded = encoder.asked = 0
    after = build_search(entries_of(20, changed=3), encoder, words, views=VIEWS, previous=before)
    # Whole, and as its only piece; the curated questions not at all.
    assert (encoder.encoded, encoder.asked) == (2, 0)
    assert after.search(after.parse("mới"), k=1)[0].passage_id == "d/3"


def test_nothing_is_encoded_where_nothing_changed(words: Lexicon) -> None:
    encoder = CountingEncoder()
    before = build_search(entries_of(20), encoder, words)
    encoder.encoded = 0
    after = build_search(
        entries_of(20)[::-1], encoder, words, previous=build_search(entries_of(20), encoder, words, previous=before)
    )
    assert encoder.encoded == 0
    assert seen(after) == seen(build_search(entries_of(20)[::-1], encoder, words))


def test_another_encoder_or_lexicon_builds_everything_anew(words: Lexicon) -> None:
    before = build_search(entries_of(5), CountingEncoder(), words)
    other = CountingEncoder()
    other.fingerprint = "another"
    build_search(entries_of(5), other, words, previous=before)
    again = CountingEncoder()
    build_search(entries_of(5), again, Lexicon({**LEXICON, "function_words": "thì"}), previous=before)
    assert (other.encoded, again.encoded) == (10, 10)
    same = CountingEncoder()
    build_search(entries_of(5), same, Lexicon(LEXICON), previous=before)
    assert same.encoded == 0


def test_curated_questions_that_changed_are_indexed_again(words: Lexicon) -> None:
    before = build_search(entries_of(5), CountingEncoder(), words, views=VIEWS)
    views = [*VIEWS, View("d/4", "Hỏi điều chưa ai hỏi?")]
    after = build_search(entries_of(5), CountingEncoder(), words, views=views, previous=before)
    assert seen(after) == seen(build_search(entries_of(5), CountingEncoder(), words, views=views))
    without = build_search(entries_of(5), CountingEncoder(), words, previous=after)
    assert seen(without) == seen(build_search(entries_of(5), CountingEncoder(), words))


def test_entry_of_several_passages_names_the_one_that_answers(words: Lexicon) -> None:
    parts = (("d/1", "Chi bộ họp hằng tháng."), ("d/2", "Kiểm tra, giám sát."), ("d/3", "Kiểm tra đảng viên."))
    search = build_search([Entry("d/1", "", "Điều 1", parts), Entry("e/1", "Nhân dân.")], CountingEncoder(), words)
    asked = {"giám sát": "d/2", "đảng viên": "d/3", "họp": "d/1", "kiểm tra": "d/2", "điều": "d/1"}
    assert {q: search.search(search.parse(q), k=1)[0].passage_id for q in asked} == asked


def test_curated_question_finds_the_entry_of_its_passage(words: Lexicon) -> None:
    parts = (("d/1", "Chi bộ họp hằng tháng."), ("d/2", "Kiểm tra, giám sát."))
    entries = [Entry("d/1", "", "", parts), *entries_of(3)]
    search = build_search(entries, CountingEncoder(), words, views=[View("d/2", "Ai soi xét?")])
    assert search.search(search.parse("ai soi xét"), k=1)[0].passage_id in {"d/1", "d/2"}


# --- the folder ---------------------------------------------------------------------------------------------------


def encoded(folder: Path, words: Lexicon, entries: Sequence[Entry]) -> int:
    """Return how many texts were encoded for a search, which must find the same as one built anew."""
    encoder = CountingEncoder()
    search = build_search(entries, encoder, words, folder=folder)
    found = encoder.encoded
    assert seen(search) == seen(build_search(entries, CountingEncoder(), words))
    return found


def test_start_updates_from_a_folder_of_other_entries_and_keeps_it(tmp_path: Path, words: Lexicon) -> None:
    assert encoded(tmp_path / "index", words, entries_of(60)) == 120
    other = [*entries_of(70, changed=8)[5:], Entry("neu", "kiểm tra")]
    assert encoded(tmp_path / "index", words, other) == 2 * (1 + 10 + 1)
    assert encoded(tmp_path / "index", words, other) == 0


def test_start_builds_anew_where_less_than_half_is_left(tmp_path: Path, words: Lexicon) -> None:
    encoded(tmp_path / "index", words, entries_of(60))
    assert encoded(tmp_path / "index", words, entries_of(130)) == 260


def test_damaged_folder_of_other_entries_is_built_anew(tmp_path: Path, words: Lexicon) -> None:
    encoded(tmp_path / "index", words, entries_of(60))
    (tmp_path / "index" / "counts.npy").write_bytes(b"")
    assert encoded(tmp_path / "index", words, entries_of(60, changed=3)) == 120


def test_live_update_touches_no_folder_until_it_is_saved(tmp_path: Path, words: Lexicon) -> None:
    folder = tmp_path / "index"
    before = build_search(entries_of(60), CountingEncoder(), words, views=VIEWS, folder=folder)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    after = build_search(
        entries_of(60, changed=3), CountingEncoder(), words, views=VIEWS, folder=folder, previous=before
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept
    after.save(folder)
    encoder = CountingEncoder()
    again = build_search(entries_of(60, changed=3), encoder, words, views=VIEWS, folder=folder)
    assert (encoder.encoded, encoder.asked) == (0, 0)
    assert seen(again) == seen(after)


def test_crash_between_swap_and_save_costs_what_changed(tmp_path: Path, words: Lexicon) -> None:
    build_search(entries_of(60), CountingEncoder(), words, folder=tmp_path / "index")
    # The reload had swapped, the saving never began.
    assert encoded(tmp_path / "index", words, entries_of(60, changed=3)) == 2


def test_crash_between_the_two_folders_costs_the_questions_alone(
    tmp_path: Path, words: Lexicon, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    search = build_search(entries_of(60), CountingEncoder(), words, views=VIEWS)
    refresh = cache.refresh

    def crashing(into: Path, *rest: Any) -> None:
        if into.name == "index-questions":
            raise CacheError("killed")
        refresh(into, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(cache, "refresh", crashing)
        with pytest.raises(CacheError, match="killed"):
            search.save(folder)
    encoder = CountingEncoder()
    again = build_search(entries_of(60), encoder, words, views=VIEWS, folder=folder)
    assert (encoder.encoded, encoder.asked) == (0, len(VIEWS))
    assert seen(again) == seen(search)


def test_crash_between_the_two_renames_costs_a_new_build(tmp_path: Path, words: Lexicon) -> None:
    folder = tmp_path / "index"
    build_search(entries_of(60), CountingEncoder(), words, folder=folder)
    shutil.move(folder, tmp_path / "index.old-x")
    assert encoded(folder, words, entries_of(60)) == 120
    assert encoded(folder, words, entries_of(60)) == 0


# --- the whole knowledge base ---------------------------------------------------------------------------------------


TITLES = ["Quy định về kiểm tra", "Quy định về kỷ luật Đảng", "Hướng dẫn họp chi bộ", "Quy định thử"]
NUMBERS = ["1-QĐ/TW", "2-QĐ/TW", "3-HD/TW", "4-KL/TW", None]


def a_law(chance: random.Random, number: int) -> Document:
    articles = []
    for article in range(1, chance.randrange(2, 5)):
        lines = [f"Điều {article}. {a_text(chance).capitalize() or 'Phạm vi'}"]
        for clause in range(1, chance.randrange(2, 4)):
            cited = chance.choice([f"theo Quy định số {chance.choice(NUMBERS)}", f"theo {chance.choice(TITLES)}", ""])
            lines.append(f"{clause}. {a_text(chance)} {cited} hết.")
        articles.append("\n".join(lines))
    made = a_document("\n".join(articles), id=f"d{number}", number=chance.choice(NUMBERS))
    return replace(made, title=chance.choice(TITLES), cited_in_plan=chance.choice([(), ("1",)]))


def told(knowledge: KnowledgeBase) -> list[Any]:
    """What a knowledge base says, as far as people can see it."""
    mentioned = [knowledge.graph.find_mentions(t) for t in ("qd 1", "quy định về kiểm tra", "kl 4 và hd 3", "002")]
    cited = [(d, knowledge.graph.cited_by(d), knowledge.graph.mentions_of(d)) for d in knowledge.documents]
    hits = [[(h.passage_id, round(h.score, 4)) for h in knowledge.search(text, k=5)] for text in QUERIES]
    answers = [knowledge.answer(text) for text in QUERIES]
    quoted = [(a.outcome, a.reason, a.quotes, a.notices, a.choices) for a in answers]
    return [list(knowledge.passages), knowledge.graph.records, mentioned, cited, hits, quoted]


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "large":
        monkeypatch.setattr(preparing, "LARGE_STORE", 12)
    return str(request.param)


@pytest.mark.parametrize("seed", range(7))
def test_any_sequence_of_loads_tells_what_one_built_anew_tells(words: Lexicon, size: str, seed: int) -> None:
    chance = random.Random(seed)
    encoder = CountingEncoder()
    documents = [a_law(chance, number) for number in range(4)]
    knowledge = build_knowledge(documents, encoder, words, views=VIEWS)
    for _ in range(5):
        # Loaded anew from where they are kept, the same documents are other objects.
        documents = [replace(d) for d in documents if chance.random() < 0.8]
        at = chance.randrange(6)
        documents = sorted([d for d in documents if d.id != f"d{at}"] + [a_law(chance, at)], key=lambda d: d.id)
        knowledge = build_knowledge(documents, encoder, words, views=VIEWS, previous=knowledge)
        assert told(knowledge) == told(build_knowledge(documents, CountingEncoder(), words, views=VIEWS)), size


def test_registry_entry_that_changed_is_seen(words: Lexicon) -> None:
    chance = random.Random(3)
    documents = [a_law(chance, number) for number in range(3)]
    before = build_knowledge(documents, CountingEncoder(), words)
    documents[1] = replace(documents[1], number="77-QĐ/TW", title="Quy định về tên mới")
    after = build_knowledge(documents, CountingEncoder(), words, previous=before)
    assert told(after) == told(build_knowledge(documents, CountingEncoder(), words))
    assert [m.document_ids for m in after.graph.find_mentions("qd 77")] == [("d1",)]
    assert [m.document_ids for m in before.graph.find_mentions("qd 77")] == [()]


def test_large_store_searches_sections_and_names_passages(words: Lexicon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "LARGE_STORE", 3)
    text = "Điều 1. Họp\n1. Chi bộ họp hằng tháng.\n2. Đảng viên dự đủ.\nĐiều 2. Kiểm tra\n1. Giám sát.\n2. Kỷ luật."
    knowledge = build_knowledge([a_document(text)], CountingEncoder(), words)
    assert knowledge.lexical.size == 2
    asked = {"giám sát": "thu/dieu-2.khoan-1", "kỷ luật": "thu/dieu-2.khoan-2", "dự đủ": "thu/dieu-1.khoan-2"}
    assert {q: knowledge.search(q, k=1)[0].passage_id for q in asked} == asked


def test_long_section_of_a_large_store_is_searched_in_parts(words: Lexicon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "LARGE_STORE", 3)
    clauses = "\n".join(f"{number}. {'Chi bộ họp hằng tháng. ' * 100}" for number in range(1, 13))
    knowledge = build_knowledge([a_document(f"Điều 1. Họp\n{clauses}")], CountingEncoder(), words)
    assert 2 <= knowledge.lexical.size <= 4


def test_store_that_becomes_large_and_small_again_tells_the_same(
    words: Lexicon, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(5)
    documents = [a_law(chance, number) for number in range(4)]
    small = build_knowledge(documents[:2], CountingEncoder(), words)
    monkeypatch.setattr(preparing, "LARGE_STORE", sum(one.bodies for one in small.prepared.values()))
    large = build_knowledge(documents, CountingEncoder(), words, previous=small)
    assert told(large) == told(build_knowledge(documents, CountingEncoder(), words))
    assert told(build_knowledge(documents[:2], CountingEncoder(), words, previous=large)) == told(small)


def test_store_that_is_emptied_and_filled_again(words: Lexicon) -> None:
    documents = [a_law(random.Random(1), number) for number in range(2)]
    full = build_knowledge(documents, CountingEncoder(), words)
    empty = build_knowledge([], CountingEncoder(), words, previous=full)
    assert empty.search("kiểm tra", k=3) == []
    assert told(build_knowledge(documents, CountingEncoder(), words, previous=empty)) == told(full)


def test_saved_knowledge_is_found_again(words: Lexicon, tmp_path: Path) -> None:
    documents = [a_law(random.Random(2), number) for number in range(3)]
    knowledge = build_knowledge(documents, CountingEncoder(), words, views=VIEWS)
    knowledge.save(tmp_path / "index")
    encoder = CountingEncoder()
    again = build_knowledge(documents, encoder, words, views=VIEWS, folder=tmp_path / "index")
    assert encoder.encoded == 0
    assert told(again) == told(knowledge)


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_what_was_replaced_is_freed_at_once(words: Lexicon) -> None:
    documents = [a_law(random.Random(2), number) for number in range(3)]
    before = build_knowledge(documents, CountingEncoder(), words)
    told(before)
    after = build_knowledge([*documents[1:], a_law(random.Random(8), 0)], CountingEncoder(), words, previous=before)
    gone = weakref.ref(before), weakref.ref(before.lexical)
    del before
    assert [one() for one in gone] == [None, None]
    assert len(after.documents) == 3


def test_the_one_before_answers_the_same_while_others_are_made_from_it(words: Lexicon) -> None:
    chance = random.Random(11)
    documents = [a_law(chance, number) for number in range(6)]
    knowledge = build_knowledge(documents, CountingEncoder(), words, views=VIEWS)
    expected = told(knowledge)
    wrong: Counter[str] = Counter()
    rounds: Counter[int] = Counter()
    done = threading.Event()

    def ask(number: int) -> None:
        while not done.is_set() or not rounds[number]:
            try:
                wrong["other answers"] += told(knowledge) != expected
            except Exception as error:
                wrong[repr(error)] += 1
            rounds[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for at in range(10):
        changed = [a_law(random.Random(at), at % 6) if d.id == f"d{at % 6}" else d for d in documents]
        made = build_knowledge(changed, CountingEncoder(), words, views=VIEWS, previous=knowledge)
        assert told(made) == told(build_knowledge(changed, CountingEncoder(), words, views=VIEWS))
    done.set()
    for thread in threads:
        thread.join()
    assert not +wrong
    assert min(rounds[0], rounds[1]) >= 1
