"""The service as shipped, hour after hour, in a region whose rate nobody told it: nothing piles up, nobody starves, all is told.

`make soak` plays a day of 10,000 jobs; SOAK_JOBS, SOAK_HOURS and SOAK_SEED say otherwise. The store is SQLite, not the one in
memory: that one keeps the day's events in the very process whose memory is to be flat, and goes through all deadlines at each turn.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from itertools import pairwise

import anyio
import pytest

from tests.soak.playing import Soak, size_of
from watcher.service.telemetry import set_up_logging

JOBS, HOURS, SEED = size_of("SOAK_JOBS", 120), size_of("SOAK_HOURS", 2), size_of("SOAK_SEED", 1)
A_DAY = HOURS >= 24

THROTTLED_SHARE = 0.01
KEPT = 6
"""Hours for which ended jobs are kept, in a day."""

WARM = KEPT + 1
"""Hours after which memory is flat: as many ended jobs are forgotten as jobs end, at the latest with the next full pass."""

MEMORY_SLACK = 0.05
PLACES = 1.25
"""Of the docket for each job, of which some count no longer, and a hundred beside them."""

FEEDS = ("finished", "born", "pass", "sweep")
FEED_GAP_S = 1800.0
"""The rarest are passes over all pages: in a fleet this size they are a matter of minutes."""


@pytest.fixture(scope="module")
def soak(tmp_path_factory: pytest.TempPathFactory) -> Soak:
    """The secret rate is half of the configured one, and enough for a round of all jobs in a quarter of an hour."""
    per_second = max(1.5, JOBS / 1000)
    soak = Soak(
        jobs=JOBS, hours=HOURS, seed=SEED, settled=120 if A_DAY else 40, ceiling=2 * per_second, secret=per_second,
        folder=tmp_path_factory.mktemp("soak"), keep=timedelta(hours=KEPT if A_DAY else 1), median_s=43_200.0,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip
    set_up_logging("error")
    print(f"SOAK_JOBS={JOBS} SOAK_HOURS={HOURS} SOAK_SEED={SEED}")
    anyio.run(soak.play)
    print(soak.summary())
    return soak


def test_few_answers_are_throttled_and_the_rate_is_used(soak: Soak) -> None:
    settled = soak.settled_answers
    assert settled["throttled"] < THROTTLED_SHARE * settled.total()
    assert settled["answered"] > 0.8 * soak.secret * 60 * (60 * HOURS - soak.settled)


def test_nobody_starves(soak: Soak) -> None:
    assert soak.stalest < 1, "in bounds that the allotment promised"


def test_every_change_of_a_status_and_every_end_is_told_once(soak: Soak) -> None:
    account = soak.account
    assert account.wrong == []
    assert account.overdue(3600.0 * HOURS - soak.longest_bound_s) == []
    assert account.told["job.status_changed"] > JOBS * HOURS / 50
    assert account.told["job.appeared"] >= JOBS - len(account.owed)


def test_all_questions_to_lists_are_asked_again_and_again(soak: Soak) -> None:
    asked, end_s = soak.region.asked, 3600.0 * HOURS
    for feed in FEEDS:
        assert max(asked[feed].longest_s, end_s - asked[feed].last_s) < FEED_GAP_S, feed


def test_nothing_piles_up(soak: Soak) -> None:
    for before, held in pairwise(soak.held):
        things = held.things
        assert abs(things["live"] - JOBS) <= max(5, JOBS / 100), held
        assert max(things["looks"], things["lists"]) <= PLACES * JOBS + 2 * 3 * 100, held
        # What the region forgot within the hour is forgotten here with the next full pass.
        over = things["listed"] - things["live"]
        most_over = over + max(over / 2, before.things["listed"] - before.things["live"]) + 10
        assert things["ended"] <= most_over, held
        assert max(things["digests"], things["members"]) <= things["live"] + most_over, held
        assert things["tasks"] < 100, held
        assert things["sleepers"] < 100, held


@pytest.mark.skipif(not A_DAY, reason="memory is flat after hours: make soak")
def test_memory_is_flat(soak: Soak) -> None:
    """Resident, the region that stands beside the service in the process included."""
    held = [one.memory for one in soak.held[WARM:]]
    assert max(held) - min(held) < MEMORY_SLACK * held[0], held
