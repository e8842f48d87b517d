"""Kept connections: whose answer is whose, what ends one, how many there are, and the way through a proxy."""

from __future__ import annotations

import asyncio
import base64
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import trustme
from anyio.abc import SocketStream

from tests.shell.dlc_server import Answer, Asked, Peer, response, says, serving
from watcher.errors import GarbledAnswer, InvalidRequest, SourceError, Unreachable
from watcher.sources.dlc import connections as module
from watcher.sources.dlc.connections import Connections
from watcher.sources.dlc.endpoints import Endpoint, parse_endpoint

pytestmark = pytest.mark.anyio


def pool_of(
    endpoint: Peer | Endpoint,
    *,
    timeout_s: float = 3,
    connect_timeout_s: float = 3,
    limit: int = 2,
    proxy: str | None = None,
    ca_file: Path | None = None,
    cap: int = 1 << 20,
) -> Connections:
    return Connections(
        parse_endpoint(endpoint.url) if isinstance(endpoint, Peer) else endpoint,
        user_agent="test",
        timeout_s=timeout_s,
        connect_timeout_s=connect_timeout_s,
        max_body_bytes=cap,
        limit=limit,
        proxy=proxy,
        ca_file=ca_file,
    )


async def ask(pool: Connections, path: str = "/x") -> tuple[int, bytes]:
    reply = await pool.get(path, "Host: h\r\n", "GetJob")
    return reply.status, reply.body


async def told(answer: Answer, **options: float) -> tuple[int, bytes]:
    async with serving(answer) as peer:
        pool = pool_of(peer, **options)  # type: ignore[arg-type]
        try:
            return await ask(pool)
        finally:
            await pool.aclose()


def then_closes(*parts: bytes) -> Answer:
    async def answer(stream: SocketStream, asked: Asked) -> None:
        for part in parts:
            await stream.send(part)
            await anyio.lowlevel.checkpoint()
        await stream.aclose()

    return answer


# what an answer is

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 103 Hint\r\nA: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
TWICE = gzip.compress(gzip.compress(b"{}"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(then_closes(b"HTTP/1.1 200 OK\r\n\r\n{", b"}"), id="until it closes"),
        pytest.param(then_closes(b"HTTP/1.0 200 OK\r\n\r\n{}"), id="HTTP/1.0"),
        pytest.param(says(CHUNKED + b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\nA: b\r\n\r\n"), id="chunked"),
        pytest.param(says(HINTS + response(200, b"{}")), id="1xx before it"),
        pytest.param(then_closes(*(bytes([byte]) for byte in response(200, b"{}"))), id="byte by byte"),
        pytest.param(says(response(200, TWICE, {"Content-Encoding": "gzip, x-gzip"})), id="gzip twice"),
        pytest.param(says(response(200, b"{}", {"Content-Encoding": "identity"})), id="identity"),
    ],
)  # fmt: skip
async def test_every_form_of_an_answer_is_read(answer: Answer) -> None:
    assert await told(answer) == (200, b"{}")


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (says(response(200, b"{}", {"content-encoding": "br"})), "unknown way"),
        (says(response(200, b"x", {"content-encoding": "gzip, gzip, gzip, gzip"})), "unknown way"),
        (says(response(200, gzip.compress(b"{}" * 99)[:-9], {"content-encoding": "gzip"})), "end is missing"),
        (then_closes(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"{}" * 99)[:20]), "missing"),
        (then_closes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"), "cut short"),
        (says(b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc"), "not HTTP"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"), "not HTTP"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000), "not HTTP"),
        (says(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000), "not HTTP"),
        (says(b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000), "not HTTP"),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 20_000), "not HTTP"),
    ],
)
async def test_what_is_no_answer_is_garbled(answer: Answer, word: str) -> None:
    async with serving(answer) as peer:
        pool = pool_of(peer)
        with pytest.raises(GarbledAnswer, match=word):
            await ask(pool)
        await pool.aclose()


async def test_an_empty_body_needs_no_packing() -> None:
    assert await told(says(response(502, b"", {"content-encoding": "gzip"}))) == (502, b"")


