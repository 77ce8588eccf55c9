"""Mends how a question was typed: Telex and VNI leftovers, letters held down, digits stuck to words."""

import re
import unicodedata
from collections.abc import Collection

from knowledge.text import fold

# The letter that "qu" and "gi" end with is not said twice: "quuan" is a slip.
_ONSETS = "ngh|ng|nh|gh|gi(?!i)|kh|ph|th|tr|ch|qu(?!u)|[bcdghklmnprstvx]"
# Vowels that end a syllable, those that may stand before a consonant, and those that "ch" and "nh" may follow.
_OPEN = "oai|oay|oao|oeo|uay|uoi|uou|uya|uyu|ieu|yeu|ai|ao|au|ay|eo|eu|ia|iu|oi|ui|uu"
_CLOSED = "uye|oa|oe|oo|ie|ye|uo|ua|ue|uy|[aeiouy]"
_SOFT = "oa|oe|ue|uy|[aeiy]"
_SYLLABLE = re.compile(rf"(?:{_ONSETS})?(?:(?:{_OPEN})|(?:{_CLOSED})(?:ng|[cmnpt])?|(?:{_SOFT})(?:ch|nh))")
_TELEX_TONES = {"f": "\u0300", "s": "\u0301", "x": "\u0303", "r": "\u0309", "j": "\u0323"}
_VNI_TONES = {"2": "\u0300", "1": "\u0301", "4": "\u0303", "3": "\u0309", "5": "\u0323"}
_TELEX_LETTERS = [("uwow", "ươ"), ("uow", "ươ"), ("dd", "đ"), ("aa", "â"), ("ee", "ê"), ("oo", "ô")]
_TELEX_LETTERS += [("aw", "ă"), ("ow", "ơ"), ("uw", "ư"), ("w", "ư")]
_VNI_LETTERS = [("d9", "đ"), ("a6", "â"), ("e6", "ê"), ("o6", "ô"), ("a8", "ă"), ("o7", "ơ"), ("u7", "ư")]
_HELD_DOWN = re.compile(r"(.)\1{2,}")
_NUMBERED_WORD = re.compile(r"\b(dieu|điều|khoan|khoản|muc|mục|phan|phần|chuong|chương)(\d+)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_NO_VOWELS_TOGETHER = re.compile(r"(?<!g)iư|[aeouy]ư")


def is_syllable(word: str) -> bool:
    """Whether a word has the shape of a Vietnamese syllable, accents aside."""
    return _SYLLABLE.fullmatch(fold(word)) is not None


def mend_typing(text: str, foreign: Collection[str] = ()) -> str:
    """Return text with Telex and VNI leftovers turned into letters; words that read well stay untouched.

    Args:
        foreign: words in small letters that are no Vietnamese but are written ("visa", "test"); they are mended only
            in a text whose other words show that its keyboard leaves accents as letters.

    >>> mend_typing("ddangr vieen ddieu5")
    'đảng viên điệu'
    """
    text = _NUMBERED_WORD.sub(r"\1 \2", text)
    mended = {word: _mend_word(word) for word in _WORD.findall(text)}
    doubtful = {word for word in mended if word.lower() in foreign}
    if not text.isascii() or all(mended[word] == word for word in mended if word not in doubtful):
        mended.update((word, word) for word in doubtful)
    return _WORD.sub(lambda found: mended[found[0]], text)


def _mend_word(word: str) -> str:
    # Capitals are abbreviations and Roman numerals: "XIII" is no held-down key.
    if word.isdigit() or word.isupper() or is_syllable(word):
        return word
    short = _HELD_DOWN.sub(r"\1", word)
    if short != word and is_syllable(short):
        return short
    for decode in (_from_telex, _from_vni):
        decoded = decode(word.lower())
        if decoded is not None and is_syllable(decoded) and not _NO_VOWELS_TOGETHER.search(decoded):
            return decoded
    return word


def _from_telex(word: str) -> str | None:
    # "tw" is how Trung ương is written in numbers of documents, not Telex for "tư".
    if not word.isascii() or not word.isalpha() or word == "tw":
        return None
    letters, tone = word, ""
    # The tone letter is typed last or right after the vowel: "ddangr", "ddarng".
    for position in range(len(word) - 1, 0, -1):
        if word[position] in _TELEX_TONES and any(vowel in "aeiouyw" for vowel in word[:position]):
            letters, tone = word[:position] + word[position + 1 :], _TELEX_TONES[word[position]]
            break
    for typed, meant in _TELEX_LETTERS:
        letters = letters.replace(typed, meant)
    return None if letters == word else _with_tone(letters, tone)


def _from_vni(word: str) -> str | None:
    if not re.fullmatch(r"(?:[a-z]+[1-9]{1,2})+[a-z]*[1-5]?", word):
        return None
    for typed, meant in (*_TELEX_LETTERS, *_VNI_LETTERS):
        word = word.replace(typed, meant)
    # "d9" may be typed apart from its letter, the tone anywhere after the vowel.
    tones = [c for c in word if c in _VNI_TONES]
    letters = "".join(c for c in word if not c.isdigit())
    if len(tones) > 1 or len(letters) + len(tones) != len(word):
        return None
    return _with_tone(letters, _VNI_TONES[tones[0]] if tones else "")


def _with_tone(letters: str, tone: str) -> str:
    # Only "iê" and "yê" stand before "u"; the circumflex is what was left out.
    letters = letters.replace("ieu", "iêu").replace("yeu", "yêu")
    if not tone:
        return letters
    marked = [i for i, c in enumerate(letters) if c in "âêôăơư"]
    vowels = [i for i, c in enumerate(letters) if fold(c) in "aeiouy"]
    if letters.startswith(("qu", "gi")) and len(vowels) > 1:
        vowels = vowels[1:]
    if not vowels:
        return letters
    if marked:
        at = marked[-1]
    elif len(vowels) == 1 or vowels[-1] == len(letters) - 1:
        at = vowels[0] if len(vowels) < 3 else vowels[1]
    else:
        at = vowels[-1]
    return unicodedata.normalize("NFC", letters[: at + 1] + tone + letters[at + 1 :])
