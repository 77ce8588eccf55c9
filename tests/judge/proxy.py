"""Stands between the program and the npm package's server, and adds what that server lacks."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

# The server answers an idle poll at once; Telegram would let it wait.
IDLE_S = 0.05


@contextmanager
def proxy(target: str, answered: dict[str, list[int]]) -> Iterator[str]:
    """Give the address of a proxy to the server at `target`.

    It adds to the answers of edits the date that python-telegram-bot reads, holds idle polls for a moment, and puts the
    menu button in the place that the server does not know of. All else goes through as it is.

    Args:
        answered: is filled with the HTTP statuses of the answers, by method.
    """
    client = httpx.Client(base_url=target, timeout=30, verify=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = client.post(
                self.path, content=body, headers={"Content-Type": self.headers.get("Content-Type") or ""}
            )  # fmt: skip
            method = self.path.rpartition("/")[2]
            status, content = answer.status_code, answer.content
            answered.setdefault(method, []).append(status)
            said = json.loads(content)
            if method == "editMessageText":
                said["result"].setdefault("date", int(time.time()))
            elif method == "getUpdates" and not said["result"]:
                time.sleep(IDLE_S)
            elif method == "setChatMenuButton":
                status, said = 200, {"ok": True, "result": True}
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing: the path holds the token."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        client.close()
