from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, REF, happening, job
from watcher.core.events import EventId, JobFailed, PodEvicted, PodPlaced, RuleFailed, WatchBlind, WatchRecovered
from watcher.core.matching import LABELS, LabelTest, Matcher, Operator, labels_of, matcher_from
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
        ({"name": {"not": "test-*"}}, ""),
        ({"name": {"not": ["test-*", "prod-*"]}}, "name"),
        ({"name": {"is": "prod-*", "not": "prod-llm"}}, "name"),
        ({"workspace": {"not": "vision"}}, "workspace"),
        ({"workspace": {"not": "268"}}, "workspace"),
        ({"workspace": {"not": "269"}}, ""),
        ({"name": {"regex": "prod-[a-z]+"}}, ""),
        ({"name": {"regex": ["x", "prod"]}}, "name"),
        ({"name": {"not_regex": "prod-[a-z]+"}}, "name"),
        ({"name": {"not_regex": "prod"}}, ""),
        ({"tag.absent": {"not": "x"}}, ""),
        ({"tag.absent": {"not": ""}}, "tag.absent"),
        ({"name": {"not": []}}, ""),
    ],
)
def test_all_named_labels_must_match_and_the_first_that_does_not_is_the_reason(
    patterns: dict[str, str | list[str] | dict[str, str | list[str]]], mismatch: str
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
        any(
            fnmatchcase(value, pattern)
            for pattern in allowed
            for value in ([v for v in labels.get(label, ()) if v] or [""])
        )
        for label, allowed in patterns.items()
    )
    assert Matcher.of(patterns).matches(labels) is expected


def test_of_a_label_with_two_meanings_what_is_not_known_does_not_count() -> None:
    only_id = {"workspace": ("268", "")}
    assert Matcher.of({"workspace": {"not": ""}}).matches(only_id)
    assert not Matcher.of({"workspace": ""}).matches(only_id)
    assert Matcher.of({"workspace": ""}).matches({"workspace": ("", "")})


@given(
    st.dictionaries(names, st.lists(words, max_size=2).map(tuple), max_size=3),
    names,
    st.lists(words, max_size=2).map(tuple),
    st.sampled_from([(Operator.IS, Operator.NOT), (Operator.REGEX, Operator.NOT_REGEX)]),
)
def test_a_negated_test_holds_exactly_where_its_opposite_does_not(
    labels: dict[str, tuple[str, ...]], label: str, patterns: tuple[str, ...], both: tuple[Operator, Operator]
) -> None:
    if both[0] is Operator.REGEX:
        patterns = tuple(pattern.strip("*?[]") for pattern in patterns)
    yes, no = (LabelTest(label, operator, patterns) for operator in both)
    assert yes.holds(labels) is not no.holds(labels)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("test-*", 'name is "prod-llm", wanted is "test-*"'),
        ({"not": ["a", "prod-*"]}, 'name is "prod-llm", wanted is not "a" or "prod-*"'),
        ({"regex": "[a-z]"}, 'name is "prod-llm", wanted is like "[a-z]"'),
        ({"not_regex": ".*"}, 'name is "prod-llm", wanted is not like ".*"'),
        ([], 'name is "prod-llm", wanted is nothing'),
    ],
)
def test_a_refusal_says_what_the_label_is_and_what_it_should_be(given: object, told: str) -> None:
    failed = Matcher.of({"name": given}).failing({"name": ("prod-llm",)})  # type: ignore[dict-item]
    assert failed is not None
    assert failed.refusal({"name": ("prod-llm",)}) == told
    assert failed.refusal({}).startswith("name is not told, wanted ")


def test_a_matcher_can_be_said_in_one_line() -> None:
    assert str(Matcher.of({"name": {"is": "a", "not": "b"}, "user": ["c", "d"]})) == (
        'name is "a", name is not "b", user is "c" or "d"'
    )
    with pytest.raises(ValueError, match="isnt"):
        Matcher.of({"name": {"isnt": "a"}})


def test_a_matcher_can_be_written_on_a_command_line() -> None:
    found = matcher_from(["name=prod-*", "name=live-*", "severity!=info", "user=~svc-[0-9]+", "tag.a!~x=y", "pod="])
    assert found == Matcher.of(
        {
            "name": ["prod-*", "live-*"],
            "severity": {"not": "info"},
            "user": {"regex": "svc-[0-9]+"},
            "tag.a": {"not_regex": "x=y"},
            "pod": "",
        }
    )
    assert matcher_from([]) == Matcher()


@pytest.mark.parametrize(
    ("text", "told"),
    [("prod-llm", "is no test on a label"), ("=x", "is no test on a label"), ("name=~(", "missing )")],
)
def test_what_is_no_test_on_a_label_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        matcher_from([text])
