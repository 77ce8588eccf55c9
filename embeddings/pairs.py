"""The pairs of texts that the bundled model is trained on."""

import hashlib
import io
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SEED = 20261124
# One question in ten is kept from the training: the fusion is fitted on these.
HELD_OUT_ONE_IN = 10

Pair = tuple[str, str]


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a packed file."""
    import zstandard

    with path.open("rb") as packed:
        unpacked = zstandard.ZstdDecompressor().stream_reader(packed)
        yield from (json.loads(line) for line in io.TextIOWrapper(unpacked, encoding="utf-8"))


def is_held_out(query: str) -> bool:
    """Whether a question about an article of law is kept from the training."""
    return hashlib.sha256(query.encode()).digest()[0] % HELD_OUT_ONE_IN == 0


def general_pairs(data: Path) -> list[Pair]:
    """Return heading -> article, question -> article, question -> answer, headline -> lead and the like."""
    chance = random.Random(SEED)
    pairs: list[Pair] = []
    for article in rows(data / "legal_articles.jsonl.zst"):
        heading = re.sub(r"^Điều \d+[a-z]?\.?\s*", "", article["title"])
        name = re.sub(r"^\S+ (?:\S+ )?số \S+ ", "", article["doc"])
        titled = f"{article['title']} ({article['doc']})\n{article['text'][:3000]}"
        pairs.append((f"{heading} {name}" if len(heading) < 40 else heading, article["text"][:3000]))
        sentences = [s for s in re.split(r"(?<=[.;])\s+|\n", article["text"][:4000]) if 40 < len(s) < 400]
        if len(sentences) > 2:
            taken = chance.randrange(len(sentences))
            rest = " ".join(s for n, s in enumerate(sentences) if n != taken)
            pairs.append((sentences[taken], f"{heading} {rest}"))
        elif sentences:
            pairs.append((sentences[0], titled))
    for name, times in (("pairs_legal_qa", 2), ("pairs_question_law_article", 5), ("pairs_general_qa", 2)):
        found = [(row["query"], row["positive"][:4000]) for row in rows(data / f"{name}.jsonl.zst")]
        if name == "pairs_question_law_article":
            found = [pair for pair in found if not is_held_out(pair[0])]
        pairs += found * times
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


def everyday_pairs(data: Path, more: Sequence[Path]) -> list[Pair]:
    """Return questions in everyday words -> formal passages, and everyday words -> formal terms.

    Questions without accents are left out: the accents are put back before a question is encoded.

    Args:
        more: lexicons (.yaml, formal terms with their everyday forms) and files of questions (.tsv: id of a passage
            in the data, style, question).
    """
    pairs = [(row["query"], row["positive"][:3000]) for row in rows(data / "pairs_everyday_written.jsonl.zst")]
    wanted: dict[str, list[str]] = {}
    for path in more:
        if path.suffix == ".yaml":
            import yaml

            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            pairs += [(form, entry["formal"]) for entry in content["everyday"] for form in entry["everyday"]][::3]
        else:
            for line in path.read_text(encoding="utf-8").splitlines():
                passage, _, question = line.split("\t")
                wanted.setdefault(passage, []).append(question)
    if wanted:
        for passage, text in passages(data):
            pairs += [(question, text) for question in wanted.get(passage, ())]
    return [(query, passage) for query, passage in pairs if not query.isascii()]


def passages(data: Path) -> Iterator[Pair]:
    """Yield (id, text) of the passages that questions may be written for: articles of law, parts of documents."""
    for row in rows(data / "legal_articles.jsonl.zst"):
        yield row["id"], f"{row['title']} ({row['doc']})\n{row['text'][:3000]}"
    for row in rows(data / "docs_legal_admin.jsonl.zst"):
        for part in re.split(r"\n(?=## )|\n\n", row["text"]):
            for first in range(0, min(len(part), 2700), 900):
                text = part[first : first + 900]
                digest = hashlib.sha256(text.encode()).hexdigest()[:10]
                yield f"docs_legal_admin#{row['id']}#{digest}", f"{row['title']}\n{text}"
