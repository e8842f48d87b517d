"""The webhook notifier: envelope, signature, faults, and where it refuses to go."""

from __future__ import annotations

import base64
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import trustme
from anyio.streams.tls import TLSStream
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.shell.test_service_dispatcher import Desk
from watcher.core.breaker import BreakerState
from watcher.core.delivery import DeliveryReason
from watcher.errors import NotifierError
from watcher.notifiers.outgoing import LARGEST_ANSWER, AddressRefused, Outgoing, Unconnected, classify_broken, forbidden
from watcher.notifiers.statuses import STATUSES, classify
from watcher.notifiers.webhook import WebhookNotifier, WebhookSettings
from watcher.service.dispatcher import Dispatcher
from watcher.testing.messages import SAMPLES, again
from watcher.testing.servers import Loopback, serve

pytestmark = pytest.mark.anyio
SINGLE = SAMPLES["single"]
SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-24-byte").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"the-old-one-of-24-bytes!").decode()
NOW = datetime(2026, 2, 3, 14, 5, tzinfo=UTC)


@dataclass
class Hook:
    """A receiver that keeps what it gets and answers as told."""

    loopback: Loopback | None = None
    answer: Any = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        assert self.loopback is not None
        return f"{self.loopback.url}/hook/path-canary"

    async def take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        if self.answer == "hang":
            await anyio.sleep(30)
        if self.answer == "reset":
            assert self.loopback is not None
            self.loopback.reset(request)
        if self.answer in {"drip", "huge"}:
            return StreamingResponse(self._endless(wait=0.1 if self.answer == "drip" else 0))
        return (
            self.answer
            if isinstance(self.answer, Response)
            else Response(status_code=self.answer if isinstance(self.answer, int) else 500)
        )

    async def _endless(self, wait: float) -> AsyncIterator[bytes]:
        while True:
            yield b"x" * (1 if wait else 100_000)
            await anyio.sleep(wait)

    async def elsewhere(self, request: Request) -> Response:
        self.others.append(request.url.path)
        return Response(status_code=200)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    routes = [
        Route("/hook/{path}", made.take, methods=["POST"]),
        Route("/{path:path}", made.elsewhere, methods=["GET", "POST"]),
    ]
    async with serve(Starlette(routes=routes)) as made.loopback:
        yield made


@asynccontextmanager
async def _notifier(hook: Hook, **more: Any) -> AsyncIterator[WebhookNotifier]:
    settings = WebhookSettings.model_validate({"url": hook.url, "allow_http": True, "timeout": "5s", **more})
    notifier = WebhookNotifier("hook", settings, now=lambda: datetime.now(UTC))
    try:
        yield notifier
    finally:
        await notifier.aclose()


async def _fail(notifier: WebhookNotifier) -> NotifierError:
    with pytest.raises(NotifierError) as caught:
        await notifier.send(notifier.render(SINGLE), SINGLE)
    assert "path-canary" not in f"{caught.value} {caught.value!r}"
    return caught.value


# what it says


async def test_the_event_is_a_cloud_event_with_the_message_in_it(hook: Hook) -> None:
    async with _notifier(hook) as notifier:
        receipt = await notifier.send(notifier.render(SINGLE), SINGLE)
    headers, body = hook.got[0]
    event = json.loads(body)
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", SINGLE.id, "dlc-watcher.message.v1")
    assert (event["source"], event["subject"]) == ("dlc-watcher/hangzhou", "dlc1vpb4vfdd2kr")
    assert event["time"] == "2026-02-03T14:03:22.000Z"
    item = event["data"]["items"][0]
    assert (event["data"]["severity"], item["headline"], item["rule"]) == (
        "critical",
        "Failed after 3h12m",
        "job-failed",
    )
    assert {"label": "Exit code", "value": "137"} in item["facts"]
    assert (receipt.reference, receipt.place) == (SINGLE.id, "127.0.0.1")


def test_news_of_several_jobs_has_no_subject() -> None:
    settings = WebhookSettings.model_validate({"url": "https://hooks.example.com/"})
    event = WebhookNotifier("hook", settings).render(SAMPLES["several-jobs"])
    assert event["source"] == "dlc-watcher"
    assert "subject" not in event
    assert [item["job"]["id"] for item in event["data"]["items"]] == ["dlc1vpb4vfdd2kr", "dlc9queued", "dlc7done"]


