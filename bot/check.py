"""What `check` looks at: one finding a part, in the order in which they depend on each other."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from assessment.loader import ChecklistError, load_checklists, passages_missing
from assessment.versions import may_be_used
from bot.app import assembled, build_encoder, load_all_views, open_vault
from bot.config import Config
from bot.health import look as look_at_health
from embeddings.cache import differences, is_intact
from embeddings.encoder import EncoderError
from knowledge.accents import load_accents
from knowledge.answer import index_entries
from knowledge.calibration import load_calibration
from knowledge.chunker import chunk
from knowledge.golden import load_golden
from knowledge.lexicon import load_lexicon
from knowledge.library import Library
from knowledge.loader import load_documents
from knowledge.model import KnowledgeError
from knowledge.reload import texts_of
from knowledge.search import built_from
from knowledge.sources import stands_as_read
from storage.audit import Audit
from storage.confirmations import Confirmations
from storage.database import (
    DatabaseError,
    explain,
    knows_schema,
    migration_head,
    open_database,
    schema_version,
    session,
)
from storage.inbox import Inbox
from storage.replies import Replies
from storage.sealed import SealedValues
from storage.vault import Vault, VaultError

LEAST_FREE_BYTES = 200 * 1024 * 1024
# A clock before the day this was written is wrong, and so would be every due date.
_WRITTEN_AT = datetime(2026, 11, 1, tzinfo=UTC)
TIME_ZONE = "Asia/Ho_Chi_Minh"
# Stands for a ring that is not there: nothing was ever sealed with it.
_NO_KEY = Vault({"": bytes(32)}, "")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found; detail says what to do where it is not well."""

    name: str
    ok: bool
    detail: str


def check(config: Config, *, now: datetime) -> Iterator[Finding]:
    """Yield a finding for each part, from the configuration to the clock."""
    yield Finding("configuration", True, f"data in {config.data_dir}")
    looks: tuple[tuple[str, Callable[[Config], tuple[bool, str]]], ...] = (
        ("database", _database),
        ("documents", _documents),
        ("library", _library),
        ("model", _model),
        ("questions", _questions),
        ("index", _index),
        ("checklists", _checklists),
        ("keys", _keys),
        ("audit", _audit),
        ("tokens", _tokens),
        ("messages", _messages),
        ("disk", _disk),
    )
    for name, look in looks:
        try:
            ok, detail = look(config)
        except (DatabaseError, EncoderError, KnowledgeError, ChecklistError, VaultError, OSError) as error:
            ok, detail = False, str(error).splitlines()[0]
        yield Finding(name, ok, detail)
    yield _clock(now)


def _database(config: Config) -> tuple[bool, str]:
    engine = open_database(config.database_url)
    kind = engine.url.get_backend_name()
    if kind == "sqlite" and not Path(engine.url.database or "").exists():
        return True, f"{kind}, new: made at the first start"
    try:
        version = schema_version(engine)
    except SQLAlchemyError as error:
        return False, explain(engine, error)
    except (ValueError, TypeError):
        return False, "database.url has an option with a wrong value: check what follows '?'"
    if version is None:
        return True, f"{kind}, new: the tables are made at the first start"
    if not knows_schema(version):
        return False, f"{kind}, schema {version} of a newer program: install that version or restore an older backup"
    if version != migration_head():
        return True, f"{kind}, schema {version}: brought to {migration_head()} at the next start"
    return True, f"{kind}, schema {version}"


def _documents(config: Config) -> tuple[bool, str]:
    documents = load_documents(config.documents.folder)
    official = sum(document.text_kind.value == "official" for document in documents)
    plan = "with the plan" if any(document.is_plan for document in documents) else "but no plan"
    return any(d.is_plan for d in documents), f"{len(documents)} documents ({official} official), {plan}"


