"""One POST to an address from the configuration, with care for where it ends up.

No redirects, no cookies, no proxy and no credentials from the environment, a limit on the whole time and on the answer's size.
The name is resolved once, every address is checked, and the connection goes to exactly an address that was checked, with the
name kept for TLS and `Host`: a second answer from DNS cannot lead it elsewhere.

The transport is used without a client on top. A client would log each request's address, and an address can be a secret.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import anyio
import httpx2

from watcher.errors import NotifierError

LARGEST_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read at most."""

_METADATA: Final = tuple(
    ip_network(net)
    for net in (
        "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata address of most clouds
        "100.100.100.200/32",  # Alibaba Cloud's metadata address
        "0.0.0.0/8",  # "this host": some systems connect it to themselves
        "fe80::/10",  # link-local
        "fd00:ec2::254/128",  # metadata over IPv6
        "::/128",
    )
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers, and the first 64 KiB of the body as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AddressRefused(Exception):
    """The name leads to an address that is never, or not without leave, connected to. Carries the address's own text."""


class Unconnected(Exception):
    """No connection came about, so nothing can have been taken. `certificate` tells a failed TLS check from the rest."""

    def __init__(self, told: str, *, certificate: bool = False) -> None:
        self.certificate = certificate
        super().__init__(told)


def effective(address: str) -> IPv4Address | IPv6Address:
    """The address as it counts: without zone, an IPv4 one taken out of its IPv6 forms (mapped, NAT64, 6to4)."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.sixtofour or ip


_BROADCAST: Final = IPv4Address("255.255.255.255")
_NAT64: Final = ip_network("64:ff9b::/96")


def forbidden(address: str, *, allow_private: bool) -> str:
    """Why this address must not be connected to, in a few words; "" when it may be."""
    ip = effective(address)
    if any(ip.version == net.version and ip in net for net in _METADATA) or ip.is_link_local:
        return "a link-local or cloud metadata address"
    if ip.is_multicast or ip == _BROADCAST:
        return "a multicast or broadcast address"
    if not allow_private and not ip.is_global:
        return "a private address"
    return ""


class Outgoing:
    """POSTs with the guards above over kept connections.

    Args:
        timeout: for a whole exchange, from resolving the name to the end of the answer.
        allow_private: whether private and loopback addresses may be connected to.
        verify: TLS context; None for this machine's usual one.
    """

    def __init__(self, *, timeout: timedelta, allow_private: bool, verify: ssl.SSLContext | None = None) -> None:
        self._timeout, self._allow_private, self._verify = timeout, allow_private, verify
        self._transport: httpx2.AsyncHTTPTransport | None = None

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """One POST.

        Raises:
            AddressRefused: the guards do not let it go there; nothing was sent.
            Unconnected: no connection came about; nothing was sent.
            TimeoutError: the time was up, and the request may have been taken.
            httpx2.HTTPError: the exchange broke off, and the request may have been taken.
        """
        with anyio.fail_after(self._timeout.total_seconds()):
            target = httpx2.URL(url)
            addresses = self._allowed(await self._resolve(target.host, target.port or _PORTS[target.scheme]))
            return await self._first_that_connects(target, addresses, content, headers)

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            raise Unconnected("the name does not resolve") from exc
        return list(dict.fromkeys(entry[4][0] for entry in found))

    def _allowed(self, addresses: Iterable[str]) -> list[str]:
        refusals = {address: forbidden(address, allow_private=self._allow_private) for address in addresses}
        allowed = [address for address, why in refusals.items() if not why]
        if not allowed:
            address, why = next(iter(refusals.items()))
            raise AddressRefused(f"{address} is {why}")
        return allowed

    async def _first_that_connects(
        self, target: httpx2.URL, addresses: list[str], content: bytes, headers: Mapping[str, str]
    ) -> Answer:
        failure: Exception | None = None
        # A share each, so that a first address that swallows everything does not use up the time of the second.
        patience = self._timeout.total_seconds() / (len(addresses) + 1)
        for address in addresses:
            request = httpx2.Request(
                "POST",
                target.copy_with(host=address),
                # identity: an answer that nobody reads needs no decompression, nor the bombs that come with it.
                headers={"Accept-Encoding": "identity", **headers, "Host": target.netloc.decode("ascii")},
                content=content,
                extensions={"timeout": {"connect": patience}, "sni_hostname": target.host},
            )
            try:
                return await self._exchange(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as exc:
                failure = exc
        raise Unconnected("no connection", certificate=_is_certificate(failure)) from failure

    async def _exchange(self, request: httpx2.Request) -> Answer:
        if self._transport is None:
            verify = True if self._verify is None else self._verify
            self._transport = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False)
        response = await self._transport.handle_async_request(request)
        response.request = request
        body = bytearray()
        try:
            async for chunk in response.aiter_raw():
                body += chunk[: LARGEST_ANSWER - len(body)]
                if len(body) >= LARGEST_ANSWER:
                    break
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        return Answer(response.status_code, dict(response.headers), bytes(body))

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()


_PORTS: Final = {"http": 80, "https": 443}


def classify_broken(failure: BaseException, place: str) -> NotifierError:
    """What it means that no answer came. Pure; common to all that send through `Outgoing`."""
    match failure:
        case AddressRefused():
            return NotifierError(
                f"{place} is not sent to: {failure}",
                permanent=True,
                code="address_refused",
                fix="Use another address: a private one needs `allow_private: true`, metadata addresses are never used",
                pauses_receiver=True,
            )
        case Unconnected(certificate=True):
            return NotifierError(
                f"the TLS certificate of {place} was not accepted",
                code="certificate",
                fix="Renew it, or check its name and the CA certificates and the clock of this machine",
                pauses_receiver=True,
            )
        case Unconnected():
            return NotifierError(
                f"{place} cannot be reached: {failure}", code="connect", fix="Check the address and the network"
            )
        case TimeoutError() | httpx2.TimeoutException():
            return NotifierError(f"{place} did not answer in time", ambiguous=True, code="timeout")
        case _:
            return NotifierError(
                f"the connection to {place} broke before it answered", ambiguous=True, code="disconnected"
            )


def _is_certificate(failure: BaseException | None) -> bool:
    while failure is not None:
        if isinstance(failure, ssl.SSLCertVerificationError):
            return True
        failure = failure.__cause__ or failure.__context__
    return False
