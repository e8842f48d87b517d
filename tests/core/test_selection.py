from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.core.strategies import REF, at, summary
from watcher.core.selection import Selection, is_news, news_since

JOB = summary(
    "Running",
    name="prod-llm",
    user_id="12",
    user_name="ann",
    quota_id="quota1",
    quota_name="gold",
    job_type="PyTorchJob",
    tags=(("team", "vision"), ("tier", "1")),
)


def test_no_selection_chooses_every_job() -> None:
    assert Selection().chooses(JOB)
    assert Selection().chooses(summary(""))
    assert not Selection().only_ids


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({"name": ("prod-*",)}, True),
        ({"name": ("test-*", "*-llm")}, True),
        ({"name": ("PROD-*",)}, False),
        ({"name": ("prod",)}, False),
        ({"user": ("12",)}, True),
        ({"user": ("a?n",)}, True),
        ({"user": ("bob",)}, False),
        ({"status": ("Running",)}, True),
        ({"status": ("Queuing",)}, False),
        ({"quota": ("quota1",)}, True),
        ({"quota": ("[g]old",)}, True),
        ({"quota": ("iron",)}, False),
        ({"type": ("PyTorch*",)}, True),
        ({"type": ("TF*",)}, False),
        ({"tags": {"team": "vis*"}}, True),
        ({"tags": {"team": "vis*", "tier": "2"}}, False),
        ({"tags": {"absent": "*"}}, False),
        ({"name": ("prod-*",), "user": ("bob",)}, False),
        ({"jobs": (REF.job_id,)}, True),
        ({"jobs": (REF.job_id,), "name": ("test-*",)}, True),
        ({"jobs": ("dlcother",)}, False),
        ({"jobs": ("dlcother",), "name": ("prod-*",)}, True),
    ],
)
def test_a_job_is_chosen_when_all_that_is_given_holds_or_its_id_is_named(given: dict[str, Any], chosen: bool) -> None:
    assert Selection(**given).chooses(JOB) is chosen


@pytest.mark.parametrize(
    ("given", "only"),
    [({"jobs": ("a",)}, True), ({"jobs": ("a",), "tags": {"team": "*"}}, False), ({"name": ("a",)}, False)],
)
def test_where_only_ids_are_given_nothing_needs_to_be_listed(given: dict[str, Any], only: bool) -> None:
    assert Selection(**given).only_ids is only


def test_news_is_what_ended_since_we_watch_and_is_not_so_old_that_it_may_have_been_pruned() -> None:
    assert news_since(None, timedelta(days=1), at(0)) is None
    assert news_since(at(0), None, at(100)) == at(0)
    assert news_since(at(0), timedelta(seconds=30), at(100)) == at(70)
    assert news_since(at(0), timedelta(seconds=300), at(100)) == at(0)


def test_an_unknown_job_is_worth_a_look_while_it_lives_or_when_its_end_is_news() -> None:
    assert is_news(summary("Running"), None)
    ended = summary("Failed", finished_at=at(10), modified_at=at(50), created_at=at(0))
    assert is_news(ended, at(10))
    assert not is_news(ended, at(11)), "its end counts, not its last change"
    assert not is_news(ended, None), "before we began to watch"
    assert is_news(summary("Failed", modified_at=at(50), created_at=at(0)), at(50))
    assert is_news(summary("Failed", created_at=at(50)), at(50))
    assert not is_news(summary("Failed"), at(0)), "nobody knows when it ended"