async def test_the_signature_verifies_and_only_with_the_secret(hook: Hook) -> None:
    async with _notifier(hook, secret=SECRET) as notifier:
        await notifier.send(notifier.render(SINGLE), SINGLE)
    headers, body = hook.got[0]
    Webhook(SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD_SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"137", b"0"), headers)


async def test_while_a_secret_is_changed_both_verify(hook: Hook, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n{OLD_SECRET}\n")
    async with _notifier(hook, secret_file=file) as notifier:
        await notifier.send(notifier.render(SINGLE), SINGLE)
        headers, body = hook.got[0]
        Webhook(SECRET).verify(body, headers)
        Webhook(OLD_SECRET).verify(body, headers)
        file.write_text("not-a-secret-canary")
        error = await _fail(notifier)
    assert (error.code, error.permanent) == ("secret", False)
    assert "not-a-secret-canary" not in f"{error} {error.__cause__}"


async def test_the_timestamp_is_right_in_any_zone(hook: Hook) -> None:
    settings = WebhookSettings.model_validate({"url": hook.url, "allow_http": True, "secret": SECRET})
    notifier = WebhookNotifier("hook", settings, now=lambda: datetime.now(timezone(timedelta(hours=8))))
    await notifier.send(notifier.render(SINGLE), SINGLE)
    await notifier.aclose()
    headers, body = hook.got[0]
    Webhook(SECRET).verify(body, headers)


async def test_without_a_secret_there_is_no_signature(hook: Hook) -> None:
    async with _notifier(hook) as notifier:
        await notifier.send(notifier.render(SINGLE), SINGLE)
    assert "webhook-signature" not in hook.got[0][0]
    assert hook.got[0][0]["webhook-id"] == SINGLE.id


async def test_a_repeat_carries_the_same_id_and_body(hook: Hook) -> None:
    hook.answer = "reset"
    async with _notifier(hook) as notifier:
        assert (await _fail(notifier)).ambiguous
        hook.answer = 200
        await notifier.send(notifier.render(SINGLE), again(SINGLE))
    (first, first_body), (second, second_body) = hook.got
    assert first["webhook-id"] == second["webhook-id"] == first["idempotency-key"]
    assert first_body == second_body


# faults


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(hook: Hook, status: int) -> None:
    assert hook.loopback is not None
    hook.answer = RedirectResponse(f"{hook.loopback.url}/elsewhere", status_code=status)
    async with _notifier(hook) as notifier:
        error = await _fail(notifier)
    assert (error.permanent, error.code) == (True, str(status))
    assert hook.others == []


async def test_410_is_for_good_and_disables_the_receiver(hook: Hook) -> None:
    hook.answer = 410
    async with _notifier(hook) as notifier:
        error = await _fail(notifier)
    assert (error.permanent, error.pauses_receiver, error.disables_receiver) == (True, True, True)
    assert "gone for good" in error.fix


async def test_a_hook_that_is_gone_gets_no_second_request_also_after_a_restart_until_its_address_is_another(
    hook: Hook,
) -> None:
    desk = Desk()
    hook.answer = 410
    for target, requests in (("one", 1), ("one", 1), ("another", 2)):
        await desk.owe("dlc1", f"to {target}")
        async with _notifier(hook) as notifier:  # a new one each time, as after a restart of the program
            dispatcher = Dispatcher("team", notifier, desk.world.ledger, {}, target=target)
            await dispatcher.drain()
        assert len(hook.got) == requests
        assert dispatcher.breaker.state is BreakerState.DISABLED
    reasons = [one.reason for one in (await desk.deliveries()).values()]
    assert DeliveryReason.DISABLED in reasons


@pytest.mark.parametrize("status", [429, 503])
async def test_a_hook_that_says_when_is_not_asked_before(hook: Hook, status: int) -> None:
    desk = Desk()
    hook.answer = Response(status_code=status, headers={"Retry-After": "120"})
    for name in ("a", "b", "c"):
        await desk.owe(f"dlc-{name}", name)
    async with _notifier(hook) as notifier:
        dispatcher = Dispatcher("team", notifier, desk.world.ledger, {})
        assert await dispatcher.drain() == 1
        assert len(hook.got) == 1
        assert dispatcher.breaker.until == desk.clock.now() + timedelta(seconds=120)
        await desk.clock.advance(timedelta(seconds=121))
        hook.answer = 204
        assert await dispatcher.drain() == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_a_wish_to_wait_is_passed_on(hook: Hook, status: int) -> None:
    hook.answer = Response(status_code=status, headers={"Retry-After": "120"})
    async with _notifier(hook) as notifier:
        error = await _fail(notifier)
    assert (error.permanent, error.retry_after, error.pauses_receiver) == (False, timedelta(seconds=120), True)


@pytest.mark.parametrize("answer", ["hang", "drip"])
async def test_an_exchange_ends_when_its_time_is_up(hook: Hook, answer: str) -> None:
    hook.answer = answer
    async with _notifier(hook, timeout="1s") as notifier:
        with anyio.fail_after(5):
            error = await _fail(notifier)
    assert (error.code, error.ambiguous, error.permanent) == ("timeout", True, False)


async def test_an_endless_answer_is_read_only_to_its_limit(hook: Hook) -> None:
    hook.answer = "huge"
    outgoing = Outgoing(timeout=timedelta(seconds=10), allow_private=True)
    answer = await outgoing.post(hook.url, b"{}", {})
    assert len(answer.body) == LARGEST_ANSWER
    await outgoing.aclose()


async def test_nobody_listening_is_not_doubtful() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        notifier = WebhookNotifier("hook", WebhookSettings.model_validate({"url": url, "allow_http": True}))
        error = await _fail(notifier)
        await notifier.aclose()
    assert (error.code, error.ambiguous, error.permanent) == ("connect", False, False)


async def test_proxies_of_the_environment_are_not_used(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    async with _notifier(hook) as notifier:
        await notifier.send(notifier.render(SINGLE), SINGLE)
    assert len(hook.got) == 1


async def test_the_address_is_not_logged(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with _notifier(hook, secret=SECRET) as notifier:
        await notifier.send(notifier.render(SINGLE), SINGLE)
    ours = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    assert ours
    assert not [record for record in ours if "path-canary" in record.getMessage() or SECRET in record.getMessage()]


# TLS


async def test_the_name_is_checked_though_the_address_is_dialled() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    seen: list[bytes] = []

    async def answer(stream: Any) -> None:
        async with stream:
            try:
                tls = await TLSStream.wrap(stream, server_side=True, ssl_context=server_side, standard_compatible=False)
                seen.append(await tls.receive())
                await tls.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            except (ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream):
                seen.append(b"refused")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        trusting = Outgoing(timeout=timedelta(seconds=5), allow_private=True, verify=client_side)
        assert (await trusting.post(f"https://localhost:{port}/a", b"x", {})).status == 204
        assert f"Host: localhost:{port}".encode() in seen[0]
        with pytest.raises(Unconnected) as by_number:
            await trusting.post(f"https://127.0.0.1:{port}/a", b"x", {})
        wary = Outgoing(timeout=timedelta(seconds=5), allow_private=True)
        with pytest.raises(Unconnected) as unknown:
            await wary.post(f"https://localhost:{port}/a", b"x", {})
        await trusting.aclose()
        await wary.aclose()
        tasks.cancel_scope.cancel()
    assert by_number.value.certificate
    assert unknown.value.certificate
    assert classify_broken(unknown.value, "x").code == "certificate"


# where it does not go


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "100.100.100.200", "0.0.0.0", "0.1.2.3", "::ffff:169.254.169.254", "::ffff:6464:64c8", "fe80::1%eth0",
     "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254", "::", "224.0.0.1", "ff02::1", "255.255.255.255"],
)  # fmt: skip
def test_metadata_and_link_local_addresses_are_always_refused(address: str) -> None:
    assert forbidden(address, allow_private=True)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "::1", "fd12::1", "100.64.0.1", "::ffff:10.0.0.1"]
)
def test_private_addresses_are_refused_unless_allowed(address: str) -> None:
    assert forbidden(address, allow_private=True) == ""
    assert forbidden(address, allow_private=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert forbidden(address, allow_private=False) == ""


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:169.254.169.254]", "100.100.100.200", "2852039166", "0xa9fea9fe", "0"]
)
async def test_no_spelling_of_the_metadata_address_is_connected_to(host: str) -> None:
    notifier = WebhookNotifier(
        "hook", WebhookSettings.model_validate({"url": f"http://{host}/latest", "allow_http": True})
    )
    error = await _fail(notifier)
    await notifier.aclose()
    assert (error.code, error.permanent) == ("address_refused", True)


