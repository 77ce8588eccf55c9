"""What handlers may use."""

from dataclasses import dataclass

from knowledge.answer import KnowledgeBase


@dataclass(frozen=True, slots=True)
class Services:
    """Built once by bot/app.py and handed to every handler."""

    knowledge: KnowledgeBase
