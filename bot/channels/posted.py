"""What platforms post to us: read only within limits, and taken only as a JSON object that is not nested deeply."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES = 2**20
# The platforms nest half a dozen levels; what goes far beyond would only exhaust whoever walks through it.
MAX_DEPTH = 50


class BodyError(Exception):
    """What was posted is not taken; `status` is what to answer."""

    def __init__(self, reason: str, *, status: int) -> None:
        super().__init__(reason)
        self.status = status


def webhook_secret(token: str, given: str | None) -> str:
    """Return what a platform proves itself with: as it was set, or made from the token, which nobody else knows."""
    return given or hmac.new(token.encode(), b"webhook", hashlib.sha256).hexdigest()


def webhook_address(address: str, default_path: str) -> str:
    """Return the address that a platform is told: one without a path gets one."""
    return address if urlsplit(address).path.strip("/") else address.rstrip("/") + default_path


async def read_body(request: Request) -> bytes:
    """Return the bytes of a request, as they came.

    Raises:
        BodyError: there are too many, or they were cut off.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        raise BodyError("too large", status=413)
    body = bytearray()
    cut_off = False
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise BodyError("too large", status=413)
    except ClientDisconnect:
        cut_off = True
    if cut_off:
        raise BodyError("cut off", status=400)
    return bytes(body)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that bytes hold.

    Raises:
        BodyError: they hold something else, or one nested too deeply.
    """
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or is_deep(body):
        raise BodyError("not a JSON object of ours", status=400)
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def is_deep(body: object) -> bool:
    """Return whether something is nested deeper than MAX_DEPTH, without going deep itself."""
    level = [body]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        if not inner:
            return False
        level = inner
    return True
