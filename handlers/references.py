"""Documents that are cited: their picture, the cards of those the store does not have, what is still to be loaded."""

from collections.abc import Callable, Sequence
from typing import Any

from assessment.access import Data
from handlers import references_texts, texts
from handlers.messages import Button, Reply, say, with_files
from handlers.question import CHOICES_AT_MOST, documents_reply
from handlers.services import Services, Turn
from handlers.viewers import ANYTHING, looker_in
from knowledge.cards import Card, Holding, card, card_ids, cards, cited_ids, ids_named
from knowledge.graph_picture import Picture, picture, to_png, to_svg

# Cards on the page; more are asked for by number.
MOST_CARDS = 200


def show_picture(_turn: Turn) -> Reply:
    """Send the picture of who cites whom."""
    reply = say(references_texts.PICTURE, Button(references_texts.LIST, "rf_list"))
    return with_files(reply, (references_texts.PICTURE_FILE, "graph:"))


def open_cited(turn: Turn, numbers: Sequence[str]) -> Reply | None:
    """Return the card of a document that is cited and not in the store, by its number; None where none is.

    Args:
        numbers: as they were typed; "14-KL/TW năm 2026" is the one of that year.
    """
    for typed in numbers:
        number, _, year = typed.partition(" năm ")
        for card_id in ids_named(turn.services.knowledge, number):
            if not year or f"@{year}-" in card_id:
                return _card(turn, card_id)
    return None


def wanted(turn: Turn, first: str = "0") -> Reply:
    """List for an administrator what was asked for or is cited by the plan and is not in the store."""
    looker = looker_in(turn)
    if looker is None or not looker.may(Data.DOCUMENTS, ANYTHING):
        return say(references_texts.ONLY_ADMIN)
    listed = _wanted(turn)
    if not listed:
        return say(references_texts.NOTHING_WANTED)
    begin = min(int(first), len(listed) - 1)
    rest = len(listed) - begin
    count = rest if rest <= CHOICES_AT_MOST else CHOICES_AT_MOST - 1
    shown = listed[begin : begin + count]
    buttons = [Button(references_texts.see(each), *_way(each)) for each, _ in shown]
    if count < rest:
        buttons.append(Button(texts.NEXT_PAGE, "rf_wanted", str(begin + count)))
    return say(references_texts.wanted(shown, begin + 1, len(listed)), *buttons)


def _wanted(turn: Turn) -> list[tuple[Card, int]]:
    """Return the cards of what is to be loaded, the most asked for first; then what only the plan cites."""
    knowledge, requests = turn.services.knowledge, dict(turn.transaction.wanted_documents())
    found: list[tuple[Card, int]] = []
    for card_id in dict.fromkeys([*requests, *cited_ids(knowledge)]):
        try:
            known = card(knowledge, card_id)
        except KeyError:
            # Nothing cites it any more.
            continue
        if known.holding is not Holding.LOADED:
            found.append((known, requests.get(card_id, 0)))
    return found


def _way(known: Card) -> tuple[str, str]:
    return ("rf_card" if known.holding is Holding.ONLY_CITED else "card"), known.id


def _card(turn: Turn, card_id: str) -> Reply:
    try:
        known = card(turn.services.knowledge, card_id)
    except KeyError:
        return say(texts.BUTTON_EXPIRED)
    citing = [each for each in known.cited_by if each.card_id is not None][:CHOICES_AT_MOST]
    buttons = [
        Button(references_texts.see_citing(each.name, each.issued_on), "card", each.card_id or "") for each in citing
    ]
    return say(references_texts.only_cited(known), *buttons)


def _list(turn: Turn, _argument: str) -> Reply:
    return documents_reply(turn.services.knowledge, 0)


def make_picture(turn: Turn, _argument: str) -> Callable[[], bytes]:
    """Return how to draw the picture; it holds nothing of anybody, so everyone may have it."""
    drawn = _drawn(*_known(turn.services))
    return lambda: to_png(drawn)


def _known(services: Services) -> tuple[list[Card], int]:
    """Return the first cards, and how many more there are."""
    shown = cards(services.knowledge, MOST_CARDS)
    return shown, len(card_ids(services.knowledge)) - len(shown)


def _drawn(known: Sequence[Card], left_out: int) -> Picture:
    return picture(known, references_texts.PICTURE_WORDS, left_out)


def documents_page(services: Services) -> dict[str, Any]:
    """Return what the page of documents shows: {"subtitle", "picture" (SVG), "groups", "left_out" (a sentence or "")}.

    A group is {"heading", "cards"}, a card {"id", "name", "force", "lines"}, all of it plain text.
    """
    shown, left_out = _known(services)
    groups = [
        {
            "heading": heading,
            "cards": [
                {
                    "id": each.id,
                    "name": references_texts.name_and_date(each),
                    "force": references_texts.force(each),
                    "lines": texts.card_lines(each),
                }
                for each in shown
                if each.holding is holding
            ],
        }
        for holding, heading in references_texts.PAGE_GROUPS.items()
    ]
    return {
        "subtitle": references_texts.PAGE_SUBTITLE,
        "picture": to_svg(_drawn(shown, left_out)),
        "groups": [group for group in groups if group["cards"]],
        "left_out": references_texts.page_left_out(left_out) if left_out else "",
    }


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "so do van ban": show_picture,
    "so do": show_picture,
    "van ban can nap": wanted,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "rf_card": _card,
    "rf_list": _list,
    "rf_wanted": wanted,
}
MAKERS: dict[str, Callable[[Turn, str], Callable[[], bytes] | None]] = {"graph": make_picture}