async def test_a_name_that_leads_to_a_metadata_address_is_refused(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["169.254.169.254"])

    async def resolve(host: str, port: int, **_: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr("watcher.notifiers.outgoing.anyio.getaddrinfo", resolve)
    outgoing = Outgoing(timeout=timedelta(seconds=5), allow_private=True)
    with pytest.raises(AddressRefused):
        await outgoing.post("http://rebinding.example/", b"", {})


async def test_the_name_is_resolved_once_and_that_address_is_dialled(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int, **_: Any) -> Any:
        asked.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(asked) == 1 else "169.254.169.254", port))
        ]

    monkeypatch.setattr("watcher.notifiers.outgoing.anyio.getaddrinfo", resolve)
    outgoing = Outgoing(timeout=timedelta(seconds=5), allow_private=True)
    assert hook.loopback is not None
    answer = await outgoing.post(f"http://rebinding.example:{hook.loopback.port}/hook/x", b"{}", {})
    await outgoing.aclose()
    assert answer.status == 204
    assert asked == ["rebinding.example"]
    assert hook.got[0][0]["host"] == f"rebinding.example:{hook.loopback.port}"


async def test_the_next_address_is_tried_when_one_does_not_connect(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int, **_: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr("watcher.notifiers.outgoing.anyio.getaddrinfo", resolve)
    assert hook.loopback is not None
    outgoing = Outgoing(timeout=timedelta(seconds=5), allow_private=True)
    assert (await outgoing.post(f"http://two.example:{hook.loopback.port}/hook/x", b"{}", {})).status == 204
    await outgoing.aclose()


async def test_a_private_receiver_can_be_forbidden(hook: Hook) -> None:
    async with _notifier(hook, allow_private=False) as notifier:
        error = await _fail(notifier)
    assert error.code == "address_refused"
    assert hook.got == []


# the tables and the settings


@pytest.mark.parametrize(
    "status", [100, 204 + 96, *STATUSES, 402, 409, 418, 422, 451, 500, 501, 507, 520, 599, 600, 999]
)
def test_every_status_means_something(status: int) -> None:
    error = classify(status, {"Retry-After": "7"}, NOW, place="x")
    assert error.permanent is (300 <= status < 500 and status not in {408, 425, 429})
    assert error.fix or not error.permanent
    assert error.retry_after == (None if error.permanent else timedelta(seconds=7))
    assert not (error.permanent and error.ambiguous)


@pytest.mark.parametrize(("text", "wait"), [
    ("5", timedelta(seconds=5)),
    ("Tue, 03 Feb 2026 14:06:00 GMT", timedelta(seconds=60)),
    ("Tue, 03 Feb 2026 14:00:00 GMT", timedelta(0)),
    ("1e400", None), ("nan", None), ("-3", None), ("soon", None), ("", None),
    ("99999999999", timedelta(days=1)),
])  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str, wait: timedelta | None) -> None:
    assert classify(503, {"retry-after": text}, NOW, place="x").retry_after == wait


