"""run · webhook · ask · console · check · documents · reload · rollback · roster · keys: arguments only."""

import argparse
import asyncio
import contextlib
import io
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.config import Config, ConfigError, load_config
from bot.loading import uncollected

EXIT_FAILED = 1
EXIT_MISUSED = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status: 0 well, 1 something failed, 2 wrong settings or arguments."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # Whatever the locale says, we speak UTF-8; what is not is shown as such instead of ending the program.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    options = _parse(arguments)
    try:
        config = load_config(options.config)
    except ConfigError as error:
        return _fail(str(error), EXIT_MISUSED)
    # Everything below is imported late, so that a wrong setting is answered at once.
    with uncollected():
        from bot.app import set_up_logging
        from bot.channels.base import ChannelError
        from embeddings.cache import CacheError
        from embeddings.encoder import EncoderError
        from knowledge.model import KnowledgeError
        from storage.database import DatabaseError
        from storage.vault import VaultError

    set_up_logging(config.log.level)
    command = {
        "run": _run,
        "webhook": _webhook,
        "ask": _ask,
        "console": _console,
        "check": _check,
        "documents": _documents,
        "reload": _reload,
        "rollback": _rollback,
        "roster": _roster,
        "keys": _keys,
    }[options.command]
    try:
        return command(config, options)
    except (ChannelError, CacheError, EncoderError, KnowledgeError, DatabaseError, VaultError) as error:
        return _fail(str(error), EXIT_FAILED)
    except BrokenPipeError:
        # Whoever read us has gone; the shell's own tools end quietly here too.
        sys.stderr.close()
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_FAILED


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bot", description="Tự Soi: asks the documents, in chat.")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings; config.yaml beside the program by default"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    parser.set_defaults(command="run")
    commands.add_parser("webhook", help="only take in what platforms post, beside the program that handles it")
    commands.add_parser("run", help="start every channel that is configured (default)")
    ask = commands.add_parser("ask", help="answer one question, or one per line of standard input")
    ask.add_argument("question", nargs="?", metavar="QUESTION")
    ask.add_argument("-k", type=_positive, default=5, metavar="N", help="hits at most (default 5)")
    ask.add_argument("--no-curated", action="store_true", help="ignore curated questions and approved answers")
    for name, text in (
        ("ask", ""),
        ("console", "the same conversation as on a phone, in the terminal"),
        ("check", "look at settings, database, documents, index, model, tokens, clock, disk"),
        ("documents", "list the documents in the store"),
        ("reload", "read the documents again, try them, and let them answer"),
        ("rollback", "let an earlier version of the documents answer again"),
    ):
        command = ask if name == "ask" else commands.add_parser(name, help=text)
        command.add_argument("--json", action="store_true", help="one JSON object a line")
        if name == "reload":
            command.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")
            command.add_argument("--force", metavar="REASON", help="load although golden questions fail; kept")
            command.add_argument(
                "--remove", action="append", default=[], metavar="ID", help="let a received document go; repeatable"
            )
            command.add_argument(
                "--confirm",
                action="append",
                default=[],
                metavar="SHA256",
                help="a scanned text was compared; repeatable",
            )
        if name == "rollback":
            command.add_argument(
                "version", nargs="?", type=_positive, metavar="VERSION", help="the one before, if left out"
            )
    keys = commands.add_parser("keys", help="how many values each key has sealed; never a key itself")
    keys.add_argument("--json", action="store_true", help="one JSON object a line")
    rotating = keys.add_subparsers(dest="keys", metavar="rotate").add_parser(
        "rotate", help="put a fresh key first and seal everything anew with it, while the program runs"
    )
    rotating.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object a line")
    roster = commands.add_parser("roster", help="cells and members from a table")
    rosters = roster.add_subparsers(dest="roster", metavar="import|slips", required=True)
    importing = rosters.add_parser("import", help="take cells and members from a table")
    importing.add_argument("file", type=Path, metavar="FILE.csv|xlsx")
    importing.add_argument("--dry-run", action="store_true", help="say what would be done and do nothing")
    importing.add_argument("--json", action="store_true", help="one JSON object a row")
    slips = rosters.add_parser("slips", help="a sheet of slips with new codes, for who has a phone and no chat yet")
    slips.add_argument("--cell", required=True, metavar="NAME")
    slips.add_argument("--organization", metavar="NAME", help="where several have a cell of this name")
    slips.add_argument("--out", required=True, type=Path, metavar="FILE.pdf")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _fail(problem: str, status: int) -> int:
    print(f"tu-soi: {problem}", file=sys.stderr)
    return status


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


