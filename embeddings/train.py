"""How the bundled model is made: contrastive training of a static embedding on pairs of Vietnamese texts.

`python -m embeddings.train --data DIR --everyday FILE --out embeddings/bundled` needs PyTorch and, in DIR, the
packed files named below; it saves its state every few minutes and goes on from it when started again. The loss is
the in-batch softmax over cosine similarities (InfoNCE; van den Oord et al., 2018), the vectors are then rounded to
int8 row by row.
"""

import argparse
import hashlib
import io
import json
import random
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.static import StaticTokenizer, features

SEED = 20261123
TEMPERATURE = 0.05
QUERY_TOKENS, PASSAGE_TOKENS = 96, 384
EVERYDAY_SHARE, EVERYDAY_BATCHES = 0.4, 0.7
UNACCENTED_SHARE = 0.3

Pair = tuple[str, str]


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a packed file."""
    import zstandard

    with path.open("rb") as packed:
        unpacked = zstandard.ZstdDecompressor().stream_reader(packed)
        yield from (json.loads(line) for line in io.TextIOWrapper(unpacked, encoding="utf-8"))


def unaccented(text: str) -> str:
    """Return a text as typed without accents."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return plain.replace("đ", "d").replace("Đ", "D")


def general_pairs(data: Path, chance: random.Random) -> list[Pair]:
    """Return heading -> article, question -> article, question -> answer, headline -> lead and the like."""
    pairs: list[Pair] = []
    for article in rows(data / "legal_articles.jsonl.zst"):
        heading = re.sub(r"^Điều \d+[a-z]?\.?\s*", "", article["title"])
        name = re.sub(r"^\S+ (?:\S+ )?số \S+ ", "", article["doc"])
        pairs.append((f"{heading} {name}" if len(heading) < 40 else heading, article["text"][:3000]))
        sentences = [s for s in re.split(r"(?<=[.;])\s+|\n", article["text"][:4000]) if 40 < len(s) < 400]
        if len(sentences) > 2:
            taken = chance.randrange(len(sentences))
            rest = " ".join(s for n, s in enumerate(sentences) if n != taken)
            pairs.append((sentences[taken], f"{heading} {rest}"))
    for name in ("pairs_legal_qa", "pairs_question_law_article", "pairs_general_qa"):
        found = [(row["query"], row["positive"][:3000]) for row in rows(data / f"{name}.jsonl.zst")]
        pairs += found * (4 if name == "pairs_question_law_article" else 2)
    pairs += [(row["query"], row["positive"]) for row in rows(data / "pairs_news_title_summary.jsonl.zst")]
    for name in ("docs_legal_admin", "docs_wiki_vi", "docs_news_vi"):
        for row in rows(data / f"{name}.jsonl.zst"):
            pairs += list(_sections(row["title"], row["text"]))
    return pairs


def _sections(title: str, text: str) -> Iterator[Pair]:
    parts = re.split(r"\n## |^## ", text)
    if len(parts[0]) > 150:
        yield title, parts[0][:1500]
    for part in parts[1:40]:
        heading, _, body = part.partition("\n")
        if len(body) > 150:
            yield f"{title} {heading}" if len(heading) < 25 else heading, body[:1500]


def everyday_pairs(data: Path, everyday: Path | None) -> list[Pair]:
    """Return questions in everyday words -> formal passages, and everyday words -> formal terms."""
    pairs = [(row["query"], row["positive"][:3000]) for row in rows(data / "pairs_everyday_written.jsonl.zst")]
    if everyday is not None:
        import yaml

        content = yaml.safe_load(everyday.read_text(encoding="utf-8"))
        pairs += [(form, entry["formal"]) for entry in content["everyday"] for form in entry["everyday"]][::3]
    return pairs


def build_vocabulary(pairs: Sequence[Pair], extra: Sequence[Pair], size: int) -> list[str]:
    """Return the most frequent features, each text counted once, unaccented queries among them."""
    counts: Counter[str] = Counter()
    for number, (query, passage) in enumerate(pairs):
        counts.update(set(features(query)))
        counts.update(set(features(passage[:1500])))
        if number % 3 == 0:
            counts.update(set(features(unaccented(query))))
    for query, passage in extra:
        for feature in {*features(query), *features(unaccented(query)), *features(passage)}:
            counts[feature] += 3
    # A word stands for itself everywhere; a pair must earn its place.
    scored = ((feature, count * (0.6 if " " in feature else 1.0)) for feature, count in counts.items() if count > 2)
    return [feature for feature, _ in sorted(scored, key=lambda item: (-item[1], item[0]))[:size]]


