"""Holds requests and answers against aiogram's models of the Bot API; runs where aiogram is, with nothing of ours.

    python with_aiogram.py EXCHANGES     a line of JSON each, as tests/servers/common.py records them

Prints {"methods": {name: how many}, "updates": {kind: how many}, "refusals": how many, "wrong": [[line, what], …],
"fields": {"update": [name, …], "message": [name, …]}}; lines are counted from 0, fields are those that aiogram knows.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiogram.methods
from aiogram.methods.base import Response, TelegramMethod
from aiogram.types import BufferedInputFile, Message, Update
from pydantic import BaseModel, TypeAdapter, ValidationError

METHODS: dict[str, Any] = {
    str(method.__api_method__).lower(): method
    for method in vars(aiogram.methods).values()
    if hasattr(method, "__api_method__") and method is not TelegramMethod
}


def main() -> None:
    """Judge the exchanges of a file."""
    methods: Counter[str] = Counter()
    updates: Counter[str] = Counter()
    refusals = 0
    wrong: list[tuple[int, str]] = []
    for number, line in enumerate(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()):
        exchange = json.loads(line)
        if "webhook" in exchange:
            updates.update(exchange["body"].keys() - {"update_id"})
            wrong += [(number, f"update: {what}") for what in judged_update(exchange["body"])]
            continue
        name = exchange["method"]
        methods[name] += 1
        refusals += not exchange["answer"].get("ok")
        if name.lower() == "getupdates":
            for update in exchange["answer"].get("result") or ():
                updates.update(update.keys() - {"update_id"})
        wrong += [(number, f"{name}: {what}") for what in judged(exchange)]
    fields = {"update": named(Update), "message": named(Message)}
    told = {"methods": methods, "updates": updates, "refusals": refusals, "wrong": wrong, "fields": fields}
    print(json.dumps(told))


def named(model: type[BaseModel]) -> list[str]:
    """Return the fields of a model, as they are called in JSON."""
    return [str(field.alias or name) for name, field in model.model_fields.items()]


def judged_update(update: Any) -> Iterator[str]:
    """Yield what is wrong with an update."""
    try:
        yield from unknown(Update.model_validate(update), "update")
    except ValidationError as error:
        yield from _told(error)


def judged(exchange: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a request or with what was answered to it."""
    method = METHODS.get(exchange["method"].lower())
    if method is None:
        yield "aiogram knows no such method"
        return
    answer = exchange["answer"]
    # Only a request that was taken must be right: others are refused on purpose.
    if answer.get("ok"):
        try:
            yield from unknown(method.model_validate(_fields(method, exchange["parameters"])), "request")
        except ValidationError as error:
            yield from _told(error)
    if answer.get("ok") is not (exchange["status"] == 200):
        yield f"answer: ok is {answer.get('ok')} with HTTP {exchange['status']}"
    try:
        response = Response[Any].model_validate(answer)
        yield from unknown(response, "answer")
        if response.ok:
            result = TypeAdapter(method.__returning__).validate_python(answer["result"])
            yield from unknown(result, "answer")
        elif response.error_code != exchange["status"] or not response.description:
            yield "answer: a refusal names its HTTP status and a description"
    except ValidationError as error:
        yield from _told(error)


def _fields(method: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters as aiogram takes them: form fields hold JSON, and files stand apart."""
    named = {str(field.alias or name) for name, field in method.model_fields.items()}
    fields = {}
    for name, value in parameters.items():
        if isinstance(value, str) and value[:1] in ("{", "["):
            value = json.loads(value)
        fields[name] = value
    for name, value in list(fields.items()):
        if isinstance(value, str) and value.startswith("attach://"):
            fields[name] = fields.pop(value.removeprefix("attach://"))
    for name, value in fields.items():
        if isinstance(value, dict) and value.keys() == {"file"} and name in named:
            fields[name] = BufferedInputFile(b"", value["file"])
    return fields


def unknown(value: Any, where: str) -> Iterator[str]:
    """Yield the keys, however deep, of which the Bot API knows nothing."""
    if isinstance(value, BaseModel):
        for name in value.model_extra or ():
            yield f"{where}: {type(value).__name__} has no {name!r}"
        for name in value.model_fields_set:
            yield from unknown(getattr(value, name, None), where)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from unknown(part, where)


def _told(error: ValidationError) -> Iterator[str]:
    for found in error.errors(include_input=False, include_url=False):
        yield f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"


if __name__ == "__main__":
    main()
