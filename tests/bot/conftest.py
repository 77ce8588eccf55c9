from pathlib import Path

import pytest

from assessment.model import Role
from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from tests.bot.pages import AN, BINH, CUONG, DUNG, Hamlet, token_of

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def documents() -> KnowledgeBase:
    loaded = load_documents(PROJECT / "knowledge" / "documents")
    return build_knowledge(loaded, make_encoder("bundled"), load_lexicon())


@pytest.fixture
def hamlet(tmp_path: Path, documents: KnowledgeBase) -> Hamlet:
    """Give a secretary and three members; Cường hands in on paper; An and Bình have browsers of their own."""
    hamlet = Hamlet(tmp_path, documents)
    hamlet.add(BINH, Role.SECRETARY)
    hamlet.add(AN)
    hamlet.add(CUONG, has_phone=False)
    hamlet.add(DUNG)
    hamlet.enrol(AN, token_of("a"))
    hamlet.enrol(BINH, token_of("b"))
    return hamlet
