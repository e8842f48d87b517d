"""From a committed event to its acceptance by a Slack and by a mail server on this machine: outbox, grouping, rendering, sending.

Beside it stands what a bare script needs for one message to the same server: a kept HTTP connection; `smtplib` as usual.
Everything is put together as `dlc-watcher run` does it, from a configuration; only the look that shows the failure is made up.
"""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import httpx2

from bench.bodies import Bodies
from bench.inside import watch_of
from bench.measure import Spread
from bench.peers import BenchFailed
from bench.tables import Table, cell
from watcher.config.loading import load
from watcher.core.consequence import Consequences, consequences
from watcher.core.events import CauseId
from watcher.core.model import JobSnapshot, Watch
from watcher.core.observation import look
from watcher.core.rule import Context
from watcher.plugins import discover
from watcher.service.app import Service, assemble
from watcher.service.ledger import observation
from watcher.testing.slack import SlackServer, serve_slack
from watcher.testing.smtp import MailServer, serve_mail

_CARD, _SLACK, _MAIL = "Slack, the job's card", "Slack, the news in its thread", "e-mail"
_BARE_SLACK, _BARE_MAIL = "Slack, a script's message", "e-mail, a script's"
_ROWS: Final = {
    _CARD: _BARE_SLACK,
    _SLACK: _BARE_SLACK,
    _BARE_SLACK: _BARE_SLACK,
    _MAIL: _BARE_MAIL,
    _BARE_MAIL: _BARE_MAIL,
}
"""What is measured, and what it is compared with."""
_NOTHING: Final = Consequences()
_PATIENCE_S: Final = 20
_APART_S: Final = 2.5
"""Slack takes one message a second in a channel, and a failure makes two: the card and the news."""

CONFIGURATION: Final = """\
sources:
  bench:
    kind: dlc
    endpoint: http://127.0.0.1:9
    credentials: {{kind: access_key, key_id: LTAIbench, secret: none}}
store: {{url: "sqlite:///{folder}/sending.db"}}
receivers:
  slack: {{slack: {{token: {token}, to: "#ml-jobs", base_url: "{slack}"}}}}
  mail: {{email: {{host: 127.0.0.1, port: {port}, tls: none, from: dlc@example.com, to: [oncall@example.com]}}}}
rules:
  - use: job-failed
route:
  receiver: slack
  routes:
    - {{receiver: mail, continue: true}}
    - {{receiver: slack}}
service: {{http: {{port: null}}}}
"""


async def _tell(service: Service, held: Watch, failed: JobSnapshot) -> float:
    """Commit that a job has failed, and return when that was done."""
    now, cause = service.clock.now(), CauseId("bench")
    observed = look(held, failed, now=now, cause=cause)
    service.ledger.fleet.note(observed.watch, observed.events, now)
    context = Context(now=now, job=observed.watch.snapshot, previous=held.snapshot, fleet=service.ledger.fleet)
    follows = consequences(observed.events, context, service.ledger.book, now)
    await service.ledger.commit(
        observation(cause, now, follows, expected_version=held.version, watch=observed.watch, snapshot_changed=True)
    )
    return time.perf_counter()


async def _arrived(count: Callable[[], int], more_than: int) -> float:
    """When there came to be more."""
    with anyio.move_on_after(_PATIENCE_S):
        while count() <= more_than:  # noqa: ASYNC110 - the servers ring no bell
            await anyio.sleep(0.001)
        return time.perf_counter()
    raise BenchFailed(f"nothing arrived within {_PATIENCE_S} s")


async def _bare_post(http: httpx2.AsyncClient, slack: SlackServer) -> float:
    """Seconds for one message to Slack by a script."""
    began = time.perf_counter()
    answer = await http.post(
        f"{slack.base_url.rstrip('/')}/chat.postMessage",
        headers={"Authorization": f"Bearer {slack.token}"},
        json={"channel": "C0ONCALL0", "text": "bench: a job failed"},
    )
    if not answer.json()["ok"]:
        raise BenchFailed("a script's message was refused")
    return time.perf_counter() - began


def _bare_mail(port: int) -> float:
    """Seconds for one mail by a script."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "dlc@example.com", "oncall@example.com", "a job failed"
    message.set_content("bench: a job failed")
    began = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port, timeout=_PATIENCE_S) as server:
        server.send_message(message)
    return time.perf_counter() - began


async def _measure(service: Service, slack: SlackServer, mail: MailServer, number: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in _ROWS}
    counts: dict[str, Callable[[], int]] = {
        _CARD: lambda: sum(post.card for post in slack.posts),
        _SLACK: lambda: sum(not post.card for post in slack.posts),
        _MAIL: lambda: len(mail.mails),
    }
    bodies = Bodies(2)
    async with httpx2.AsyncClient() as http, anyio.create_task_group() as tasks:
        for dispatcher in service.dispatchers:
            tasks.start_soon(dispatcher.dispatch)
        for one in range(number + 1):  # the first opens the connections and is not counted
            held = watch_of(bodies, one)
            await service.ledger.commit(
                observation(CauseId("bench"), held.first_seen_at, _NOTHING, watch=held, snapshot_changed=True)
            )
            found[_BARE_SLACK].append(await _bare_post(http, slack))
            found[_BARE_MAIL].append(await anyio.to_thread.run_sync(_bare_mail, mail.port))
            now = datetime.now(UTC)
            failed = replace(held.snapshot, status="Failed", observed_at=now, finished_at=now, modified_at=now)
            before = {name: count() for name, count in counts.items()}
            committed_at = await _tell(service, held, failed)

            async def wait(name: str, since: float = committed_at, known: dict[str, int] = before) -> None:
                found[name].append(await _arrived(counts[name], known[name]) - since)

            async with anyio.create_task_group() as waiting:
                for name in counts:
                    waiting.start_soon(wait, name)
            await anyio.sleep(_APART_S)
        tasks.cancel_scope.cancel()
    return {name: lengths[1:] for name, lengths in found.items()}


async def _run(number: int, directory: Path) -> dict[str, list[float]]:
    async with serve_slack() as slack, serve_mail() as mail:
        text = CONFIGURATION.format(folder=directory, token=slack.token, slack=slack.base_url, port=mail.port)
        loaded = load(text, file="bench.yaml", env={}, kinds=discover(), base_dir=directory)
        async with assemble(loaded) as service:
            return await _measure(service, slack, mail, number)


def sending(number: int, directory: Path) -> Table:
    """Measure so many events, one after the other."""
    found = anyio.run(_run, number, directory)
    rows, data = [], {}
    for name, lengths in found.items():
        ratio = Spread.of([one / bare for one, bare in zip(lengths, found[_ROWS[name]], strict=True)])
        spread = Spread.of([length * 1e3 for length in lengths])
        rows.append((name, cell(ratio, 1), cell(spread, 1)))
        data[name] = {"of_bare": ratio.__dict__, "ms": spread.__dict__}
    note = (
        f"{number} failures, one after the other. On Slack the job's card is posted first, as its thread hangs on it, "
        "and a channel takes one message a second: that is waited for."
    )
    heading = ("accepted", "of a bare script's", "ms")
    return Table("sending", "From the commit of an event to its acceptance", heading, rows, (note,), data)
