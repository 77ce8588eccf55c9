from datetime import date
from pathlib import Path

import pytest

from knowledge.answer import KnowledgeBase
from knowledge.loader import DocumentError, contradictions, load_document, load_documents, parse_date
from knowledge.model import Document, DocumentKind, Force, TextKind
from tests.knowledge.builders import DOCUMENTS, PLAN, a_file, an_entry


def test_every_file_of_the_store_is_a_document(knowledge: KnowledgeBase) -> None:
    files = {path.stem for path in DOCUMENTS.iterdir() if path.suffix in {".md", ".txt"}}
    assert set(knowledge.documents) == files
    assert len(files) == 23


def test_every_document_has_a_full_registry_entry(knowledge: KnowledgeBase) -> None:
    for document in knowledge.documents.values():
        assert document.title, document.id
        assert document.issuer, document.id
        assert document.status, document.id
        assert document.aliases, document.id
        assert len(document.sha256) == 64, document.id


def test_only_the_plan_may_be_quoted_as_official(knowledge: KnowledgeBase) -> None:
    official = [d.id for d in knowledge.documents.values() if d.text_kind is TextKind.OFFICIAL]
    assert official == [PLAN]
    assert knowledge.documents[PLAN].is_plan


def test_undated_documents_are_those_whose_date_nobody_gives(knowledge: KnowledgeBase) -> None:
    undated = {d.id for d in knowledge.documents.values() if d.issued_on is None}
    assert undated == {PLAN, "nghi-quyet-dai-hoi-xi-dang-bo-tinh"}


def test_documents_known_only_from_the_plan(knowledge: KnowledgeBase) -> None:
    known = {d.id for d in knowledge.documents.values() if d.metadata_only}
    assert known == {"2212-qd-tu-2020", "40-ctr-tu-2018", "nghi-quyet-dai-hoi-xi-dang-bo-tinh"}


@pytest.mark.parametrize(
    ("id", "number", "issued_on", "force"),
    [
        ("41-qd-tw-2021", "377-QĐ/TW", date(2025, 10, 8), Force.SUPERSEDED),
        ("37-qd-tw-2021", "207-QĐ/TW", date(2026, 7, 26), Force.SUPERSEDED),
        ("69-qd-tw-2022", "212-QĐ/TW", date(2026, 8, 17), Force.SUPERSEDED),
        ("14-kl-tw-2021", "24-NQ/TW", date(2026, 8, 22), Force.PERHAPS_REPLACED),
        ("01-kl-tw-2021", "07-CT/TW", date(2026, 7, 13), Force.PERHAPS_REPLACED),
        ("nghi-quyet-dai-hoi-xiii", None, None, Force.SUPERSEDED),
    ],
)
def test_what_replaced_a_document(
    knowledge: KnowledgeBase, id: str, number: str | None, issued_on: date | None, force: Force
) -> None:
    document = knowledge.documents[id]
    assert document.replaced_by is not None
    assert (document.replaced_by.number, document.replaced_by.issued_on) == (number, issued_on)
    assert document.force is force


@pytest.mark.parametrize("id", ["21-kl-tw-2021", "26-nq-tw-2018", "217-qd-tw-2013", "377-qd-tw-2025", PLAN])
def test_a_document_without_successor_is_not_known_replaced(knowledge: KnowledgeBase, id: str) -> None:
    assert knowledge.documents[id].force is Force.UNKNOWN


def test_articles_that_were_not_compared_are_known(knowledge: KnowledgeBase) -> None:
    regulation = knowledge.documents["37-qd-tw-2021"]
    assert regulation.unchecked_articles == {10, 16, 17}
    assert regulation.partly_checked_articles == {5, 7, 8, 11, 12, 15, 18}


def test_front_matter_is_no_part_of_the_text(knowledge: KnowledgeBase) -> None:
    for document in knowledge.documents.values():
        assert "superseded_by" not in document.text, document.id
        assert not document.text.startswith("---"), document.id


def test_name_is_kind_and_number_or_the_short_title(knowledge: KnowledgeBase) -> None:
    names = {id: knowledge.documents[id].name for id in ("41-qd-tw-2021", "nghi-quyet-dai-hoi-xiii", PLAN)}
    assert names == {
        "41-qd-tw-2021": "Quy định 41-QĐ/TW",
        "nghi-quyet-dai-hoi-xiii": "Nghị quyết Đại hội XIII",
        PLAN: "Kế hoạch thực hiện Kết luận 21-KL/TW",
    }


