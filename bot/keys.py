"""The keys that answers are sealed with: what each has sealed, a fresh one, everything sealed anew."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.app import open_store
from bot.config import Config
from storage.sealed import SealedKind
from storage.store import Store
from storage.vault import VaultError, add_key

BATCH = 500
# What others hold at the moment is tried again so often, a second apart.
_TRIES, _WAIT_S = 30, 1.0


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key by its id, never the key itself.

    Attributes:
        in_ring: false for a key that has sealed something and is not at hand: what it sealed cannot be read.
        counts: how many values it has sealed, by kind.
    """

    id: str
    is_current: bool
    in_ring: bool
    counts: dict[SealedKind, int]

    @property
    def count(self) -> int:
        """How many values it has sealed."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rotation is: values sealed anew so far, and how many there were; key is the one that seals now."""

    key: str
    done: int
    total: int


def list_keys(config: Config) -> tuple[list[KeyUse], datetime | None]:
    """Return the keys, and until when a code that was handed out may still need an older one.

    The current key comes first, those that are missing from the ring last.

    Raises:
        VaultError, DatabaseError: the keys or the database cannot be used.
    """
    store = open_store(config)
    with store.transaction() as transaction:
        counts = transaction.sealed.counts()
        codes_until = transaction.people.codes_valid_until(now=datetime.now(UTC))
    current, *older = store.key_ids
    uses = [KeyUse(current, True, True, counts.pop(current, {}))]
    uses += [KeyUse(key_id, False, True, counts.pop(key_id, {})) for key_id in older]
    return [*uses, *(KeyUse(key_id, False, False, counts[key_id]) for key_id in sorted(counts))], codes_until


def rotate(config: Config, *, batch: int = BATCH) -> Generator[Progress, None, None]:
    """Put a fresh key first and seal everything anew with it, batch by batch; yield how far it is.

    One that was broken off is gone on with before another key is made. A program that serves meanwhile looks at the
    key file before each transaction, so it seals with the fresh key from then on and opens what we have sealed anew.

    Raises:
        VaultError: the keys are in the environment, where they cannot be changed; a value cannot be opened; or values
            were held by somebody else all the time.
        DatabaseError: the database cannot be used.
    """
    store = open_store(config)
    # The end of an audit log that is not as it was written keeps its key for ever; see Audit.reseal.
    if _older(store, but=SealedKind.AUDIT) == 0:
        if config.secrets.keys is not None:
            raise VaultError(
                "everything is sealed with the first key of TUSOI_SECRETS__KEYS, and a fresh one cannot be put there "
                "from here: put 'ID KEY;' before what it holds, ID a word of your own, KEY from 'head -c 32 "
                "/dev/urandom | base64'; restart the program with it; then run 'python -m bot keys rotate' again"
            )
        add_key(config.key_file)
    total = _older(store)
    yield Progress(store.key_ids[0], 0, total)
    done = 0
    for left_tries in range(_TRIES, 0, -1):
        for count in _pass(store, batch):
            done += count
            yield Progress(store.key_ids[0], done, max(done, total))
        left = _older(store, but=SealedKind.AUDIT)
        if left == 0:
            break
        if left_tries == 1:
            raise VaultError(f"{left} values were in use all the time: run 'python -m bot keys rotate' again")
        time.sleep(_WAIT_S)
    if _older(store):
        raise VaultError(
            "everything is sealed anew but the end of the audit log, which is not as it was written: look at it with "
            "'python -m bot check', and keep the older keys"
        )


def _pass(store: Store, batch: int) -> Iterator[int]:
    """Go through everything once; yield how many values each batch has sealed anew."""
    for kind in SealedKind:
        last = None
        while True:
            began = time.perf_counter()
            with store.transaction() as transaction:
                resealed = transaction.sealed.reseal(kind, after=last, limit=batch)
            if resealed.count:
                yield resealed.count
            last = resealed.last
            if last is None:
                break
            # SQLite has one writer, and who waits for it looks now and then: as long as we wrote, others may.
            time.sleep(time.perf_counter() - began)


def _older(store: Store, *, but: SealedKind | None = None) -> int:
    with store.transaction() as transaction:
        return transaction.sealed.older(but=but)
