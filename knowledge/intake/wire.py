"""What parent and child say to each other, a line of JSON each; the parent believes nothing that is not well formed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import Any

from knowledge.intake.model import Finding, FindingKind, Intake, IntakeError, Limits, Recognized, Refusal
from knowledge.intake.names import safe_name
from knowledge.model import DocumentKind

READY = b"ready\n"


class RubbishError(Exception):
    """A line is none of those that are spoken here."""


def ask(path: Path, limits: Limits) -> bytes:
    """Return the line that asks for a file."""
    return _line({"path": str(path.absolute()), "limits": asdict(limits)})


def asked(line: bytes) -> tuple[Path, Limits]:
    """Return what a line asks for."""
    said = json.loads(line)
    return Path(said["path"]), Limits(**said["limits"])


def allowance(seconds: float) -> bytes:
    """Return the line that tells how long a file may take."""
    return _line({"seconds": seconds})


def answer(result: Intake | IntakeError) -> bytes:
    """Return the line that tells what became of a file."""
    if isinstance(result, IntakeError):
        return _line({"refusal": result.refusal.value, "facts": result.facts})
    known = result.recognized
    said = {
        "name": result.name,
        "sha256": result.sha256,
        "size_bytes": result.size_bytes,
        "text": result.text,
        "page_starts": result.page_starts,
        "findings": [[each.kind.value, each.excerpt, each.page, each.count] for each in result.findings],
        "is_ocr": result.is_ocr,
        "recognized": {
            "number": known.number,
            "kind": known.kind.value if known.kind else None,
            "issued_on": known.issued_on.isoformat() if known.issued_on else None,
            "issuer": known.issuer,
            "title": known.title,
        },
    }
    return _line({"intake": said})


def understood(line: bytes, name: str) -> float | Intake | IntakeError:
    """Return the seconds a file may take, the file, or why it is not taken.

    Args:
        name: of the file that was asked for.
    Raises:
        RubbishError: the line is none of these.
    """
    try:
        said = json.loads(line)
        if "seconds" in said:
            return float(said["seconds"])
        if "refusal" in said:
            facts = {str(key)[:40]: str(value)[:200] for key, value in said["facts"].items()}
            return IntakeError(safe_name(name), Refusal(said["refusal"]), facts)
        return _to_intake(said["intake"], name)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RubbishError(f"{len(line)} bytes that are no answer") from error


def _to_intake(said: Mapping[str, Any], name: str) -> Intake:
    text, sha256 = said["text"], said["sha256"]
    known, starts = said["recognized"], tuple(int(start) for start in said["page_starts"])
    if not isinstance(text, str) or len(sha256) != 64 or set(known) != {field.name for field in fields(Recognized)}:
        raise ValueError("no intake")
    if list(starts) != sorted(starts) or any(not 0 <= start <= len(text) for start in starts):
        raise ValueError("pages out of order")
    return Intake(
        name=safe_name(name),
        sha256=str(sha256),
        size_bytes=int(said["size_bytes"]),
        text=text,
        page_starts=starts,
        findings=tuple(
            Finding(FindingKind(kind), str(excerpt)[:80], None if page is None else int(page), int(count))
            for kind, excerpt, page, count in said["findings"]
        ),
        is_ocr=bool(said["is_ocr"]),
        recognized=Recognized(
            number=_word(known["number"]),
            kind=DocumentKind(known["kind"]) if known["kind"] is not None else None,
            issued_on=date.fromisoformat(known["issued_on"]) if known["issued_on"] is not None else None,
            issuer=_word(known["issuer"]),
            title=_word(known["title"]),
        ),
    )


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def _line(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said).encode() + b"\n"