def test_file_of_any_platform_is_read(tmp_path: Path) -> None:
    path = a_file(tmp_path, "a.md", "Nội dung\nhai dòng.\n")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    document = load_document(path)
    assert (document.kind, document.text) == (DocumentKind.REGULATION, "Nội dung\nhai dòng.\n")


def test_text_file_takes_its_entry_from_the_yaml_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Nội dung.", encoding="utf-8")
    (tmp_path / "a.yaml").write_text(an_entry(number='"7-CT/TW"', kind="chỉ thị"), encoding="utf-8")
    [document] = load_documents(tmp_path)
    assert (document.number, document.kind, document.text) == ("7-CT/TW", DocumentKind.DIRECTIVE, "Nội dung.")


def test_fingerprint_follows_text_and_entry(tmp_path: Path) -> None:
    def fingerprint(text: str, issuer: str) -> str:
        (tmp_path / "a.txt").write_text(text, encoding="utf-8")
        (tmp_path / "a.yaml").write_text(an_entry(issuer=issuer), encoding="utf-8")
        return load_document(tmp_path / "a.txt").sha256

    first = fingerprint("Một.", "Bộ Chính trị")
    assert fingerprint("Một.", "Bộ Chính trị") == first
    assert len({first, fingerprint("Hai.", "Bộ Chính trị"), fingerprint("Một.", "Ban Bí thư")}) == 3


def test_same_number_with_another_date_is_another_document(tmp_path: Path) -> None:
    a_file(tmp_path, "14-kl-tw-2021.md", number='"14-KL/TW"', date='"2021-09-22"')
    a_file(tmp_path, "14-kl-tw-2026.md", number='"14-KL/TW"', date='"2026-03-20"')
    assert [d.issued_on for d in load_documents(tmp_path)] == [date(2021, 9, 22), date(2026, 3, 20)]


def test_documents_without_number_do_not_clash(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md", number="null", date="null")
    a_file(tmp_path, "b.md", number="null", date="null")
    assert [d.id for d in load_documents(tmp_path)] == ["a", "b"]


def test_other_files_of_the_folder_are_passed_over(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md")
    (tmp_path / "a.md.bak").write_bytes(b"\xff")
    (tmp_path / "thumbs.db").write_bytes(b"\xff")
    assert [d.id for d in load_documents(tmp_path)] == ["a"]


# --- what cannot be used ----------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        load_document(path)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value.problem


def test_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path, "a.md")
    path.write_bytes(path.read_bytes() + b"\xc6\xf0")
    assert "save it again as UTF-8" in refused(path)


def test_entry_in_another_encoding_names_the_entry(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Nội dung.", encoding="utf-8")
    (tmp_path / "a.yaml").write_text(an_entry(), encoding="utf-16")
    with pytest.raises(DocumentError, match=r"a\.yaml: is not UTF-8"):
        load_document(tmp_path / "a.txt")


@pytest.mark.parametrize("content", ["", "Quy định\n", "---\nnumber: x\n", "# Tiêu đề\n---\na: b\n---\n"])
def test_file_without_front_matter_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.md"
    path.write_text(content, encoding="utf-8")
    assert "begin it with '---'" in refused(path)


def test_broken_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text('---\nnumber: "1-QĐ/TW"\ntitle: "không đóng\n---\nNội dung.\n', encoding="utf-8")
    assert "not valid YAML near line" in refused(path)


def test_entry_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("---\n- một\n- hai\n---\nNội dung.\n", encoding="utf-8")
    assert "'key: value'" in refused(path)


@pytest.mark.parametrize("field", ["kind", "title", "issuer", "status", "text_kind", "confidence"])
def test_missing_field_is_named(tmp_path: Path, field: str) -> None:
    assert f"'{field}'" in refused(a_file(tmp_path, "a.md", "Nội dung.\n", **{field: None}))


def test_unknown_kind_is_refused_with_those_that_are_allowed(tmp_path: Path) -> None:
    problem = refused(a_file(tmp_path, "a.md", kind="thông cáo"))
    assert "'kind'" in problem
    assert "nghị quyết" in problem


@pytest.mark.parametrize("written", ['"22/9/2021"', '"2021-02-30"', "2021", '"tháng 9"'])
def test_wrong_date_is_refused_with_the_way_to_write_it(tmp_path: Path, written: str) -> None:
    assert "'date' as YYYY-MM-DD" in refused(a_file(tmp_path, "a.md", date=written))


def test_unquoted_day_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "date" in refused(a_file(tmp_path, "a.md", date="2021-02-30"))


def test_unquoted_date_is_understood(tmp_path: Path) -> None:
    assert load_document(a_file(tmp_path, "a.md", date="2021-02-03")).issued_on == date(2021, 2, 3)


def test_number_that_is_no_text_is_refused(tmp_path: Path) -> None:
    assert "'number' as text" in refused(a_file(tmp_path, "a.md", number="41"))


def test_replacement_on_a_day_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "'superseded_by'" in refused(a_file(tmp_path, "a.md", superseded_by='"2-QĐ/TW (31/2/2025)"'))


def test_text_where_a_list_belongs_is_refused(tmp_path: Path) -> None:
    assert "'aliases' as a list" in refused(a_file(tmp_path, "a.md", aliases='"QĐ1"'))


def test_article_that_is_no_number_is_refused(tmp_path: Path) -> None:
    assert "articles_partly" in refused(a_file(tmp_path, "a.md", articles_partly='["năm"]'))


def test_text_without_entry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Nội dung.", encoding="utf-8")
    assert "write a.yaml beside it" in refused(path)


@pytest.mark.parametrize("body", ["", " \n\n", "\u200b\n"])
def test_empty_text_is_refused(tmp_path: Path, body: str) -> None:
    assert "is empty" in refused(a_file(tmp_path, "a.md", body))


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a.md"
    folder.mkdir()
    assert "cannot be read" in refused(folder)


def test_missing_folder_is_refused_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"nowhere: no such folder: set documents\.folder"):
        load_documents(tmp_path / "nowhere")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="holds no"):
        load_documents(tmp_path)