async def test_headers_are_found_by_their_names_in_lower_case_and_joined() -> None:
    async with serving(says(response(200, b"", {"X-A": " b ", "x-a": "c", "X-B": "ü"}))) as peer:
        pool = pool_of(peer)
        reply = await pool.get("/x", "Host: h\r\n", "GetJob")
        await pool.aclose()
    assert reply.headers["x-a"] == "b, c"
    assert reply.headers["x-b"] == "ü".encode().decode("latin-1")


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/ä", "/a\n"])
async def test_a_target_that_would_be_something_else_on_the_wire_is_not_sent(target: str) -> None:
    async with serving(says(response(200, b"{}"))) as peer:
        pool = pool_of(peer)
        with pytest.raises(InvalidRequest, match="could not be sent"):
            await ask(pool, target)
        await pool.aclose()
    assert peer.asked == []


# whose answer is whose


async def echo(stream: SocketStream, asked: Asked) -> None:
    await stream.send(response(200, asked.path))


async def test_many_at_once_share_the_allowed_connections_and_each_gets_its_own_answer() -> None:
    async with serving(echo) as peer:
        pool = pool_of(peer, limit=3)
        found = await asyncio.gather(*(ask(pool, f"/{number}") for number in range(50)))
        await pool.aclose()
    assert [body for _, body in found] == [b"/%d" % number for number in range(50)]
    assert peer.connections == 3


async def test_an_answer_that_nobody_waits_for_any_more_does_not_become_the_next_ones() -> None:
    going = anyio.Event()

    async def slow_at_first(stream: SocketStream, asked: Asked) -> None:
        if asked.path == "/first":
            going.set()
            await anyio.sleep(0.05)
        await echo(stream, asked)

    async with serving(slow_at_first) as peer:
        pool = pool_of(peer, limit=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, pool, "/first")
            await going.wait()
            tasks.cancel_scope.cancel()
        assert await ask(pool, "/second") == (200, b"/second")
        await pool.aclose()
    assert peer.connections == 2


async def test_those_who_wait_for_a_connection_may_give_up() -> None:
    async with serving(says(b"")) as peer:
        pool = pool_of(peer, limit=1, timeout_s=0.2)
        async with anyio.create_task_group() as tasks:

            async def fails() -> None:
                with pytest.raises(Unreachable, match=r"within 0\.2 s"):
                    await ask(pool)

            tasks.start_soon(fails)
            await anyio.lowlevel.checkpoint()
            with anyio.move_on_after(0.05) as scope:
                await ask(pool)
            assert scope.cancelled_caught
            await fails()
        await pool.aclose()


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", b"garbage", b"HT"])
async def test_what_comes_behind_an_answer_is_never_the_next_one(more: bytes) -> None:
    async def generous(stream: SocketStream, asked: Asked) -> None:
        await stream.send(response(200, asked.path) + (more if asked.path == "/1" else b""))

    async with serving(generous) as peer:
        pool = pool_of(peer, limit=1)
        assert await ask(pool, "/1") == (200, b"/1")
        assert await ask(pool, "/2") == (200, b"/2")
        await pool.aclose()
    assert peer.connections == 2


async def test_what_comes_while_nobody_asks_ends_the_connection() -> None:
    said = anyio.Event()

    async def talkative(stream: SocketStream, asked: Asked) -> None:
        await echo(stream, asked)
        if asked.path == "/1":
            await anyio.sleep(0.02)
            await stream.send(response(200, b"bad"))
            said.set()

    async with serving(talkative) as peer:
        pool = pool_of(peer, limit=1)
        assert await ask(pool, "/1") == (200, b"/1")
        await said.wait()
        await anyio.sleep(0.02)
        assert await ask(pool, "/2") == (200, b"/2")
        await pool.aclose()
    assert peer.connections == 2


# what ends a connection


async def test_one_that_the_far_side_closes_after_an_answer_is_replaced() -> None:
    async def once(stream: SocketStream, asked: Asked) -> None:
        await echo(stream, asked)
        await stream.aclose()

    async with serving(once) as peer:
        pool = pool_of(peer, limit=1)
        for number in range(5):
            assert await ask(pool, f"/{number}") == (200, b"/%d" % number)
            await anyio.sleep(0.01)
        await pool.aclose()
    assert peer.connections == 5


async def test_one_that_was_closed_while_our_loop_was_busy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FRESH_S", 0.0)
    closed = anyio.Event()

    async def once(stream: SocketStream, asked: Asked) -> None:
        await echo(stream, asked)
        await stream.aclose()
        closed.set()

    async with serving(once) as peer:
        pool = pool_of(peer, limit=1)
        assert await ask(pool, "/1") == (200, b"/1")
        if not closed.is_set():
            await closed.wait()
        assert await ask(pool, "/2") == (200, b"/2")
        await pool.aclose()