class _Texts:
    """Token rows of many texts, packed."""

    def __init__(self, texts: Iterator[str], tokenizer: StaticTokenizer, most: int) -> None:
        starts, packed = [0], []
        for text in texts:
            found = tokenizer.rows(text)[:most]
            packed.append(np.asarray(found, dtype=np.int32))
            starts.append(starts[-1] + len(found))
        self._rows = np.concatenate(packed) if packed else np.zeros(0, np.int32)
        self._starts = np.asarray(starts)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def batch(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (all rows, where each text begins)."""
        parts = [self._rows[self._starts[n] : self._starts[n + 1]] for n in numbers]
        lengths = np.asarray([len(part) for part in parts])
        return np.concatenate(parts).astype(np.int64), np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)


def train(
    general: Sequence[Pair],
    everyday: Sequence[Pair],
    vocabulary: Sequence[str],
    *,
    dim: int,
    minutes: float,
    batch: int,
    rate: float,
    state: Path,
) -> NDArray[np.float32]:
    """Return vectors float32 [len(vocabulary), dim] after training for a number of minutes, earlier runs included."""
    import torch
    import torch.nn.functional as F

    torch.manual_seed(SEED)
    chance = np.random.default_rng(SEED)
    tokenizer = StaticTokenizer(vocabulary)
    sets = []
    for pairs in (general, everyday):
        plain = _Texts((query for query, _ in pairs), tokenizer, QUERY_TOKENS)
        bare = _Texts((unaccented(query) for query, _ in pairs), tokenizer, QUERY_TOKENS)
        sets.append((plain, bare, _Texts((passage for _, passage in pairs), tokenizer, PASSAGE_TOKENS)))
    bag = torch.nn.EmbeddingBag(len(vocabulary), dim, mode="sum")
    torch.nn.init.normal_(bag.weight, std=0.1)
    optimizer = torch.optim.Adam(bag.parameters(), lr=rate, fused=True)
    spent_s, step = 0.0, 0
    if state.exists():
        saved = torch.load(state)
        bag.load_state_dict(saved["bag"])
        optimizer.load_state_dict(saved["optimizer"])
        spent_s, step = saved["spent_s"], saved["step"]
    began, saved_at, total_s, mean = time.monotonic(), time.monotonic(), minutes * 60, 0.0
    while (elapsed := spent_s + time.monotonic() - began) < total_s:
        for group in optimizer.param_groups:
            group["lr"] = rate * max(0.02, 1 - elapsed / total_s)
        special = int(batch * EVERYDAY_SHARE) if chance.random() < EVERYDAY_BATCHES else 0
        vectors: list[list[Any]] = [[], []]
        for (plain, bare, passages), count in zip(sets, (batch - special, special), strict=True):
            if not count:
                continue
            numbers = chance.choice(len(plain), count, replace=False)
            without = chance.random(count) < UNACCENTED_SHARE
            for texts, chosen in ((plain, numbers[~without]), (bare, numbers[without])):
                if len(chosen):
                    vectors[0].append(bag(*map(torch.from_numpy, texts.batch(chosen))))
            ordered = np.concatenate([numbers[~without], numbers[without]])
            vectors[1].append(bag(*map(torch.from_numpy, passages.batch(ordered))))
        queries, found = (F.normalize(torch.cat(side), dim=1) for side in vectors)
        similar = queries @ found.T / TEMPERATURE
        wanted = torch.arange(len(similar))
        loss = (F.cross_entropy(similar, wanted) + F.cross_entropy(similar.T, wanted)) / 2
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        mean = 0.98 * mean + 0.02 * loss.item() if step > 1 else loss.item()
        if step % 100 == 0:
            print(f"step {step}, {elapsed / 60:.1f} of {minutes:.0f} min, loss {mean:.3f}", flush=True)
        if time.monotonic() - saved_at > 300:
            saved_at = time.monotonic()
            _save_state(state, bag, optimizer, elapsed, step)
    _save_state(state, bag, optimizer, elapsed, step)
    trained: NDArray[np.float32] = bag.weight.detach().numpy()
    return trained


def _save_state(state: Path, bag: Any, optimizer: Any, spent_s: float, step: int) -> None:
    import torch

    aside = state.with_suffix(".new")
    torch.save({"bag": bag.state_dict(), "optimizer": optimizer.state_dict(), "spent_s": spent_s, "step": step}, aside)
    aside.replace(state)


def save(folder: Path, vocabulary: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Write the model: int8 rows, each with its scale."""
    folder.mkdir(parents=True, exist_ok=True)
    scales = np.abs(vectors).max(axis=1) / 127
    rounded = np.round(vectors / np.where(scales == 0, 1, scales)[:, None]).astype(np.int8)
    np.save(folder / "vectors.npy", rounded)
    np.save(folder / "scales.npy", scales.astype(np.float32))
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    digest = hashlib.sha256(rounded.tobytes() + scales.tobytes()).hexdigest()[:16]
    config = {"kind": "static", "dim": int(vectors.shape[1]), "fingerprint": f"static-{digest}"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--everyday", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--state", type=Path, default=Path("data/train-state.pt"))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--vocabulary", type=int, default=84_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    chance = random.Random(SEED)
    general, everyday = general_pairs(options.data, chance), everyday_pairs(options.data, options.everyday)
    print(f"{len(general)} pairs, {len(everyday)} everyday pairs", flush=True)
    vocabulary = build_vocabulary(general, everyday, options.vocabulary)
    print(f"{len(vocabulary)} features", flush=True)
    options.state.parent.mkdir(parents=True, exist_ok=True)
    vectors = train(
        general,
        everyday,
        vocabulary,
        dim=options.dim,
        minutes=options.minutes,
        batch=options.batch,
        rate=options.rate,
        state=options.state,
    )
    save(options.out, vocabulary, vectors)


if __name__ == "__main__":
    main()
