"""A folder of built files that knows what it was built from; written aside, then renamed."""

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


def is_current(folder: Path, built_from: Mapping[str, str]) -> bool:
    """Whether the folder holds what would be built from these sources."""
    return _read_manifest(folder) == dict(built_from)


def differences(folder: Path, built_from: Mapping[str, str]) -> list[str]:
    """Return the names of sources that have changed since the folder was built; all of them if it never was."""
    manifest = _read_manifest(folder) or {}
    return [name for name, value in built_from.items() if manifest.get(name) != value]


def refresh(folder: Path, built_from: Mapping[str, str], build: Callable[[Path], None]) -> None:
    """Replace the folder by a new build; until it is complete, the old one stays as it is.

    Args:
        built_from: {source: fingerprint}; kept with the build and compared by is_current.
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
        (fresh / _MANIFEST).write_text(json.dumps(dict(built_from)), encoding="utf-8")
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


def _read_manifest(folder: Path) -> dict[str, str] | None:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        log.warning("index manifest in %s cannot be read; the index will be built again", folder)
        return None
    return manifest if isinstance(manifest, dict) else None
