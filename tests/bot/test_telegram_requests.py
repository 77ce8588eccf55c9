"""What our request layer tells of a request that failed: whether it may have arrived, never a word of the address."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from telegram import Bot, InputFile
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TimedOut
from telegram.request import RequestData

from bot.channels import telegram_http
from bot.channels.posting import MaybeSentError, NotSentError
from bot.channels.telegram_api import _Requests, _Unreadable
from bot.channels.telegram_http import HttpClient
from tests.servers.telegram import TOKEN, TelegramServer

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """Give the address of a server that does with a connection what it is told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/bot{TOKEN}/sendMessage"
    server.close()


@asynccontextmanager
async def requests(read_timeout_s: float = 0.3) -> AsyncIterator[_Requests]:
    sending = _Requests(read_timeout_s)
    async with sending:
        yield sending


def saying(content: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(content)
        await writer.drain()

    return answer


def http(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(1)


async def torn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


@pytest.mark.parametrize(
    "answer",
    [
        silent,
        torn,
        saying(b""),
        saying(b"nonsense\r\n\r\n"),
        saying(http("200 OK", b'{"ok":true')[:-3]),
        saying(http("200 OK", b'{"ok":true,"resu')),
        saying(http("200 OK", b"<html>")),
        saying(http("200 OK", b"[1]")),
        saying(http("200 OK", b'{"ok":true}')),
        saying(http("200 OK", b'{"result":' + b"[" * 5000)),
        saying(http("504 Gateway Timeout", b"<html>")),
    ],
)
async def test_what_left_us_without_a_whole_answer_may_have_arrived(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    async with answering(answer) as address, requests() as sending:
        with pytest.raises(TimedOut) as caught:
            await sending.post(address, RequestData())
    assert TOKEN not in f"{caught.value}{caught.value.__cause__}{caplog.text}"


def a_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("where", ["http://127.0.0.1:{port}", "http://nowhere.invalid", "http://[::", "gopher://x"])
async def test_what_never_left_us_surely_did_not_arrive(where: str, caplog: pytest.LogCaptureFixture) -> None:
    async with requests() as sending:
        with pytest.raises(NetworkError) as caught:
            await sending.post(f"{where.format(port=a_free_port())}/bot{TOKEN}/sendMessage", RequestData())
    assert not isinstance(caught.value, TimedOut)
    assert TOKEN not in f"{caught.value}{caught.value.__cause__}{caplog.text}"


def a_certificate(folder: Path) -> ssl.SSLContext:
    """Return what a server shows that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, datetime(2020, 1, 1), datetime(2100, 1, 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context


async def test_a_server_that_nobody_vouches_for_is_sent_nothing(tmp_path: Path) -> None:
    heard = list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=a_certificate(tmp_path))
    async with requests() as sending:
        with pytest.raises(NetworkError) as caught:
            await sending.post(f"https://localhost:{server.sockets[0].getsockname()[1]}/bot{TOKEN}/x", RequestData())
    server.close()
    assert not isinstance(caught.value, TimedOut)
    assert "Certificate" in str(caught.value)
    assert not any(heard)


def test_public_authorities_are_trusted_even_on_a_bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    assert telegram_http._trusted_certificates.__wrapped__().cert_store_stats()["x509_ca"] > 50


async def test_an_answer_that_trickles_in_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
        for _ in range(100):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    monkeypatch.setattr(telegram_http, "CONNECT_TIMEOUT_S", 0.2)
    async with answering(trickle) as address, requests(0.2) as sending:
        with pytest.raises(TimedOut):
            await sending.post(address, RequestData())


async def test_a_connection_that_does_not_come_about_did_not_carry_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram_http, "CONNECTIONS", 1)
    async with answering(silent) as address, requests(2.0) as sending:
        first = asyncio.create_task(sending.post(address, RequestData()))
        await asyncio.sleep(0.1)
        # The one connection is taken: the second request waits for it in vain.
        with pytest.raises(NetworkError) as caught:
            await sending.post(address, RequestData(), connect_timeout=0.1)
        assert not isinstance(caught.value, TimedOut)
        with pytest.raises(TimedOut):
            await first


async def test_a_closed_client_sends_nothing() -> None:
    client = HttpClient(read_timeout_s=1)
    with pytest.raises(NotSentError, match="closed"):
        await client.send("POST", "http://127.0.0.1:9", {}, {}, agent="x")
    await client.open()
    await client.open()
    await client.close()
    await client.close()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (http("400 Bad Request", b'{"ok":false,"description":"Bad Request: chat not found"}'), BadRequest),
        (http("403 Forbidden", b'{"ok":false,"description":"Forbidden: kicked"}'), Forbidden),
        (http("429 Too Many", b'{"ok":false,"description":"x","parameters":{"retry_after":7}}'), RetryAfter),
        (http("502 Bad Gateway", f"<a href='/bot{TOKEN}/'>".encode()), NetworkError),
        (http("400 Bad Request", f"no route for /bot{TOKEN}/sendMessage".encode()), BadRequest),
        (http("302 Found", b""), NetworkError),
    ],
)
@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
async def test_a_refusal_is_the_librarys_own_and_quotes_no_page(content: bytes, expected: type[Exception]) -> None:
    async with answering(saying(content)) as address, requests() as sending:
        with pytest.raises(expected) as caught:
            await sending.post(address, RequestData())
    assert not isinstance(caught.value, TimedOut)
    assert TOKEN not in f"{caught.value}{caught.value.__cause__}{caught.value.__context__}"


async def test_connections_are_used_again_and_closed_before_the_server_does() -> None:
    connections = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(http("200 OK", b'{"ok":true,"result":true}'))

    async with answering(count) as address, requests() as sending:
        for _ in range(5):
            assert await sending.post(address, RequestData()) is True
    assert connections == 1
    assert telegram_http.KEEP_ALIVE_S < 60


async def test_a_large_file_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.5)
        writer.write(http("200 OK", b'{"ok":true,"result":true}'))

    monkeypatch.setattr(telegram_http, "UPLOAD_BYTES_PER_S", 10_000)
    client = HttpClient(read_timeout_s=0.2)
    await client.open()
    async with answering(slow) as address:
        sent = await client.send("POST", address, {}, {"f": ("a", b"x" * 20_000, "text/plain")}, agent="x")
        assert sent[0] == 200
        with pytest.raises(MaybeSentError):
            await client.send("POST", address, {}, {}, agent="x")
    await client.close()


async def test_what_the_library_builds_arrives_whole() -> None:
    server = TelegramServer()
    await server.start()
    server.meet([5])
    bot = Bot(TOKEN, base_url=server.base_url, request=_Requests(5), get_updates_request=_Requests(5))
    async with bot:
        text = "Đảng viên & «chi bộ» + 100% = 😀\nDòng hai; a=b"
        assert (await bot.send_message(5, text)).text == text
        sent = await bot.send_document(5, InputFile(b"\x00\xff\r\n--", filename='Tổng "kết" %20.docx'), caption="Bản 1")
        assert sent.document is not None
        assert sent.document.file_name == 'Tổng "kết" %20.docx'
        assert sent.caption == "Bản 1"
        assert server._files[sent.document.file_id][0] == b"\x00\xff\r\n--"
    await server.stop()


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
async def test_a_proxy_of_the_environment_is_used(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[bytes]()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(http("200 OK", b'{"ok":true,"result":true}'))

    async with answering(proxy) as address, requests() as sending:
        monkeypatch.setenv(variable, address.partition("/bot")[0])
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await sending.post("http://api.telegram.example/botX/getMe", RequestData()) is True
    assert asked[0].startswith(b"POST http://api.telegram.example/botX/getMe HTTP/1.1")


def test_what_cannot_be_read_names_the_updates_in_it_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(_Unreadable) as caught:
        _Requests.parse_json_payload(b'{"ok":true,"result":[{"update_id":5,"text":"rieng tu"},')
    assert caught.value.update_ids == [5]
    assert "rieng tu" not in f"{caught.value}{caplog.text}"
