"""What was done on a web page: a name and plain values, checked before anybody uses them."""

from collections.abc import Mapping
from typing import Any

# Of an INTEGER column.
_LARGEST = 2**31 - 1

Command = Mapping[str, Any]


class CommandNotUnderstood(Exception):
    """A page sent something that no page of ours sends; the message names the key."""


def number_in(command: Command, key: str) -> int:
    """Return a number of a command, such as an id.

    Raises:
        CommandNotUnderstood: there is none, or none that can be an id.
    """
    value = command.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST:
        raise CommandNotUnderstood(f"{key} is no number from 1 to {_LARGEST}")
    return value


def words_in(command: Command, key: str) -> str:
    """Return a text of a command.

    Raises:
        CommandNotUnderstood: there is none.
    """
    value = command.get(key)
    if not isinstance(value, str):
        raise CommandNotUnderstood(f"{key} is no text")
    return value


def flag_in(command: Command, key: str) -> bool:
    """Return a yes or no of a command.

    Raises:
        CommandNotUnderstood: there is none.
    """
    value = command.get(key)
    if not isinstance(value, bool):
        raise CommandNotUnderstood(f"{key} is neither true nor false")
    return value
