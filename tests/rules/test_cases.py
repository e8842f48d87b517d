"""Every built-in rule: its cases, its documentation, its registration, and that nothing makes it raise."""

from __future__ import annotations

import ast
import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.shell.installed import declared_entry_points
from watcher.api import (
    Context,
    Deadline,
    EventId,
    Fleet,
    Investigate,
    JobRef,
    JobRestarted,
    JobSnapshot,
    Notify,
    PodKey,
    PodSnapshot,
    RestartCount,
    RoleSpec,
    RuleOptions,
    Severity,
    Silence,
    When,
)
from watcher.core.events import EVENT_TYPES, CauseId, DeadlinePassed
from watcher.core.language import line_of, spoken
from watcher.core.model import ReplicaStatus, RestartRecord
from watcher.core.phases import JOB_PHASES
from watcher.testing.cases import check, load_cases

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENTRIES = {entry.name: entry for entry in declared_entry_points().select(group="dlc_watcher.rules")}
RULES: dict[str, type[Any]] = {name: entry.load() for name, entry in ENTRIES.items()}
OFF = {"hang-suspected"}
"""Rules that nobody has by default."""
SAMPLES = ROOT / "rules" / "samples"
FILES = sorted((*HERE.glob("*.yaml"), *SAMPLES.glob("*.yaml")))
CASES = [(path.stem, case) for path in FILES for case in load_cases(path)]


@pytest.mark.parametrize(("rule", "case"), CASES, ids=[f"{rule}-{case.name}" for rule, case in CASES])
def test_the_rule_says_what_its_case_expects(rule: str, case: Any) -> None:
    check(case, RULES[rule])


def test_the_registered_rules_are_the_files_in_rules() -> None:
    files = {path.stem for path in (ROOT / "rules").glob("*.py")} - {"__init__"}
    assert {entry.value.partition(":")[0] for entry in ENTRIES.values()} == {f"rules.{stem}" for stem in files}
    assert {path.stem for path in HERE.glob("*.yaml")} == set(ENTRIES)


def test_every_rule_brings_a_sample_in_which_it_speaks_and_no_more() -> None:
    samples = {path.stem: load_cases(path) for path in SAMPLES.glob("*.yaml")}
    assert set(samples) == set(ENTRIES)
    assert {len(cases) for cases in samples.values()} == {1}
    assert all(case.expected for cases in samples.values() for case in cases)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_a_rule_is_called_what_its_file_its_class_and_its_entry_are_called(name: str) -> None:
    words = name.split("-")
    assert ENTRIES[name].value == f"rules.{'_'.join(words)}:{''.join(map(str.capitalize, words))}Rule"
    assert RULES[name].name == name


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_a_rule_has_a_case_that_speaks_and_one_that_is_silent(name: str) -> None:
    names = [case.name for rule, case in CASES if rule == name]
    assert any(case.startswith("notifies_") for case in names)
    assert any(case.startswith("stays_silent_") for case in names)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_a_rule_is_a_small_essay_with_four_sections(name: str) -> None:
    doc = inspect.getdoc(RULES[name]) or ""
    found = [line.removesuffix(":") for line in doc.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert found == ["When", "Why you want to know", "What it says", "Options"]
    options = doc.split("Options:")[1]
    for option in RULES[name].Options.model_fields:
        assert f"`{option}`" in options
    undocumented = [option for option, field in RULES[name].Options.model_fields.items() if not field.description]
    assert not undocumented


@pytest.mark.parametrize("path", sorted((ROOT / "rules").glob("*.py")), ids=lambda path: path.stem)
def test_a_rule_imports_the_public_api_and_the_standard_library_only(path: Path) -> None:
    allowed = {"__future__", "collections.abc", "datetime", "typing", "watcher.api"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} <= allowed
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]


def test_the_default_rules_are_all_built_in_rules_with_good_options_but_for_those_that_are_off() -> None:
    text = (ROOT / "rules" / "default.yaml").read_text(encoding="utf-8")
    written = YAML(typ="safe").load(text)["rules"]
    assert sorted(item["use"] for item in written) == sorted(set(ENTRIES) - OFF)
    assert all(f"\n  # - use: {name}" in text for name in OFF)
    for item in written:
        RULES[item["use"]].Options.model_validate(item.get("with", {}))


@pytest.mark.parametrize(
    "options", [{"count": 1}, {"within": "5s"}, {"by": []}, {"by": ["node", "node"]}, {"by": ["moon"]}]
)
def test_a_storm_that_could_not_be_meant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"count|within|by"):
        RULES["storm"].Options.model_validate(options)


def test_a_flood_of_repeats_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1m"):
        RULES["stuck-pending"].Options.model_validate({"repeat_every": "10s"})


# --- nothing makes a rule raise -----------------------------------------------------------------------------------------------

TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
LENGTHS = st.timedeltas(timedelta(0), timedelta(days=400))
TEXTS = st.text(max_size=12)
NAMES = st.text("abc-1", min_size=1, max_size=12)
STATUSES = st.sampled_from([*JOB_PHASES, "", "Mystery"])
REFS = st.builds(JobRef, TEXTS, TEXTS)
PODS = st.builds(PodSnapshot, pod_id=NAMES, uid=TEXTS, status=st.sampled_from(["Failed", "Running", ""]), node=TEXTS)
JOBS = st.builds(
    JobSnapshot,
    ref=REFS,
    observed_at=TIMES,
    status=STATUSES,
    name=TEXTS,
    restarts=st.builds(RestartCount.parse, st.sampled_from(["", "0/10", "3", "what"])),
    created_at=st.none() | TIMES,
    submitted_at=st.none() | TIMES,
    running_at=st.none() | TIMES,
    failed_at=st.none() | TIMES,
    finished_at=st.none() | TIMES,
    max_running_time=st.none() | LENGTHS,
    requested_gpu=st.none() | st.floats(0, 4096),
    roles=st.lists(st.builds(RoleSpec, role=TEXTS, count=st.integers(0, 999), spot=st.booleans()), max_size=2).map(
        tuple
    ),
    pods=st.none() | st.lists(PODS, max_size=6).map(tuple),
    replicas=st.lists(st.builds(ReplicaStatus, role=TEXTS, queuing=st.none() | st.integers(0, 9)), max_size=2).map(
        tuple
    ),
    restart_records=st.lists(
        st.builds(
            RestartRecord,
            job_restart_count=st.none() | st.integers(0, 3),
            occurred_at=st.none() | TIMES,
            duration=st.none() | LENGTHS,
        ),
        max_size=2,
    ).map(tuple),
)
WHENS = st.builds(When, observed_at=TIMES, occurred_at=st.none() | TIMES)
MEMBERS = {"when": WHENS, "job": REFS, "pod": st.builds(PodKey, NAMES, TEXTS), "rule": NAMES, "event_id": NAMES}


def _events(event_type: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(event_type)
    members = {
        name: MEMBERS[name] if name in MEMBERS else TIMES if hints[name] is datetime else st.from_type(hints[name])
        for name in event_type.__dataclass_fields__
        if name != "kind"
    }
    return st.builds(event_type, **members)


EVENTS = st.one_of([_events(event_type) for event_type in EVENT_TYPES])
CONTEXTS = st.builds(
    Context,
    now=TIMES,
    job=st.none() | JOBS,
    previous=st.none() | JOBS,
    phase_since=st.none() | TIMES,
    console_url=TEXTS,
)


MADE = {"id": EventId("passed"), "when": When(observed_at=datetime(2026, 1, 1, tzinfo=UTC)), "cause": CauseId("c")}


@pytest.mark.parametrize("name", sorted(ENTRIES))
@settings(max_examples=150, deadline=None)
@given(event=EVENTS, context=CONTEXTS)
@example(
    event=JobRestarted(**MADE, job=JobRef("s", "j"), used=-1, limit=0),
    context=Context(now=datetime(2026, 1, 1, tzinfo=UTC)),
)
def test_no_event_and_no_context_make_a_rule_raise(name: str, event: Any, context: Context) -> None:
    rule = RULES[name](RULES[name].Options())
    for intent in rule.consider(event, context):
        assert isinstance(intent, Notify | Deadline | Investigate | Silence)
        if isinstance(intent, Notify):
            assert line_of(intent.headline)
            assert all(spoken(label) and spoken(value) for label, value in intent.facts)
        if isinstance(intent, Deadline):
            assert intent.at.tzinfo is not None


@settings(max_examples=150, deadline=None)
@given(looks=st.lists(st.tuples(JOBS, st.lists(EVENTS, max_size=3), TIMES), max_size=8))
def test_no_course_of_a_fleet_makes_the_storm_rule_raise(looks: list[tuple[JobSnapshot, list[Any], datetime]]) -> None:
    rule, fleet = RULES["storm"](RULES["storm"].Options(count=2)), Fleet()
    keys: list[str] = []
    for snapshot, events, now in looks:
        fleet.see(snapshot, now, events, now)
        passed = [DeadlinePassed(**MADE, job=snapshot.ref, rule="storm", key=key, due_at=now) for key in keys[-2:]]
        for event in (*events, *passed):
            for intent in rule.consider(event, Context(now=now, job=snapshot, fleet=fleet)):
                if isinstance(intent, Deadline):
                    keys.append(intent.key)
                if isinstance(intent, Notify):
                    assert intent.headline
                    assert all(label and value for label, value in intent.facts)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_a_rule_has_a_severity_and_options_and_leaves_deadlines_to_the_engine(name: str) -> None:
    assert RULES[name].severity in Severity
    assert issubclass(RULES[name].Options, RuleOptions)
    assert DeadlinePassed not in RULES[name].on
