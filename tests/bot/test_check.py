import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.app import build_knowledge_base, build_live, open_store
from bot.check import Finding, check
from bot.config import Config, load_config
from storage.database import migration_head, open_database
from storage.vault import add_key

PROJECT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 12, 5, 1, 0, tzinfo=UTC)
NAMES = [
    "configuration",
    "database",
    "documents",
    "library",
    "model",
    "questions",
    "index",
    "checklists",
    "keys",
    "audit",
    "tokens",
    "messages",
    "disk",
    "clock",
]


def a_config(data_dir: Path, **environment: str) -> Config:
    variables = {f"TUSOI_{name}": value for name, value in environment.items()}
    return load_config(PROJECT / "config.yaml", {"TUSOI_DATA_DIR": str(data_dir), **variables})


def findings(config: Config, now: datetime = NOW) -> dict[str, Finding]:
    found = list(check(config, now=now))
    assert [finding.name for finding in found] == NAMES
    assert not [finding for finding in found if "\n" in finding.detail or not finding.detail]
    return {finding.name: finding for finding in found}


def unwell(found: dict[str, Finding]) -> list[str]:
    return [name for name, finding in found.items() if not finding.ok]


def test_all_is_well_before_and_after_the_first_start(tmp_path: Path) -> None:
    config = a_config(tmp_path / "data")
    before = findings(config)
    assert unwell(before) == []
    assert "new" in before["database"].detail
    assert "not built yet" in before["index"].detail
    open_store(config)
    build_knowledge_base(config)
    after = findings(config)
    assert unwell(after) == []
    assert migration_head() in after["database"].detail.split()
    assert "current" in after["index"].detail
    assert [path.name for path in (tmp_path / "data").iterdir() if path.name.startswith(".")] == []


def test_the_time_is_shown_as_in_hanoi_and_a_clock_in_the_past_is_not_well(tmp_path: Path) -> None:
    assert findings(a_config(tmp_path))["clock"].detail == "05/12/2026 08:00 in Asia/Ho_Chi_Minh"
    assert unwell(findings(a_config(tmp_path), datetime(1970, 1, 1, tzinfo=UTC))) == ["clock"]


def test_a_missing_documents_folder_makes_only_what_needs_it_unwell(tmp_path: Path) -> None:
    config = a_config(tmp_path / "data", DOCUMENTS__FOLDER=str(tmp_path / "nowhere"))
    found = findings(config)
    assert unwell(found) == ["documents", "index", "checklists"]
    assert str(tmp_path / "nowhere") in found["documents"].detail


def test_a_broken_document_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    shutil.copytree(PROJECT / "knowledge" / "documents", folder)
    (folder / "144-qd-tw-2024.md").write_bytes(b"---\n\xff")
    found = findings(a_config(tmp_path / "data", DOCUMENTS__FOLDER=str(folder)))
    assert not found["documents"].ok
    assert "144-qd-tw-2024.md" in found["documents"].detail


