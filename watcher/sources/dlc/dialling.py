"""A connected TCP socket to a name: its addresses one after the other, the next one beside one that does not answer (RFC 8305).

asyncio's own race (`happy_eyeballs_delay`) leaves a connected socket unclosed when whoever waits is cancelled in the moment in
which it is there; here every socket is closed that is not handed out.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final

HEAD_START_S: Final = 0.25
"""Of an address before the next one."""

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""As `getaddrinfo` tells it."""


async def dial(host: str, port: int) -> socket.socket:
    """A connected socket, not blocking.

    Raises:
        OSError: the name has no address, or none of them answers: then what the first one said.
    """
    addresses = interleaved(await _addresses(host, port))
    if len(addresses) == 1:
        return await _connected(addresses[0])
    waiting, attempts, failed = list(reversed(addresses)), set[asyncio.Task[socket.socket]](), list[BaseException]()
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.create_task(_connected(waiting.pop())))
            done, _ = await asyncio.wait(
                attempts, timeout=HEAD_START_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                attempts.discard(attempt)
                if (exc := attempt.exception()) is None:
                    return attempt.result()
                failed.append(exc)
        raise failed[0] if failed else OSError(f"{host} has no address")
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close)


def interleaved(addresses: Iterable[Address]) -> Sequence[Address]:
    """One of each family in turn, so that a family that leads nowhere costs one head start."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [one for row in itertools.zip_longest(*families.values()) for one in row if one is not None]


async def _addresses(host: str, port: int) -> Sequence[Address]:
    try:  # a literal address needs no thread
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _connected(address: Address) -> socket.socket:
    family, kind, protocol, _, where = address
    found = socket.socket(family, kind, protocol)
    try:
        found.setblocking(False)
        await asyncio.get_running_loop().sock_connect(found, where)
    except BaseException:
        found.close()
        raise
    return found


def _close(attempt: asyncio.Task[socket.socket]) -> None:
    """Of an attempt that nobody waits for any more."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
