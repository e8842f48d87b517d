"""HAProxy before the Slack emulator, with Slack's own limits: one post per second and channel, 50 changes a minute.

Found on the PATH or in /usr/sbin (`make peers` installs it); else the test is skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.acceptance.peers_node import free_port, running

_CONFIGURATION: Final = """\
global
    maxconn 200

defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 5s

backend updates
    stick-table type string len 64 size 1k expire 2m store http_req_rate(60s)

frontend slack
    bind 127.0.0.1:{port}
    option http-buffer-request
    stick-table type string len 64 size 1k expire 10s store http_req_rate(1s)
    acl post path_end /chat.postMessage
    acl update path_end /chat.update
    http-request track-sc0 req.body,json_query('$.channel') if post
    http-request track-sc1 str(app) table updates if update
    acl fast_post sc_http_req_rate(0) gt 1
    acl fast_update sc_http_req_rate(1,updates) gt 50
    http-request return status 429 {answer} hdr Retry-After 1 if post fast_post
    http-request return status 429 {answer} hdr Retry-After 5 if update fast_update
    default_backend emulator

backend emulator
    server emulator {emulator}
"""


_ANSWER: Final = """content-type application/json string '{"ok":false,"error":"ratelimited"}'"""


def _program() -> str:
    found = shutil.which("haproxy", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
    if found is None:
        pytest.skip("haproxy is not installed (make peers)")
    return found


@contextlib.asynccontextmanager
async def limited(emulator: str, folder: Path) -> AsyncIterator[str]:
    """Run it until the block ends; yields the address to use instead of the emulator's."""
    program, port = _program(), free_port()
    folder = folder / "haproxy"
    folder.mkdir()
    configuration = folder / "haproxy.cfg"
    configuration.write_text(_CONFIGURATION.format(port=port, answer=_ANSWER, emulator=urlsplit(emulator).netloc))
    url = f"http://127.0.0.1:{port}"
    async with running(
        [program, "-W" if os.getuid() else "-db", "-f", str(configuration)], ready=f"{url}/api/api.test", folder=folder
    ):
        yield url
