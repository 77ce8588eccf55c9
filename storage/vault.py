"""Encrypts what only a member, and whom the member chose, may read."""

import base64
import contextlib
import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

log = logging.getLogger(__name__)
_KEY_BYTES = 32
_NONCE_BYTES = 12


class VaultError(Exception):
    """A key or an encrypted value cannot be used; the message says which and what to do, never the key."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value: nonce and AES-256-GCM ciphertext, and which key opens it."""

    key_id: str
    data: bytes

    def as_text(self) -> str:
        """The value in one line, for columns that hold text."""
        return f"{self.key_id} {base64.b64encode(self.data).decode()}"

    @classmethod
    def from_text(cls, text: str) -> "Sealed":
        """Return the value of a line that as_text made."""
        key_id, encoded = text.split(" ")
        return cls(key_id, base64.b64decode(encoded))


class _Ring:
    """Keys by id, 32 bytes each, and which of them seals."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        for key_id, key in keys.items():
            if len(key) != _KEY_BYTES:
                raise VaultError(f"key {key_id!r} has {len(key)} bytes, not {_KEY_BYTES}")
        if current not in keys:
            raise VaultError(f"the current key {current!r} is not in the ring")
        self.keys = dict(keys)
        self.ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.current = current


class Vault:
    """Seals with the current key and opens with any key of the ring."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        """Take the keys by id, 32 bytes each.

        Raises:
            VaultError: the current key is not among them, or a key has another length.
        """
        self._ring = _Ring(keys, current)

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return self._ring.current

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of all keys, the current one first."""
        ring = self._ring
        return (ring.current, *(key_id for key_id in ring.keys if key_id != ring.current))

    def refresh(self) -> bool:
        """Take up keys that were put into the ring since; return whether there were any. This ring stays as it is."""
        return False

    def seal(self, text: str, *, about: str) -> Sealed:
        """Encrypt a text with the current key.

        Args:
            about: what the text belongs to; opening it for anything else fails, so that rows cannot be exchanged.
        """
        ring = self._ring
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = ring.ciphers[ring.current].encrypt(nonce, text.encode(), about.encode())
        return Sealed(ring.current, nonce + sealed)

    def open(self, sealed: Sealed, *, about: str) -> str:
        """Return the text of a sealed value.

        Raises:
            VaultError: its key is not in the ring, or the value was changed or belongs to something else.
        """
        cipher = self._with_key(sealed.key_id).ciphers[sealed.key_id]
        try:
            return cipher.decrypt(sealed.data[:_NONCE_BYTES], sealed.data[_NONCE_BYTES:], about.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise VaultError(f"the value about {about!r} was changed or belongs to something else") from error

    def reseal(self, sealed: Sealed, *, about: str) -> Sealed:
        """Return the same text sealed with the current key.

        Raises:
            VaultError: see open.
        """
        return self.seal(self.open(sealed, about=about), about=about)

    def digests(self, text: str) -> list[str]:
        """Return keyed hashes of a text, one per key, the current key's first; nobody without a key can try texts."""
        return [self._hash(b"digest:" + text.encode(), key_id) for key_id in self.key_ids]

    def mac(self, text: str, *, key_id: str) -> str:
        """Return what proves that somebody with a certain key has written a text.

        Raises:
            VaultError: the key is not in the ring.
        """
        return self._hash(b"mac:" + text.encode(), key_id)

    def _hash(self, content: bytes, key_id: str) -> str:
        return hmac.new(self._with_key(key_id).keys[key_id], content, hashlib.sha256).hexdigest()

    def _with_key(self, key_id: str) -> _Ring:
        """Return the ring that has a key, looked up anew where it is not known yet."""
        if key_id not in self._ring.keys:
            self.refresh()
        ring = self._ring
        if key_id not in ring.keys:
            raise VaultError(f"key {key_id!r} is not in the ring: put it back into the key file")
        return ring


class FileVault(Vault):
    """The same over a key file, looked at again when it was changed: a program that runs takes up a new key."""

    def __init__(self, path: Path) -> None:
        """Read the key file.

        Raises:
            VaultError: the ring is broken, or the file can be read by others or cannot be read.
        """
        self._path = path
        self._seen = self._look()
        self._ring = _read_ring(path)

    def refresh(self) -> bool:
        """Take up the ring again if its file was changed since; one that cannot be used is logged and left alone."""
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self._ring = _read_ring(self._path)
        except VaultError as error:
            log.error("the keys stay as they were: %s", error)
            return False
        log.info("keys: %d, current %s", len(self._ring.keys), self._ring.current)
        return True

    def _look(self) -> tuple[int, int, int] | None:
        """Return what changes when the file does; None where it cannot be looked at."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_mode


def new_key() -> str:
    """Return a fresh line for a key file: an id and 32 random bytes in base64."""
    return f"{secrets.token_hex(4)} {base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def parse_keys(text: str, *, name: str) -> Vault:
    """Return the vault of a key ring: a line per key, id and base64; the first is the current one.

    Args:
        name: where the text comes from, for messages.
    Raises:
        VaultError: there is no key, or a line is none.
    """
    ring = _parse(text, name)
    return Vault(ring.keys, ring.current)


def _parse(text: str, name: str) -> _Ring:
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            key_id, encoded = line.split()
            key = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise VaultError(f"{name}, line {number}: not 'ID BASE64'") from error
        if key_id in keys:
            raise VaultError(f"{name}, line {number}: key {key_id!r} is there twice")
        keys[key_id] = key
    if not keys:
        raise VaultError(f"{name}: holds no key")
    return _Ring(keys, next(iter(keys)))


def _read_ring(path: Path) -> _Ring:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise VaultError(f"{path}: can be read by others: chmod 600 it")
        return _parse(path.read_text(encoding="ascii"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise VaultError(f"{path}: cannot be used: {error}") from error


def load_vault(path: Path, *, given: str | None = None) -> Vault:
    """Return the vault of a key file, made with a fresh key if it is not there.

    Args:
        given: the ring itself, from the environment; then no file is looked at.
    Raises:
        VaultError: the ring is broken, or the file can be read by others or cannot be read or made.
    """
    if given is not None:
        return parse_keys(given.replace(";", "\n"), name="the key from the environment")
    try:
        if not path.exists():
            _write_new(path)
    except OSError as error:
        raise VaultError(f"{path}: cannot be used: {error}") from error
    return FileVault(path)


def add_key(path: Path) -> None:
    """Put a fresh key first in a key file; what is sealed from then on uses it, the others still open.

    Raises:
        VaultError: the file cannot be read or written.
    """
    try:
        with _alone(path.parent):
            ring = path.read_text(encoding="ascii")
            aside = path.with_suffix(".new")
            # One that was killed here has left its own behind; nothing was sealed with that key.
            aside.unlink(missing_ok=True)
            _create(aside, f"{new_key()}\n{ring}")
            aside.replace(path)
            # Nothing may be sealed with a key that a power cut could take away.
            _sync(path.parent)
    except (OSError, UnicodeDecodeError) as error:
        raise VaultError(f"{path}: cannot be changed: {error}") from error


def _write_new(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _create(path, new_key() + "\n")
    except FileExistsError:
        # Another start was faster; its key is the one.
        return
    _sync(path.parent)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one program at a time change the ring: of two that read it at once, one would drop the other's key."""
    if os.name != "posix":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _create(path: Path, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
