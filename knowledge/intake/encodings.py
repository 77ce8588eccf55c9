"""Old Vietnamese encodings turned into Unicode, and damaged accents listed.

Before Unicode, Vietnamese was written with fonts that drew Vietnamese letters in the places of Western ones: TCVN3
("ABC", fonts named .VnTime) has one byte a letter, VNI two for most. A text is taken for one of them only where it
reads as Vietnamese afterwards and did not before; nothing else is ever changed.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

from knowledge.accents import load_accents
from knowledge.intake.model import Finding, FindingKind, IntakeError, Refusal
from knowledge.keyboard import is_syllable
from knowledge.text import accented_key, fold

_TCVN3 = dict(
    zip(
        "¡¢£¤¥¦§¨©ª«¬\xad®µ¶·¸¹»¼½¾ÆÇÈÉÊËÌÎÏÐÑÒÓÔÕÖ×ØÜÝÞßáâãäåæçèéêëìíîïñòóôõö÷øùúûüýþ",
        "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ",
        strict=True,
    )
)
_TCVN3_TABLE = str.maketrans(_TCVN3)
# What a letter of VNI may carry behind it, and what the two are together.
_VNI_MARKS = {
    "a": ("ùøûõïêéèúüëâáàåãä", "áàảãạăắằẳẵặâấầẩẫậ"),
    "e": ("ùøûõïâáàåãä", "éèẻẽẹêếềểễệ"),
    "o": ("ùøûõïâáàåãä", "óòỏõọôốồổỗộ"),
    "ô": ("ùøûõï", "ớờởỡợ"),
    "u": ("ùøûõï", "úùủũụ"),
    "ö": ("ùøûõï", "ứừửữự"),
    "y": ("ùøûõ", "ýỳỷỹ"),
}
_VNI_ALONE = dict(zip("íìæóòôöîñ", "íìỉĩịơưỵđ", strict=True))
_VNI_PIECE = re.compile("[aeouyôö][ùøûõïêéèúüëâáàåãä]|[íìæóòôöîñ]", re.IGNORECASE)
# The bytes 02 05 06 14 19 1e and 80 to ff of VISCII.
_VISCII = dict(
    zip(
        [2, 5, 6, 0x14, 0x19, 0x1E, *range(0x80, 0x100)],
        "ẲẴẪỶỸỴẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ",
        strict=True,
    )
)
# Western letters that look like "đ" and are typed, or read by OCR, for it.
_LIKE_D = str.maketrans("\u00d0\u00f0\u0189\u0256", "ĐđĐđ")
_WORD = re.compile(r"[^\s\x00-\x40\[-`{-~\u2010-\u2027\u2032-\u205e]+")
_NUMBERED = re.compile(r"\d+\s?[-/]\S+")
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_VOWEL_MARKS = frozenset("\u0302\u0306\u031b")
_SPLIT_HORN = re.compile("ưo|(?<!q)uơ(?=[cimnptu])")
_ENDS_STOPPED = re.compile("(?:ch?|[pt])$")
_MOST_READ_BEFORE, _LEAST_READ_AFTER, _LEAST_BY_FONT, _ENOUGH_WORDS = 0.3, 0.85, 0.6, 3
_AS_LIKELY = 0.1
_MOST_FINDINGS = 50
_EXCERPT = 80
# The bytes of UTF-8 shown as Western letters: "Äiá»u", "Æ°", "Ã¡".
_MOJIBAKE = re.compile("[ÃÄÅÆ][\x80-¿ŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™]|á[º»][\x80-¿ŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™]")
_STRAY = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f\x7f-\x9f]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_SYMBOL_IN_WORD = re.compile(r"[^\W\d_][¡-©«-±´-¸»-¿×÷]+(?=[^\W\d_])|[®§µ¸¶·¹¬­](?=[^\W\d_])")
# What programs write for a letter that they do not have: "h?ng". An address has its own use of it.
_LOST = re.compile(r"(?=[^/=]*$).*[a-zà-ỹđ]\?[a-zà-ỹđ]")


def decode(raw: bytes) -> tuple[str, tuple[Finding, ...]]:
    """Return the text that bytes hold, and what was converted or looks damaged.

    Raises:
        IntakeError: the bytes are no text in any encoding that is known here (WRONG_ENCODING, without a name).
    """
    text = _unicode(raw)
    if text is not None:
        converted, finding = convert(text)
        return converted, ((finding,) if finding else ()) + broken_accents(converted)
    if b"\0" in raw:
        raise IntakeError("", Refusal.WRONG_ENCODING)
    readings = {name: text for name, read in _READINGS.items() if (text := read(raw)) is not None}
    best = _best(readings)
    share, count = _reading(readings[best])
    if share >= _LEAST_READ_AFTER and count:
        text = readings[best]
        return text, (_converted(best, text, count), *broken_accents(text))
    western = _western(raw)
    if _STRAY.search(western) or not western.strip():
        raise IntakeError("", Refusal.WRONG_ENCODING)
    return western, broken_accents(western)


def convert(text: str, font: str | None = None) -> tuple[str, Finding | None]:
    """Return text that was written with an old Vietnamese font in Unicode, and a finding where it was.

    TCVN3 has no capitals with a tone: a word whose other letters are capitals gets them, and so does a text in a
    font of capitals (".VnTimeH").

    Args:
        font: the font's name, where the file tells it; less is then asked of the words themselves.
    """
    named = _named(font)
    if text.isascii() and not (named == "TCVN3" and _is_capital_font(font)):
        return text, None
    before, count = _reading(text)
    # In a font of that encoding "thò" is "thị", as long as no letter stands there that only Unicode has.
    if before > _MOST_READ_BEFORE and (not named or any(ord(c) > 0xFF and c.isalpha() for c in text)):
        return text, None
    candidates = {"TCVN3": _tcvn3, "VNI": _vni}
    if named:
        candidates = {named: candidates[named]}
    readings = {name: reading(text) for name, reading in candidates.items()}
    best = _best(readings)
    best_text, (best_share, _) = readings[best], _reading(readings[best])
    if named == "TCVN3" and _is_capital_font(font):
        best_text, best_share = best_text.upper(), max(best_share, float(text.isascii()))
    least = _LEAST_BY_FONT if named else _LEAST_READ_AFTER
    few = count < _ENOUGH_WORDS and not named and not (best_share == 1.0 and _SYMBOL_IN_WORD.search(text))
    if best_text == text or best_share < least or few:
        return text, None
    return best_text, _converted(best, best_text, max(count, 1))


def with_own_d(text: str) -> str:
    """Return text with "Đ" and "đ" where a letter stands that looks the same and is another: "Ð" of Icelandic."""
    return text.translate(_LIKE_D)


def broken_accents(text: str) -> tuple[Finding, ...]:
    """Return the words whose accents look damaged, each once; nothing of them is changed.

    Listed are characters that stand for none, UTF-8 read as Western letters, accents that fit on no letter, syllables
    with two tones or half a "ươ", and letters of an old encoding among right ones.
    """
    counts: dict[str, int] = {}
    decomposed, first_decomposed = 0, ""
    for word in _damage_candidates(text):
        composed = unicodedata.normalize("NFC", word)
        if _is_damaged(composed):
            counts[word] = counts.get(word, 0) + 1
        elif composed != word:
            decomposed += 1
            first_decomposed = first_decomposed or word
    found = [Finding(FindingKind.BROKEN_ACCENT, word[:_EXCERPT], count=n) for word, n in counts.items()]
    if decomposed:
        found.append(Finding(FindingKind.BROKEN_ACCENT, first_decomposed[:_EXCERPT], count=decomposed))
    if len(found) > _MOST_FINDINGS:
        rest = found[_MOST_FINDINGS:]
        found[_MOST_FINDINGS:] = [Finding(FindingKind.BROKEN_ACCENT, rest[0].excerpt, count=sum(f.count for f in rest))]
    return tuple(found)


@lru_cache(maxsize=20_000)
def reads_as_vietnamese(word: str) -> bool:
    """Return whether a word can be a Vietnamese syllable, accents included."""
    marks = unicodedata.normalize("NFD", word.lower())
    tones = [c for c in marks if c in _TONES]
    others = [c for c in marks if unicodedata.combining(c) and c not in _TONES]
    if len(tones) > 1 or not set(others) <= _VOWEL_MARKS or not is_syllable(word):
        return False
    toneless = unicodedata.normalize("NFC", "".join(c for c in marks if c not in _TONES))
    if _SPLIT_HORN.search(toneless):
        return False
    return not _ENDS_STOPPED.search(fold(word)) or (bool(tones) and tones[0] in "\u0301\u0323")


def _unicode(raw: bytes) -> str | None:
    """Return what Unicode bytes hold; None for other bytes."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        sample = raw[:4096]
        odd, even = sample[1::2].count(0), sample[::2].count(0)
        # A text in UTF-16 without its mark has a zero beside nearly every space, digit and plain letter.
        is_wide = max(odd, even) > len(sample) // 8 and min(odd, even) * 8 < max(odd, even)
        encoding = ("utf-16-le" if odd > even else "utf-16-be") if is_wide else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or (encoding.startswith("utf-16") and _CONTROL.search(text)) else text


