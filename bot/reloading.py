"""reload · rollback: other documents from the terminal, with a bar while it works."""

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import Any, TextIO

from handlers import document_texts
from knowledge.reload import LiveKnowledge, Progress, Report, Result, Stage

_BY = "command line"
_WIDTH = 30


def reload(live: LiveKnowledge, options: argparse.Namespace) -> tuple[Report, float]:
    """Load what there is; return what came of it and the seconds it took."""
    began = time.perf_counter()
    report = live.reload(
        by=_BY,
        at=datetime.now(UTC),
        reason=options.force or "",
        dry_run=options.dry_run,
        without=options.remove,
        progress=bar(sys.stderr),
    )
    return report, time.perf_counter() - began


def roll_back(live: LiveKnowledge, options: argparse.Namespace) -> tuple[Report, float]:
    """Let an earlier version answer again; return what came of it and the seconds it took."""
    began = time.perf_counter()
    report = live.roll_back(by=_BY, at=datetime.now(UTC), to=options.version)
    return report, time.perf_counter() - began


def as_json(report: Report, elapsed_s: float) -> dict[str, Any]:
    """Return a report as one JSON object; see docs/interfaces.md."""
    difference = report.difference
    return {
        "result": report.result.value,
        "version": report.version,
        "before": report.before,
        "documents": report.documents,
        "passages": report.passages,
        "added": list(difference.added),
        "changed": list(difference.changed),
        "removed": list(difference.removed),
        "passages_added": difference.passages_added,
        "passages_changed": difference.passages_changed,
        "passages_removed": difference.passages_removed,
        "golden": {
            "asked": report.asked,
            "failing": list(difference.failing),
            "mended": list(difference.mended),
        },
        "citations": {
            "resolved": [{"written": written, "passage_id": place} for written, place in difference.resolved],
            "broken": [{"written": written, "passage_id": place} for written, place in difference.broken],
        },
        "refused": [
            {"file": error.name, "reason": error.refusal.value, **({"facts": error.facts} if error.facts else {})}
            for error in report.refused
        ],
        "findings": [
            {"file": name, "kind": finding.kind.value, "page": finding.page, "count": finding.count}
            for name, found in report.findings.items()
            for finding in found
        ],
        "drafts": [{"file": draft.name, "sha256": draft.sha256} for draft in report.drafts],
        "reason": report.reason,
        "elapsed_s": round(elapsed_s, 3),
    }


def as_text(report: Report) -> str:
    """Return a report in words."""
    return document_texts.report(report)


def is_well(report: Report) -> bool:
    """Whether everything that was there could be taken, and the gate held."""
    return report.result is not Result.REFUSED and not report.refused and not report.difference.failing


def bar(out: TextIO) -> Progress:
    """Return what draws how far a load is, on a terminal; elsewhere nothing is drawn."""
    if not out.isatty():
        return lambda _stage, _done, _total: None

    def draw(stage: Stage, done: int, total: int) -> None:
        filled = _WIDTH * done // max(1, total)
        told = document_texts.progress(stage, done, total)
        out.write(f"\r\x1b[K[{'#' * filled}{'.' * (_WIDTH - filled)}] {told}")
        if stage is Stage.WRITING:
            out.write("\r\x1b[K")
        out.flush()

    return draw
