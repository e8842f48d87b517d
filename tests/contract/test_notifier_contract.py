"""Every notifier keeps the contract of `watcher.ports.notifier.Notifier`, each against a real far side on this machine."""

from __future__ import annotations

import io
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
import trustme
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watcher.notifiers.alertmanager import AlertmanagerNotifier, AlertmanagerSettings
from watcher.notifiers.apprise import AppriseNotifier, AppriseSettings
from watcher.notifiers.console import ConsoleNotifier, ConsoleSettings
from watcher.notifiers.email import EmailNotifier, EmailSettings
from watcher.notifiers.exec import ExecNotifier, ExecSettings
from watcher.notifiers.slack import SlackNotifier
from watcher.notifiers.slack_settings import SlackSettings
from watcher.notifiers.webhook import WebhookNotifier, WebhookSettings
from watcher.testing.notifier_contract import LivingContract, NotifierBench, NotifierContract, texts
from watcher.testing.servers import serve
from watcher.testing.slack import SlackServer, serve_slack
from watcher.testing.smtp import MailServer, serve_mail

pytestmark = pytest.mark.anyio


@cache
def _certified() -> tuple[ssl.SSLContext, trustme.CA]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, authority


class TestSlack(NotifierContract, LivingContract):
    longest_wire = 30_000

    def shown(self) -> list[str]:
        return [" ".join(texts({"text": post.text, "blocks": post.blocks})) for post in self.slack.posts if post.card]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        async with serve_slack(SlackServer(token="xoxb-canary-slack")) as slack:
            self.slack = slack
            notifier = SlackNotifier(
                "team",
                SlackSettings.model_validate({"token": slack.token, "to": "#ml-jobs", "base_url": slack.base_url}),
            )

            async def fail() -> None:
                slack.fail("500")

            def arrived() -> int:
                return sum(not post.in_full for post in slack.posts)

            try:
                yield NotifierBench(notifier, arrived, fail, secrets=(slack.token,), tells_copies=True)
            finally:
                await notifier.aclose()


class TestSlackWebhook(NotifierContract):
    longest_wire = 30_000

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        async with serve_slack() as slack:
            notifier = SlackNotifier("team", SlackSettings.model_validate({"webhook_url": slack.webhook_url}))

            async def fail() -> None:
                slack.fail("reset_before_accept")

            try:
                # An incoming webhook answers "ok" and no more.
                lacks = frozenset({"receipt", "threads", "updates"})
                yield NotifierBench(
                    notifier, lambda: len(slack.posts), fail, secrets=("hook-path-secret",), without=lacks
                )
            finally:
                await notifier.aclose()


class TestEmail(NotifierContract):
    @pytest.fixture(autouse=True)
    def _certificate(self, tmp_path: Path) -> None:
        self.context, authority = _certified()
        self.ca_file = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))

    context: ssl.SSLContext
    ca_file: Path

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        server = MailServer(username="dlc", password="canary-password", tls="starttls", tls_context=self.context)
        async with serve_mail(server):
            settings = EmailSettings.model_validate(
                {
                    "host": "127.0.0.1",
                    "port": server.port,
                    "from": "DLC <dlc@example.com>",
                    "to": ["oncall@example.com", "Lead <lead@example.com>"],
                    "username": "dlc",
                    "password": "canary-password",
                    "ca_file": self.ca_file,
                    "timeout": "10s",
                }
            )
            notifier = EmailNotifier("oncall", settings)

            async def fail() -> None:
                server.answer("AUTH", *["535 5.7.8 canary-password is not the password"] * 3)

            try:
                yield NotifierBench(notifier, lambda: len(server.mails), fail, secrets=("canary-password",))
            finally:
                await notifier.aclose()


