"""How the bundled model is made: contrastive training of a static embedding on pairs of Vietnamese texts.

`python -m embeddings.train --data DIR --out embeddings/bundled` needs PyTorch and, in DIR, the packed files named in
pairs.py; it shows its progress, saves its state every few minutes and goes on from it when started again. The loss is
the in-batch softmax over cosine similarities (InfoNCE; van den Oord et al., 2018). Half of the batches are drawn from
a few clusters of passages that the model itself finds alike (topic-aware sampling; Hofstätter et al., SIGIR 2021), so
that the others in the batch are hard to tell apart; passages that are nearly the same do not count as wrong. The
vectors are then rounded to four bits.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.pairs import Pair, everyday_pairs, general_pairs
from embeddings.static import StaticTokenizer, normal_words, quantise

SEED = 20261124
TEMPERATURE = 0.05
QUERY_WORDS, PASSAGE_WORDS, KEPT_WORDS = 64, 128, 420
# Of each query's words, so many are left out at random: no single word may decide.
DROPPED = 0.1
SAME_PASSAGE = 0.92
CLUSTERS, CLUSTER_PART = 1500, 128
# Everyday pairs are few and would be learned by heart: little of them at first, more towards the end.
EVERYDAY_EARLY, EVERYDAY_LATE, LATE_FROM = 0.06, 0.35, 0.7
_SHOW_EVERY, _SAVE_EVERY = 50, 500

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Texts:
    """Words of many texts, packed; pairs[i] is the row of the pair that begins at words[i], or -1."""

    words: NDArray[np.int32]
    pairs: NDArray[np.int32]
    starts: NDArray[np.int64]

    def bags(
        self, numbers: NDArray[np.int64], chance: np.random.Generator, *, most: int, dropped: float = 0.0
    ) -> tuple[Rows, Rows]:
        """Return (rows of all texts, where each text begins); of a long text, a stretch of at most so many words."""
        lengths = self.starts[numbers + 1] - self.starts[numbers]
        spare = np.maximum(lengths - most, 0)
        # What matters stands at the beginning more often than elsewhere.
        offset = np.where(chance.random(len(numbers)) < 0.5, 0, (chance.random(len(numbers)) * (spare + 1)).astype(int))
        taken = np.minimum(lengths, most)
        firsts = np.repeat(self.starts[numbers] + offset, taken)
        ends = np.cumsum(taken)
        inside = np.arange(ends[-1]) - np.repeat(ends - taken, taken)
        at = firsts + inside
        words, pairs = self.words[at], self.pairs[at].copy()
        pairs[ends[taken > 0] - 1] = -1
        if dropped:
            gone = chance.random(len(at)) < dropped
            words = np.where(gone, -1, words)
            pairs[gone | np.roll(gone, -1)] = -1
        both = np.stack([words, pairs], axis=1)
        known = both >= 0
        text_of = np.repeat(np.arange(len(numbers)), taken)
        counts = np.bincount(text_of, weights=known.sum(axis=1), minlength=len(numbers)).astype(np.int64)
        return both[known].astype(np.int64), np.concatenate([[0], np.cumsum(counts)[:-1]])


def pack(texts: Sequence[str], tokenizer: StaticTokenizer) -> Texts:
    """Return texts as Texts."""
    lists = [np.asarray(tokenizer.word_ids(text, KEPT_WORDS), dtype=np.int32) for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(words) for words in lists])]).astype(np.int64)
    words = np.concatenate(lists)
    return Texts(words, tokenizer.pair_rows(words.astype(np.int64), starts[1:]), starts)


def build_vocabulary(pairs: Sequence[Pair], everyday: Sequence[Pair], size: int) -> list[str]:
    """Return the most frequent words, then pairs of them, by how often they occur; queries count more."""
    ids: dict[str, int] = {}
    counts: dict[int, float] = {}
    words: dict[int, float] = {}
    # The general queries count threefold, since they are short; the everyday pairs more, since they are few.
    for texts, weight in (
        ([query for query, _ in pairs], 3.0),
        ([passage for _, passage in pairs], 1.0),
        ([query for query, _ in everyday], 8.0),
        ([passage for _, passage in everyday], 4.0),
    ):
        for first in range(0, len(texts), 50_000):
            packed: list[int] = []
            for text in texts[first : first + 50_000]:
                packed.extend(ids.setdefault(word, len(ids)) for word in normal_words(text)[:KEPT_WORDS])
                packed.append(-1)
            array = np.asarray(packed, dtype=np.int64)
            inner = (array[:-1] >= 0) & (array[1:] >= 0)
            for values, into in ((array[array >= 0], words), ((array[:-1] << 24 | array[1:])[inner], counts)):
                for value, count in zip(*np.unique(values, return_counts=True), strict=True):
                    if count > 1 or weight > 1:
                        into[int(value)] = into.get(int(value), 0.0) + float(count) * weight
    names = list(ids)
    kept = sorted(words, key=lambda word: (-words[word], names[word]))
    kept = [word for word in kept[: size // 4] if words[word] >= 12]
    known = set(kept)
    found = [pair for pair, count in counts.items() if count >= 12 and pair >> 24 in known and pair & 0xFFFFFF in known]
    found.sort(key=lambda pair: (-counts[pair], pair))
    singles = [names[word] for word in kept]
    return singles + [f"{names[p >> 24]} {names[p & 0xFFFFFF]}" for p in found[: size - len(singles)]]


class _Trainer:
    """The state of a training: vectors, optimizer, clusters, step."""

    def __init__(self, sets: Sequence[tuple[Texts, Texts]], options: argparse.Namespace, size: int) -> None:
        import torch

        self._torch = torch
        torch.manual_seed(SEED)
        torch.set_num_threads(options.threads)
        self._sets, self._options = sets, options
        self._bag = torch.nn.EmbeddingBag(size, options.dim, mode="sum")
        torch.nn.init.normal_(self._bag.weight, std=0.1)
        self._optimizer = torch.optim.Adam(self._bag.parameters(), lr=options.rate, fused=True)
        self._clusters: NDArray[np.int64] | None = None
        self._step = 0

    def load(self, path: Path) -> None:
        """Go on from a saved state."""
        saved = self._torch.load(path, weights_only=False)
        self._bag.load_state_dict(saved["bag"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._clusters, self._step = saved["clusters"], saved["step"]
        print(f"going on from step {self._step}", flush=True)

    def save(self, path: Path) -> None:
        """Write the state, so that a crash leaves either the old or the new one."""
        state = {
            "bag": self._bag.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "clusters": self._clusters,
            "step": self._step,
        }
        aside = path.with_suffix(".new")
        self._torch.save(state, aside)
        aside.replace(path)

    def run(self, state: Path) -> NDArray[np.float32]:
        """Train to the last step; return the vectors."""
        steps, began, first, mean = self._options.steps, time.monotonic(), self._step, 0.0
        while self._step < steps:
            done = self._step / steps
            if self._step and self._step % max(1, steps // 4) == 0 and self._step < steps * 0.9:
                self._find_clusters()
            for group in self._optimizer.param_groups:
                group["lr"] = self._options.rate * max(0.01, 1 - done)
            loss = self._one_step(done)
            mean = 0.98 * mean + 0.02 * loss if mean else loss
            self._step += 1
            if self._step % _SHOW_EVERY == 0:
                left_s = (time.monotonic() - began) / (self._step - first) * (steps - self._step)
                print(f"step {self._step} of {steps}, loss {mean:.3f}, {left_s / 60:.0f} min left", flush=True)
            if self._step % _SAVE_EVERY == 0:
                self.save(state)
        self.save(state)
        trained: NDArray[np.float32] = self._bag.weight.detach().numpy()
        return trained

    def _one_step(self, done: float) -> float:
        import torch.nn.functional as F

        # Every step has its own chance, so that a training that was cut off goes on as if it had not been.
        chance = np.random.default_rng([SEED, self._step])
        special = int(self._options.batch * (EVERYDAY_LATE if done >= LATE_FROM else EVERYDAY_EARLY))
        queries, passages = [], []
        for (asked, answering), numbers in zip(
            self._sets,
            (self._draw(self._options.batch - special, chance), self._draw_everyday(special, chance)),
            strict=True,
        ):
            queries.append(self._vectors(asked, numbers, chance, QUERY_WORDS, DROPPED))
            passages.append(self._vectors(answering, numbers, chance, PASSAGE_WORDS, 0.0))
        q, p = (F.normalize(self._torch.cat(side), dim=1) for side in (queries, passages))
        similar = q @ p.T / TEMPERATURE
        with self._torch.no_grad():
            alike = (p @ p.T > SAME_PASSAGE) & ~self._torch.eye(len(p), dtype=self._torch.bool)
        similar = similar.masked_fill(alike, -1e4)
        wanted = self._torch.arange(len(similar))
        loss = (F.cross_entropy(similar, wanted) + F.cross_entropy(similar.T, wanted)) / 2
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return float(loss.item())

    def _vectors(self, texts: Texts, numbers: Rows, chance: np.random.Generator, most: int, dropped: float) -> Any:
        rows, starts = texts.bags(numbers, chance, most=most, dropped=dropped)
        return self._bag(self._torch.from_numpy(rows), self._torch.from_numpy(starts))

    def _draw(self, count: int, chance: np.random.Generator) -> Rows:
        total = len(self._sets[0][0].starts) - 1
        if self._clusters is None or chance.random() < 0.5:
            return chance.choice(total, count, replace=False)
        parts: list[Rows] = []
        # The members of a cluster stand next to each other in the order of the clusters.
        for begin in chance.integers(0, total - CLUSTER_PART * 2, count // CLUSTER_PART + 1):
            parts.append(self._clusters[begin + chance.permutation(CLUSTER_PART * 2)[:CLUSTER_PART]])
        return np.unique(np.concatenate(parts))[:count]

    def _draw_everyday(self, count: int, chance: np.random.Generator) -> Rows:
        return chance.choice(len(self._sets[1][0].starts) - 1, count, replace=False)

    def _find_clusters(self) -> None:
        """Order the general pairs by cluster of their passages."""
        import faiss

        passages = self._sets[0][1]
        total, chance = len(passages.starts) - 1, np.random.default_rng([SEED, self._step, 1])
        vectors = np.zeros((total, self._options.dim), dtype=np.float32)
        with self._torch.no_grad():
            for first in range(0, total, 4096):
                numbers = np.arange(first, min(first + 4096, total))
                found = self._vectors(passages, numbers, chance, PASSAGE_WORDS, 0.0)
                vectors[numbers] = self._torch.nn.functional.normalize(found, dim=1).numpy()
        kmeans = faiss.Kmeans(self._options.dim, CLUSTERS, niter=8, seed=SEED, max_points_per_centroid=48)
        kmeans.train(vectors)
        _, nearest = kmeans.index.search(vectors, 1)
        self._clusters = np.lexsort([chance.random(total), nearest[:, 0]]).astype(np.int64)


def save(folder: Path, vocabulary: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Write the model: rows of four-bit numbers, each row with its scale."""
    folder.mkdir(parents=True, exist_ok=True)
    packed, scales = quantise(vectors)
    np.save(folder / "vectors.npy", packed)
    np.save(folder / "scales.npy", scales)
    words = "\n".join(vocabulary)
    (folder / "vocab.txt").write_text(words, encoding="utf-8")
    digest = hashlib.sha256(packed.tobytes() + scales.tobytes() + words.encode()).hexdigest()[:16]
    config = {"kind": "static", "dim": int(vectors.shape[1]), "fingerprint": f"static4-{digest}"}
    (folder / "config.json").write_text(json.dumps(config) + "\n", encoding="utf-8")


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--everyday", type=Path, action="append", default=[], help="more everyday pairs, see pairs.py")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--state", type=Path, default=Path("data/train"), help="a folder for what can be gone on from")
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--vocabulary", type=int, default=110_000)
    parser.add_argument("--dim", type=int, default=320)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    general, everyday = general_pairs(options.data), everyday_pairs(options.data, options.everyday)
    print(f"{len(general)} pairs, {len(everyday)} everyday pairs", flush=True)
    words = options.state / "vocab.txt"
    if not words.exists():
        words.write_text("\n".join(build_vocabulary(general, everyday, options.vocabulary)), encoding="utf-8")
    vocabulary = words.read_text(encoding="utf-8").split("\n")
    tokenizer = StaticTokenizer(vocabulary)
    print(f"{len(vocabulary)} features", flush=True)
    sets = [
        (pack([query for query, _ in pairs], tokenizer), pack([passage for _, passage in pairs], tokenizer))
        for pairs in (general, everyday)
    ]
    trainer = _Trainer(sets, options, len(vocabulary))
    state = options.state / "state.pt"
    if state.exists():
        trainer.load(state)
    save(options.out, vocabulary, trainer.run(state))


if __name__ == "__main__":
    main()
