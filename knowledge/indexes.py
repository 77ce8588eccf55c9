"""What is built from the entries of a search: kept in a folder, and updated where only some entries have changed."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from embeddings import cache
from embeddings.encoder import Encoder
from embeddings.index import VectorIndex
from embeddings.late import LateInteraction, has_tokens, once, reads_rows
from embeddings.pieces import PieceIndex
from knowledge.lexical import LexicalIndex
from knowledge.lexicon import Lexicon

log = logging.getLogger(__name__)
_FORMAT = "4"
_DIGESTS = "entries.npy"
_DIGEST_BYTES = 16
# Fewer entries are built anew in the blink of an eye.
_WORTH_UPDATING = 50
# Texts that are encoded at a time: their vectors lie twice in the memory until they are in the index.
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """What is searched: an id, the words, and the headings above them.

    Attributes:
        id: of a passage; where there are parts, of the first.
        text: the words; empty where there are parts.
        parts: (id, text) of passages that are searched as one.
    """

    id: str
    text: str
    context: str = ""
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> str:
        """The words of the entry, of all its parts."""
        return "\n".join(text for _, text in self.parts) if self.parts else self.text

    @property
    def indexed(self) -> str:
        """What the rankings see."""
        return f"{self.context}\n{self.words}" if self.context else self.words


@dataclass(frozen=True, slots=True)
class Indexes:
    """What is built from n entries and kept in a folder."""

    lexical: LexicalIndex
    vectors: VectorIndex
    pieces: PieceIndex
    late: LateInteraction | None

    @classmethod
    def build(cls, entries: Sequence[Entry], encoder: Encoder, lexicon: Lexicon) -> "Indexes":
        """Return the indexes of entries."""
        texts = _indexed(entries)
        vectors, late = _encoded(encoder, texts)
        return cls(
            LexicalIndex.build(texts, lexicon.function_words),
            VectorIndex.build(vectors),
            PieceIndex.build(encoder, _beneath(entries)),
            late,
        )

    @classmethod
    def load(cls, folder: Path, size: int, encoder: Encoder) -> "Indexes":
        """Return the saved indexes of n entries; see save."""
        return cls(
            LexicalIndex.load(folder, size),
            VectorIndex.load(folder / "vectors.faiss"),
            PieceIndex.load(folder),
            LateInteraction.load(encoder, folder) if has_tokens(encoder) else None,
        )

    def save(self, folder: Path) -> None:
        """Write the indexes into an existing folder."""
        self.lexical.save(folder)
        self.vectors.save(folder / "vectors.faiss")
        self.pieces.save(folder)
        if self.late is not None:
            self.late.save(folder)

    def updated(self, kept: NDArray[np.int64], entries: Sequence[Entry], encoder: Encoder) -> "Indexes":
        """Return the indexes of entries of which some are in these, which stay as they are.

        Args:
            kept: [len(entries)], for each its number in these, each at most once; -1 for a new one.
            encoder: the one that these were built with; it is given the new entries only.
        """
        if len(kept) == self.lexical.size and np.array_equal(kept, np.arange(len(kept))):
            return self
        fresh = [entries[number] for number in np.flatnonzero(kept < 0).tolist()]
        texts = _indexed(fresh)
        vectors, late = _encoded(encoder, texts)
        return Indexes(
            self.lexical.updated(kept, texts),
            self.vectors.updated(kept, vectors),
            self.pieces.updated(kept, encoder, _beneath(fresh)),
            self.late.updated(kept, late) if self.late is not None and late is not None else None,
        )


_Part = TypeVar("_Part")


class _Each(Sequence[_Part]):
    """Something of each entry, put together when it is looked at: all at once it would fill the memory."""

    def __init__(self, entries: Sequence[Entry], look: Callable[[Entry], _Part]) -> None:
        self._entries, self._look = entries, look

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, at: int) -> _Part: ...
    @overload
    def __getitem__(self, at: slice) -> list[_Part]: ...
    def __getitem__(self, at: int | slice) -> _Part | list[_Part]:
        if isinstance(at, slice):
            return [self._look(entry) for entry in self._entries[at]]
        return self._look(self._entries[at])


def _indexed(entries: Sequence[Entry]) -> _Each[str]:
    return _Each(entries, lambda entry: entry.indexed)


def _beneath(entries: Sequence[Entry]) -> _Each[tuple[str, str]]:
    return _Each(entries, lambda entry: (entry.context, entry.words))


def _encoded(encoder: Encoder, texts: Sequence[str]) -> tuple[NDArray[np.float32], LateInteraction | None]:
    """Return the vectors of texts, and their features where the encoder has any; each text is read once for both."""
    found = np.empty((len(texts), encoder.dim), dtype=np.float32)
    parts: list[NDArray[np.int32]] = []
    counts: list[NDArray[np.int64]] = []
    for first in range(0, len(texts), _AT_ONCE):
        some = texts[first : first + _AT_ONCE]
        if reads_rows(encoder):
            rows, lengths = encoder.token_rows(some)
            found[first : first + _AT_ONCE] = encoder.encode_rows(rows, lengths)
            single, lengths = once(rows, lengths)
            parts.append(single)
            counts.append(lengths)
        else:
            found[first : first + _AT_ONCE] = encoder.encode(some)
    if reads_rows(encoder):
        return found, LateInteraction.join(encoder, parts, counts)
    return found, LateInteraction.build(encoder, texts) if has_tokens(encoder) else None


def places_of(entries: Sequence[Entry], before: Sequence[Entry]) -> NDArray[np.int64]:
    """Return for each entry where the same one stood before; -1 for one that is new or was changed."""
    found = np.full(len(entries), -1, dtype=np.int64)
    if not len(before):
        return found
    # Most are the very objects that they were.
    objects, wanted = _identities(before), _identities(entries)
    order = np.argsort(objects, kind="stable")
    at = order[np.minimum(np.searchsorted(objects, wanted, sorter=order), len(order) - 1)]
    same = objects[at] == wanted
    found[same] = at[same]
    others = np.flatnonzero(~same).tolist()
    if others:
        ids = {entries[number].id for number in others}
        positions = {one.id: position for position, one in enumerate(before) if one.id in ids}
        for number in others:
            position = positions.get(entries[number].id)
            if position is not None and before[position] == entries[number]:
                found[number] = position
    return _once(found)


def _identities(entries: Sequence[Entry]) -> NDArray[np.int64]:
    return np.fromiter(map(id, entries), dtype=np.int64, count=len(entries))


def _once(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return places with -1 for those that stand there again."""
    _, firsts = np.unique(places, return_index=True)
    found = np.full_like(places, -1)
    found[firsts] = places[firsts]
    return found


