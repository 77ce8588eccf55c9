"""checklists/*.yaml -> Checklist."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from assessment.model import Checklist, Item, ItemAnswer, ItemGroup
from knowledge.text import clean, collapse

CHECKLISTS_FOLDER = Path(__file__).parent / "checklists"
_CHECKLIST_KEYS = (
    "id",
    "version",
    "regulation",
    "title",
    "valid_from",
    "checked",
    "intro",
    "commitment",
    "free_text_warning",
    "answers",
    "groups",
    "items",
)
_SUPERSEDED_KEYS = ("superseded_by", "superseded_on")
_GROUP_KEYS = ("number", "title", "question", "items")
_ITEM_KEYS = ("number", "passage", "title", "question", "examples")


class ChecklistError(Exception):
    """A checklist file cannot be used as it is.

    Attributes:
        path: the file, or the folder.
        problem: what is wrong and what to do, in English.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def load_checklists(folder: Path = CHECKLISTS_FOLDER) -> list[Checklist]:
    """Return every checklist of a folder, by id and version.

    Raises:
        ChecklistError: there is none, two share an id and version, or a file is refused by load_checklist.
    """
    if not folder.is_dir():
        raise ChecklistError(folder, "no such folder: put the checklists there")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".yaml", ".yml"})
    if not paths:
        raise ChecklistError(folder, "holds no checklist: put a file ID.vVERSION.yaml there")
    checklists = [(path, _read_checklist(path)) for path in paths]
    # Before the names: a copy should hear that it is one, not that it should take the first one's name.
    first: dict[tuple[str, int], Path] = {}
    for path, checklist in checklists:
        other = first.setdefault((checklist.id, checklist.version), path)
        if other != path:
            both = f"holds {checklist.id!r} version {checklist.version}, as {other.name} does"
            raise ChecklistError(path, f"{both}: remove one, or give the newer one the next version")
    for path, checklist in checklists:
        _check_name(path, checklist)
    return sorted((checklist for _, checklist in checklists), key=lambda checklist: (checklist.id, checklist.version))


def load_checklist(path: Path) -> Checklist:
    """Return the checklist in one file, texts in NFC; line breaks are kept in the intro and the commitment only.

    Raises:
        ChecklistError: it cannot be read, a key is unknown, missing or of a wrong type, groups and items do not
            fit together, or the file is not named for its id and version.
    """
    checklist = _read_checklist(path)
    _check_name(path, checklist)
    return checklist


def passages_missing(checklist: Checklist, passage_ids: Container[str]) -> list[str]:
    """Return the passages that items are taken from and that are not among passage_ids, in the order of items."""
    return [item.passage_id for item in checklist.items if item.passage_id not in passage_ids]


# --- The whole file -----------------------------------------------------------------------------------------------


