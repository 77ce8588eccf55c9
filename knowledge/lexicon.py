"""lexicon.yaml: what people write -> what the documents say."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from knowledge.keyboard import is_syllable
from knowledge.model import KnowledgeError
from knowledge.text import accented_key, fold, pairs, syllables

LEXICON_FILE = Path(__file__).parent / "lexicon.yaml"
# How much a canonical form counts beside the words that were really typed.
_WEIGHTS = {"organisation": 1.0, "spelling_variant": 1.0, "teencode": 1.0, "synonym": 0.6, "document": 0.3}
_EVERYDAY_WEIGHT = 0.5
_AMBIGUOUS_WEIGHT = 0.25
_TRUSTED_SYLLABLES = 3


@dataclass(frozen=True, slots=True)
class Expansion:
    """A formal wording for a part of a question.

    Attributes:
        tokens: syllables of the formal wording, accents kept.
        folded, pairs: the same without accents, and their neighbouring pairs.
        weight: how much it counts beside the question's own words, above 0, at most 1.
        start, end: the part of the question it stands for, in tokens, end exclusive.
    """

    tokens: tuple[str, ...]
    weight: float
    start: int
    end: int
    folded: tuple[str, ...]
    pairs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    keys: tuple[str, ...]
    folded: tuple[str, ...]
    canonical: tuple[str, ...]
    weight: float
    in_capitals: bool

    def standing_for(self, start: int, end: int) -> Expansion:
        meant = tuple(fold(token) for token in self.canonical)
        return Expansion(self.canonical, self.weight, start, end, meant, tuple(pairs(meant)))


class LexiconError(KnowledgeError):
    """lexicon.yaml cannot be used; the message names the place."""


class Lexicon:
    """Finds everyday words, abbreviations and variants in a question.

    Attributes:
        function_words: accented keys of words without content of their own; folded_function_words the same, folded.
        small_talk: folded phrases around a question, by their first syllable.
        short_forms: phone spelling -> the one thing that it stands for ("ntn" -> "như thế nào").
        names: folded words that abbreviations are made of.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        """Take the content of lexicon.yaml.

        Raises:
            LexiconError: an entry lacks its fields.
        """
        self._by_words: dict[tuple[str, ...], list[_Entry]] = defaultdict(list)
        # By the first word of a form, how many words the forms have that begin with it.
        self._lengths: dict[str, list[int]] = {}
        self._unclear: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.short_forms: dict[str, str] = {}
        names: set[str] = set()
        try:
            for entry in content["abbreviations"]:
                self._add_abbreviation(entry)
                names.update(fold(token) for token in syllables(entry["term"]))
            self._add_everyday(content["everyday"])
            words = content["function_words"].split()
            self.small_talk: dict[str, list[tuple[str, ...]]] = defaultdict(list)
            for phrase in content["small_talk"]:
                said = tuple(syllables(fold(phrase)))
                if said:
                    self.small_talk[said[0]].append(said)
        except (KeyError, TypeError, AttributeError) as error:
            raise LexiconError(f"lexicon.yaml: an entry lacks a field: {error}") from error
        self.names = frozenset(names)
        self.function_words = frozenset(accented_key(word) for word in words)
        self.folded_function_words = frozenset(fold(word) for word in words)

    def _add_abbreviation(self, entry: dict[str, Any]) -> None:
        if "canonical" in entry:
            forms, weight = [entry["canonical"]], _WEIGHTS.get(entry["kind"], _AMBIGUOUS_WEIGHT)
        else:
            forms, weight = entry["senses"], _AMBIGUOUS_WEIGHT
            if entry["kind"] == "ambiguous_document" and "doc" not in entry:
                self._unclear[tuple(fold(token) for token in syllables(entry["term"]))] = tuple(forms)
        for form in forms:
            self._add(entry["term"], form, weight)
        if entry["kind"] == "teencode" and len(forms) == 1 and entry["term"].isalpha():
            self.short_forms[entry["term"].lower()] = entry["canonical"]

    def _add_everyday(self, entries: list[dict[str, Any]]) -> None:
        meanings: dict[str, int] = defaultdict(int)
        for entry in entries:
            for form in entry["everyday"]:
                meanings[fold(form)] += 1
        for entry in entries:
            for form in entry["everyday"]:
                # A form with many meanings, or of one short word, says little about any of them.
                specific = min(1.0, len(syllables(form)) / _TRUSTED_SYLLABLES)
                self._add(form, entry["formal"], _EVERYDAY_WEIGHT * specific / math.sqrt(meanings[fold(form)]))

    def _add(self, term: str, canonical: str, weight: float) -> None:
        tokens = syllables(term)
        if not tokens:
            return
        folded = tuple(fold(token) for token in tokens)
        keys = tuple(accented_key(token) for token in tokens)
        # "TƯ", "CƯ", "ĐU" are abbreviations; "tư", "cư", "du" are words.
        in_capitals = term.isupper() and is_syllable(term)
        self._by_words[folded].append(_Entry(keys, folded, tuple(syllables(canonical)), weight, in_capitals))
        self._lengths[folded[0]] = sorted({*self._lengths.get(folded[0], ()), len(folded)})

    def expand(self, typed: Sequence[str]) -> list[Expansion]:
        """Return formal wordings for parts of a question, in the order of those parts.

        An accented word of the question only meets the same accented word; an unaccented one meets both. An
        abbreviation that reads like a word is only met in capitals, in a question that is not all capitals.

        Args:
            typed: the syllables of the question as they were typed.
        """
        folded = [fold(token) for token in typed]
        keys = [accented_key(token.lower()) for token in typed]
        shouted = len(typed) > 1 and all(token.isupper() or token.isdecimal() for token in typed)
        capitals = [token.isupper() and not shouted for token in typed]
        return list(self._matches(folded, keys, capitals))

    def unclear_names(self, tokens: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the meanings of each name in a question that several documents go by and no default settles."""
        folded = tuple(fold(token) for token in tokens)
        return [
            senses
            for name, senses in self._unclear.items()
            if any(folded[i : i + len(name)] == name for i in range(len(folded)))
        ]

    def _matches(self, folded: list[str], keys: list[str], capitals: list[bool]) -> Iterator[Expansion]:
        seen: set[tuple[tuple[str, ...], int]] = set()
        spans = (
            (start, start + length) for start, token in enumerate(folded) for length in self._lengths.get(token, ())
        )
        for start, end in spans:
            for entry in self._by_words.get(tuple(folded[start:end]), ()):
                if (entry.canonical, start) in seen or (entry.in_capitals and not all(capitals[start:end])):
                    continue
                if all(k in {e, f} for k, e, f in zip(keys[start:end], entry.keys, entry.folded, strict=True)):
                    seen.add((entry.canonical, start))
                    yield entry.standing_for(start, end)


def load_lexicon(path: Path = LEXICON_FILE) -> Lexicon:
    """Return the lexicon in a file.

    Raises:
        LexiconError: the file is not there, not YAML, or an entry lacks its fields.
    """
    try:
        return _lexicon(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LexiconError(f"{path}: {error}") from error


# By what the file says, which is the same at every load of documents.
@lru_cache(maxsize=2)
def _lexicon(text: str) -> Lexicon:
    return Lexicon(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
