"""How accents.npz is made: counts of one, two and three syllables in Vietnamese texts, pruned.

`python -m knowledge.train_accents --data DIR --out knowledge/accents.npz` needs the packed files of embeddings/pairs.py
in DIR. A trigram is kept where it says most beside its bigram (count times difference of the log probabilities, after
Stolcke, 1998); backing off costs a constant (Brants et al., EMNLP 2007).
"""

import argparse
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.pairs import rows
from knowledge.accents import (
    BREAK,
    PARTS,
    AccentModel,
    Restorer,
    Syllable,
    bigram_key,
    fill_table,
    load_accents,
    trigram_key,
)
from knowledge.keyboard import is_syllable
from knowledge.text import accented_key, fold

_TOKEN = re.compile(r"[^\W_]+|[.;:!?()\n]")
_MOST_SYLLABLES = 8000
_LEAST_COUNT, _LEAST_WORD = 40, 20


def is_held_out(line: str) -> bool:
    """Whether a line of a legal text is kept from the training, to measure on; one in 256 is."""
    return hashlib.sha256(line.encode()).digest()[1] == 0


def legal_lines(data: Path) -> Iterator[str]:
    """Yield the lines of the articles of law."""
    for row in rows(data / "legal_articles.jsonl.zst"):
        for line in row["text"].split("\n"):
            if len(line) > 30:
                yield unicodedata.normalize("NFC", line)


def texts(data: Path, everyday: list[Path]) -> Iterator[tuple[str, int]]:
    """Yield (text, weight); how people ask weighs more than its share."""
    for line in legal_lines(data):
        if not is_held_out(line):
            yield line, 1
    for name, weight in (("docs_legal_admin", 1), ("docs_news_vi", 1), ("docs_wiki_vi", 1)):
        for row in rows(data / f"{name}.jsonl.zst"):
            yield row["text"], weight
    for name in ("pairs_legal_qa", "pairs_question_law_article", "pairs_general_qa", "pairs_everyday_written"):
        for row in rows(data / f"{name}.jsonl.zst"):
            yield row["query"], 20 if name == "pairs_everyday_written" else 3
    for row in rows(data / "pairs_news_title_summary.jsonl.zst"):
        yield f"{row['query']}\n{row['positive']}", 1
    for path in everyday:
        for line in path.read_text(encoding="utf-8").splitlines():
            yield line.split("\t")[-1], 20