def test_documents_without_the_plan_are_not_well(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    shutil.copytree(PROJECT / "knowledge" / "documents", folder, ignore=shutil.ignore_patterns("ke-hoach-*"))
    assert unwell(findings(a_config(tmp_path / "data", DOCUMENTS__FOLDER=str(folder)))) == ["documents"]


def test_an_index_of_other_documents_is_not_well_and_says_what_to_do(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    build_knowledge_base(config)
    (tmp_path / "index" / "manifest.json").write_text('{"format": "0"}', encoding="utf-8")
    finding = findings(config)["index"]
    assert not finding.ok
    assert "python -m bot reload" in finding.detail
    build_knowledge_base(config)
    assert findings(config)["index"].ok


def test_a_database_that_is_none_is_not_well(tmp_path: Path) -> None:
    (tmp_path / "tu-soi.db").write_text("Kính gửi chi bộ.\n" * 100, encoding="utf-8")
    assert unwell(findings(a_config(tmp_path))) == ["database", "checklists", "keys", "audit", "messages"]


def test_an_unreachable_postgresql_is_not_well_and_its_password_does_not_show(tmp_path: Path) -> None:
    config = a_config(tmp_path, DATABASE__URL="postgresql+psycopg://u:geheim@127.0.0.1:1/x")
    found = findings(config)
    assert not found["database"].ok
    assert "database.url" in found["database"].detail
    assert not [finding for finding in found.values() if "geheim" in finding.detail]


def test_a_database_from_an_older_program_is_well(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    open_store(config)
    with open_database(config.database_url).begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    assert unwell(findings(config)) == []


def test_a_database_from_a_newer_program_is_not_well(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    open_store(config)
    with open_database(config.database_url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert unwell(findings(config)) == ["database"]


def test_a_data_folder_that_cannot_be_made_is_not_well(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    config = a_config(tmp_path / "file" / "data")
    found = findings(config)
    assert {"database", "disk"} <= set(unwell(found))
    assert str(tmp_path / "file") in found["disk"].detail


@pytest.mark.parametrize(
    ("token", "well"), [("123456:AAbbCC-dd_ee", True), ("geheim token", False), ("123456", False), ("abc:def", False)]
)
def test_the_form_of_a_token_is_looked_at_and_the_token_is_not_shown(tmp_path: Path, token: str, well: bool) -> None:
    finding = findings(a_config(tmp_path, TELEGRAM__TOKEN=token))["tokens"]
    assert finding.ok is well
    assert token not in finding.detail


# --- The self-assessment ------------------------------------------------------------------------------------------


def test_changed_line_of_the_audit_log_is_found(tmp_path: Path) -> None:
    config = a_config(tmp_path / "data")
    store = open_store(config)
    with store.transaction() as transaction:
        for number in range(3):
            transaction.audit.note("member:1", "read reported", f"round:{number}", now=NOW)
    assert findings(config)["audit"].detail == "whole, 3 lines"
    with open_database(config.database_url).begin() as connection:
        connection.execute(text("UPDATE audit SET actor = 'member:2' WHERE id = 2"))
    assert unwell(findings(config)) == ["audit"]
    assert "changed at line 2" in findings(config)["audit"].detail


def test_key_file_that_others_can_read_is_not_well(tmp_path: Path) -> None:
    config = a_config(tmp_path / "data")
    assert "made at the first start" in findings(config)["keys"].detail
    open_store(config)
    config.key_file.chmod(0o644)
    found = findings(config)
    assert unwell(found) == ["keys", "audit", "messages"]
    assert "chmod 600" in found["keys"].detail


def test_end_of_the_audit_log_that_was_cut_off_is_missed(tmp_path: Path) -> None:
    config = a_config(tmp_path / "data")
    with open_store(config).transaction() as transaction:
        for number in range(3):
            transaction.audit.note("member:1", "read reported", f"round:{number}", now=NOW)
    with open_database(config.database_url).begin() as connection:
        connection.execute(text("DELETE FROM audit WHERE id = 3"))
    assert findings(config)["audit"].detail == "2 lines of 3 that were written: the end was cut off or changed"
    with open_database(config.database_url).begin() as connection:
        connection.execute(text("DELETE FROM audit"))
        connection.execute(text("DELETE FROM audit_head"))
    assert unwell(findings(config)) == ["audit"]


def test_values_of_older_keys_are_counted_and_those_of_a_lost_one_are_not_well(tmp_path: Path) -> None:
    config = a_config(tmp_path / "data")
    with open_store(config).transaction() as transaction:
        chat = transaction.conversation("console", "an", now=NOW)
        transaction.add_incoming(chat.id, "m1", "sửa điều 12", now=NOW, confidential=True)
        transaction.audit.note("member:1", "consent", "2026-11", now=NOW)
    assert ", 0 values sealed with older keys" in findings(config)["keys"].detail
    add_key(config.key_file)
    found = findings(config)
    assert unwell(found) == []
    assert "2 values sealed with older keys: run 'python -m bot keys rotate'" in found["keys"].detail
    ring = config.key_file.read_text(encoding="ascii")
    config.key_file.write_text(ring.splitlines()[0] + "\n", encoding="ascii")
    found = findings(config)
    assert unwell(found) == ["keys", "audit"]
    assert "which is not in the ring" in found["keys"].detail
    config.key_file.unlink()
    found = findings(config)
    assert "2 values are sealed with its keys: put it back" in found["keys"].detail
    assert not config.key_file.exists(), "a look makes no key"


def test_version_that_answers_is_told_and_a_text_that_was_changed_by_hand_is_not_well(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    assert findings(config)["library"].detail == "no version yet: made at the first start"
    build_knowledge_base(config)
    assert findings(config)["library"].detail.startswith("version 1 of ")
    path = next((tmp_path / "library" / "texts").iterdir())
    path.write_text(path.read_text(encoding="utf-8").replace("đảng", "đoàn"), encoding="utf-8")
    finding = findings(config)["library"]
    assert not finding.ok
    assert path.name in finding.detail


def test_folder_that_has_changed_since_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    shutil.copytree(PROJECT / "knowledge" / "documents", folder)
    config = a_config(tmp_path / "data", DOCUMENTS__FOLDER=str(folder))
    build_knowledge_base(config)
    (folder / "69-qd-tw-2022.md").unlink()
    assert "reload --dry-run" in findings(config)["library"].detail


def test_load_by_force_is_told_with_its_reason(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    shutil.copytree(PROJECT / "knowledge" / "documents", folder)
    config = a_config(tmp_path / "data", DOCUMENTS__FOLDER=str(folder))
    build_knowledge_base(config)
    (folder / "377-qd-tw-2025.md").unlink()
    live = build_live(config, takes_folder=False)
    live.reload(by="telegram:1", at=NOW, reason="theo công văn 12")
    assert re.search(
        r", \d+ of \d+ golden questions fail, loaded all the same by telegram:1: theo công văn 12$",
        findings(config)["library"].detail,
    )


def test_checklist_that_an_admin_confirmed_waits_for_nobody(tmp_path: Path) -> None:
    config = a_config(tmp_path / "data")
    assert findings(config)["checklists"].detail == "2 versions, 1 to be confirmed by an admin"
    with open_store(config).transaction() as transaction:
        transaction.checklists.confirm("207-qd-tw-2026", 1, by="chat:1", on=NOW.date())
    assert findings(config)["checklists"].detail == "2 versions, 0 to be confirmed by an admin"


def test_what_was_put_aside_and_what_waits_too_long_is_not_well(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    store, then = open_store(config), datetime.now(UTC)
    with store.transaction() as transaction:
        transaction.inbox.put("telegram", [("u1", "7", "{}"), ("u2", "8", "{}")], now=then)
        first, _ = transaction.inbox.claim("w", ["telegram"], now=then)
    found = findings(config)["messages"]
    assert found.ok
    assert re.match(r"oldest update not handled: \d s, oldest reply not sent: none", found.detail)
    with store.transaction() as transaction:
        transaction.inbox.failed(first.id, "w", "KeyError 1F2E", now=then, again_at=then, most_attempts=1)
    found = findings(config)["messages"]
    assert not found.ok
    assert "1 updates put aside: an admin writes 'tin lỗi' to the bot" in found.detail
    with store.transaction() as transaction:
        transaction.inbox.give_up(now=then)
        transaction.inbox.put("telegram", [("u3", "9", "{}")], now=then - timedelta(minutes=6))
    found = findings(config)["messages"]
    assert not found.ok
    assert "oldest update not handled: 36" in found.detail
