"""How well a document is found that was loaded later, for which nobody has written questions: `make bench-unasked`.

The curated questions of one document after another are left out, and its own questions asked. Prints Markdown.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import describe
from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.evaluation import Question, read_questions
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from knowledge.model import Outcome
from knowledge.views import View, load_views

PROJECT = Path(__file__).parent.parent
SETS = ("questions.jsonl", "development-a.jsonl", "development-b.jsonl")
# What is answered otherwise than by search does not tell.
OTHER_WAYS = {"citation", "structure", "abbrev", "chitchat", "multi"}


def owner(passage_id: str) -> str:
    """Return the document of a passage."""
    return passage_id.partition("/")[0]


def hits(knowledge: KnowledgeBase, questions: Sequence[Question]) -> Counter[str]:
    """Return how many were answered from the right article or bullet, and how many refused."""
    counts: Counter[str] = Counter(asked=len(questions))
    for question in questions:
        answer = knowledge.answer(question.text)
        counts["refused"] += answer.outcome is not Outcome.ANSWERED
        if answer.quotes:
            quoted = answer.quotes[0].citation.passage_id
            places = {gold.rpartition(".")[0] or gold for gold in question.gold} | set(question.gold)
            counts["right"] += quoted in places or (quoted.rpartition(".")[0] or quoted) in places
    return counts


def main() -> None:
    """Print the figures."""
    documents, views = load_documents(PROJECT / "knowledge" / "documents"), load_views()
    encoder, lexicon = make_encoder("bundled"), load_lexicon()
    asked = [q for name in SETS for q in read_questions(PROJECT / "tests" / "retrieval" / name)]
    by_document: defaultdict[str, list[Question]] = defaultdict(list)
    for question in asked:
        owners = {owner(gold) for gold in question.gold}
        if question.answerable and len(owners) == 1 and question.kind not in OTHER_WAYS:
            by_document[owners.pop()].append(question)
    unanswerable = [question for question in asked if not question.answerable]

    def knowing(kept: Sequence[View]) -> KnowledgeBase:
        return build_knowledge(documents, encoder, lexicon, views=kept)

    def refusals(knowledge: KnowledgeBase) -> str:
        refused = sum(knowledge.answer(q.text).outcome is not Outcome.ANSWERED for q in unanswerable)
        return f"{refused / len(unanswerable):.3f}"

    whole = knowing(views)
    rows = [("all curated questions", hits(whole, [q for qs in by_document.values() for q in qs]), refusals(whole))]
    left_out: Counter[str] = Counter()
    for document, questions in by_document.items():
        left_out += hits(knowing([view for view in views if owner(view.passage_id) != document]), questions)
    rows.append(("those of the document asked about left out", left_out, "–"))
    plan = next(document.id for document in documents if document.is_plan)
    only = knowing([view for view in views if owner(view.passage_id) == plan or not view.is_covered])
    others = [question for document, qs in by_document.items() if document != plan for question in qs]
    rows.append(("those of the plan only, other documents asked about", hits(only, others), refusals(only)))
    print(f"{describe()}\n\n| curated questions | questions | right | refused | rightly refused |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, counts, rightly in rows:
        right, refused = counts["right"] / counts["asked"], counts["refused"] / counts["asked"]
        print(f"| {name} | {counts['asked']} | {right:.3f} | {refused:.3f} | {rightly} |")


if __name__ == "__main__":
    main()
