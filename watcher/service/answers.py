"""Does what people ask for by buttons: takes troubles on, silences jobs, shows the end of a log; and says what came of it.

A press is taken at once, as whoever pressed waits for three seconds at most, and done by a worker of its own: neither polls nor
deliveries wait for it. What waits has a bound; beyond it a press is refused, which the far side shows to whoever pressed. A press
that is lost with the process has done nothing and is seen to have done nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

import anyio

from watcher.core.answering import (
    SILENCED_FOR,
    Answer,
    ButtonAction,
    Press,
    excerpt,
    job_meant,
    log_question,
    news_meant,
    silence_meant,
)
from watcher.core.language import PLAIN, Locale, Moment, Text, say
from watcher.core.model import JobRef, SourceName
from watcher.errors import NotifierError, PressRefused, SourceError, StoreError
from watcher.ports.notifier import AnsweringNotifier, Notifier
from watcher.service.aside import Aside
from watcher.service.ledger import Bell, Ledger
from watcher.service.telemetry import log

MOST_WAITING: Final = 50

LIMIT_S: Final = 60.0
"""Real seconds that one answer may take."""

_AGAIN_S: Final = 10.0
"""Before a notifier whose way of its own has broken is asked to listen again."""


class Answers:
    """The worker for presses of all receivers.

    Args:
        ledger: store and clock.
        asides: how each source is asked for logs.
        notifiers: by receiver; those without buttons are left out.
        locales: how receivers are spoken to.
    """

    def __init__(
        self,
        ledger: Ledger,
        asides: Mapping[SourceName, Aside],
        notifiers: Mapping[str, Notifier],
        locales: Mapping[str, Locale],
    ) -> None:
        self._ledger, self._asides, self._locales = ledger, asides, locales
        self._notifiers = {
            name: one for name, one in notifiers.items() if isinstance(one, AnsweringNotifier) and one.buttons
        }
        self._waiting: deque[Press] = deque()
        self._bell = Bell()

    @property
    def by_http(self) -> bool:
        """Whether any press comes to our HTTP server."""
        return any(one.buttons == "http" for one in self._notifiers.values())

    def posted(self, headers: Mapping[str, str], body: bytes) -> int:
        """A press that was posted to our HTTP server. Returns the HTTP status of the answer."""
        refusal = "no receiver has buttons"
        for name, notifier in self._notifiers.items():
            if notifier.buttons != "http":
                continue
            try:
                press = notifier.read_press(headers, body)
            except PressRefused as exc:
                refusal = str(exc)
                continue
            if press is None:
                log.info("press_not_ours", receiver=name)
                return HTTPStatus.OK
            return HTTPStatus.OK if self.take(press) else HTTPStatus.SERVICE_UNAVAILABLE
        log.warning("press_refused", error=refusal)
        return HTTPStatus.UNAUTHORIZED

    def take(self, press: Press) -> bool:
        """Take on a press. False when too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            log.warning("press_not_taken", receiver=press.receiver, waiting=len(self._waiting))
            return False
        self._waiting.append(replace(press, locale=self._locales.get(press.receiver, PLAIN)))
        self._bell.ring()
        return True

    async def work(self) -> None:
        """Answer presses until cancelled."""
        async with anyio.create_task_group() as tasks:
            for name, notifier in self._notifiers.items():
                if notifier.buttons == "own":
                    tasks.start_soon(self._listen, name, notifier)
            while True:
                rung = self._bell.listen()
                if self._waiting:
                    await self.answer_next()
                else:
                    await rung.wait()

    async def _listen(self, name: str, notifier: AnsweringNotifier) -> None:
        while True:
            try:
                await notifier.listen(self.take)
            except NotifierError as exc:
                log.warning("presses_not_heard", receiver=name, error=str(exc))
            except Exception as exc:  # noqa: BLE001 - a notifier is a stranger's code: its faults must not stop the watch
                log.error("notifier_raised", receiver=name, kind=type(exc).__name__)
            await anyio.sleep(_AGAIN_S)

    async def answer_next(self) -> bool:
        """Do what the oldest press wants, and say what came of it. False when none waits."""
        if not self._waiting:
            return False
        press = self._waiting.popleft()
        try:
            answer = await self._tried(press)
            with anyio.fail_after(LIMIT_S):
                await self._notifiers[press.receiver].answer(press, answer)
        except (NotifierError, TimeoutError) as exc:
            log.error("press_not_answered", receiver=press.receiver, action=press.action.value, error=str(exc))
        except Exception as exc:  # noqa: BLE001 - as above; its words may repeat what was read
            log.error("press_given_up", receiver=press.receiver, action=press.action.value, kind=type(exc).__name__)
        else:
            log.info("press_answered", receiver=press.receiver, action=press.action.value, by=press.by)
        return True

    async def _tried(self, press: Press) -> Answer:
        """What came of it; where it failed in passing, that it did."""
        try:
            with anyio.fail_after(LIMIT_S):
                return await self._answer(press)
        except (StoreError, SourceError, TimeoutError) as exc:
            why = str(exc) or f"no answer within {LIMIT_S:g} s"
            log.warning("press_failed", receiver=press.receiver, action=press.action.value, error=why)
            return _only(say("That did not work, try again: {why}", zh="操作未成功，请重试：{why}", why=why))

    async def _answer(self, press: Press) -> Answer:
        if press.action is ButtonAction.ACKNOWLEDGE:
            return await self._acknowledge(press)
        job = job_meant(press)
        watch = None if job is None else await self._ledger.store.watch(job)
        if job is None or watch is None:
            return _only(say("This job is not known here any more", zh="此作业已不在记录中"))
        if press.action is ButtonAction.LOGS:
            return await self._log(job, press)
        if not watch.live:
            return _only(say("The job has ended: there is nothing to silence", zh="作业已结束，无需静默"))
        return await self._silence(job, press)

    async def _acknowledge(self, press: Press) -> Answer:
        store, now = self._ledger.store, self._ledger.clock.now()
        taken = [await store.acknowledge(one, now, press.by) for one in news_meant(press)]
        if any(taken):
            return Answer(said=say("Acknowledged by {who}", zh="{who} 已认领", who=press.by), settles=True)
        for one in reversed(news_meant(press)):
            for trouble in await store.troubles(open_only=False, trouble_id=one):
                if trouble.acknowledged_at is not None:
                    told = say(
                        "{who} took it on at {at}",
                        zh="{who} 已于 {at} 认领",
                        who=trouble.acknowledged_by,
                        at=trouble.acknowledged_at,
                    )
                    return Answer(said=told, settles=True)
                if trouble.ended_at is not None:
                    told = say("It was over at {at}", zh="已于 {at} 结束", at=Moment(trouble.ended_at))
                    return Answer(said=told, settles=True)
        return _only(say("There is nothing to take on in this message", zh="此消息无需认领"))

    async def _silence(self, job: JobRef, press: Press) -> Answer:
        made = silence_meant(press, job, self._ledger.clock.now())
        await self._ledger.store.add_silence(made)
        await self._ledger.heed_silences()
        how_long: Text = say("until the job ends", zh="直到作业结束")
        if press.action is ButtonAction.SILENCE_HOUR:
            how_long = say("for {length}", zh="{length}", length=SILENCED_FOR)
        told = say(
            "Silenced {how_long} by {who}; its end is told all the same. `dlc-watcher silence end {id}` takes it back",
            zh="{who} 已将其静默{how_long}，结束时仍会通知。撤销：`dlc-watcher silence end {id}`",
            how_long=how_long,
            who=press.by,
            id=made.id,
        )
        return Answer(said=told)

    async def _log(self, job: JobRef, press: Press) -> Answer:
        watch, aside = await self._ledger.store.watch(job), self._asides.get(job.source)
        if watch is None or aside is None:
            return _only(say("This job is not known here any more", zh="此作业已不在记录中"))
        if aside.level != "events+logs":
            return _only(
                say(
                    "Logs may not be read here (`evidence` of the source)",
                    zh="此处不允许读取日志（数据源的 `evidence`）",
                )
            )
        question = log_question(watch.snapshot)
        if question is None or question.pod is None:
            return _only(say("No pod of it has a log yet", zh="尚无实例日志"))
        reading = await aside.ask(job.job_id, question)
        pod = question.pod.pod_id
        if reading.error:
            return _only(
                say(
                    "The log of {pod} could not be read: {why}",
                    zh="无法读取 {pod} 的日志：{why}",
                    pod=pod,
                    why=reading.error,
                )
            )
        if not reading.lines:
            return _only(say("The log of {pod} is empty", zh="{pod} 的日志为空", pod=pod))
        said = say("The end of the log of {pod}, for {who}", zh="{pod} 日志末尾（{who} 查看）", pod=pod, who=press.by)
        return Answer(said=said, name=f"{pod}.log", text=excerpt(reading.lines))


def _only(said: Text) -> Answer:
    """For whoever pressed alone."""
    return Answer(said=said, private=True)