class TestWebhook(NotifierContract):
    # A program reads this: nothing is left out but what is absurdly long. CloudEvents asks receivers to take at least 64 KiB.
    longest_wire = 1_000_000

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        got: list[bytes] = []
        status = [204]

        async def take(request: Request) -> Response:
            body = await request.body()
            if status[0] < 300:
                got.append(body)
            return Response(status_code=status[0])

        async with serve(Starlette(routes=[Route("/hook/{path}", take, methods=["POST"])])) as server:
            settings = WebhookSettings.model_validate(
                {
                    "url": f"{server.url}/hook/canary-path",
                    "secret": "whsec_Y2FuYXJ5LXdlYmhvb2stc2VjcmV0",
                    "allow_http": True,
                }
            )
            notifier = WebhookNotifier("hook", settings)

            async def fail() -> None:
                status[0] = 500

            try:
                secrets = ("canary-path", "Y2FuYXJ5LXdlYmhvb2stc2VjcmV0", "canary-webhook-secret")
                yield NotifierBench(notifier, lambda: len(got), fail, secrets=secrets)
            finally:
                await notifier.aclose()


class TestAlertmanager(NotifierContract):
    # A program reads this, as with a webhook.
    longest_wire = 1_000_000

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        got: set[str] = set()
        status = [200]

        async def take(request: Request) -> Response:
            alerts = await request.json()
            if status[0] < 300:  # one that is there already is no other one
                got.add(json.dumps(sorted(sorted(alert["labels"].items()) for alert in alerts)))
            return Response(status_code=status[0])

        async with serve(Starlette(routes=[Route("/api/v2/alerts", take, methods=["POST"])])) as server:
            settings = AlertmanagerSettings.model_validate(
                {"url": server.url, "token": "canary-token", "allow_http": True}
            )
            notifier = AlertmanagerNotifier("alerts", settings)

            async def fail() -> None:
                status[0] = 500

            try:
                yield NotifierBench(notifier, lambda: len(got), fail, secrets=("canary-token",), tells_copies=True)
            finally:
                await notifier.aclose()


class TestExec(NotifierContract):
    longest_wire = 1_000_000

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    folder: Path

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        got = self.folder / "got"
        script = self.folder / "take.sh"
        script.write_text(f"#!/bin/sh\nexec cat > {got}/$$.json\n")
        script.chmod(0o700)
        got.mkdir(exist_ok=True)
        settings = ExecSettings.model_validate({"command": [str(script)], "environment": {"KEY": "canary-variable"}})

        async def fail() -> None:
            script.write_text('#!/bin/sh\necho "password=$KEY"; exit 70\n')

        yield NotifierBench(
            ExecNotifier("own", settings), lambda: len(list(got.iterdir())), fail, secrets=("canary-variable",)
        )


class Terminal(io.StringIO):
    """What takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


class TestConsole(NotifierContract, LivingContract):
    def shown(self) -> list[str]:
        out = io.StringIO()
        assert self.notifier._panel is not None
        Console(file=out, width=400).print(self.notifier._panel.drawn())
        return [line for line in out.getvalue().splitlines() if line.startswith("▤")]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        file = Terminal()
        printed: list[int] = []

        class Counting(ConsoleNotifier):
            async def send(self, wire, message):  # type: ignore[no-untyped-def]
                receipt = await super().send(wire, message)
                printed.append(len(file.getvalue()))
                return receipt

        async def fail() -> None:
            file.close()

        terminal = Console(file=file, width=120, force_terminal=True, color_system=None)
        self.notifier = Counting("tty", ConsoleSettings(cards=True), console=terminal)
        yield NotifierBench(self.notifier, lambda: len(printed), fail)
        if not file.closed:
            await self.notifier.aclose()


class TestApprise(NotifierContract):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        got: list[bytes] = []
        status = [200]

        async def take(request: Request) -> Response:
            body = await request.body()
            if status[0] < 300:
                got.append(body)
            return Response("ok", status_code=status[0])

        async with serve(Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])) as server:
            address = f"json://canary-user:canary-pass@127.0.0.1:{server.port}/canary-path"
            notifier = AppriseNotifier("other", AppriseSettings.model_validate({"url": address}))

            async def fail() -> None:
                status[0] = 500

            try:
                secrets = ("canary-user", "canary-pass", "canary-path")
                yield NotifierBench(notifier, lambda: len(got), fail, secrets=secrets)
            finally:
                await notifier.aclose()

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("apprise", reason="the extra `apprise` is not installed")