async def test_one_that_was_idle_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEEPALIVE_S", 0.02)
    async with serving(echo) as peer:
        pool = pool_of(peer, limit=1)
        await ask(pool)
        await anyio.sleep(0.05)
        await ask(pool)
        await pool.aclose()
    assert peer.connections == 2


async def test_closing_breaks_off_what_is_under_way() -> None:
    async with serving(says(b"HTTP/1.1 200 OK\r\n")) as peer:
        pool = pool_of(peer)
        async with anyio.create_task_group() as tasks:

            async def fails() -> None:
                with pytest.raises(Unreachable, match="the source was closed"):
                    await ask(pool)

            tasks.start_soon(fails)
            while not peer.asked:
                await anyio.sleep(0.001)
            await pool.aclose()


async def test_connecting_alone_has_its_own_limit() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener:  # takes the connection and never speaks TLS
        pool = pool_of(Endpoint("https", f"127.0.0.1:{port}"), connect_timeout_s=0.1)
        with anyio.fail_after(2), pytest.raises(Unreachable, match=r"cannot connect .* within 0\.1 s"):
            await ask(pool)
        await pool.aclose()


# through a proxy


@asynccontextmanager
async def https_behind_a_proxy(tmp_path: Path, status: int = 200) -> AsyncIterator[tuple[int, list[bytes], Path]]:
    """An HTTPS server that answers once, a proxy that connects to it whatever is asked, and the heads the proxy saw."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("dlc.invalid").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(65536):
            writer.write(response(200, head.split(b" ")[1]))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    there = server.sockets[0].getsockname()[1]

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 %d X\r\nServer: proxy\r\n\r\n" % status)
        if status == 200:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", there)
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        writer.close()

    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    async with server, proxy:
        yield proxy.sockets[0].getsockname()[1], heads, ca_file


async def test_https_goes_through_a_proxy_that_cannot_read_it(tmp_path: Path) -> None:
    async with https_behind_a_proxy(tmp_path) as (port, heads, ca_file):
        pool = pool_of(Endpoint("https", "dlc.invalid"), proxy=f"http://user:p%40ss@127.0.0.1:{port}", ca_file=ca_file)
        assert await ask(pool, "/one") == (200, b"/one")
        assert await ask(pool, "/two") == (200, b"/two")
        await pool.aclose()
        await anyio.sleep(0.02)
    (head,) = heads
    assert head.startswith(b"CONNECT dlc.invalid:443 HTTP/1.1\r\nHost: dlc.invalid:443\r\n")
    assert base64.b64encode(b"user:p@ss") in head
    assert b"/one" not in head


async def test_a_proxy_that_refuses_is_told_with_its_status_and_without_its_password(tmp_path: Path) -> None:
    async with https_behind_a_proxy(tmp_path, 407) as (port, _, ca_file):
        pool = pool_of(Endpoint("https", "dlc.invalid"), proxy=f"http://user:hidden@127.0.0.1:{port}", ca_file=ca_file)
        with pytest.raises(Unreachable, match=r"proxy did not connect to https://dlc\.invalid .*407") as caught:
            await ask(pool)
        await pool.aclose()
    assert "hidden" not in repr(caught.value) + str(caught.value)


async def test_the_proxys_password_is_sent_with_plain_http_too() -> None:
    async with serving(says(response(200, b"{}"))) as proxy:
        pool = pool_of(Endpoint("http", "dlc.invalid"), proxy=f"http://user:pass@127.0.0.1:{proxy.port}")
        await ask(pool)
        await pool.aclose()
    assert proxy.asked[0].headers["proxy-authorization"] == "Basic " + base64.b64encode(b"user:pass").decode()


async def test_a_proxy_that_is_not_there_is_unreachable() -> None:
    async with serving(says(b"")) as peer:
        pass
    for scheme in ("http", "https"):
        pool = pool_of(Endpoint(scheme, "dlc.invalid"), proxy=peer.url)
        with pytest.raises(SourceError, match="cannot connect") as caught:
            await ask(pool)
        assert type(caught.value) is Unreachable
        await pool.aclose()
