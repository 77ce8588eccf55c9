"""A zip archive that is looked through before anything of it is unpacked."""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from knowledge.intake.model import IntakeError, Limits, Refusal

# Below this an entry or archive may shrink as well as it likes: short files of one letter do.
_SMALL = 2_000_000
_CHUNK = 1 << 16
_LONGEST_NAME = 1_000
_END, _END_BYTES = b"PK\x05\x06", 22
_BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, ValueError, NotImplementedError, struct.error)


class SafeZip:
    """The entries of an archive that passed the checks; what is read is counted."""

    def __init__(self, archive: zipfile.ZipFile, limits: Limits, name: str) -> None:
        self._archive = archive
        self._limits = limits
        self._name = name
        self._left = limits.unpacked_bytes
        self.names = frozenset(info.filename for info in archive.infolist())

    def read(self, name: str) -> bytes:
        """Return one entry.

        Raises:
            IntakeError: there is no such entry, it is damaged, or more comes out than the directory told.
        """
        try:
            told = self._archive.getinfo(name).file_size
        except KeyError as error:
            raise IntakeError(self._name, Refusal.BROKEN, {"missing": name}) from error
        chunks, size = [], 0
        try:
            with self._archive.open(name) as entry:
                while chunk := entry.read(_CHUNK):
                    size += len(chunk)
                    self._left -= len(chunk)
                    if self._left < 0:
                        raise _unpacks_too_large(self._name, self._limits)
                    chunks.append(chunk)
        except _broken_stream() as error:
            raise IntakeError(self._name, Refusal.BROKEN) from error
        if size != told:
            raise IntakeError(self._name, Refusal.BROKEN)
        return b"".join(chunks)


@contextmanager
def open_zip(path: Path, limits: Limits, name: str = "") -> Iterator[SafeZip]:
    """Open a zip archive after its directory was checked; archives inside it are entries like any other.

    Args:
        name: what errors call the file; its own name by default.
    Raises:
        IntakeError: no zip archive, too many entries, too much to unpack for its size, encrypted, a name that
            appears twice or leads out of the archive.
    """
    name = name or path.name
    _check_end(path, limits, name)
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise IntakeError(name, Refusal.BROKEN) from error
    with archive:
        _check_entries(archive.infolist(), path.stat().st_size, limits, name)
        yield SafeZip(archive, limits, name)


def _check_end(path: Path, limits: Limits, name: str) -> None:
    """Check what the archive says of itself at its end, before the whole directory is read."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _END_BYTES - 0xFFFF, 0))
        tail = file.read()
    at = tail.rfind(_END)
    if at == -1 or at + _END_BYTES > len(tail):
        raise IntakeError(name, Refusal.BROKEN)
    entries, directory_bytes = struct.unpack_from("<HI", tail, at + 10)
    # 0xFFFF and 0xFFFFFFFF point to larger numbers elsewhere; both are beyond what is allowed here.
    if entries > limits.entries or directory_bytes > limits.entries * _LONGEST_NAME:
        raise IntakeError(name, Refusal.TOO_MANY_ENTRIES, {"entries": str(entries), "allowed": str(limits.entries)})


def _check_entries(entries: list[zipfile.ZipInfo], size: int, limits: Limits, name: str) -> None:
    if len(entries) > limits.entries:
        raise IntakeError(
            name, Refusal.TOO_MANY_ENTRIES, {"entries": str(len(entries)), "allowed": str(limits.entries)}
        )
    total = sum(entry.file_size for entry in entries)
    if total > limits.unpacked_bytes or _blows_up(total, size, limits):
        raise _unpacks_too_large(name, limits)
    seen: set[str] = set()
    for entry in entries:
        if entry.flag_bits & 0x1:
            raise IntakeError(name, Refusal.ENCRYPTED)
        if _blows_up(entry.file_size, entry.compress_size, limits):
            raise _unpacks_too_large(name, limits)
        plain = entry.filename.replace("\\", "/")
        leads_out = plain.startswith("/") or ".." in PurePosixPath(plain).parts or plain[1:2] == ":"
        if leads_out or plain.lower() in seen or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise IntakeError(name, Refusal.BROKEN)
        seen.add(plain.lower())


def _blows_up(unpacked: int, packed: int, limits: Limits) -> bool:
    return unpacked > _SMALL and unpacked > packed * limits.ratio


def _unpacks_too_large(name: str, limits: Limits) -> IntakeError:
    return IntakeError(name, Refusal.UNPACKS_TOO_LARGE, {"allowed_mb": str(limits.unpacked_bytes // 1_000_000)})


def _broken_stream() -> tuple[type[Exception], ...]:
    import zlib

    return (*_BROKEN, zlib.error, RuntimeError)
