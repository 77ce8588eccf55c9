from collections.abc import Iterator
from pathlib import Path

import pytest

from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from knowledge.views import load_views
from tests.programs import Programs, programs
from tests.storage.postgres import Postgres, a_postgres

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def plain_knowledge() -> KnowledgeBase:
    """The documents that ship with the program, without the curated questions, read once for all tests."""
    documents = load_documents(PROJECT / "knowledge" / "documents")
    return build_knowledge(documents, make_encoder("bundled"), load_lexicon())


@pytest.fixture(scope="session")
def curated_knowledge() -> KnowledgeBase:
    """The same with the curated questions, as the program answers."""
    documents = load_documents(PROJECT / "knowledge" / "documents")
    return build_knowledge(documents, make_encoder("bundled"), load_lexicon(), views=load_views())


@pytest.fixture(scope="session")
def started() -> Iterator[Programs]:
    """What starts programs of ours in an instant."""
    with programs() as found:
        yield found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with a_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tu-soi.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh_url()
