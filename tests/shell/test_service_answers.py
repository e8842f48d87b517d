"""Presses of buttons: what each does to the rows, what is said of it, and that nothing else waits for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import anyio
import httpx2
import pytest

from tests.shell.service_world import SOURCE, FakeNotifier, World, job, seconds
from tests.shell.test_service_cards import CardDesk
from watcher.core.answering import Answer, ButtonAction, Press
from watcher.core.language import Locale, spoken
from watcher.core.model import PodSnapshot
from watcher.core.ongoing import Ongoing
from watcher.core.rule import NotificationId
from watcher.core.trouble import Trouble
from watcher.errors import NotifierError, PressRefused, Unreachable
from watcher.ports.store import Observation
from watcher.service.answers import MOST_WAITING, Answers
from watcher.service.aside import Aside
from watcher.testing.store_contract import CAUSE, a_notification
from watcher.web import make_app

pytestmark = pytest.mark.anyio


class Pressed(FakeNotifier):
    """A notifier with buttons. A body `press` is vouched for, `other` is none of ours, everything else is refused."""

    buttons: Literal["", "http", "own"] = "http"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.answers: list[tuple[Press, Answer]] = []
        self.fails: list[Exception] = []
        self.listened = 0

    @property
    def said(self) -> list[str]:
        return [spoken(answer.said) for _, answer in self.answers]

    def read_press(self, headers: Any, body: bytes) -> Press | None:
        if body not in {b"press", b"other"}:
            raise PressRefused("nobody vouches for it")
        return press(ButtonAction.LOGS) if body == b"press" else None

    async def listen(self, take: Any) -> None:
        self.listened += 1
        if self.listened == 1:
            raise NotifierError("not now")
        take(press(ButtonAction.LOGS))
        await anyio.sleep_forever()

    async def answer(self, pressed: Press, answer: Answer) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.answers.append((pressed, answer))


def press(action: ButtonAction, about: str = "", *, name: str = "p1") -> Press:
    return Press(
        id=name,
        receiver="team",
        action=action,
        about=about or f"{SOURCE}/dlc1",
        by="ann",
        user="U1",
        place="C1",
        message="171.2",
        thread="171.1",
    )


class Counter(CardDesk):
    def __init__(self, **settings: Any) -> None:
        super().__init__(world=World(**settings))
        self.end = Pressed(self.clock)
        world = self.world
        aside = Aside(world.source, world.settings, world.poller.budget, world.metrics)
        self.answers = Answers(
            world.ledger, {SOURCE: aside}, {"team": self.end, "plain": FakeNotifier(self.clock)}, {"team": Locale()}
        )

    async def pressed(self, action: ButtonAction, about: str = "", *, name: str = "p1") -> Answer:
        assert self.answers.take(press(action, about, name=name))
        assert await self.answers.answer_next()
        return self.end.answers[-1][1]


async def trouble(desk: Counter, number: int = 1) -> NotificationId:
    said = replace(a_notification(number, job=job("dlc1").ref), at=desk.clock.now())
    one = Trouble(notification=said, ongoing=Ongoing.UNANSWERED, opened_at=desk.clock.now())
    await desk.world.store.commit(Observation(cause=CAUSE, at=desk.clock.now(), notifications=(said,), troubles=(one,)))
    return said.id


async def test_a_trouble_is_taken_on_and_whoever_presses_later_hears_by_whom() -> None:
    desk = Counter()
    one = await trouble(desk)
    first = await desk.pressed(ButtonAction.ACKNOWLEDGE, one)
    assert (spoken(first.said), first.settles) == ("Acknowledged by ann", True)
    (held,) = await desk.world.store.troubles(open_only=False)
    assert (held.acknowledged_by, held.acknowledged_at) == ("ann", desk.clock.now())
    later = await desk.pressed(ButtonAction.ACKNOWLEDGE, one)
    assert spoken(later.said).startswith("ann took it on at")
    assert later.settles


async def test_there_may_be_nothing_to_take_on() -> None:
    answer = await Counter().pressed(ButtonAction.ACKNOWLEDGE, "unheard-of")
    assert (answer.private, answer.settles) == (True, False)


@pytest.mark.parametrize(
    ("action", "length"), [(ButtonAction.SILENCE_HOUR, timedelta(hours=1)), (ButtonAction.SILENCE_JOB, None)]
)
async def test_a_job_is_silenced_at_once_and_twice_the_same_press_is_one_silence(
    action: ButtonAction, length: Any
) -> None:
    desk = Counter()
    await desk.look()
    for _ in range(2):
        answer = await desk.pressed(action)
    (made,) = await desk.world.store.silences()
    assert made.until == (None if length is None else desk.clock.now() + length)
    assert (made.author, made.job) == ("ann", job("dlc1").ref)
    assert desk.world.ledger.book.silencings == (made,)
    assert made.id in spoken(answer.said)
    assert not answer.private


async def test_a_job_that_ended_or_is_not_known_is_not_silenced() -> None:
    desk = Counter()
    await desk.look(status="Failed")
    assert (await desk.pressed(ButtonAction.SILENCE_HOUR)).private
    assert (await desk.pressed(ButtonAction.SILENCE_HOUR, f"{SOURCE}/dlcother")).private
    assert (await desk.pressed(ButtonAction.SILENCE_HOUR, "nonsense")).private
    assert await desk.world.store.silences() == ()


async def test_the_end_of_a_log_is_shown_without_secrets() -> None:
    desk = Counter()
    desk.world.source.lines["GetPodLogs", "w-0"] = ("loss=1", "token=abcdef123456")
    await desk.commit(replace(job("dlc1"), pods=(PodSnapshot("w-0", "u1", status="Running"),)))
    answer = await desk.pressed(ButtonAction.LOGS)
    assert (answer.name, answer.text.splitlines()[0], answer.private) == ("w-0.log", "loss=1", False)
    assert "abcdef123456" not in answer.text
    empty = Counter()
    await empty.commit(replace(job("dlc1"), pods=(PodSnapshot("w-0", "u1", status="Running"),)))
    assert "is empty" in spoken((await empty.pressed(ButtonAction.LOGS)).said)


async def test_a_log_that_may_not_or_cannot_be_read_says_so() -> None:
    desk = Counter()
    await desk.look()
    assert "No pod" in spoken((await desk.pressed(ButtonAction.LOGS)).said)
    closed = Counter(evidence="events")
    await closed.look()
    assert "may not be read" in spoken((await closed.pressed(ButtonAction.LOGS)).said)


async def test_what_fails_on_the_way_is_given_up_and_the_next_press_is_answered() -> None:
    desk = Counter()
    await desk.commit(replace(job("dlc1"), pods=(PodSnapshot("w-0", "u1", status="Running"),)))
    desk.world.source.lines["GetPodLogs", "w-0"] = Unreachable("no answer")
    failed = await desk.pressed(ButtonAction.LOGS)
    assert (failed.private, spoken(failed.said)) == (True, "That did not work, try again: no answer")
    desk.end.fails += [NotifierError("refused"), ZeroDivisionError("a stranger's code")]
    for _ in range(3):
        desk.answers.take(press(ButtonAction.SILENCE_JOB))
    while await desk.answers.answer_next():
        pass
    assert len(desk.end.answers) == 2


async def test_too_many_presses_are_refused() -> None:
    desk = Counter()
    taken = [desk.answers.take(press(ButtonAction.LOGS, name=str(number))) for number in range(MOST_WAITING + 2)]
    assert taken == [True] * MOST_WAITING + [False] * 2
    assert desk.answers.posted({}, b"press") == 503


async def test_the_worker_answers_and_listens_again_where_listening_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.service.answers._AGAIN_S", 0.01)
    desk = Counter()
    desk.end.buttons = "own"
    await desk.look()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.answers.work)
        with anyio.fail_after(5):
            while not desk.end.answers:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert desk.end.listened == 2


async def test_only_what_the_far_side_vouches_for_is_taken_over_http_and_nothing_huge_is_read() -> None:
    desk = Counter()
    assert desk.answers.by_http
    app = make_app(_Nothing(), host="127.0.0.1", taker=desk.answers.posted)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as client:
        told = [
            (await client.post("/slack/interactions", content=body)).status_code
            for body in (b"press", b"other", b"x", b"x" * 300_000)
        ]
        assert (await client.get("/slack/interactions")).status_code == 405
    assert told == [200, 200, 401, 413]
    assert await desk.answers.answer_next()
    assert not await desk.answers.answer_next()


async def test_without_buttons_there_is_no_such_page() -> None:
    desk = CardDesk()
    answers = Answers(desk.world.ledger, {}, {"team": FakeNotifier(desk.clock)}, {})
    assert not answers.by_http
    assert answers.posted({}, b"press") == 401
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(make_app(_Nothing(), host="127.0.0.1")), base_url="http://127.0.0.1"
    ) as client:
        assert (await client.post("/slack/interactions", content=b"press")).status_code == 404
    await desk.clock.advance(seconds(1))


class _Nothing:
    registry: Any = None

    async def health(self) -> Any:
        return {"ok": True}

    async def readiness(self) -> Any:
        return {"ready": True}
