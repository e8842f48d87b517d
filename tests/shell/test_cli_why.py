"""`why`: what is told of an event and of a job, with and without a configuration, and what of deliveries in each state."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.shell.service_cli import DRIVES_A_TERMINAL, HOSTILE, Cli, in_process, stored
from tests.shell.service_world import SOURCE, START, World, job, seconds
from watcher.core.delivery import Failure, Receipt, settle
from watcher.errors import Forbidden
from watcher.ports.store import Store
from watcher.service.keeper import Keeper
from watcher.store import open_store

RULES = """\
  - use: job-failed
    match: {name: [prod-*, live-*]}
  - use: stuck-pending
    with: {after: 30m}
  - use: job-started
  - use: pod-evicted
  - use: watch-blind
  - {name: any-failure, on: job.failed}
  - {name: on-trial, on: job.failed, severity: critical, summary: "Would be told", shadow: true}
  - {name: out-of-memory, on: job.failed, when: 'event.reason_code == "OOM"'}
"""
CONFIGURATION = """\
sources:
  hz: {kind: dlc, region: cn-hangzhou}
receivers:
  team: {console: {}}
route: {receiver: team}
rules:
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLC_WATCHER_CONFIG", raising=False)
    (tmp_path / "now.yaml").write_text(CONFIGURATION + RULES)
    (tmp_path / "changed.yaml").write_text(
        CONFIGURATION + "  - use: job-failed\n  - {name: newcomer, on: job.failed}\n"
    )
    return in_process(monkeypatch, capsys)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job that waits for long and fails; one that fails with a hostile reason; a source that is lost."""

    async def fill(store: Store) -> None:
        world = World(
            job("dlc1", "Queuing", name="calm", created_at=START),
            job("dlc2", "Running", name="evil", user_id=HOSTILE),
            rules=RULES,
            store=store,  # type: ignore[arg-type]
            budget={"requests_per_second": 1000},
        )
        await world.poller.load()
        await world.poller.pass_once()
        await world.clock.advance(timedelta(minutes=31))
        await Keeper(world.ledger, {SOURCE: world.source}, None, world.investigator()).pass_due()  # type: ignore[dict-item]
        await deliver(world, Receipt(reference="m1", place="#jobs"))
        world.source.put(job("dlc1", "Failed", name="calm", reason="JobFailed", finished_at=world.clock.now()))
        world.source.put(job("dlc2", "Failed", name="evil", reason=HOSTILE, finished_at=world.clock.now()))
        await world.poller.pass_once()
        await deliver(world, Failure(error="no such channel", permanent=True))
        world.source.failing["GetJob"] = Forbidden("GetJob: this key may not", fix="Give it the right")
        world.source.failing["ListJobs"] = Forbidden("ListJobs: this key may not", fix="Give it the right")
        await world.clock.advance(seconds(3600))
        await world.poller._finder.list_once()

    return stored(tmp_path_factory.mktemp("store"), fill)


async def deliver(world: World, outcome: Receipt | Failure) -> None:
    """Settle the next flush that is due."""
    now = world.clock.now()
    lease = await world.store.lease("team", now)
    assert lease is not None
    settled = settle(outcome, attempt=lease.attempt, first_attempt_at=lease.first_attempt_at, now=now, jitter=0.5)
    await world.store.settle(lease, settled, outcome if isinstance(outcome, Receipt) else None, now)


def event_id(cli: Cli, database: Path, kind: str, job_id: str | None = None) -> str:
    more = () if job_id is None else ("--job", job_id)
    (found,) = json.loads(cli("events", "--kind", kind, *more, "--store", database, "--json").out)
    return str(found["id"])


def test_of_a_failure_every_rule_s_answer_is_told_with_the_value_that_did_not_fit(cli: Cli, database: Path) -> None:
    ended = cli("why", event_id(cli, database, "job.failed", "dlc1"), "--store", database, "-c", "now.yaml")
    assert ended.code == 0, ended.err
    assert "hz/dlc1  job.failed  Failed" in ended.out
    assert '  job-failed  not-matched (name is "calm", wanted is "prod-*" or "live-*")' in ended.out
    assert '  out-of-memory  condition-false (when: event.reason_code == "OOM")' in ended.out
    assert "  any-failure  notified: Failed" in ended.out
    assert "    -> team  dead (permanent), given up at " in ended.out
    assert ": no such channel" in ended.out
    assert "  on-trial  notified: Would be told" in ended.out
    assert "    -> team  withheld (shadow), recorded at " in ended.out
    assert ", nothing was sent: rule on-trial is in shadow" in ended.out
    silent = next(line for line in ended.out.splitlines() if "not asked" in line)
    assert silent.endswith(": stuck-pending, job-started, pod-evicted, watch-blind")
    assert "(with --config" not in ended.out


def test_story_and_deliveries_show_what_was_recorded_in_shadow(cli: Cli, database: Path) -> None:
    told = cli("story", "dlc1", "--store", database).out
    assert '-> team  withheld (shadow): rule on-trial is in shadow  "Would be told"' in told
    rows = json.loads(cli("deliveries", "list", "--state", "withheld", "--store", database, "--json").out)
    assert {(row["reason"], row["notification"]["rule"]) for row in rows} == {("shadow", "on-trial")}
    assert "shadow" in cli("deliveries", "list", "--state", "withheld", "--store", database).out


def test_without_a_configuration_the_rows_alone_are_told(cli: Cli, database: Path) -> None:
    ended = cli("why", event_id(cli, database, "job.failed", "dlc1"), "--store", database)
    assert "  job-failed  not-matched: name\n" in ended.out
    assert "  out-of-memory  condition-false\n" in ended.out
    assert "not asked" not in ended.out.replace("which rules were not asked", "")
    assert "(with --config it is also told" in ended.out


def test_a_configuration_that_has_changed_since_is_not_mixed_up_with_what_was_decided(cli: Cli, database: Path) -> None:
    ended = cli("why", event_id(cli, database, "job.failed", "dlc1"), "--store", database, "-c", "changed.yaml")
    assert "  job-failed  not-matched (the configuration no longer asks for name)" in ended.out
    assert "condition-false (this rule is not in the configuration)" in ended.out
    assert "no answer is stored of: newcomer" in ended.out


def test_of_a_job_the_newest_events_come_first_and_deadlines_name_the_event_they_became(
    cli: Cli, database: Path
) -> None:
    told = json.loads(cli("why", "calm", "--store", database, "--json").out)
    assert [one["event"]["kind"] for one in told] == [
        "job.failed",
        "job.status_changed",
        "deadline.passed",
        "job.appeared",
    ]
    (waiting,) = [one for one in told[3]["answers"] if one["rule"] == "stuck-pending"]
    assert waiting["reason"] == "deadline-set"
    assert waiting["outcome"] == f"it passed: event {told[2]['event']['id']}"
    (late,) = told[2]["answers"]
    assert (late["rule"], late["reason"]) == ("stuck-pending", "notified")
    (arrived,) = late["deliveries"]
    assert (arrived["state"], arrived["receipt"]["reference"], arrived["receipt"]["place"]) == (
        "delivered",
        "m1",
        "#jobs",
    )
    assert len(json.loads(cli("why", "calm", "--store", database, "--limit", "2", "--json").out)) == 2
    text = cli("why", "calm", "--store", database).out
    assert "-> team  delivered (accepted), at " in text
    assert ", m1, #jobs" in text


def test_a_deadline_that_has_not_come_and_a_delivery_that_is_held_are_told_as_such(
    cli: Cli, database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "young.db"

    async def fill() -> None:
        store = open_store(f"sqlite:///{file}")
        await store.open()
        world = World(job("dlc1", "Queuing"), rules=RULES, store=store, budget={"requests_per_second": 1000})  # type: ignore[arg-type]
        await world.poller.load()
        await world.poller.pass_once()
        world.source.put(job("dlc1", "Failed", finished_at=START))
        await world.poller.pass_once()
        await store.aclose()

    anyio.run(fill)
    told = cli("why", "dlc1", "--store", file).out
    assert "deadline-set: 2026-03-01T12:30:00+00:00 (no event says that it passed" in told
    assert "-> team  pending (owed), held until 2026-" in told
    assert "in group route{source='hz',job='dlc1'}" in told


def test_the_watcher_s_own_events_have_an_account_too(cli: Cli, database: Path) -> None:
    ended = cli("why", event_id(cli, database, "watch.blind"), "--store", database, "-c", "now.yaml")
    assert ended.code == 0, ended.err
    assert "  watch-blind  notified" in ended.out
    assert "-> team  pending" in ended.out


def test_news_that_was_told_before_says_why_nothing_is_owed() -> None:
    from tests.shell.service_world import loaded_of
    from watcher.cli.why import account
    from watcher.core.codec import plain
    from watcher.core.events import CauseId, EventId, JobVanished, When
    from watcher.core.model import JobId, JobRef
    from watcher.ports.store import StoryLine

    event = JobVanished(
        id=EventId("e1"),
        when=When(observed_at=START),
        cause=CauseId("c"),
        job=JobRef(SOURCE, JobId("dlc1")),
        last_status="Running",
    )
    decision = {"event_id": "e1", "rule": "job-vanished", "reason": "notified", "note": "Gone"}
    told = account(
        [StoryLine(at=START, kind="event", data=plain(event)), StoryLine(at=START, kind="decision", data=decision)],
        (),
        loaded_of().rules,
    )
    assert told.answers[0].outcome == "nothing is owed: the same news was told before, and is told once"
    assert "job-vanished" not in told.not_there
    assert "job-failed" in told.not_asked


def test_strangers_text_is_made_harmless(cli: Cli, database: Path) -> None:
    for form in ((), ("--json",), ("-c", "now.yaml")):
        ended = cli("why", "evil", "--store", database, *form)
        assert ended.code == 0, ended.err
        assert not set(ended.text) & DRIVES_A_TERMINAL


def test_what_is_neither_an_event_nor_a_job_is_said_to_be_neither(cli: Cli, database: Path) -> None:
    ended = cli("why", "nothing", "--store", database)
    assert (ended.code, ended.out) == (1, "")
    assert "no job 'nothing' has been seen, and no event has this id either" in ended.err
    missing = cli("why", "nothing")
    assert missing.code == 2
    assert missing.err.startswith("dlc-watcher.yaml: ")


def test_what_a_job_wished_not_to_be_told_is_told_with_the_tag_that_asked_for_it(cli: Cli, tmp_path: Path) -> None:
    rules = "  - use: job-failed\n  - {name: of-ann, on: job.failed, match: {owner: ann}}\n"
    allowed = "{job_wishes: [owner, mute]}"
    tags = {"dlc-watcher/mute": "job-failed, tomorow", "dlc-watcher/owner": "bob"}

    async def fill() -> None:
        store = open_store(f"sqlite:///{tmp_path / 'wishes.db'}")
        await store.open()
        try:
            world = World(job("dlc1", tags=tags), rules=rules, service=allowed, store=store)  # type: ignore[arg-type]
            await world.poller.load()
            await world.poller.pass_once()
            world.source.put(job("dlc1", "Failed", tags=tags, finished_at=world.clock.now()))
            await world.poller.pass_once()
            assert await world.store.deliveries() == ()
        finally:
            await store.aclose()

    anyio.run(fill)
    (tmp_path / "wishes.yaml").write_text(f"{CONFIGURATION}{rules}service: {allowed}\n")
    told = cli("why", "dlc1", "--store", tmp_path / "wishes.db", "-c", "wishes.yaml").out
    assert (
        "  job-failed  muted-by-job: the job's tag dlc-watcher/mute names job-failed"
        " (ignored: dlc-watcher/mute: 'tomorow' means nothing)"
    ) in " ".join(told.split("\n")).replace("   ", "  ")
    assert 'of-ann  not-matched (owner is "bob", wanted is "ann")' in told
