"""One kept HTTP/1.1 connection: a request's bytes go out, the capped body of one answer comes back.

httptools (llhttp, the parser of Node.js) reads the answers; what stands here is what it leaves to its user: one exchange at a
time, a cap on what is held, decompression, and what every way of ending means. Measured: an exchange costs a third of aiohttp's
and a tenth of httpx2's, which is why this is not one of them (docs/performance.md).
"""

from __future__ import annotations

import asyncio
import os
import select
import ssl
import zlib
from collections.abc import Mapping
from typing import Final, cast

import httptools

from watcher.errors import GarbledAnswer, SourceError, Unreachable

_HEAD_BYTES: Final = 64 * 1024
"""The most that an answer's head may have."""
_FRAMING: Final = 8
"""A chunk of one byte needs five more; what has many times more framing than content means us no good."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_PLAIN: Final = frozenset({"", "identity"})
_ZIPPED: Final = frozenset({"gzip", "x-gzip"})
_LAYERS: Final = 3
_INFORMATIONAL: Final = 200
"""Statuses below it announce the answer; they are not it."""


class Failed(Exception):
    """How an exchange ended without an answer.

    Attributes:
        leaf: the error it is to our callers.
        sentence: its message, with `{where}` in the place of the far side's name.
    """

    def __init__(self, leaf: type[SourceError], sentence: str) -> None:
        super().__init__(sentence)
        self.leaf, self.sentence = leaf, sentence

    def error(self, where: str) -> SourceError:
        """It, as our callers know it."""
        return self.leaf(self.sentence.replace("{where}", where))


class Reply:
    """Status, headers (names in lower case) and decoded body of one answer."""

    __slots__ = ("_lines", "body", "status")

    def __init__(self, status: int, lines: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status, self._lines, self.body = status, lines, body

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; values of the same name are joined by a comma."""
        joined: dict[str, str] = {}
        for name, value in self._lines:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
            joined[key] = f"{joined[key]}, {text}" if key in joined else text
        return joined


class _Unzipping:
    """Decompresses layer by layer; no layer may become larger than the cap."""

    def __init__(self, encodings: list[str], cap: int) -> None:
        if len(encodings) > _LAYERS or not set(encodings) <= _ZIPPED:
            raise Failed(
                GarbledAnswer, "the answer from {where} cannot be decompressed: it is packed in an unknown way"
            )
        self._layers = [zlib.decompressobj(_GZIP) for _ in encodings]
        self._sizes, self._cap, self._any = [0] * len(encodings), cap, False

    def feed(self, data: bytes) -> bytes:
        """The next part, decompressed."""
        self._any = True
        for number, layer in enumerate(self._layers):
            try:
                data = layer.decompress(data, self._cap - self._sizes[number] + 1)
            except zlib.error as exc:
                raise Failed(GarbledAnswer, "the answer from {where} cannot be decompressed") from exc
            self._sizes[number] += len(data)
            if self._sizes[number] > self._cap:
                raise too_large(self._cap)
        return data

    def finish(self) -> None:
        """Refuse what has no end."""
        if self._any and not all(layer.eof for layer in self._layers):
            raise Failed(GarbledAnswer, "the answer from {where} cannot be decompressed: its end is missing")


def too_large(cap: int) -> Failed:
    """There is more of it than we take."""
    return Failed(GarbledAnswer, f"DLC's answer is larger than {cap} bytes")