def keep(indexes: Indexes, entries: Sequence[Entry], encoder: Encoder, lexicon: Lexicon, folder: Path) -> None:
    """Replace a folder by the indexes of entries; until they are complete, what is there stays as it is.

    Raises:
        CacheError: the disk is full or the folder cannot be written.
    """
    own = digests(entries)
    cache.refresh(folder, sources("documents", own.tobytes(), encoder, lexicon), _with(own, indexes))


def _with(digests: NDArray[np.bytes_], indexes: Indexes) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        indexes.save(folder)
        np.save(folder / _DIGESTS, digests)

    return save


def kept_indexes(entries: Sequence[Entry], encoder: Encoder, lexicon: Lexicon, folder: Path) -> Indexes:
    """Return the indexes of entries, as a folder keeps them or updated from there; else built, and then kept there.

    Raises:
        CacheError: the folder cannot be written.
    """
    own = digests(entries)
    built_from = sources("documents", own.tobytes(), encoder, lexicon)
    changed = cache.differences(folder, built_from)
    if not changed and is_whole(folder):
        return Indexes.load(folder, len(entries), encoder)
    indexes = None
    # Such a folder is left by a crash between the swap and the saving, or by documents that changed while we were off.
    if changed == ["documents"] and len(entries) >= _WORTH_UPDATING and is_whole(folder):
        before = np.load(folder / _DIGESTS)
        positions = {digest: at for at, digest in enumerate(before.tolist())}
        places = _once(np.asarray([positions.get(digest, -1) for digest in own.tolist()], dtype=np.int64))
        same = int((places >= 0).sum())
        if same * 2 >= len(entries):
            log.info(
                "%s was built from other documents: %d of %d entries are new",
                folder.name,
                len(entries) - same,
                len(entries),
            )
            indexes = Indexes.load(folder, len(before), encoder).updated(places, entries, encoder)
    if indexes is None:
        if changed and folder.exists():
            log.info("%s was built from other %s: building it again", folder.name, " and ".join(changed))
        indexes = Indexes.build(entries, encoder, lexicon)
    cache.refresh(folder, built_from, _with(own, indexes))
    return indexes


def is_whole(folder: Path) -> bool:
    """Whether a folder still is as it was written; if not, this is logged."""
    if cache.is_intact(folder):
        return True
    log.warning("index in %s is damaged: building it again", folder)
    return False


def digests(entries: Sequence[Entry]) -> NDArray[np.bytes_]:
    """Return a fingerprint of each entry."""
    found = np.zeros((len(entries), _DIGEST_BYTES), dtype=np.uint8)
    for number, entry in enumerate(entries):
        digest = hashlib.blake2b(f"{entry.id}\0{entry.indexed}".encode(), digest_size=_DIGEST_BYTES).digest()
        found[number] = np.frombuffer(digest, dtype=np.uint8)
    return found.view(f"V{_DIGEST_BYTES}").ravel()


def sources(name: str, of: bytes, encoder: Encoder, lexicon: Lexicon) -> dict[str, str]:
    """Return {source: fingerprint} of everything an index depends on."""
    words = hashlib.sha256(" ".join(sorted(lexicon.function_words)).encode())
    return {
        "format": _FORMAT,
        name: hashlib.sha256(of).hexdigest(),
        "encoder": encoder.fingerprint,
        "function words": words.hexdigest()[:16],
    }