def _run(config: Config, _options: argparse.Namespace) -> int:
    from bot.app import run

    asyncio.run(run(config))
    return 0


def _webhook(config: Config, _options: argparse.Namespace) -> int:
    from bot.app import run_webhooks

    asyncio.run(run_webhooks(config))
    return 0


def _ask(config: Config, options: argparse.Namespace) -> int:
    from bot.app import build_knowledge_base, load_approved
    from handlers import texts
    from handlers.approved import find
    from handlers.question import notices, to_reply

    approved = [] if options.no_curated else load_approved(config)
    knowledge = build_knowledge_base(config, curated=not options.no_curated)
    questions = [options.question] if options.question is not None else (line.rstrip("\n") for line in sys.stdin)
    for question in questions:
        began = time.perf_counter()
        found = find(question, approved, knowledge)
        answer = found[1] if found is not None else knowledge.answer(question, k=options.k)
        reply = found[0] if found is not None else to_reply(answer, knowledge)
        elapsed_ms = (time.perf_counter() - began) * 1000
        if not options.json:
            choices = [f"[{n}] {button.label}" for n, button in enumerate(reply.buttons, 1)]
            print("\n".join([reply.text, *choices]) + "\n", flush=True)
            continue
        _print_json(
            {
                "question": question,
                "outcome": answer.outcome.value,
                "text": reply.text,
                "hits": [
                    {
                        "passage_id": hit.passage_id,
                        "document": knowledge.passages[hit.passage_id].document_id,
                        "locator": knowledge.passages[hit.passage_id].locator,
                        "version": knowledge.documents[knowledge.passages[hit.passage_id].document_id].version,
                        "citation": texts.cited_at(knowledge.quoter.cite(knowledge.passages[hit.passage_id])),
                        "quote": knowledge.passages[hit.passage_id].text,
                        "score": round(hit.score, 4),
                    }
                    for hit in answer.hits[: options.k]
                ],
                "notices": notices(answer, knowledge),
                "choices": [button.label for button in reply.buttons],
                "elapsed_ms": round(elapsed_ms, 2),
            }
        )
    return 0


def _console(config: Config, options: argparse.Namespace) -> int:
    from bot.app import run_console

    with contextlib.suppress(EOFError):
        run_console(config, sys.stdin, sys.stdout, as_json=options.json)
    return 0


def _check(config: Config, options: argparse.Namespace) -> int:
    from bot.check import check

    well = True
    for finding in check(config, now=datetime.now(UTC)):
        well = well and finding.ok
        if options.json:
            _print_json({"check": finding.name, "ok": finding.ok, "detail": finding.detail})
        else:
            print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}", flush=True)
    return 0 if well else EXIT_FAILED


def _documents(config: Config, options: argparse.Namespace) -> int:
    from bot.app import build_knowledge_base
    from handlers import texts
    from knowledge.cards import documents_table

    knowledge = build_knowledge_base(config)
    for row in documents_table(knowledge):
        if options.json:
            _print_json(row)
        else:
            print(f"{row['id']}: {texts.name_and_date(knowledge.documents[row['id']])} – {row['status']}")
    return 0