def _read_checklist(path: Path) -> Checklist:
    try:
        return _checklist(path, path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ChecklistError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ChecklistError(path, f"is not UTF-8 (byte {error.start}): save it again as UTF-8") from error


# By what a file says: it is looked at at every start, and by every check.
@lru_cache(maxsize=32)
def _checklist(path: Path, text: str) -> Checklist:
    top = _Part(path, "", _content(path, text))
    top.check_keys(_CHECKLIST_KEYS, optional=_SUPERSEDED_KEYS)
    checklist_id = top.text("id")
    items = [_item(part, checklist_id) for part in top.parts("items", "item")]
    _refuse_repeats(top, items)
    valid_from, superseded_by, superseded_on = _validity(top)
    return Checklist(
        id=checklist_id,
        version=top.number("version"),
        regulation=top.text("regulation"),
        title=top.text("title"),
        valid_from=valid_from,
        groups=_groups(top, {item.number: item for item in items}),
        intro=top.lines("intro"),
        commitment=top.lines("commitment"),
        answer_labels=_answer_labels(top.part("answers")),
        free_text_warning=top.text("free_text_warning"),
        superseded_by=superseded_by,
        superseded_on=superseded_on,
        is_checked=top.flag("checked"),
    )


def _content(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        reason = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise ChecklistError(path, f"is not valid YAML near line {line} ({reason}): mend it there") from error
    except ValueError as error:
        raise ChecklistError(path, f"holds a wrong date or number ({error}): mend it") from error


def _check_name(path: Path, checklist: Checklist) -> None:
    name = f"{checklist.id}.v{checklist.version}.yaml"
    if path.name != name:
        raise ChecklistError(path, f"holds {checklist.id!r} version {checklist.version}: name the file {name}")


def _validity(top: "_Part") -> tuple[date, str | None, date | None]:
    """Return the first day, what replaced the regulation, and when."""
    valid_from = top.day("valid_from")
    superseded_by = top.text("superseded_by") if "superseded_by" in top.values else None
    superseded_on = top.day("superseded_on") if "superseded_on" in top.values else None
    if superseded_on is not None and superseded_by is None:
        raise top.error("has 'superseded_on' without 'superseded_by': say which regulation replaced it")
    if superseded_on is not None and superseded_on <= valid_from:
        raise top.error(f"'superseded_on' {superseded_on} is not after 'valid_from' {valid_from}: mend one of them")
    return valid_from, superseded_by, superseded_on


def _answer_labels(answers: "_Part") -> dict[ItemAnswer, str]:
    answers.check_keys([answer.value for answer in ItemAnswer])
    labels = {answer: answers.text(answer.value) for answer in ItemAnswer}
    if len(set(labels.values())) < len(labels):
        raise answers.error("give two answers the same label: word each in its own way")
    return labels


# --- Items and groups ---------------------------------------------------------------------------------------------


def _item(part: "_Part", checklist_id: str) -> Item:
    part.check_keys(_ITEM_KEYS, optional=("note",))
    passage_id = part.text("passage")
    if not passage_id.startswith(f"{checklist_id}/"):
        raise part.error(f"'passage' {passage_id!r} is of another document: take one of {checklist_id!r}")
    return Item(
        number=part.number("number"),
        passage_id=passage_id,
        title=part.text("title"),
        question=part.text("question"),
        examples=part.texts("examples"),
        note=part.text("note") if "note" in part.values else "",
    )


def _refuse_repeats(top: "_Part", items: Sequence[Item]) -> None:
    for number, times in Counter(item.number for item in items).items():
        if times > 1:
            raise top.error(f"item {number} stands {times} times among the items: number each differently")


def _groups(top: "_Part", items: Mapping[int, Item]) -> tuple[ItemGroup, ...]:
    """Return the groups as the file orders them, each item in exactly one."""
    groups: list[ItemGroup] = []
    grouped: dict[int, int] = {}
    for position, part in enumerate(top.parts("groups", "group"), start=1):
        part.check_keys(_GROUP_KEYS)
        number = part.number("number")
        if number != position:
            raise part.error(f"stands where group {position} should: number the groups 1, 2, 3 in their order")
        numbers = part.numbers("items")
        for item_number in numbers:
            if item_number not in items:
                raise part.error(f"names item {item_number}, which is not among the items: add it or take it out")
            if item_number in grouped:
                raise part.error(f"names item {item_number}, already named in group {grouped[item_number]}: keep one")
            grouped[item_number] = number
        title = part.text("title")
        ending = f"(điều {', '.join(map(str, numbers))})"
        if not title.endswith(ending):
            raise part.error(f"'title' {title!r} does not name its items: end it with {ending!r}")
        groups.append(ItemGroup(number, title, part.text("question"), tuple(items[each] for each in numbers)))
    for left in items:
        if left not in grouped:
            raise top.error(f"item {left} stands in no group: add it to the 'items' of one")
    return tuple(groups)


# --- Reading values -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """A mapping in a file, whose values are asked for by type.

    Attributes:
        place: how messages name it ("item 12"); empty for the whole file.
    """

    path: Path
    place: str
    values: Any

    def error(self, problem: str) -> ChecklistError:
        return ChecklistError(self.path, f"{self.place}: {problem}" if self.place else problem)

    def check_keys(self, required: Sequence[str], *, optional: Sequence[str] = ()) -> None:
        known = [*required, *optional]
        if not isinstance(self.values, dict):
            raise self.error(f"must be 'key: value' lines with the keys {', '.join(known)}")
        for key in self.values:
            if key not in known:
                raise self.error(f"has an unknown key {key!r}: take it out or write one of {', '.join(known)}")
        for key in required:
            if key not in self.values:
                raise self.error(f"lacks {key!r}: add it")

    def text(self, key: str) -> str:
        return self._text(key, self.values[key])

    def lines(self, key: str) -> str:
        lines = (collapse(line) for line in self._text(key, self.values[key], keep_lines=True).splitlines())
        return "\n".join(line for line in lines if line)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._text(key, value) for value in self._list(key))

    def number(self, key: str) -> int:
        return self._number(key, self.values[key])

    def numbers(self, key: str) -> tuple[int, ...]:
        return tuple(self._number(key, value) for value in self._list(key))

    def flag(self, key: str) -> bool:
        value = self.values[key]
        if not isinstance(value, bool):
            raise self.error(f"{key!r} is {value!r}: write true or false")
        return value

    def day(self, key: str) -> date:
        value = self.values[key]
        # A datetime is a date, too.
        if type(value) is not date:
            raise self.error(f"{key!r} is {value!r}: write the day as 2026-07-26, without quotes")
        return value

    def part(self, key: str) -> "_Part":
        return _Part(self.path, key, self.values[key])

    def parts(self, key: str, one: str) -> "list[_Part]":
        """Return the mappings of a list, each named by its own number where it has one."""
        found = []
        for position, value in enumerate(self._list(key), start=1):
            number = value.get("number") if isinstance(value, dict) else None
            place = f"{one} {number}" if type(number) is int else f"{one} at place {position} of {key!r}"
            found.append(_Part(self.path, place, value))
        return found

    def _list(self, key: str) -> list[Any]:
        value = self.values[key]
        if not isinstance(value, list) or not value:
            raise self.error(f"{key!r} must be a list with at least one entry: write one")
        return value

    def _text(self, key: str, value: Any, *, keep_lines: bool = False) -> str:
        if not isinstance(value, str):
            raise self.error(f"{key!r} holds {value!r}, which is no text: write it in quotes")
        text = clean(value)
        if not text.strip():
            raise self.error(f"{key!r} holds an empty text: write it")
        return text if keep_lines else collapse(text)

    def _number(self, key: str, value: Any) -> int:
        # True is an int, too.
        if type(value) is not int or value < 1:
            raise self.error(f"{key!r} holds {value!r}: write a whole number from 1 on")
        return value


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error; else the second would silently replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping."""
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, times in keys.items():
            if times > 1:
                problem = f"the key {key!r} stands {times} times"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)
