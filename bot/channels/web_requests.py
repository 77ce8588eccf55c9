"""What every page of ours asks of a request, and how it says no: a cookie of ours, our own origin, JSON, a size."""

import base64
import hashlib
import json
import re
import secrets
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from handlers import texts
from handlers.files import File

COOKIE = "tusoi"
LARGEST_ID = 2**31 - 1  # of an INTEGER column
COOKIE_AGE_S = 400 * 24 * 3600  # browsers keep none for longer
MAX_BODY_BYTES = 1_000_000
# What is too large is still read to this point, unkept: a browser that is cut off shows no answer at all.
MAX_DRAINED_BYTES = 16 * MAX_BODY_BYTES

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
# A lone surrogate is valid JSON but not valid UTF-8, and no database keeps a NUL in a text.
UNKEEPABLE = re.compile("[\0\ud800-\udfff]")


class Refusal(HTTPException):
    """A request we do not take; the detail is a sentence for the person."""


def content_security_policy(page: str) -> str:
    """Allow the page's own script and style, by their digests, and its requests to us; nothing else."""

    def digests(tag: str) -> str:
        contents = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in contents]
        return " ".join(f"'sha256-{value}'" for value in hashes)

    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {digests('script')}",
            f"style-src {digests('style')}",
            "img-src data:",  # the icon in the tab
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def new_token() -> str:
    """Return a new cookie, which nobody can guess."""
    return secrets.token_urlsafe(24)


def token_of(request: Request) -> str | None:
    """Return the cookie, or None where there is none that we could have made."""
    token = request.cookies.get(COOKIE, "")
    return token if _TOKEN.fullmatch(token) else None


def set_cookie(response: Response, token: str, *, secure: bool) -> None:
    """Let the browser keep what names the chat."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=COOKIE_AGE_S,
        path="/",
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def chat_id_of(token: str) -> str:
    """Return the chat that a cookie opens; what is kept of it does not open it."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def is_foreign(request: Request) -> bool:
    """Tell whether another site's page sent this; programs other than browsers name no origin and may pass."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    # Browsers leave the header above out where there is no HTTPS, as on a network of one's own.
    origin = request.headers.get("origin")
    hosts = (request.headers.get("host"), request.headers.get("x-forwarded-host"))
    return origin is not None and urlsplit(origin).netloc not in hosts


async def read_json(request: Request) -> object:
    """Return what was posted as JSON, of a size that people write.

    Raises:
        Refusal: it is something else.
    """
    # A form on another site cannot send this type, and a script there has to ask first and is refused.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, texts.MESSAGE_NOT_UNDERSTOOD)
    body, size_bytes = bytearray(), 0
    try:
        async for chunk in request.stream():
            size_bytes += len(chunk)
            if size_bytes <= MAX_BODY_BYTES:
                body += chunk
            if size_bytes > MAX_DRAINED_BYTES:
                break
    except ClientDisconnect as error:
        raise Refusal(400, texts.MESSAGE_NOT_UNDERSTOOD) from error
    if size_bytes > MAX_BODY_BYTES:
        raise Refusal(413, texts.MESSAGE_TOO_LARGE)
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, texts.MESSAGE_NOT_UNDERSTOOD) from error
    return parsed


async def read_file(request: Request, into: BinaryIO, *, at_most: int) -> None:
    """Write the body of a request into a file.

    Raises:
        Refusal: it is larger than allowed, empty or cut off.
    """
    size_bytes = 0
    try:
        async for chunk in request.stream():
            size_bytes += len(chunk)
            if size_bytes > at_most:
                raise Refusal(413, texts.FILE_TOO_LARGE)
            into.write(chunk)
    except ClientDisconnect as error:
        raise Refusal(400, texts.MESSAGE_NOT_UNDERSTOOD) from error
    if not size_bytes:
        raise Refusal(400, texts.FILE_EMPTY)


def downloaded(file: File) -> Response:
    """Return a file as something to keep."""
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}"}
    return Response(file.content, media_type=file.media_type, headers=headers)


async def refuse(_request: Request, error: Exception) -> Response:
    """Say as JSON why a request was not taken."""
    assert isinstance(error, HTTPException)
    sentence = error.detail if isinstance(error, Refusal) else texts.NO_SUCH_PAGE
    return JSONResponse({"error": sentence}, status_code=error.status_code, headers=error.headers)
