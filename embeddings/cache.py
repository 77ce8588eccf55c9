"""A folder of built files that knows what it was built from; written aside, then renamed."""

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

log = logging.getLogger(__name__)
_MANIFEST = "manifest.json"


class CacheError(Exception):
    """The folder cannot be written; the message names it and what to do."""


def differences(folder: Path, built_from: Mapping[str, str]) -> list[str]:
    """Return the names of sources that have changed since the folder was built; all of them if it never was."""
    kept = _read_manifest(folder).get("built_from", {})
    return [name for name, value in built_from.items() if kept.get(name) != value]


def is_intact(folder: Path) -> bool:
    """Whether every file of the folder still is as it was built."""
    return _read_manifest(folder).get("files") == _digests(folder)


def refresh(folder: Path, built_from: Mapping[str, str], build: Callable[[Path], None]) -> None:
    """Replace the folder by a new build; until it is complete, the old one stays as it is.

    Args:
        built_from: {source: fingerprint}; kept with the build and compared by differences.
        build: fills an empty folder.
    Raises:
        CacheError: the disk is full or the folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.new-", dir=folder.parent))
    except OSError as error:
        raise CacheError(f"{folder}: cannot be written ({error.strerror}): check data_dir") from error
    try:
        build(fresh)
        manifest = {"built_from": dict(built_from), "files": _digests(fresh)}
        (fresh / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        _swap(fresh, folder)
    except OSError as error:
        raise CacheError(f"{folder}: cannot be written ({error.strerror}): check disk space and data_dir") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, folder: Path) -> None:
    old = fresh.with_name(fresh.name.replace(".new-", ".old-"))
    # A directory cannot be renamed over a full one; a crash between the two renames costs a new build, no more.
    if folder.exists():
        folder.replace(old)
    fresh.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for path in sorted(folder.iterdir()):
        if path.name != _MANIFEST:
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _read_manifest(folder: Path) -> dict[str, dict[str, str]]:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        log.warning("index manifest in %s cannot be read", folder)
        return {}
    return manifest if isinstance(manifest, dict) else {}
