from __future__ import annotations

from typing import Any

import pytest

from tests.core.strategies import REF, summary
from watcher.core.selection import Selection

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
