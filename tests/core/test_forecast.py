from __future__ import annotations

from datetime import timedelta

import pytest

from watcher.core.forecast import TYPICAL, Delay, forecast, plain, rate_within, typical
from watcher.core.phases import Phase
from watcher.core.rates import Habit, Rates
from watcher.core.schedule import Wish

RATES = Rates()


@pytest.mark.parametrize("jobs", [1, 7, 1000, 12_345])
def test_a_typical_fleet_has_so_many_jobs(jobs: int) -> None:
    assert sum(typical(jobs).values()) == jobs
    assert sum(TYPICAL.values()) == pytest.approx(1)


def test_plain_getjob_sees_everything_half_a_round_late() -> None:
    told = plain(10_000, 10)
    assert told.ends == told.status == told.details == Delay(500, 950)
    assert told.oldest_s == 1000


def test_ten_thousand_jobs_at_ten_requests_a_second() -> None:
    told = forecast(typical(10_000), RATES, 10, Wish())
    assert told.ends.mean_s < 2
    assert told.status.mean_s < 60 < told.details.mean_s
    assert told.oldest_s < 4500
    assert told.ends.mean_s < told.ends.p95_s


def test_a_small_fleet_is_seen_as_soon_as_was_asked_for() -> None:
    told = forecast(typical(10), RATES, 5, Wish())
    assert told.oldest_s == 600
    assert told.details.p95_s < 16


def test_where_no_feed_tells_of_ends_lists_and_looks_do() -> None:
    told = forecast(typical(1000), RATES, 10, Wish(finish_cost=0))
    assert told.ends.mean_s > forecast(typical(1000), RATES, 10, Wish()).ends.mean_s


def test_where_items_tell_everything_lists_show_details_too() -> None:
    thin, full = (forecast(typical(5000), RATES, 10, Wish(full=full)) for full in (False, True))
    assert full.details.mean_s < thin.details.mean_s / 5


def test_of_nothing_that_changes_there_is_no_delay() -> None:
    assert forecast({Habit(Phase.SUCCEEDED): 5}, RATES, 5, Wish()).ends == Delay(0, 0)


def test_a_wanted_delay_has_its_price_and_some_are_not_to_be_had() -> None:
    fleet, wish = typical(1000), Wish(shortest=timedelta(seconds=1), list_shortest=timedelta(seconds=1))
    price = rate_within(fleet, RATES, 30, wish)
    assert price["ends"] < price["status"] < price["details"] < 100
    for name, rate in price.items():
        assert getattr(forecast(fleet, RATES, rate, wish), name).p95_s <= 30
    assert rate_within(fleet, RATES, 0.2, wish)["details"] == float("inf")