def _library(config: Config) -> tuple[bool, str]:
    """Look at which version answers, whether its texts are whole, and whether something waits to be loaded."""
    library = Library(config.data_dir / "library")
    snapshot = library.current()
    if snapshot is None:
        return True, "no version yet: made at the first start"
    for key in {*snapshot.shipped.values(), *snapshot.received.values()}:
        library.text(key)
    told = f"version {snapshot.number} of {snapshot.made_at:%Y-%m-%d}"
    told += f", {len(snapshot.failing)} of {snapshot.asked} golden questions fail" if snapshot.failing else ""
    told += f", loaded all the same by {snapshot.by}: {snapshot.reason}" if snapshot.reason else ""
    waiting = len(library.drafts())
    told += f", {waiting} scanned texts wait for a person" if waiting else ""
    load_golden(config.data_dir / "golden")
    changed = not stands_as_read(snapshot, config.documents.folder)
    told += ", the documents folder has changed: see 'python -m bot reload --dry-run'" if changed else ""
    return True, told


def _model(config: Config) -> tuple[bool, str]:
    encoder = build_encoder(config)
    return True, f"{config.encoder.model}, {encoder.dim} dimensions"


def _questions(config: Config) -> tuple[bool, str]:
    views = load_all_views(config)
    load_accents()
    made_for = load_calibration().made.get("encoder")
    fits = config.encoder.model != "bundled" or made_for == build_encoder(config).fingerprint
    if not fits:
        return False, "calibration.json was made for another model: run 'python -m knowledge.calibrate', see docs/"
    return True, f"{sum(v.is_covered for v in views)} curated, {sum(not v.is_covered for v in views)} left open"


def _index(config: Config) -> tuple[bool, str]:
    library = Library(config.data_dir / "library")
    snapshot = library.current()
    texts = (load_documents(config.documents.folder), []) if snapshot is None else texts_of(library, snapshot)
    entries = index_entries(assembled(*texts, [])[0])
    folder = config.data_dir / "index"
    changed = differences(folder, built_from(entries, build_encoder(config), load_lexicon()))
    if not folder.exists():
        return True, "not built yet: built at the first start"
    if not is_intact(folder):
        return False, "damaged: run 'python -m bot reload'"
    if changed:
        return False, f"built from other {' and '.join(changed)}: run 'python -m bot reload'"
    return True, f"current, {len(entries)} passages"


def _checklists(config: Config) -> tuple[bool, str]:
    checklists = load_checklists()
    known = {passage.id for document in load_documents(config.documents.folder) for passage in chunk(document)}
    missing = [passage for checklist in checklists for passage in passages_missing(checklist, known)]
    if missing:
        return False, f"the documents lack {', '.join(missing[:3])}, which a checklist refers to"
    confirmed = _written(config, lambda opened: Confirmations(opened).confirmed()) or {}
    waiting = sum(not may_be_used(checklist, confirmed) for checklist in checklists)
    return True, f"{len(checklists)} versions, {waiting} to be confirmed by an admin"


def _keys(config: Config) -> tuple[bool, str]:
    if config.secrets.keys is None and not config.key_file.exists():
        # Opened for a look, the ring would be made.
        sealed = _written(config, lambda opened: SealedValues(opened, _NO_KEY).older())
        if sealed:
            return False, f"{config.key_file} is gone, and {sealed} values are sealed with its keys: put it back"
        return True, f"made at the first start in {config.key_file}"
    vault = open_vault(config)
    counts = _written(config, lambda opened: SealedValues(opened, vault).counts()) or {}
    said = f"current key {vault.current}"
    for key_id in sorted(set(counts) - set(vault.key_ids)):
        return (
            False,
            f"{said}; {sum(counts[key_id].values())} values are sealed with {key_id}, which is not in the ring",
        )
    older = sum(sum(kinds.values()) for key_id, kinds in counts.items() if key_id != vault.current)
    return True, f"{said}, {older} values sealed with older keys" + (
        ": run 'python -m bot keys rotate'" if older else ""
    )