def _western(raw: bytes) -> str:
    # A few bytes have no letter in Windows' Western encoding; they stand for themselves.
    return raw.decode("cp1252", errors="surrogateescape").translate(
        {0xDC00 + byte: byte for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
    )


def _windows_1258(raw: bytes) -> str | None:
    try:
        return unicodedata.normalize("NFC", raw.decode("cp1258"))
    except UnicodeDecodeError:
        return None


def _tcvn3(text: str) -> str:
    changed = text.translate(_TCVN3_TABLE)
    if changed == text:
        return text
    return "".join(_with_capitals(old, new) for old, new in _lines_of_both(text, changed))


def _lines_of_both(text: str, changed: str) -> Iterator[tuple[str, str]]:
    # Letter for letter they are of one length, and no line break is among the letters.
    at = 0
    for line in re.split(r"(?<=\n)", text):
        yield line, changed[at : at + len(line)]
        at += len(line)


def _with_capitals(old: str, new: str) -> str:
    """Return a converted line with capitals where the letters that can tell are capitals."""
    # A document's number is in capitals everywhere and tells nothing of the words around it: "Số 88-QĐ/TU".
    told = _NUMBERED.sub(lambda found: " " * len(found[0]), new)
    plain = [c for c, seen in zip(old, told, strict=True) if seen != " " and c.isascii() and c.isalpha()]
    if len(plain) > 1 and all(c.isupper() for c in plain):
        return new.upper()
    words = list(_WORD.finditer(told))
    upper = [_is_upper(word[0]) for word in words]
    for n, word in enumerate(words):
        if upper[n] is None:
            before = next((is_upper for is_upper in reversed(upper[:n]) if is_upper is not None), None)
            after = next((is_upper for is_upper in upper[n + 1 :] if is_upper is not None), None)
            around = [is_upper for is_upper in (before, after) if is_upper is not None]
            # "Về" among capitals is "VỀ"; one letter cannot tell.
            upper[n] = bool(around) and all(around)
        if upper[n]:
            new = new[: word.start()] + word[0].upper() + new[word.end() :]
    return new


def _is_upper(word: str) -> bool | None:
    """Whether a converted word was in capitals; None where its letters cannot tell."""
    toned = set("".join(_TCVN3.values())[7:])
    plain = [c for c in word if c not in toned and c.isalpha()]
    if any(c.islower() for c in plain):
        return False
    if len(plain) > 1 or (plain and word[0] in toned):
        return True
    return None


def _vni(text: str) -> str:
    def letter(found: re.Match[str]) -> str:
        piece = found[0]
        base, mark = piece[0], piece[1:].lower()
        if not mark:
            whole = _VNI_ALONE[base.lower()]
        else:
            marks, letters = _VNI_MARKS[base.lower()]
            if mark not in marks:
                alone = _VNI_ALONE.get(base.lower(), base.lower())
                rest = _VNI_PIECE.sub(letter, piece[1:]) if _VNI_PIECE.fullmatch(piece[1:]) else piece[1:]
                return (alone.upper() if base.isupper() else alone) + rest
            whole = letters[marks.index(mark)]
        return whole.upper() if base.isupper() else whole

    return _VNI_PIECE.sub(letter, text)


_READINGS: dict[str, Callable[[bytes], str | None]] = {
    "TCVN3": lambda raw: _tcvn3(_western(raw)),
    "VNI": lambda raw: _vni(_western(raw)),
    "Windows-1258": _windows_1258,
    "VISCII": lambda raw: raw.decode("latin-1").translate(_VISCII),
}


def _best(readings: dict[str, str]) -> str:
    """Return the name of the reading that reads most like Vietnamese."""
    shares = {name: _reading(text)[0] for name, text in readings.items()}
    most = max(shares.values())
    likely = [name for name in readings if shares[name] > most - _AS_LIKELY]
    if len(likely) == 1 or most < _MOST_READ_BEFORE:
        return likely[0]
    # A few words may have the shape of Vietnamese in two readings; then those count that are written.
    known = load_accents().by_key
    return max(
        likely,
        key=lambda name: sum(accented_key(word.lower()) in known for word in _WORD.findall(readings[name][:20_000])),
    )


def _named(font: str | None) -> str:
    """Return the encoding that a font's name tells; "" for none."""
    # A font that is kept in part has a mark before its name: "ABCDEF+.VnTime".
    name = (font or "").rpartition("+")[2].lower().lstrip("/")
    if name.startswith(".vn"):
        return "TCVN3"
    return "VNI" if name.startswith("vni") else ""


def _is_capital_font(font: str | None) -> bool:
    name = re.split("[,-]", (font or "").rpartition("+")[2])[0]
    return name.lower().startswith(".vn") and name.endswith("H")


def _reading(text: str) -> tuple[float, int]:
    """Return how many of the words that have other than plain letters read as Vietnamese (0 to 1), and their number."""
    read = count = 0
    for word in _WORD.findall(text):
        if word.isascii() or not any(c.isalpha() for c in word):
            continue
        # "QĐ" is an abbreviation and tells nothing.
        if not any(c in "aeiouy" for c in fold(word)) and word.isalpha() and "đ" in word.lower():
            continue
        count += 1
        read += reads_as_vietnamese(word)
    return (read / count if count else 0.0), count


def _converted(name: str, text: str, count: int) -> Finding:
    words = " ".join(text[:400].split())
    return Finding(FindingKind.CONVERTED_ENCODING, f"{name}: {words}"[:_EXCERPT], count=count)


def _damage_candidates(text: str) -> Iterator[str]:
    for word in re.findall(r"(?:\S|\xa0)+", text):
        if not word.isascii() or not word.isprintable() or "?" in word[1:-1]:
            yield word


@lru_cache(maxsize=20_000)
def _is_damaged(word: str) -> bool:
    if any(sign.search(word) for sign in (_STRAY, _MOJIBAKE, _SYMBOL_IN_WORD)) or _LOST.match(word):
        return True
    for part in re.findall(r"(?:[^\W\d_]|[\u0300-\u036f])+", word):
        marks = unicodedata.normalize("NFD", part.lower())
        # What NFC leaves apart fits on no letter.
        if any("\u0300" <= c <= "\u036f" for c in part):
            return True
        if sum(c in _TONES for c in marks) > 1 and is_syllable(part):
            return True
        toneless = unicodedata.normalize("NFC", "".join(c for c in marks if c not in _TONES))
        if _SPLIT_HORN.search(toneless) and is_syllable(part):
            return True
    return word.startswith(tuple("\u0300\u0301\u0303\u0309\u0323\u0302\u0306\u031b"))
