"""How requests to the Bot API go out: over few connections that stay open, and without a word of the address in errors.

An address holds the token, so what goes wrong is told by its kind alone.
"""

import ssl
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi

from bot.channels.posting import MaybeSentError, NotSentError

CONNECTIONS = 16
CONNECT_TIMEOUT_S = 10.0
# Servers close connections that nobody uses, and what is sent at that very moment may have arrived or not: ours are
# closed well before.
KEEP_ALIVE_S = 15.0
# A file is on its way for longer; no line that we count with is slower.
UPLOAD_BYTES_PER_S = 50_000
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# What comes to nothing before a request has left.
_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)

# Field name -> (file name, content, media type).
Files = Mapping[str, tuple[str, bytes, str]]


class HttpClient:
    """Sends requests; opened and closed again within a running event loop."""

    def __init__(self, *, read_timeout_s: float) -> None:
        """Take how long an answer may keep silent, where a request does not say otherwise."""
        self.read_timeout_s = read_timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[tuple[str, str], str | None] = {}

    async def open(self) -> None:
        """Be ready to send."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S, ssl=_trusted_certificates()
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                # What the environment says of proxies is looked up once, not at each request.
                trust_env=False,
            )

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str],
        files: Files,
        *,
        agent: str,
        read_timeout_s: float | None = None,
        connect_timeout_s: float | None = None,
    ) -> tuple[int, bytes]:
        """Return the status and the body of the answer.

        Raises:
            NotSentError: the request surely did not arrive.
            MaybeSentError: it may have arrived.
        """
        if self._session is None:
            raise NotSentError("closed")
        silent_s = self.read_timeout_s if read_timeout_s is None else read_timeout_s
        headers, data = {"User-Agent": agent}, b""
        form: aiohttp.FormData | None = None
        if files:
            # Telegram shows the name of a file as it stands in the header, "%C4%90" and all.
            form = aiohttp.FormData(fields, quote_fields=False)
            for name, (file_name, content, media_type) in files.items():
                form.add_field(name, content, filename=file_name, content_type=media_type)
                silent_s += len(content) / UPLOAD_BYTES_PER_S
        elif fields:
            headers |= _FORM
            data = urlencode(fields).encode()
        connect_s = connect_timeout_s or CONNECT_TIMEOUT_S
        # An answer that trickles in for ever would never time out otherwise.
        timeout = aiohttp.ClientTimeout(total=connect_s + 2 * silent_s, connect=connect_s, sock_read=silent_s)
        not_sent = maybe_sent = ""
        try:
            async with self._session.request(
                method,
                url,
                data=form or data or None,
                headers=headers,
                proxy=self._proxy(url),
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                return response.status, await response.read()
        except _NOT_SENT as error:
            not_sent = type(error).__name__
        except (aiohttp.ClientError, OSError) as error:
            maybe_sent = type(error).__name__
        # Out here, neither as cause nor as context does an exception hang on that knows the address.
        if not_sent:
            raise NotSentError(not_sent)
        raise MaybeSentError(maybe_sent)

    def _proxy(self, url: str) -> str | None:
        parts = urlsplit(url)
        key = (parts.scheme, parts.hostname or "")
        if key not in self._proxies:
            known = getproxies()
            self._proxies[key] = None if proxy_bypass(key[1]) else known.get(key[0], known.get("all"))
        return self._proxies[key]


@cache
def _trusted_certificates() -> ssl.SSLContext:
    """Return whom to trust: whom this machine trusts, and the public authorities, which a bare machine may lack."""
    trusted = ssl.create_default_context()
    trusted.load_verify_locations(certifi.where())
    return trusted
