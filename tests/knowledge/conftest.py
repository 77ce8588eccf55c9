import pytest

from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.lexicon import Lexicon, load_lexicon
from knowledge.loader import load_documents
from knowledge.model import Document, Passage
from knowledge.structure import Outline
from knowledge.views import load_views
from tests.knowledge.builders import DOCUMENTS, PLAN


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    return load_lexicon()


@pytest.fixture(scope="session")
def knowledge(lexicon: Lexicon) -> KnowledgeBase:
    """The documents that ship with the program, read once."""
    return build_knowledge(load_documents(DOCUMENTS), make_encoder("bundled"), lexicon, views=load_views())


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