def _audit(config: Config) -> tuple[bool, str]:
    vault = _NO_KEY if config.secrets.keys is None and not config.key_file.exists() else open_vault(config)
    found = _written(config, lambda opened: Audit(opened, vault).inspect())
    if found is None:
        return True, "nothing written yet, or looked at after the next start"
    if found.broken is not None:
        return False, f"changed at line {found.broken}, or a line before it was taken out"
    if found.written is None:
        return False, f"{found.lines} lines, and what tells how many there were was taken out"
    if not found.is_complete:
        return False, f"{found.lines} lines of {found.written} that were written: the end was cut off or changed"
    return True, f"whole, {found.lines} lines" + ("" if found.is_sealed else ", sealed with the next one")


def _written(config: Config, look: Callable[[Session], _T]) -> _T | None:
    """Return what a look into the database finds; None where there is none yet, or one of an older schema.

    Raises:
        DatabaseError: it cannot be read.
    """
    engine = open_database(config.database_url)
    if engine.url.get_backend_name() == "sqlite" and not Path(engine.url.database or "").exists():
        return None
    try:
        if schema_version(engine) != migration_head():
            return None
        with session(engine) as opened:
            return look(opened)
    except SQLAlchemyError as error:
        raise DatabaseError(explain(engine, error)) from error
    except (ValueError, TypeError) as error:
        raise DatabaseError("database.url has an option with a wrong value: check what follows '?'") from error
    finally:
        engine.dispose()


def _tokens(config: Config) -> tuple[bool, str]:
    said = []
    for name, token, is_on in (
        ("telegram", config.telegram.token, config.telegram.token is not None),
        ("zalo", config.zalo.token, config.zalo.token is not None),
        ("zalo_oa", None, config.zalo_oa.is_on),
    ):
        if token is not None and not _looks_like_token(name, token.get_secret_value()):
            setting = f"TUSOI_{name.upper()}__TOKEN"
            return False, f"{name}: {setting} does not have the form of a token: copy it again from where it was given"
        said.append(f"{name}: {'set (its server is asked at the start)' if is_on else 'none, channel off'}")
    return True, "; ".join(said)


def _looks_like_token(channel: str, token: str) -> bool:
    # Who has no token need not wait for the libraries.
    if channel == "zalo":
        from bot.channels.zalo import looks_like_token

        return looks_like_token(token)
    from bot.channels.telegram import looks_like_token as looks_like_telegram

    return looks_like_telegram(token)


def _messages(config: Config) -> tuple[bool, str]:
    """Look at how long what came in waits to be handled, and what is to be said to be sent."""
    vault = _NO_KEY if config.secrets.keys is None and not config.key_file.exists() else open_vault(config)
    found = _written(
        config, lambda opened: look_at_health(Inbox(opened, vault), Replies(opened), now=datetime.now(UTC))
    )
    if found is None:
        return True, "nothing came in yet, or looked at after the next start"
    said = [
        f"oldest update not handled: {_age(found.oldest_update_s)}",
        f"oldest reply not sent: {_age(found.oldest_unsent_s)}",
        f"{found.unknown} replies perhaps not arrived",
    ]
    if found.aside:
        said.append(f"{found.aside} updates put aside: an admin writes 'tin lỗi' to the bot")
    return found.is_well, ", ".join(said)


def _age(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds:.0f} s"


def _disk(config: Config) -> tuple[bool, str]:
    config.data_dir.mkdir(parents=True, exist_ok=True)
    probe = config.data_dir / ".write-test"
    probe.write_bytes(b"x")
    probe.unlink()
    free = shutil.disk_usage(config.data_dir).free
    return free >= LEAST_FREE_BYTES, f"{free // 2**20} MiB free in {config.data_dir}"


def _clock(now: datetime) -> Finding:
    try:
        local = now.astimezone(ZoneInfo(TIME_ZONE))
    except ZoneInfoNotFoundError:
        return Finding("clock", False, f"time zone {TIME_ZONE} is unknown: install the package tzdata")
    return Finding("clock", now >= _WRITTEN_AT, f"{local:%d/%m/%Y %H:%M} in {TIME_ZONE}")