def train(data: Path, everyday: list[Path], *, trigrams: int, bigrams: int) -> AccentModel:
    """Return the model, its table in .table."""
    counts: Counter[str] = Counter()
    ids: dict[str, int] = {}
    parts: list[tuple[NDArray[np.int32], int]] = []
    for text, weight in texts(data, everyday):
        # Typed without accents, a text teaches nothing.
        if text.isascii():
            continue
        tokens = _TOKEN.findall(unicodedata.normalize("NFC", text).lower())
        numbers = [ids.setdefault(token, len(ids)) for token in tokens]
        parts.append((np.asarray([*numbers, -1], dtype=np.int32), weight))
    names = list(ids)
    total = np.zeros(len(names))
    for array, weight in parts:
        np.add.at(total, array[array >= 0], weight)
    keys: dict[str, Counter[str]] = {}
    for name, count in zip(names, total, strict=True):
        if is_syllable(name):
            keys.setdefault(accented_key(name), Counter())[name] += int(count)
        counts[name] = int(count)
    kept = [
        key for key, forms in sorted(keys.items(), key=lambda item: -item[1].total()) if forms.total() >= _LEAST_COUNT
    ]
    kept = kept[:_MOST_SYLLABLES]
    number = {key: n for n, key in enumerate(kept, 1)}
    id_of = np.asarray(
        [number.get(accented_key(name), BREAK) if is_syllable(name) else BREAK for name in names] + [BREAK]
    )
    # The last entry also serves the -1 between texts.
    everything = np.concatenate([id_of[array] for array, _ in parts])
    weights = np.concatenate([np.full(len(array), weight, dtype=np.int32) for array, weight in parts])
    del parts
    unigram = np.bincount(everything, weights=weights, minlength=len(kept) + 1)
    unigram[BREAK] = max(unigram[BREAK], 1)
    log1 = np.log(np.maximum(unigram, 1) / unigram.sum())
    a, b, c = everything[:-2].astype(np.int64), everything[1:-1].astype(np.int64), everything[2:].astype(np.int64)
    two, two_count = _count(b << 13 | c, weights[2:], (c != BREAK))
    three, three_count = _count(a << 26 | b << 13 | c, weights[2:], (c != BREAK))
    context1 = np.bincount(b, weights=weights[2:], minlength=len(kept) + 1)
    context2, context2_count = _count(a << 13 | b, weights[2:], np.ones(len(a), dtype=bool))
    log2 = np.log(two_count / np.maximum(context1[two >> 13], 1))
    back2 = log1[two & 8191] - 1.0
    keep2 = _most(two_count * np.abs(log2 - back2), two_count >= 3, bigrams)
    log3 = np.log(three_count / context2_count[np.searchsorted(context2, three >> 13)])
    at = np.searchsorted(two, three & ((1 << 26) - 1))
    kept2 = np.zeros(len(two), dtype=bool)
    kept2[keep2] = True
    back3 = np.where(kept2[at], log2[at] - 1.0, log1[three & 8191] - 2.0)
    keep3 = _most(three_count * np.abs(log3 - back3), three_count >= 3, trigrams)
    table_keys = [bigram_key(int(k) >> 13, int(k) & 8191) for k in two[keep2]]
    table_keys += [trigram_key(int(k) >> 26, int(k) >> 13 & 8191, int(k) & 8191) for k in three[keep3]]
    table = fill_table(table_keys, [*log2[keep2].tolist(), *log3[keep3].tolist()], 21)
    syllables = [Syllable("", "", 0.0)]
    for key, score in zip(kept, log1[1:], strict=True):
        written = keys[key].most_common(1)[0][0]
        syllables.append(Syllable(written, fold(written), float(score)))
    folded = {syllable.folded for syllable in syllables}
    words = frozenset(
        fold(name)
        for name, count in counts.items()
        if count >= _LEAST_WORD and name.isalpha() and fold(name) not in folded
    )
    model = AccentModel(syllables, words, table)
    print(f"{len(kept)} syllables, {len(keep2)} bigrams, {len(keep3)} trigrams, {len(words)} other words", flush=True)
    return model


def _count(
    keys: NDArray[np.int64], weights: NDArray[np.int32], wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    found, inverse = np.unique(keys[wanted], return_inverse=True)
    totals: NDArray[np.float64] = np.bincount(inverse, weights=weights[wanted]).astype(np.float64)
    return found, totals


def _most(worth: NDArray[np.float64], allowed: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    worth = np.where(allowed, worth, 0)
    best = np.argsort(-worth, kind="stable")[:most]
    return np.sort(best[worth[best] > 0])


def save(model: AccentModel, path: Path) -> None:
    """Write the model."""
    scores = [min(255, round(-s.log_probability * PARTS)) for s in model.syllables[1:]]
    np.savez_compressed(
        path,
        syllables=np.asarray(" ".join(s.written for s in model.syllables[1:])),
        scores=np.asarray(scores, dtype=np.uint8),
        words=np.asarray(" ".join(sorted(model.words))),
        table=np.asarray(model.table, dtype=np.uint32),
    )


def accuracy(restorer: Restorer, lines: list[str]) -> float:
    """Return the share of syllables that are right after the accents were taken off and put back, 0 to 1."""
    right = total = 0
    for line in lines:
        wanted = [accented_key(w) for w in re.findall(r"[^\W_]+", line.lower())]
        found = [accented_key(w) for w in re.findall(r"[^\W_]+", restorer.restore(fold(line)).lower())]
        if len(found) == len(wanted):
            right += sum(a == b for a, b in zip(found, wanted, strict=True))
        total += len(wanted)
    return right / total


def main() -> None:
    """Train, save and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--everyday", type=Path, action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trigrams", type=int, default=900_000)
    parser.add_argument("--bigrams", type=int, default=350_000)
    parser.add_argument("--only-measure", action="store_true")
    options = parser.parse_args()
    if not options.only_measure:
        model = train(options.data, options.everyday, trigrams=options.trigrams, bigrams=options.bigrams)
        save(model, options.out)
    lines = [line for line in legal_lines(options.data) if is_held_out(line)][:4000]
    print(f"{len(lines)} held-out lines: {accuracy(Restorer(load_accents(options.out)), lines):.4f} of syllables right")


if __name__ == "__main__":
    main()
