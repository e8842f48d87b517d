"""Recipients that answer for themselves, from the outbox on disk to a mail server and back, over restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.shell.service_world import World, job
from tests.shell.test_service_dispatcher import TELL_EVERYTHING, Desk
from watcher.core.delivery import DeliveryReason, DeliveryState
from watcher.notifiers.email import EmailNotifier, EmailSettings
from watcher.service.dispatcher import Dispatcher
from watcher.settings import ReceiverSettings
from watcher.store import open_store
from watcher.testing.smtp import MailServer, serve_mail

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)


class Office:
    """A mail server, and a watcher that can be started again on what it left on disk."""

    def __init__(self, server: MailServer, folder: Path) -> None:
        self.server, self.url = server, f"sqlite:///{folder}/watcher.db"
        self.clock = World().clock

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Desk]:
        store: Any = open_store(self.url)
        await store.open()
        desk = Desk(world=World(rules=TELL_EVERYTHING, store=store, clock=self.clock))
        told = ["oncall@example.com", "slow@example.com", "gone@example.com"]
        plain = {"host": "127.0.0.1", "port": self.server.port, "tls": "none", "from": "dlc@example.com", "to": told}
        notifier = EmailNotifier("team", EmailSettings.model_validate({**plain, "timeout": "5s"}))
        desk.dispatcher = Dispatcher("team", notifier, desk.world.ledger, {}, jitter=lambda: 1.0)
        try:
            yield desk
        finally:
            await notifier.aclose()
            await store.aclose()


@asynccontextmanager
async def office(folder: Path, **refuse: str) -> AsyncIterator[Office]:
    async with serve_mail(
        MailServer(refuse={f"{who}@example.com": answer for who, answer in refuse.items()})
    ) as server:
        yield Office(server, folder)


async def test_after_a_restart_only_those_get_it_who_do_not_have_it_and_all_is_on_record(tmp_path: Path) -> None:
    async with office(tmp_path, slow="451 4.7.1 greylisted", gone="550 5.1.1 no such user") as told:
        async with told.open() as desk:
            await desk.owe(job("dlc1").ref.job_id, "first")
            assert await desk.dispatcher.send_next()
            waiting = (await desk.deliveries())["first"]
            assert (waiting.state, waiting.reason) == (DeliveryState.RETRYING, DeliveryReason.TRANSIENT)
            assert waiting.not_before >= desk.clock.now() + MINUTE, "a greylisting server counts less as impatience"
            assert "for now refused: slow@example.com: 451" in waiting.error
            counted = desk.world.metrics.recipients_refused.labels("team")._value.get()
            assert counted == 1
        told.server.refuse.pop("slow@example.com")
        told.clock._now += 2 * MINUTE
        async with told.open() as desk:
            assert await desk.dispatcher.send_next()
            assert not await desk.dispatcher.send_next()
            done = (await desk.deliveries())["first"]
            assert (done.state, done.attempt) == (DeliveryState.DELIVERED, 2)
            assert done.error == "accepted by 2 of 3; refused: gone@example.com: 550 5.1.1 no such user"
            receipt = (await desk.world.store.story(job("dlc1").ref))[-1].data
            assert {one["recipient"]: one["acceptance"] for one in receipt["recipients"]} == {
                "oncall@example.com": "accepted",
                "slow@example.com": "accepted",
                "gone@example.com": "refused",
            }
    assert [mail.recipients for mail in told.server.mails] == [("oncall@example.com",), ("slow@example.com",)]
    assert len({mail.message["Message-ID"] for mail in told.server.mails}) == 1


async def test_whom_the_server_refuses_is_told_to_the_others_once_and_not_again_after_a_restart(tmp_path: Path) -> None:
    async with office(tmp_path, gone="550 5.1.1 no such user") as told:
        for name in ("first", "second"):
            async with told.open() as desk:
                desk._count = len(await desk.deliveries())  # events go on being numbered
                await desk.owe("dlc1", name)
                assert await desk.dispatcher.send_next()
    bodies = [mail.message.get_body(("plain",)) for mail in told.server.mails]
    assert ["gone@example.com" in body.get_content() for body in bodies if body] == [True, False]
    assert told.server.mails[1].message["References"] == told.server.mails[0].message["Message-ID"]


async def test_nobody_is_mailed_twice_when_all_who_lack_it_go_on_saying_not_now(tmp_path: Path) -> None:
    async with office(tmp_path, slow="451 4.7.1 greylisted", gone="550 5.1.1 no such user") as told:
        async with told.open() as desk:
            await desk.owe("dlc1", "first")
            for _ in range(40):
                await desk.dispatcher.send_next()
                told.clock._now += 61 * MINUTE
            last = (await desk.deliveries())["first"]
        assert last.state is DeliveryState.DELIVERED, "somebody has it"
        assert "slow@example.com" in last.error
    assert [mail.recipients for mail in told.server.mails] == [("oncall@example.com",)]


async def test_a_refused_log_in_pauses_the_receiver_tells_the_fallback_with_the_fix_and_loses_nothing(
    tmp_path: Path,
) -> None:
    password = tmp_path / "password"
    password.write_text("old-canary")
    common = ReceiverSettings.model_validate({"fallback": "chat", "fallback_after": "30m"})
    async with serve_mail(MailServer(username="dlc", password="new")) as server:
        desk = Desk()
        chat = Dispatcher("chat", desk.notifier, desk.world.ledger, {}, jitter=lambda: 1.0)
        settings = EmailSettings.model_validate(
            {"host": "127.0.0.1", "port": server.port, "tls": "none", "from": "dlc@example.com", "to": "a@example.com"}
            | {"username": "dlc", "password_file": str(password), "timeout": "5s"}
        )
        notifier = EmailNotifier("team", settings)
        mail = Dispatcher("team", notifier, desk.world.ledger, {}, jitter=lambda: 1.0, common=common)
        for name in ("first", "second"):
            await desk.owe(f"dlc-{name}", name)
        assert await mail.send_next()
        assert mail.breaker.shut
        assert "535" in mail.breaker.error
        assert {one.state for one in (await desk.deliveries()).values()} == {
            DeliveryState.RETRYING,
            DeliveryState.PENDING,
        }
        desk.clock._now += 31 * MINUTE
        await mail._gate.pass_on()
        desk.clock._now += MINUTE
        assert await chat.send_next()
        (told,) = desk.notifier.taken
        said = " ".join(f"{item.headline} {item.detail}" for item in told.items)
        assert "Check username and password" in said
        assert [name in said for name in ("first", "second", "canary")] == [True, True, False]
        password.write_text("new")
        await mail._gate.heed()
        while await mail.send_next():
            pass
        assert not mail.breaker.shut
        await notifier.aclose()
    assert [one.message["X-Dlc-Watcher-Job"] for one in server.mails] == ["hz/dlc-first", "hz/dlc-second"]
