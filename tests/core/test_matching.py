from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, REF, happening, job
from watcher.core.events import EventId, JobFailed, PodEvicted, PodPlaced, RuleFailed, WatchBlind, WatchRecovered
from watcher.core.matching import LABELS, Matcher, labels_of
from watcher.core.model import JobSettings, SourceName

JOB = job(
    "Running",
    name="prod-llm",
    workspace_id="268",
    workspace_name="vision",
    user_id="12",
    user_name="ann",
    quota_id="q1",
    quota_name="gold",
    job_type="PyTorchJob",
    settings=JobSettings(tags=(("team", "a"),)),
)


def test_an_event_and_its_job_are_described_by_flat_labels() -> None:
    assert labels_of(happening(PodEvicted, node="n1"), JOB) == {
        "kind": ("pod.evicted",),
        "source": ("hangzhou",),
        "job": (REF.job_id,),
        "pod": ("w-0",),
        "node": ("n1",),
        "name": ("prod-llm",),
        "workspace": ("268", "vision"),
        "user": ("12", "ann"),
        "quota": ("q1", "gold"),
        "type": ("PyTorchJob",),
        "status": ("Running",),
        "phase": ("running",),
        "tag.team": ("a",),
    }


def test_every_label_there_is_stands_in_the_table() -> None:
    named = {
        "tag.<key>" if label.startswith("tag.") else label for label in labels_of(happening(PodPlaced), JOB, "ann")
    }
    assert named | {"rule", "severity"} == set(LABELS)


def test_an_event_about_the_watcher_bears_its_source_alone() -> None:
    blind = happening(WatchBlind, source=SourceName("s"), since=NOW, permanent=True, error="no")
    assert labels_of(blind, None) == {"kind": ("watch.blind",), "source": ("s",)}
    seeing = happening(WatchRecovered, source=SourceName("s"), blind_since=NOW)
    assert labels_of(seeing, None) == {"kind": ("watch.recovered",), "source": ("s",)}
    fault = happening(RuleFailed, rule="r", event_id=EventId("e"), error="x", job=None)
    assert labels_of(fault, None) == {"kind": ("rule.failed",)}


def test_a_job_event_without_its_job_still_names_it() -> None:
    assert labels_of(happening(JobFailed, status="Failed"), None) == {
        "kind": ("job.failed",),
        "source": ("hangzhou",),
        "job": (REF.job_id,),
    }


@pytest.mark.parametrize(
    ("patterns", "mismatch"),
    [
        ({}, ""),
        ({"name": "prod-*"}, ""),
        ({"name": ["test-*", "prod-*"]}, ""),
        ({"name": ("test-*", "dev-*")}, "name"),
        ({"name": []}, "name"),
        ({"workspace": "268"}, ""),
        ({"workspace": "vis?on"}, ""),
        ({"name": "PROD-*"}, "name"),
        ({"name": "prod"}, "name"),
        ({"name": "prod-*", "user": "bob", "quota": "nope"}, "user"),
        ({"tag.team": "[ab]"}, ""),
        ({"tag.absent": "?*"}, "tag.absent"),
        ({"tag.absent": ""}, ""),
        ({"pod": "*"}, ""),
    ],
)
def test_all_named_labels_must_match_and_the_first_that_does_not_is_the_reason(
    patterns: dict[str, str | list[str]], mismatch: str
) -> None:
    labels = labels_of(happening(JobFailed, status="Failed"), JOB)
    matcher = Matcher.of(patterns)
    assert matcher.mismatch(labels) == mismatch
    assert matcher.matches(labels) is (mismatch == "")


names = st.sampled_from(["name", "user", "tag.a"])
words = st.text(alphabet="ab*?[]", max_size=3)


@given(
    st.dictionaries(names, st.lists(words, max_size=2).map(tuple), max_size=3),
    st.dictionaries(names, st.lists(words, max_size=2).map(tuple), max_size=3),
)
def test_matching_is_every_label_by_any_pattern_on_any_value(
    patterns: dict[str, tuple[str, ...]], labels: dict[str, tuple[str, ...]]
) -> None:
    expected = all(
        any(fnmatchcase(value, pattern) for pattern in allowed for value in (labels.get(label) or ("",)))
        for label, allowed in patterns.items()
    )
    assert Matcher.of(patterns).matches(labels) is expected
