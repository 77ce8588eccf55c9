import pytest

from knowledge.answer import KnowledgeBase
from knowledge.lexicon import Lexicon, load_lexicon
from knowledge.model import Document, Passage
from knowledge.structure import Outline
from tests.knowledge.builders import PLAN


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    return load_lexicon()


@pytest.fixture(scope="session")
def knowledge(curated_knowledge: KnowledgeBase) -> KnowledgeBase:
    """The documents that ship with the program, read once."""
    return curated_knowledge


@pytest.fixture(scope="session")
def plan(knowledge: KnowledgeBase) -> Document:
    return knowledge.documents[PLAN]


@pytest.fixture(scope="session")
def plan_passages(knowledge: KnowledgeBase) -> dict[str, Passage]:
    """Passages of the plan by locator, in reading order."""
    return {p.locator: p for p in knowledge.passages.values() if p.document_id == PLAN}


@pytest.fixture(scope="session")
def outline(knowledge: KnowledgeBase) -> Outline:
    return knowledge.outline(PLAN)
