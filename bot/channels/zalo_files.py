"""Fetches what people sent on Zalo: only from Zalo's own hosts, over HTTPS, never from an address within a network."""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

from bot.channels.base import FileLostError

LARGEST_FILE_BYTES = 20 * 2**20
FETCH_TIMEOUT_S = 60.0
# Where Zalo keeps what people send, and its own names.
_HOSTS = ("zdn.vn", "zadn.vn", "zalo.me", "zaloapp.com", "zaloplatforms.com", "zapps.me", "dlfl.vn")
_LONGEST_REF = 2000


def file_ref(url: object) -> str | None:
    """Return an address by which a file may be fetched; None for anything but HTTPS on a host of Zalo's."""
    if not isinstance(url, str) or len(url) > _LONGEST_REF:
        return None
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    is_theirs = any(host == name or host.endswith(f".{name}") for name in _HOSTS)
    is_plain = parts.username is None and parts.password is None and port in (None, 443)
    return url if parts.scheme == "https" and is_theirs and is_plain and url.isascii() else None


async def fetch_file(ref: str, transport: httpx.AsyncBaseTransport | None = None) -> bytes:
    """Return the file of an address.

    The name is looked up once and the connection made to that address, so that a name which means another address a
    moment later leads nowhere; redirects are not followed.

    Args:
        transport: another than the network.
    Raises:
        FileLostError: it cannot be had, or is larger than LARGEST_FILE_BYTES.
    """
    if file_ref(ref) is None:
        raise FileLostError
    try:
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            return await _fetch(httpx.URL(ref), transport)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
        raise FileLostError from error


async def _fetch(url: httpx.URL, transport: httpx.AsyncBaseTransport | None) -> bytes:
    address = await _public_address(url.host)
    # The certificate is checked against the name all the same.
    there = url.copy_with(host=address)
    extensions = {"sni_hostname": url.host}
    async with (
        httpx.AsyncClient(transport=transport, follow_redirects=False) as client,
        client.stream("GET", there, headers={"Host": url.host}, extensions=extensions) as response,
    ):
        if response.status_code != httpx.codes.OK:
            raise FileLostError
        announced = response.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > LARGEST_FILE_BYTES:
            raise FileLostError(too_large=True)
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > LARGEST_FILE_BYTES:
                raise FileLostError(too_large=True)
    return bytes(content)


async def _public_address(host: str) -> str:
    addresses = await addresses_of(host)
    # One that leads inside is enough to distrust the name.
    if not addresses or not all(ipaddress.ip_address(address).is_global for address in addresses):
        raise FileLostError
    return addresses[0]


async def addresses_of(host: str) -> list[str]:
    """Return the addresses that a name has at the moment.

    Raises:
        OSError: it has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
