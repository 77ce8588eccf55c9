"""Encrypts what only a member, and whom the member chose, may read."""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32
_NONCE_BYTES = 12


class VaultError(Exception):
    """A key or an encrypted value cannot be used; the message says which and what to do, never the key."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value: nonce and AES-256-GCM ciphertext, and which key opens it."""

    key_id: str
    data: bytes


class Vault:
    """Seals with the current key and opens with any key of the ring."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        """Take the keys by id, 32 bytes each.

        Raises:
            VaultError: the current key is not among them, or a key has another length.
        """
        for key_id, key in keys.items():
            if len(key) != _KEY_BYTES:
                raise VaultError(f"key {key_id!r} has {len(key)} bytes, not {_KEY_BYTES}")
        if current not in keys:
            raise VaultError(f"the current key {current!r} is not in the ring")
        self._keys = dict(keys)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.current = current

    def seal(self, text: str, *, about: str) -> Sealed:
        """Encrypt a text with the current key.

        Args:
            about: what the text belongs to; opening it for anything else fails, so that rows cannot be exchanged.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self.current].encrypt(nonce, text.encode(), about.encode())
        return Sealed(self.current, nonce + sealed)

    def open(self, sealed: Sealed, *, about: str) -> str:
        """Return the text of a sealed value.

        Raises:
            VaultError: its key is not in the ring, or the value was changed or belongs to something else.
        """
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise VaultError(f"key {sealed.key_id!r} is not in the ring: put it back into the key file")
        try:
            return cipher.decrypt(sealed.data[:_NONCE_BYTES], sealed.data[_NONCE_BYTES:], about.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise VaultError(f"the value about {about!r} was changed or belongs to something else") from error

    def digests(self, text: str) -> list[str]:
        """Return keyed hashes of a text, one per key, the current key's first; nobody without a key can try texts."""
        ids = [self.current, *(key_id for key_id in self._keys if key_id != self.current)]
        return [hmac.new(self._keys[key_id], b"digest:" + text.encode(), hashlib.sha256).hexdigest() for key_id in ids]


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
    return Vault(keys, next(iter(keys)))


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
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise VaultError(f"{path}: can be read by others: chmod 600 it")
        return parse_keys(path.read_text(encoding="ascii"), name=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise VaultError(f"{path}: cannot be used: {error}") from error


def add_key(path: Path) -> None:
    """Put a fresh key first in a key file; what is sealed from then on uses it, the others still open.

    Raises:
        VaultError: the file cannot be read or written.
    """
    try:
        ring = path.read_text(encoding="ascii")
        aside = path.with_suffix(".new")
        aside.unlink(missing_ok=True)
        _create(aside, f"{new_key()}\n{ring}")
        aside.replace(path)
    except (OSError, UnicodeDecodeError) as error:
        raise VaultError(f"{path}: cannot be changed: {error}") from error


def _write_new(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _create(path, new_key() + "\n")
    except FileExistsError:
        # Another start was faster; its key is the one.
        return


def _create(path: Path, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