def test_one_broken_file_is_the_one_named(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md")
    broken = a_file(tmp_path, "b.md", number='"2-QĐ/TW"', kind="thơ")
    with pytest.raises(DocumentError) as caught:
        load_documents(tmp_path)
    assert caught.value.path == broken


def test_two_files_with_one_number_and_date_are_refused(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md")
    a_file(tmp_path, "b.md")
    with pytest.raises(DocumentError, match=r"b.*and a are the same document.*keep one of them"):
        load_documents(tmp_path)


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md")
    (tmp_path / "a.txt").write_text("Nội dung.", encoding="utf-8")
    (tmp_path / "a.yaml").write_text(an_entry(number='"2-QĐ/TW"'), encoding="utf-8")
    with pytest.raises(DocumentError, match="same document"):
        load_documents(tmp_path)


def test_two_plans_are_refused(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md", is_plan="true")
    a_file(tmp_path, "b.md", number='"2-QĐ/TW"', is_plan="true")
    with pytest.raises(DocumentError, match="the plan"):
        load_documents(tmp_path)


def test_repeat_names_a_file_that_exists(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md")
    a_file(tmp_path, "b.md")
    with pytest.raises(DocumentError) as caught:
        load_documents(tmp_path)
    assert caught.value.path == tmp_path / "b.md"
    assert "datetime" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("ngày 22/9/2021", date(2021, 9, 22)),
        ("18-5-2021", date(2021, 5, 18)),
        ("3.11.2021 và 4.11.2021", date(2021, 11, 3)),
        ("tháng 01/2026", None),
        ("41-QĐ/TW", None),
    ],
)
def test_first_day_of_a_text(text: str, day: date | None) -> None:
    assert parse_date(text) == day


def test_day_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="day is out of range"):
        parse_date("31/2/2021")


def test_store_is_read_the_same_way_every_time(knowledge: KnowledgeBase) -> None:
    again: list[Document] = load_documents(DOCUMENTS)
    assert again == list(knowledge.documents.values())


# --- whether a document still holds -----------------------------------------------------------------------------

OLD = '"1-QĐ/TW"'
NEW = '"2-QĐ/TW"'


@pytest.mark.parametrize(
    ("written", "keys", "force"),
    [
        ("còn hiệu lực", {}, Force.IN_FORCE),
        ("Còn hiệu lực", {"superseded_by": '"chưa xác nhận (xem 2-QĐ/TW)"'}, Force.IN_FORCE),
        ("được sửa đổi", {"amended_by": '["2-QĐ/TW (5/1/2025)"]'}, Force.AMENDED),
        ("đã được thay thế", {"superseded_by": NEW}, Force.SUPERSEDED),
        ("hết hiệu lực", {}, Force.NO_LONGER_IN_FORCE),
        ("hết hiệu lực", {"superseded_by": NEW}, Force.NO_LONGER_IN_FORCE),
        ("chưa rõ", {}, Force.UNKNOWN),
        ("chưa rõ", {"superseded_by": '"chưa xác nhận (xem 2-QĐ/TW)"'}, Force.PERHAPS_REPLACED),
        ("null", {"amended_by": '["2-QĐ/TW"]'}, Force.AMENDED),
        ("null", {}, Force.UNKNOWN),
    ],
)
def test_force_is_what_the_entry_says(tmp_path: Path, written: str, keys: dict[str, str], force: Force) -> None:
    assert load_document(a_file(tmp_path, "a.md", force=written, **keys)).force is force


def test_validity_comes_with_its_first_day_its_basis_and_when_it_was_checked(tmp_path: Path) -> None:
    document = load_document(
        a_file(
            tmp_path,
            "a.md",
            force="được sửa đổi",
            in_force_from="2021-03-01",
            force_basis='"Công báo số 7"',
            checked_on='"2026-11-02"',
            amended_by='["9-QĐ/TW (5/1/2025)", "Quyết định của Ban Bí thư"]',
        )
    )
    assert (document.in_force_from, document.force_basis) == (date(2021, 3, 1), "Công báo số 7")
    assert document.checked_on == date(2026, 11, 2)
    assert [(each.number, each.issued_on) for each in document.amended_by] == [
        ("9-QĐ/TW", date(2025, 1, 5)),
        (None, None),
    ]


def test_entry_that_says_nothing_of_validity_has_none(tmp_path: Path) -> None:
    document = load_document(a_file(tmp_path, "a.md"))
    assert (document.in_force_from, document.force_basis, document.checked_on) == (None, None, None)
    assert (document.amended_by, document.stated_force) == ((), None)


@pytest.mark.parametrize("status", [None, '"chưa rõ"'])
def test_force_stands_in_for_a_status_that_nobody_wrote(tmp_path: Path, status: str | None) -> None:
    assert load_document(a_file(tmp_path, "a.md", status=status, force="hết hiệu lực")).status == "hết hiệu lực"


def test_what_ships_says_no_more_than_its_sources_do(knowledge: KnowledgeBase) -> None:
    stated = {d.id: d.stated_force for d in knowledge.documents.values() if d.stated_force}
    assert {id for id, force in stated.items() if force is Force.IN_FORCE} == {
        "07-ct-tw-2026",
        "207-qd-tw-2026",
        "24-nq-tw-2026",
    }
    assert knowledge.documents["377-qd-tw-2025"].in_force_from == date(2025, 10, 8)
    assert [d.id for d in knowledge.documents.values() if d.checked_on] == []


def test_unknown_force_is_refused_with_those_that_are_allowed(tmp_path: Path) -> None:
    problem = refused(a_file(tmp_path, "a.md", force="bãi bỏ"))
    assert "'force'" in problem
    for word in ("còn hiệu lực", "được sửa đổi", "đã được thay thế", "hết hiệu lực", "chưa rõ"):
        assert word in problem


@pytest.mark.parametrize("key", ["in_force_from", "checked_on"])
@pytest.mark.parametrize("written", ['"8/10/2025"', '"2025-13-01"', "tháng 9"])
def test_wrong_day_of_validity_is_named(tmp_path: Path, key: str, written: str) -> None:
    assert f"'{key}' as YYYY-MM-DD" in refused(a_file(tmp_path, "a.md", **{key: written}))


@pytest.mark.parametrize("written", ['"9-QĐ/TW"', "[9]", '[""]', "[{a: b}]"])
def test_amendments_that_are_no_list_of_texts_are_refused(tmp_path: Path, written: str) -> None:
    assert "'amended_by'" in refused(a_file(tmp_path, "a.md", amended_by=written))


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"force": "đã được thay thế"}, "'superseded_by'"),
        ({"force": "đã được thay thế", "superseded_by": '"chưa xác nhận (xem 2-QĐ/TW)"'}, "'superseded_by'"),
        ({"force": "còn hiệu lực", "superseded_by": NEW}, "'superseded_by'"),
        ({"force": "được sửa đổi", "amended_by": '["3-QĐ/TW"]', "superseded_by": NEW}, "'superseded_by'"),
        ({"force": "chưa rõ", "superseded_by": NEW}, "'superseded_by'"),
        ({"force": "được sửa đổi"}, "'amended_by'"),
        ({"force": "còn hiệu lực", "amended_by": '["3-QĐ/TW"]'}, "force: được sửa đổi"),
        ({"superseded_by": OLD}, "the document itself in 'superseded_by'"),
        ({"superseded_by": '"1-QĐ/TW (3/2/2021)"'}, "the document itself in 'superseded_by'"),
        ({"replaces": '"9-QĐ/TW (2019); 1-QĐ/TW (2021)"'}, "the document itself in 'replaces'"),
        ({"amended_by": '["1-QĐ/TW"]'}, "the document itself in 'amended_by'"),
    ],
)
def test_entry_that_contradicts_itself_is_refused(tmp_path: Path, keys: dict[str, str], named: str) -> None:
    assert named in refused(a_file(tmp_path, "a.md", **keys))