@pytest.mark.parametrize(("failure", "code", "ambiguous"), [
    (TimeoutError(), "timeout", True),
    (httpx2.ReadTimeout("x"), "timeout", True),
    (httpx2.RemoteProtocolError("x"), "disconnected", True),
    (Unconnected("x"), "connect", False),
    (AddressRefused("x"), "address_refused", False),
])  # fmt: skip
def test_which_broken_exchanges_are_doubtful(failure: Exception, code: str, ambiguous: bool) -> None:
    error = classify_broken(failure, "x")
    assert (error.code, error.ambiguous) == (code, ambiguous)


@pytest.mark.parametrize(("settings", "told"), [
    ({}, "exactly one of"),
    ({"url": "http://example.com/canary"}, "plain http"),
    ({"url": "https://user:canary@example.com/"}, "user name and password"),
    ({"url": "example.com/canary"}, "begins with https"),
    ({"url": "https://exa mple/canary"}, "no spaces"),
    ({"url": "https://example.com/", "secret": "canary"}, "whsec_"),
    ({"url": "https://example.com/", "secret": "whsec_Y2FuYXJ5"}, "at least 16"),
    ({"url": "https://example.com/", "secret": f"{SECRET} {SECRET} {SECRET}"}, "or two"),
    ({"url": "https://example.com/", "redirects": True}, "Extra inputs"),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookSettings.model_validate(settings)
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)
