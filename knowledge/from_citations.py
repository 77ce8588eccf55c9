"""Answers about documents themselves: where cited, when issued, by whom, whether replaced, whether in the store."""

import re
from collections.abc import Sequence

from knowledge import intents
from knowledge.cards import named_id
from knowledge.chunker import TITLE_LOCATOR
from knowledge.citations import CitationRecord, Mention
from knowledge.intents import CitationAsked
from knowledge.model import Answer, Choice, Document, Hit, Outcome, Reason, Topic, name_of
from knowledge.query import Query
from knowledge.search import Search
from knowledge.shelf import Shelf
from knowledge.structure import STRUCTURE_WORDS
from knowledge.text import fold

_MOST_QUOTES = 3
_TERM = re.compile(r"\bkhoa (?P<term>1[1-4]|x[iv]+)\b")
_ROMAN = {"11": "XI", "12": "XII", "13": "XIII", "14": "XIV"}


class CitationAnswers:
    """Answers what is asked of a document beside its content."""

    def __init__(self, shelf: Shelf, search: Search) -> None:
        self._shelf = shelf
        self._search = search

    def mention_of(self, document_id: str) -> list[Mention]:
        """Return a document as if a question had named it; nothing for the plan."""
        document = self._shelf.documents.get(document_id)
        if document is None or document.is_plan:
            return []
        return [Mention("", document.number or document.title, (document_id,), True, 0, 0)]

    def answer(self, query: Query, mentions: Sequence[Mention], k: int) -> Answer | None:
        """Answer what is asked of a document beside its content; None when the content itself is asked for."""
        asked = intents.citation_asked(query.text)
        first = mentions[0]
        if not first.document_ids:
            return self._unknown(first)
        document = self._shelf.documents[first.document_ids[0]]
        residual = self._residual(query, mentions)
        places = self._shelf.plan_places(document.id)
        has_text = not document.metadata_only and len(mentions) == 1
        if has_text and residual and intents.asks_for_content(query.text, asked, many_words=residual > 2):
            return None
        if asked is None and residual <= 1:
            asked = CitationAsked.ABOUT
        if asked is CitationAsked.ABOUT:
            if document.metadata_only and not residual and len(mentions) == 1:
                return self.not_loaded(document.id)
            if residual > 2 and not places:
                return None
            if residual > 1 and has_text:
                return None
            if not places and not document.metadata_only:
                return self.card(document.id)
        if asked is CitationAsked.LOADED:
            return self.card(document.id, Reason.CITED_LOADED)
        if asked is CitationAsked.REPLACED:
            return self.card(document.id, Reason.CITED_REPLACED)
        if asked is None:
            if document.metadata_only and not intents.names_the_plan(query.text):
                return self.not_loaded(document.id)
            return None
        if not places:
            if asked is CitationAsked.WHERE and residual and has_text:
                return None
            if asked is CitationAsked.WHERE:
                facts = {"document": document.name}
                return Answer(
                    Outcome.NOT_IN_DOCUMENTS,
                    Reason.NOT_CITED,
                    facts=facts,
                    notices=self._shelf.force_notices([document.id]),
                    document_ids=(document.id,),
                    choices=(Choice("card", document.id), *self._shelf.choice_of_newer(document)),
                )
            return self.card(document.id)
        reason = {
            CitationAsked.WHERE: Reason.CITED_WHERE,
            CitationAsked.WHEN: Reason.CITED_WHEN,
            CitationAsked.WHOM: Reason.CITED_BY_WHOM,
            CitationAsked.ABOUT: Reason.CITED_ABOUT,
        }[asked]
        return self._places(document, places, reason, query, [d for m in mentions for d in m.document_ids[:1]], k)

    def _residual(self, query: Query, mentions: Sequence[Mention]) -> int:
        """How many content words a question has beside the documents it names."""
        outside = list(fold(query.text))
        for mention in mentions:
            outside[mention.start : mention.end] = " " * (mention.end - mention.start)
        rest = self._search.parse("".join(outside))
        ignored = STRUCTURE_WORDS | {"bo", "chinh", "tri", "tw", "tu", "hanh", "ban", "bct", "hieu", "luc"}
        return sum(kept and t not in ignored for t, kept in zip(rest.folded, rest.is_content, strict=True))

    def _places(
        self,
        document: Document,
        places: Sequence[CitationRecord],
        reason: Reason,
        query: Query,
        named: Sequence[str],
        k: int,
    ) -> Answer:
        telling = [r for r in places if reason is not Reason.CITED_BY_WHOM or r.issuer] or list(places)
        if reason is Reason.CITED_WHEN:
            telling = [r for r in places if any(c.isdigit() for c in r.written.split("/")[-1])] or list(places)
        if reason in (Reason.CITED_BY_WHOM, Reason.CITED_WHEN):
            telling = telling[:1]
        passages = [self._shelf.passages[r.passage_id] for r in telling]
        quotes = [self._shelf.quoter.sentence_with(p, r.written) for p, r in zip(passages, telling, strict=True)]
        shown = tuple(quote for quote in quotes if quote)[:_MOST_QUOTES]
        record = telling[0]
        ids = tuple(dict.fromkeys([document.id, *named]))
        return Answer(
            Outcome.ANSWERED,
            reason,
            quotes=shown,
            hits=tuple(Hit(r.passage_id, 1.0) for r in telling)[:k],
            notices=self._shelf.force_notices([document.id]),
            choices=self._shelf.choices_for(document, passages[0]),
            facts={
                "document": document.name,
                "issuer": record.issuer or document.issuer,
                "issuer_written": record.issuer or "",
            },
            document_ids=ids,
            topic=Topic(query.text, passages[0].id, document.id, tuple(r.passage_id for r in telling)),
        )

    def _unknown(self, mention: Mention) -> Answer:
        """Answer about a number that is no document of the store."""
        digits = re.match(r"\d+", mention.number)
        others = self._shelf.graph.numbered(int(digits[0])) if digits else []
        facts = {"document": mention.number}
        if mention.cited:
            number, _, year = mention.number.partition(" năm ")
            records = self._shelf.graph.unknown_records(number)
            in_plan = [
                record
                for record in records
                if self._shelf.in_plan(record.passage_id)
                and (not year or record.issued_on is None or record.issued_on.year == int(year))
            ]
            if in_plan:
                return self._only_named(in_plan[0])
            mentioned_by = tuple(dict.fromkeys(r.passage_id.split("/", 1)[0] for r in records))
            choices = tuple(Choice("card", d) for d in dict.fromkeys([*mentioned_by, *others]))[:3]
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOT_LOADED, facts=facts, choices=choices)
        choices = tuple(Choice("card", d) for d in others[:2])
        return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOT_CITED, facts=facts, choices=choices)

    def _only_named(self, record: CitationRecord) -> Answer:
        """Say that the plan cites a document of which the store has not even an entry, and where."""
        passage = self._shelf.passages[record.passage_id]
        quote = self._shelf.quoter.sentence_with(passage, record.written)
        return Answer(
            Outcome.CITED_NOT_LOADED,
            Reason.NOT_LOADED,
            quotes=(quote,) if quote else (),
            choices=(Choice("whole", passage.id),),
            facts={
                "document": name_of(record.kind, record.number),
                "wanted": named_id(record.number, record.issued_on),
            },
            topic=Topic(passage_id=passage.id),
        )

    def not_loaded(self, document_id: str) -> Answer:
        """Say that the plan cites a document whose text is not in the store, and where."""
        document = self._shelf.documents[document_id]
        places = self._shelf.plan_places(document_id)
        passages = [self._shelf.passages[r.passage_id] for r in places]
        quotes = [self._shelf.quoter.sentence_with(p, r.written) for p, r in zip(passages, places, strict=True)]
        return Answer(
            Outcome.CITED_NOT_LOADED,
            Reason.NOT_LOADED,
            quotes=tuple(q for q in quotes if q)[:1],
            notices=self._shelf.force_notices([document_id]),
            choices=(
                *self._shelf.choice_of_newer(document),
                *(Choice("whole", p.id) for p in passages[:1]),
                Choice("card", document_id),
            ),
            facts={"document": document.name},
            document_ids=(document_id,),
            topic=Topic(passage_id=passages[0].id if passages else None, document_id=document_id),
        )

    def meant(self, query: Query, senses: Sequence[str]) -> list[str]:
        """Return the documents that an unclear name ("NQ TW4") can mean; a term of office settles it."""
        term = _TERM.search(fold(query.text))
        if term:
            roman = _ROMAN.get(term["term"], term["term"].upper())
            senses = [sense for sense in senses if re.search(rf"kho[áa] {roman}\b", sense)] or list(senses)
        ids = (
            d for sense in senses for mention in self._shelf.graph.find_mentions(sense) for d in mention.document_ids
        )
        return list(dict.fromkeys(ids))

    def cited_list(self, k: int) -> Answer:
        """Return the documents that the plan cites."""
        assert self._shelf.plan is not None
        cited = self._shelf.cited_documents()
        hits = tuple(dict.fromkeys(r.passage_id for c in cited for r in c.records))
        return Answer(
            Outcome.ANSWERED,
            Reason.CITED_LIST,
            hits=tuple(Hit(passage_id, 1.0) for passage_id in hits)[:k],
            facts={"count": str(len(cited))},
            choices=(Choice("documents", "0"),),
            document_ids=tuple(c.document_id for c in cited if c.document_id),
            topic=Topic(document_id=self._shelf.plan.id),
        )

    def cited_in_section(self, section: str, k: int) -> Answer:
        """Return the documents cited in a section of the plan, with the sentences that cite them."""
        assert self._shelf.plan is not None
        inside = {bullet.id: bullet for bullet in self._shelf.outline(self._shelf.plan.id).bullets(section)}
        records = [r for passage_id in inside for r in self._shelf.graph.mentioned_in(passage_id)]
        quotes = [self._shelf.quoter.sentence_with(inside[r.passage_id], r.written) for r in records]
        shown = {quote.text: quote for quote in quotes if quote}
        if not shown:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.CITES_NOTHING, facts={"section": section})
        passages = list(dict.fromkeys(r.passage_id for r in records))
        return Answer(
            Outcome.ANSWERED,
            Reason.SEVERAL_PASSAGES,
            quotes=tuple(shown.values()),
            hits=tuple(Hit(passage_id, 1.0) for passage_id in passages)[:k],
            notices=self._shelf.notices_beside(list(shown.values())),
            choices=tuple(Choice("cited_in", passage_id) for passage_id in passages[:1]),
            document_ids=(self._shelf.plan.id,),
        )

    def basis(self, k: int, reason: Reason = Reason.BASIS) -> Answer:
        """Return the title of the plan, which names the document that it carries out."""
        assert self._shelf.plan is not None
        title = self._shelf.passages[f"{self._shelf.plan.id}/{TITLE_LOCATOR}"]
        record = next(iter(self._shelf.graph.mentioned_in(title.id)), None)
        quote = self._shelf.quoter.whole(title)
        if record is None or quote is None or record.document_id is None:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        document = self._shelf.documents[record.document_id]
        places = self._shelf.plan_places(document.id)
        return Answer(
            Outcome.ANSWERED,
            reason,
            quotes=(quote,),
            hits=tuple(Hit(r.passage_id, 1.0) for r in places)[:k],
            facts={"document": document.name},
            choices=self._shelf.choices_for(document, title),
            document_ids=(document.id,),
        )

    def card(self, document_id: str, reason: Reason = Reason.CITED_LOADED) -> Answer:
        """Return what is known of a document: its registry entry, where the plan cites it, what replaced it.

        Raises:
            KeyError: no such document.
        """
        document = self._shelf.documents[document_id]
        places = self._shelf.plan_places(document_id)
        choices: list[Choice] = []
        if not document.metadata_only:
            first = next((p for p in self._shelf.outline(document_id).bodies), None)
            choices += [Choice("digest", first.id)] if first and not document.is_plan else []
            choices += [Choice("outline", document_id)] if document.is_plan else []
        choices += self._shelf.choice_of_newer(document)
        choices += [Choice("places", document_id)] if places else []
        return Answer(
            Outcome.CITED_NOT_LOADED if document.metadata_only and reason is Reason.CITED_LOADED else Outcome.ANSWERED,
            reason,
            hits=tuple(Hit(r.passage_id, 1.0) for r in places),
            notices=self._shelf.force_notices([document_id]),
            choices=tuple(choices[:3]),
            facts={"document": document.name},
            document_ids=(document_id,),
            topic=Topic(document_id=document_id, passage_id=places[0].passage_id if places else None),
        )

    def places(self, document_id: str) -> Answer:
        """Return where the plan cites a document.

        Raises:
            KeyError: no such document.
        """
        document = self._shelf.documents[document_id]
        places = self._shelf.plan_places(document_id)
        if not places:
            facts = {"document": document.name}
            return Answer(
                Outcome.NOT_IN_DOCUMENTS,
                Reason.NOT_CITED,
                facts=facts,
                notices=self._shelf.force_notices([document_id]),
                document_ids=(document_id,),
            )
        return self._places(document, places, Reason.CITED_WHERE, self._search.parse(document.name), [document_id], 5)
