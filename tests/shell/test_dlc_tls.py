"""HTTPS with a private authority: `ca_file` is trusted, and nothing else is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from watcher.core.model import JobId, SourceName
from watcher.errors import Unreachable
from watcher.sources.dlc import DlcSettings, DlcSource

pytestmark = pytest.mark.anyio
BODY = b'{"JobId": "dlc1", "Status": "Running", "RequestId": "r"}'


@asynccontextmanager
async def https(authority: trustme.CA) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def source(port: int, ca_file: Path) -> DlcSource:
    settings = DlcSettings.model_validate(
        {
            "region": "cn-hangzhou",
            "endpoint": f"127.0.0.1:{port}",
            "ca_file": ca_file,
            "credentials": {"kind": "access_key", "key_id": "id", "secret": "secret"},
        }
    )
    return DlcSource(SourceName("here"), settings)


async def test_a_certificate_of_the_named_authority_is_trusted_and_that_of_another_is_not(tmp_path: Path) -> None:
    ours, other = trustme.CA(), trustme.CA()
    for name, authority in (("ours", ours), ("other", other)):
        authority.cert_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    async with https(ours) as port:
        trusting = source(port, tmp_path / "ours.pem")
        assert (await trusting.fetch(JobId("dlc1"))).status == "Running"
        await trusting.aclose()
        wary = source(port, tmp_path / "other.pem")
        with pytest.raises(Unreachable):
            await wary.fetch(JobId("dlc1"))
        await wary.aclose()


def test_a_file_without_certificates_is_refused_when_the_configuration_loads(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(ValidationError, match="holds no certificates"):
        source(1, tmp_path / "empty.pem")
