"""The floor: sockets, a signature made the cheapest way, and a look for two byte strings in the answer.

No client can do with less in Python. It has no time limits, no cap, no error but an exception, no event loop; it reads an answer by
its Content-Length and nothing else.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from datetime import UTC, datetime

from bench.peers import EXPECTED_STATUS, KEY_ID, SECRET, Site, expect
from watcher.sources.dlc.acs3 import AccessKey, Signer

_RUNNING = f'"Status": "{EXPECTED_STATUS}"'.encode()


class RawSocket:
    """As many sockets as polls may be under way: ask on each, then read from each."""

    name = "raw sockets, signed"
    action = "GetJob"

    def __init__(self, site: Site) -> None:
        self._site, self.asks = site, len(site.job_ids)
        self._signer = Signer(self.action, site.authority, AccessKey(KEY_ID, SECRET))
        self._sockets: list[socket.socket] = []

    def _connect(self) -> None:
        host, _, port = self._site.authority.partition(":")
        tls = self._site.tls()
        for _ in range(self._site.concurrent):
            plain = socket.create_connection((host, int(port)), timeout=10)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(tls.wrap_socket(plain, server_hostname=host) if tls else plain)

    def _ask(self, on: socket.socket, path: str, query: str = "") -> None:
        lines = self._signer.lines(datetime.now(UTC), secrets.token_hex(16), path, query)
        target = f"{path}?{query}" if query else path
        on.sendall(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode("ascii"))

    def _read(self, on: socket.socket) -> tuple[bool, bytes]:
        """Whether it is good, and its body."""
        told = on.recv(65536)
        while b"\r\n\r\n" not in told:
            told += self._more(on)
        head, _, body = told.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < size:
            body += self._more(on)
        return head.startswith(b"HTTP/1.1 200"), body

    def _check(self, on: socket.socket, job_id: str) -> None:
        good, body = self._read(on)
        good = good and _RUNNING in body
        expect(job_id, job_id if f'"JobId": "{job_id}"'.encode() in body else None, EXPECTED_STATUS if good else None)

    @staticmethod
    def _more(on: socket.socket) -> bytes:
        data = on.recv(65536)
        if not data:
            raise ConnectionError("closed by the far side")
        return data

    def _poll_all(self, job_ids: Sequence[str]) -> int:
        at_once = len(self._sockets)
        for first in range(0, len(job_ids), at_once):
            asked = list(zip(self._sockets, job_ids[first : first + at_once], strict=False))
            for on, job_id in asked:
                self._ask(on, f"/api/v1/jobs/{job_id}")
            for on, job_id in asked:
                self._check(on, job_id)
        return len(job_ids)

    async def warm(self) -> None:
        self._close()  # the far side drops what was idle while others were measured
        self._connect()
        self._poll_all(self._site.first_ids)

    async def sweep(self) -> int:
        return self._poll_all(self._site.job_ids)  # blocks the event loop on purpose, as the SDK does

    def _close(self) -> None:
        for each in self._sockets:
            each.close()
        self._sockets.clear()

    async def aclose(self) -> None:
        self._close()