class Connection(asyncio.Protocol):
    """A connection, as asyncio's transports see it, and one exchange after the other, as its user does.

    Attributes:
        reusable: the last answer was complete and the far side keeps the connection open.
        idle_since: the loop's time at which the last exchange ended.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self.reusable, self.idle_since = False, 0.0
        self._cap = max_body_bytes
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[Reply] | None = None
        self._tunnelling = False
        self._parser = httptools.HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._lines: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._received = self._body_bytes = self._size = 0
        self._unzip: _Unzipping | None = None
        self._head_done = self._sized = False
        self.reusable = False

    def ask(self, request: bytes, *, tunnel: bool = False) -> asyncio.Future[Reply]:
        """Send a request. The future is the answer, or a `Failed`.

        Args:
            request: all its bytes.
            tunnel: it is a CONNECT; its answer ends with its head.
        """
        self._begin()
        self._tunnelling = tunnel
        self._answered = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            self._fail(_gone())
        else:
            self._transport.write(request)
        return self._answered

    @property
    def open(self) -> bool:
        """Whether nobody has closed it, as far as is known here."""
        return self._transport is not None and not self._transport.is_closing()

    def spoken_to(self) -> bool:
        """Whether something has come that the event loop, being busy, has not told yet: of an idle connection that is its end."""
        socket = None if self._transport is None else self._transport.get_extra_info("socket")
        if socket is None:
            return True
        waiting = select.poll()
        waiting.register(socket.fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    @property
    def transport(self) -> asyncio.Transport | None:
        """What it runs over."""
        return self._transport

    def abort(self, why: Failed | None = None) -> None:
        """Drop it at once; whoever waits for an answer gets `why`."""
        self.reusable = False
        self._fail(why or _gone())
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, failure: Failed) -> None:
        self.reusable = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(failure)

    # --- what the transport tells ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        # Not checked: other loops' transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A part of an answer, or what nobody asked for."""
        if self._answered is None or self._answered.done():
            self.abort()  # nobody asked
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as exc:
            inner = exc.__context__
            self.abort(inner if isinstance(inner, Failed) else _not_http())
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._answered.done():  # else: more than was asked for, after a good answer
                self.abort(_not_http())
            self.reusable = False
        else:
            if not self._answered.done() and self._received > _HEAD_BYTES + _FRAMING * self._body_bytes:
                self.abort(_not_http())

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended; for an answer without a length that is its end, too."""
        self._transport = None
        if self._answered is None or self._answered.done():
            return
        if exc is not None:
            self._fail(Failed(Unreachable, f"the connection to {{where}} broke: {reason(exc)}"))
        elif not self._received:
            self._fail(_gone())
        elif self._head_done and not self._sized:  # such an answer ends with its connection
            try:
                self._complete()
            except Failed as failure:
                self._fail(failure)
        else:
            self._fail(_not_http())

    # --- what the parser tells ------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins."""
        if self._head_done:
            raise _not_http()  # an answer that nobody asked for, behind ours

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers are left out."""
        if not self._head_done:
            self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is read: what its body will be is known."""
        self._status = self._parser.get_status_code()
        if self._status < _INFORMATIONAL:
            return
        self._head_done = True
        self.reusable = self._parser.should_keep_alive()
        if self._tunnelling:
            self._complete()
            return
        encodings: list[str] = []
        for name, value in self._lines:
            match name.lower():
                case b"content-length" | b"transfer-encoding":
                    self._sized = True
                case b"content-encoding":
                    encodings += [part.strip().lower() for part in value.decode("latin-1").split(",")]
        encodings = [each for each in encodings if each not in _PLAIN]
        self._unzip = _Unzipping(encodings, self._cap) if encodings else None

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._answered is None or self._answered.done():
            return
        self._body_bytes += len(body)
        data = self._unzip.feed(body) if self._unzip else body
        self._size += len(data)
        if self._size > self._cap:
            raise too_large(self._cap)
        self._chunks.append(data)

    def on_message_complete(self) -> None:
        """The answer is complete, or one that only announced it."""
        if self._status < _INFORMATIONAL:
            self._lines.clear()
        else:
            self._complete()

    def _complete(self) -> None:
        if self._answered is None or self._answered.done():
            return
        if self._unzip:
            self._unzip.finish()
        chunks, self._chunks = self._chunks, []
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._answered.set_result(Reply(self._status, self._lines, body))


def _gone() -> Failed:
    return Failed(Unreachable, "{where} closed the connection without an answer")


def _not_http() -> Failed:
    return Failed(GarbledAnswer, "the answer from {where} was cut short or is not HTTP")


def reason(exc: BaseException) -> str:
    """The operating system's own words, from the innermost cause: a library's are often empty or vague."""
    inner: BaseException = exc
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    if (
        isinstance(inner, OSError)
        and not isinstance(inner, ssl.SSLError)
        and inner.errno is not None
        and inner.errno > 0
    ):
        return os.strerror(inner.errno)
    return (str(inner) or type(inner).__name__)[:200]
