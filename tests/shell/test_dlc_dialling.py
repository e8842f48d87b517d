"""Connecting to a name: which address is tried when, and that no socket is left over, whenever one gives up."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import trustme

from watcher.sources.dlc import dialling as module
from watcher.sources.dlc.connections import Connections
from watcher.sources.dlc.dialling import Address, dial, interleaved
from watcher.sources.dlc.endpoints import Endpoint

pytestmark = pytest.mark.anyio

Connected = Callable[[Address], Awaitable[socket.socket]]


def address(last: int, family: socket.AddressFamily = socket.AF_INET) -> Address:
    return (family, socket.SOCK_STREAM, 6, "", (f"192.0.2.{last}", 80))


def named(monkeypatch: pytest.MonkeyPatch, *addresses: Address, connected: Connected) -> None:
    async def found(_host: str, _port: int) -> list[Address]:
        return list(addresses)

    monkeypatch.setattr(module, "_addresses", found)
    monkeypatch.setattr(module, "_connected", connected)


@contextmanager
def nothing_left_open() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(one.message) for one in told if one.category is ResourceWarning] == []


async def test_the_next_address_is_tried_beside_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, given_up = [], []

    async def connected(where: Address) -> socket.socket:
        tried.append(where)
        if len(tried) == 1:
            try:
                await anyio.sleep_forever()
            finally:
                given_up.append(where)
        return socket.socket()

    monkeypatch.setattr(module, "HEAD_START_S", 0.001)
    named(monkeypatch, address(1), address(2), connected=connected)
    with await dial("dlc.invalid", 80) as found:
        assert found.fileno() >= 0
    await anyio.lowlevel.checkpoint()
    assert tried == [address(1), address(2)]
    assert given_up == [address(1)]


async def test_the_next_address_is_tried_at_once_after_one_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connected(where: Address) -> socket.socket:
        if where == address(1):
            raise ConnectionRefusedError
        return socket.socket()

    monkeypatch.setattr(module, "HEAD_START_S", 600)
    named(monkeypatch, address(1), address(2), connected=connected)
    with anyio.fail_after(20):
        found = await dial("dlc.invalid", 80)
    found.close()


async def test_where_none_answers_the_first_ones_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connected(where: Address) -> socket.socket:
        raise OSError(where[4][0])

    named(monkeypatch, address(1), address(2), connected=connected)
    with pytest.raises(OSError, match=r"^192\.0\.2\.1$"):
        await dial("dlc.invalid", 80)
    named(monkeypatch, connected=connected)
    with pytest.raises(OSError, match=r"dlc\.invalid has no address"):
        await dial("dlc.invalid", 80)


async def test_of_two_that_answer_at_once_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []
    both = anyio.Event()

    async def connected(where: Address) -> socket.socket:
        if where == address(2):
            both.set()
        await both.wait()
        made.append(socket.socket())
        return made[-1]

    monkeypatch.setattr(module, "HEAD_START_S", 0.001)
    named(monkeypatch, address(1), address(2), connected=connected)
    with await dial("dlc.invalid", 80) as found:
        await anyio.lowlevel.checkpoint()
        assert len(made) == 2
        assert [one.fileno() >= 0 for one in made] == [one is found for one in made]


def test_families_take_turns() -> None:
    six = socket.AF_INET6
    told = [address(1, six), address(2, six), address(3, six), address(4)]
    assert interleaved(told) == [address(1, six), address(4), address(2, six), address(3, six)]


@pytest.mark.parametrize("addresses", [1, 2], ids=["one address", "two addresses"])
async def test_giving_up_in_any_moment_of_connecting_leaves_no_socket(
    addresses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as port:
        where = module.socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)[0]
        named(monkeypatch, *[where] * addresses, connected=module._connected)
        monkeypatch.setattr(module, "HEAD_START_S", 0)
        with nothing_left_open():
            for turns in range(16):
                dialling = asyncio.ensure_future(dial("dlc.invalid", port))
                await given_up(dialling, turns)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_giving_up_in_any_moment_of_an_exchange_leaves_no_socket(scheme: str, tmp_path: Path) -> None:
    authority, context, ca_file = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tmp_path / "ca.pem"
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(ca_file))
    async with serving(context if scheme == "https" else None) as port:
        with nothing_left_open():
            for turns in range(40):
                pool = Connections(
                    Endpoint(scheme, f"127.0.0.1:{port}"),
                    user_agent="test",
                    timeout_s=20,
                    connect_timeout_s=20,
                    max_body_bytes=1 << 20,
                    limit=2,
                    proxy=None,
                    ca_file=ca_file,
                )
                asking = asyncio.ensure_future(pool.get("/x", "Host: h\r\n", "GetJob"))
                await given_up(asking, turns)
                await pool.aclose()


async def given_up(task: asyncio.Future[object], turns: int) -> None:
    """Cancel it after so many turns of the loop; what it has handed out by then is closed."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        if isinstance(found := await task, socket.socket):
            found.close()


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that reads what comes and answers nothing; its connections are closed at the end."""
    writers = []

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError):
            while await reader.read(65536):
                pass
        writer.transport.abort()

    server = await asyncio.start_server(taken, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)