def test_same_number_of_another_year_is_not_the_document_itself(tmp_path: Path) -> None:
    document = load_document(
        a_file(tmp_path, "a.md", superseded_by='"1-QĐ/TW (4/5/2026)"', replaces='"1-QĐ/TW năm 2011"')
    )
    assert document.force is Force.SUPERSEDED


def test_documents_that_replace_each_other_are_refused_and_both_named(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md", number=OLD, superseded_by=NEW)
    a_file(tmp_path, "b.md", number=NEW, superseded_by=OLD)
    with pytest.raises(DocumentError, match=r"a\.md: and b\.md contradict each other: .*'superseded_by'"):
        load_documents(tmp_path)


def test_round_of_three_names_all_and_leaves_the_others_out(tmp_path: Path) -> None:
    paths = [
        a_file(tmp_path, "a.md", number=OLD, superseded_by=NEW),
        a_file(tmp_path, "b.md", number=NEW),
        a_file(tmp_path, "c.md", number='"3-QĐ/TW"', replaces='"2-QĐ/TW (3/2/2021)"', superseded_by=OLD),
        a_file(tmp_path, "d.md", number='"4-QĐ/TW"', superseded_by=OLD),
    ]
    errors = contradictions([load_document(path) for path in paths], paths)
    assert [error.path.name for error in errors] == ["a.md", "b.md", "c.md"]
    assert errors[0].problem.startswith("and b.md, c.md contradict")


def test_document_that_says_it_holds_although_another_replaced_it_is_refused(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md", number=OLD, force="còn hiệu lực")
    a_file(tmp_path, "b.md", number=NEW, replaces='"Quy định số 1-QĐ/TW ngày 3/2/2021"')
    with pytest.raises(DocumentError, match=r"a\.md: and b\.md contradict each other: b replaces a"):
        load_documents(tmp_path)


@pytest.mark.parametrize("replaces", ['"chưa xác nhận (kế tục 1-QĐ/TW)"', '"1-QĐ/TW (2011)"', '"không rõ"'])
def test_what_is_only_suspected_or_means_another_document_contradicts_nothing(tmp_path: Path, replaces: str) -> None:
    a_file(tmp_path, "a.md", number=OLD, force="còn hiệu lực")
    a_file(tmp_path, "b.md", number=NEW, replaces=replaces)
    assert len(load_documents(tmp_path)) == 2


def test_both_sides_may_say_the_same(tmp_path: Path) -> None:
    a_file(tmp_path, "a.md", number=OLD, superseded_by=NEW, force="đã được thay thế")
    a_file(tmp_path, "b.md", number=NEW, replaces=OLD, force="còn hiệu lực")
    assert [d.force for d in load_documents(tmp_path)] == [Force.SUPERSEDED, Force.IN_FORCE]
