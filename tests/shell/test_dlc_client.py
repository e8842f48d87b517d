"""One request at a time against a real socket: what goes on the wire, and what every way of failing becomes."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import pytest
from anyio.abc import SocketStream

from tests.shell.dlc_server import JOB, KEY_ID, SECRET, Answer, Asked, Peer, refusal, response, says, serving
from watcher.errors import (
    AuthRefused,
    ClockSkewed,
    Forbidden,
    GarbledAnswer,
    JobNotFound,
    ServerFault,
    SourceError,
    Throttled,
    Unreachable,
)
from watcher.sources.dlc.acs3 import AccessKey, percent_encode
from watcher.sources.dlc.client import SignedClient, utc_now
from watcher.sources.dlc.endpoints import Endpoint, parse_endpoint

pytestmark = pytest.mark.anyio

PATH = "/api/v1/jobs/dlc1fake"


class Keys:
    """Hands out the first key until it is refused, then the next."""

    def __init__(self, *keys: AccessKey) -> None:
        self.left = list(keys or (AccessKey(KEY_ID, SECRET),))
        self.replaced: list[AccessKey] = []

    async def key(self) -> AccessKey:
        return self.left[0]

    async def replace(self, refused: AccessKey) -> AccessKey:
        self.replaced.append(refused)
        if len(self.left) > 1:
            self.left.pop(0)
        return self.left[0]


def client_of(
    peer: Peer,
    keys: Keys | None = None,
    *,
    timeout: timedelta = timedelta(seconds=5),
    max_body_bytes: int = 1 << 20,
    wall: Callable[[], datetime] = utc_now,
) -> SignedClient:
    return SignedClient(
        parse_endpoint(peer.url), keys or Keys(), timeout=timeout, max_body_bytes=max_body_bytes, wall=wall
    )


async def ask(client: SignedClient, path: str = PATH, params: dict[str, str] | None = None) -> bytes:
    try:
        return await client.get("GetJob", path, params or {}, about_job="dlc1fake")
    finally:
        await client.aclose()


async def fails(answer: Answer, **options: object) -> tuple[SourceError, Peer]:
    async with serving(answer) as peer:
        with pytest.raises(SourceError) as caught:
            await ask(client_of(peer, **options))  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    return caught.value, peer


# what goes on the wire


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (PATH, {}),
        (f"/api/v1/jobs/{percent_encode('a b*~!$&()+,;=:@[]|^`{}<>你😀%2F')}", {}),
        ("/api/v1/jobs/..%2F./%2e", {"Tags": '{"a":"b c*"}', "Empty": "", "你": "[|^`{}]'\"<>~!+/?#%25"}),
        ('/api/v1/jobs/a"b<c>`{d}', {}),
    ],
    ids=["plain", "odd path", "odd path and query", "what the HTTP library would quote"],
)
async def test_exactly_the_signed_target_goes_on_the_wire(path: str, params: dict[str, str]) -> None:
    async with serving(says(response(200, b"{}"))) as peer:
        await ask(client_of(peer), path, params)
    assert peer.asked[0].path == path
    assert peer.asked[0].headers["host"] == f"127.0.0.1:{peer.port}"
    assert peer.asked[0].signed_with(SECRET)


async def test_a_security_token_is_sent_and_signed() -> None:
    async with serving(says(response(200, b"{}"))) as peer:
        await ask(client_of(peer, Keys(AccessKey(KEY_ID, SECRET, "fake-token+/="))))
    assert peer.asked[0].headers["x-acs-security-token"] == "fake-token+/="
    assert "x-acs-security-token" in peer.asked[0].headers["authorization"]
    assert peer.asked[0].signed_with(SECRET)


async def test_connections_are_kept_and_every_request_has_its_own_nonce() -> None:
    async with serving(says(response(200, b"{}", {"set-cookie": "a=b"}))) as peer:
        client = client_of(peer)
        for _ in range(5):
            await client.get("GetJob", PATH, {})
        await client.aclose()
    assert peer.connections == 1
    assert len({asked.headers["x-acs-signature-nonce"] for asked in peer.asked}) == 5
    assert not any("cookie" in asked.headers for asked in peer.asked)


async def test_the_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(says(response(200, b"{}"))) as peer:
        assert await ask(client_of(peer)) == b"{}"


async def test_a_configured_proxy_is_asked_with_the_signed_target() -> None:
    async with serving(says(response(200, b"{}"))) as proxy:
        client = SignedClient(Endpoint("http", "dlc.invalid"), Keys(), proxy=proxy.url)
        assert await client.get("GetJob", "/api/v1/jobs/a%20b%7C", {"q": "[x]"}) == b"{}"
        await client.aclose()
    assert proxy.asked[0].target == "http://dlc.invalid/api/v1/jobs/a%20b%7C?q=%5Bx%5D"


async def test_a_gzipped_answer_is_read() -> None:
    packed = response(200, gzip.compress(b'{"a":1}'), {"content-encoding": "gzip"})
    async with serving(says(packed)) as peer:
        assert await ask(client_of(peer)) == b'{"a":1}'
    assert peer.asked[0].headers["accept-encoding"] == "gzip"


# ways of failing


async def hang(stream: SocketStream, asked: Asked) -> None:
    await anyio.sleep_forever()


async def drip(stream: SocketStream, asked: Asked) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        await stream.send(b" ")
        await anyio.sleep(0.02)


async def reset(stream: SocketStream, asked: Asked) -> None:
    import socket
    import struct

    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def close(stream: SocketStream, asked: Asked) -> None:
    await stream.aclose()


async def cut_short(stream: SocketStream, asked: Asked) -> None:
    await stream.send(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"JobId": "dlc1fake", ')
    await stream.aclose()


async def endless(stream: SocketStream, asked: Asked) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await stream.send(b"10000\r\n" + b" " * 65536 + b"\r\n")


def bomb(layers: int = 1) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    raw = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    for _ in range(layers - 1):
        raw = gzip.compress(raw)
    return response(200, raw, {"content-encoding": ", ".join(["gzip"] * layers)})


@pytest.mark.parametrize(
    ("answer", "leaf", "word"),
    [
        pytest.param(hang, Unreachable, "within 0.3 s", id="hangs"),
        pytest.param(drip, Unreachable, "within 0.3 s", id="drips"),
        pytest.param(reset, Unreachable, "", id="resets"),
        pytest.param(close, Unreachable, "without an answer", id="closes"),
        pytest.param(cut_short, GarbledAnswer, "cut short", id="cut short"),
        pytest.param(says(b"SSH-2.0-OpenSSH_9\r\n\r\n"), GarbledAnswer, "not HTTP", id="not HTTP"),
        pytest.param(
            says(response(200, b"not gzip", {"content-encoding": "gzip"})), GarbledAnswer, "decompressed", id="not gzip"
        ),
        pytest.param(
            says(response(302, b"", {"location": "http://127.0.0.1:1/"})), GarbledAnswer, "redirect", id="302"
        ),
        pytest.param(says(response(404, "<html>nginx</html>")), GarbledAnswer, "404", id="bare 404"),
        pytest.param(says(response(502, "<html>nginx</html>")), ServerFault, "502", id="bare 502"),
        pytest.param(says(response(429, b"")), Throttled, "429", id="bare 429"),
    ],
)
async def test_every_way_of_failing_has_its_error(answer: Answer, leaf: type[SourceError], word: str) -> None:
    with anyio.fail_after(4):
        error, peer = await fails(answer, timeout=timedelta(seconds=0.3))
    assert type(error) is leaf
    assert word in str(error)
    assert not error.permanent
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says(response(200, b" " * (2 << 20))), id="large"),
        pytest.param(endless, id="endless"),
        pytest.param(says(bomb()), id="gzip bomb"),
        pytest.param(says(bomb(2)), id="gzip bomb in gzip"),
    ],
)
async def test_more_than_the_cap_is_never_held(answer: Answer) -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        error, _ = await fails(answer, max_body_bytes=1 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(error) is GarbledAnswer
    assert "larger than" in str(error)
    assert peak < 12 << 20


async def test_a_refused_connection_and_an_unknown_host_are_unreachable() -> None:
    async with serving(hang) as peer:
        pass
    for endpoint, word in ((parse_endpoint(peer.url), "efused"), (Endpoint("https", "pai-dlc.cn-nowhere.invalid"), "")):
        with pytest.raises(Unreachable, match="cannot connect") as caught:
            await ask(SignedClient(endpoint, Keys(), timeout=timedelta(seconds=5)))
        assert word in str(caught.value)


async def test_a_certificate_nobody_vouches_for_is_refused() -> None:
    import ssl

    import trustme

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    seen: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        from anyio.streams.tls import TLSStream

        async with stream:
            try:
                tls = await TLSStream.wrap(stream, server_side=True, ssl_context=context)
                seen.append(await tls.receive())
            except (ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream):
                return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            await ask(SignedClient(parse_endpoint(f"127.0.0.1:{port}"), Keys()))
        tasks.cancel_scope.cancel()
    assert seen == []


async def test_after_closing_nothing_is_sent_and_closing_twice_is_fine() -> None:
    async with serving(says(response(200, b"{}"))) as peer:
        client = client_of(peer)
        await client.aclose()
        with pytest.raises(Unreachable, match="closed"):
            await ask(client)
    assert peer.asked == []


# signing again


async def test_a_used_nonce_is_signed_anew_once() -> None:
    used = refusal(400, "SignatureNonceUsed")
    async with serving(says(used, response(200, JOB))) as peer:
        assert b"dlc1fake" in await ask(client_of(peer))
    assert len({asked.headers["x-acs-signature-nonce"] for asked in peer.asked}) == 2
    error, peer = await fails(says(used))
    assert type(error) is ServerFault
    assert len(peer.asked) == 2


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def checks_clock(server: datetime) -> Answer:
    """Refuse dates more than 15 minutes off this clock."""

    async def answer(stream: SocketStream, asked: Asked) -> None:
        date = datetime.fromisoformat(asked.headers["x-acs-date"])
        headers = {"date": format_datetime(server, usegmt=True)}
        late = abs(date - server) > timedelta(minutes=15)
        await stream.send(refusal(400, "InvalidTimeStamp.Expired", "x", headers) if late else response(200, JOB))

    return answer


async def test_a_wrong_clock_is_corrected_once_and_the_offset_is_kept() -> None:
    async with serving(checks_clock(NOW + timedelta(hours=2))) as peer:
        client = client_of(peer, wall=lambda: NOW)
        await client.get("GetJob", PATH, {})
        await client.get("GetJob", PATH, {})
        assert client.clock_offset == timedelta(hours=2)
        await client.aclose()
    assert [asked.headers["x-acs-date"][11:13] for asked in peer.asked] == ["03", "05", "05"]


async def test_a_kept_offset_is_dropped_when_somebody_sets_the_clock() -> None:
    clock = [NOW]
    async with serving(checks_clock(NOW + timedelta(hours=2))) as peer:
        client = client_of(peer, wall=lambda: clock[0])
        await client.get("GetJob", PATH, {})
        clock[0] = NOW + timedelta(hours=2)
        await client.get("GetJob", PATH, {})
        assert client.clock_offset == timedelta(0)
        await client.aclose()


@pytest.mark.parametrize("date", [True, False])
async def test_a_clock_that_cannot_be_corrected_is_told_with_its_offset(date: bool) -> None:
    headers = {"date": format_datetime(NOW - timedelta(hours=1), usegmt=True)} if date else {}
    error, peer = await fails(says(refusal(400, "IllegalTimestamp", "x", headers)), wall=lambda: NOW)
    assert type(error) is ClockSkewed
    assert error.offset == (timedelta(hours=-1) if date else None)
    assert error.permanent
    assert len(peer.asked) == (2 if date else 1)


async def test_an_expired_token_is_replaced_once() -> None:
    old, new = AccessKey("STS.old", "old-secret", "old-token"), AccessKey("STS.new", SECRET, "new-token")
    expired = refusal(403, "InvalidSecurityToken.Expired", "old-token is over")
    keys = Keys(old, new)
    async with serving(says(expired, response(200, JOB))) as peer:
        await ask(client_of(peer, keys))
    assert keys.replaced == [old]
    assert [asked.headers["x-acs-security-token"] for asked in peer.asked] == ["old-token", "new-token"]
    error, peer = await fails(says(expired), keys=Keys(old, new))
    assert type(error) is AuthRefused
    assert error.permanent
    assert len(peer.asked) == 2
    error, peer = await fails(says(expired), keys=Keys(old))  # no other key to be had: no second request
    assert type(error) is AuthRefused
    assert "old-token" not in str(error)
    assert len(peer.asked) == 1


async def test_a_refused_signature_is_told_without_what_was_signed() -> None:
    message = (
        "Specified signature is not matched with our calculation. server string to sign is:"
        "GET\n/api\nx-acs-security-token:fake-token\n" + "ab" * 32
    )
    error, _ = await fails(
        says(refusal(400, "SignatureDoesNotMatch", message)), keys=Keys(AccessKey(KEY_ID, SECRET, "fake-token"))
    )
    assert type(error) is AuthRefused
    assert "not matched" in str(error)
    assert not re.search(r"fake-token|string to sign|abab|GET", str(error))


async def test_forbidden_carries_the_servers_own_words() -> None:
    error, peer = await fails(says(refusal(403, "Forbidden.RAM", "User not authorized: pai-dlc:GetJob")))
    assert type(error) is Forbidden
    assert "User not authorized: pai-dlc:GetJob" in str(error)
    assert "R-2" in str(error)
    assert error.permanent
    assert len(peer.asked) == 1


async def test_only_dlcs_own_body_proves_that_a_job_is_unknown() -> None:
    error, _ = await fails(says(refusal(404, "NotFound", "job not found")))
    assert type(error) is JobNotFound
    error, _ = await fails(says(refusal(404, "InvalidAccessKeyId.NotFound", "x")))
    assert type(error) is AuthRefused
    error, _ = await fails(says(response(404, {"code": "NotFound", "message": "no route"})))
    assert type(error) is GarbledAnswer


async def test_throttling_is_known_by_its_code_and_says_how_long_to_wait() -> None:
    for status in (400, 429, 503):
        error, _ = await fails(says(refusal(status, "Throttling.User", "slow", {"x-acs-retry-after": "1500"})))
        assert type(error) is Throttled
        assert error.retry_after == timedelta(seconds=1.5)