def _reload(config: Config, options: argparse.Namespace) -> int:
    from bot.app import build_live
    from bot.reloading import as_json, as_text, is_well, reload

    live = build_live(config, takes_folder=False)
    for sha256 in options.confirm:
        live.library.confirm(sha256, by="command line")
    report, elapsed_s = reload(live, options)
    if options.json:
        _print_json(as_json(report, elapsed_s))
    else:
        print(as_text(report))
    return 0 if is_well(report) else EXIT_FAILED


def _rollback(config: Config, options: argparse.Namespace) -> int:
    from bot.app import build_live
    from bot.reloading import as_json, as_text, roll_back

    report, elapsed_s = roll_back(build_live(config, takes_folder=False, steps_back=True), options)
    if options.json:
        _print_json(as_json(report, elapsed_s))
    else:
        print(as_text(report))
    return 0


def _keys(config: Config, options: argparse.Namespace) -> int:
    if options.keys == "rotate":
        return _rotate(config, options)
    from bot.keys import list_keys

    uses, codes_until = list_keys(config)
    for use in uses:
        counts = {kind.value: count for kind, count in use.counts.items()}
        if options.json:
            _print_json({"key": use.id, "current": use.is_current, "in_ring": use.in_ring, **counts})
            continue
        sealed = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing sealed"
        state = "current" if use.is_current else "older" if use.in_ring else "MISSING: put it back into the ring"
        print(f"{use.id} ({state}): {sealed}", flush=True)
    if codes_until is not None and not options.json:
        print(f"codes that were handed out may need an older key until {codes_until.date()}")
    return 0 if all(use.in_ring for use in uses) else EXIT_FAILED


def _rotate(config: Config, options: argparse.Namespace) -> int:
    from bot.keys import rotate

    last = None
    for last in rotate(config):
        if options.json:
            _print_json({"key": last.key, "done": last.done, "total": last.total})
    if last is not None and not options.json:
        print(f"{last.key} seals from now on; {last.done} values sealed anew. Older keys: see 'python -m bot keys'")
    return 0


def _roster(config: Config, options: argparse.Namespace) -> int:
    if options.roster == "slips":
        return _slips(config, options)
    from assessment.roster import RowOutcome
    from assessment.roster_file import RosterError, read_roster
    from bot.app import open_store
    from handlers import secretary_texts
    from handlers.roster import import_roster

    try:
        rows = read_roster(options.file)
    except RosterError as error:
        return _fail(str(error), EXIT_FAILED)
    with open_store(config).transaction() as transaction:
        reported = import_roster(transaction, rows, now=datetime.now(UTC), dry_run=options.dry_run)
    for result, code in reported:
        if options.json:
            _print_json({**result.as_json(), "code": code})
        else:
            print(secretary_texts.roster_line(result, code), flush=True)
    refused = sum(result.outcome is RowOutcome.REFUSED for result, _ in reported)
    if not options.json:
        print(secretary_texts.roster_summary([result for result, _ in reported], dry_run=options.dry_run))
    return EXIT_FAILED if refused else 0


def _slips(config: Config, options: argparse.Namespace) -> int:
    from bot.app import open_store
    from handlers import paper_texts
    from handlers.exports import CellNotFoundError, print_slips
    from handlers.services import Options

    printed = Options(web_address=config.web.address, telegram_name=config.telegram.name)
    store = open_store(config)
    try:
        # Codes are issued only if their sheet could be written.
        with store.transaction() as transaction:
            sheet = print_slips(transaction, options.cell, options.organization, printed, now=datetime.now(UTC))
            if sheet is not None:
                _write_private(options.out, sheet.content)
    except CellNotFoundError as error:
        return _fail(str(error), EXIT_FAILED)
    except OSError as error:
        return _fail(f"{options.out}: cannot be written ({error.strerror}); no code was issued", EXIT_FAILED)
    if sheet is None:
        print(paper_texts.NOBODY_NEEDS_A_CODE)
    else:
        print(paper_texts.slips_written(sheet.count, str(options.out), sheet.until))
    return 0


def _write_private(path: Path, content: bytes) -> None:
    """Write what only this account is to read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


if __name__ == "__main__":
    sys.exit(main())
