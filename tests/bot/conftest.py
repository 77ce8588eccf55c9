from pathlib import Path

import pytest

from assessment.model import Role
from knowledge.answer import KnowledgeBase
from tests.bot.pages import AN, BINH, CUONG, DUNG, Hamlet, token_of


@pytest.fixture(scope="session")
def documents(plain_knowledge: KnowledgeBase) -> KnowledgeBase:
    return plain_knowledge


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
