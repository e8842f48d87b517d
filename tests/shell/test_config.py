"""What loads, and as what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from tests.shell.installed import ROOT, installed_kinds
from watcher.config.document import parse
from watcher.config.loading import Loaded, load, load_file
from watcher.config.nodes import plain_value
from watcher.config.schema import json_schema
from watcher.config.sources import ConfiguredSource, sources_of
from watcher.config.variables import substitute
from watcher.config.wording import SENTENCES, sentence
from watcher.core.inhibition import DEFAULTS
from watcher.core.passage import Passage
from watcher.core.rule import Severity
from watcher.core.tally import Tally
from watcher.errors import ConfigurationError
from watcher.kinds import PluginFault

ENV = {"DLC_KEY_ID": "LTAI-not-a-key", "PAGER_KEY": "not-a-key-either", "PORT": "8080", "ODD": "a: [b"}
MINUTE = timedelta(minutes=1)
HEAD = "sources: {hz: {kind: dlc, region: cn-hangzhou}}\nreceivers: {term: {console: }, file: {console: {}}}\n"


def loaded(text: str, **changes: object) -> Loaded:
    return load(text, file="FILE", env=ENV, kinds=replace(installed_kinds(), **changes), base_dir=Path("/nonexistent"))


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for name, content in {
        "slack": "xoxb-not-a-token",
        "smtp": "not-a-password",
        "dlc-key-secret": "not-a-key",
        "webhook": "whsec_bm90LWEtc2VjcmV0LW5vdC1hLXNlY3JldA==",
    }.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def placed(file: Path, secrets: Path) -> Path:
    """The file with its secrets where the test has put them."""
    copy = secrets / file.name
    copy.write_text(file.read_text(encoding="utf-8").replace("/run/secrets", str(secrets)), encoding="utf-8")
    return copy


def test_the_configuration_of_the_readme_loads_as_printed(secrets: Path) -> None:
    config = load_file(placed(ROOT / "tests/config/good/issue.yaml", secrets), env={}, kinds=installed_kinds())

    assert config.sources["hangzhou"].settings.select.name == ("prod-*",)
    assert config.sources["hangzhou"].settings.budget.requests_per_second == 5
    assert config.receivers["team"].notifier.kind == "slack"
    assert config.receivers["team"].settings.token_file == secrets / "slack"
    assert config.receivers["oncall"].settings.from_ == "dlc@example.com"
    assert [(rule.name, rule.severity) for rule in config.rules] == [
        ("job-failed", None),
        ("stuck-pending", None),
        ("prod-evictions", Severity.CRITICAL),
    ]
    assert config.rules[1].rule.options.after == timedelta(minutes=30)
    assert config.rules[2].when is not None
    assert config.rules[2].kinds == {"pod.evicted"}
    assert config.route.receiver == "team"
    assert [(child.receiver, child.continue_, child.path) for child in config.route.routes] == [
        ("oncall", True, "route.routes[0]")
    ]
    assert config.store.url == "sqlite:///watcher.db"
    assert config.warnings == ()


@pytest.mark.parametrize("name", ["minimal.yaml", "dlc-watcher.yaml"])
def test_every_example_loads_without_a_warning_and_fits_the_schema(name: str, secrets: Path) -> None:
    path = placed(ROOT / "examples" / name, secrets)
    assert load_file(path, env=ENV, kinds=installed_kinds()).warnings == ()
    jsonschema.validate(parse(path.read_text(), file=name, env=None).data, json_schema(installed_kinds()))


def test_the_schema_is_a_schema_and_describes_every_installed_kind() -> None:
    schema = json_schema(installed_kinds())
    jsonschema.Draft202012Validator.check_schema(schema)
    uses = [
        entry["properties"].get("use", {}).get("const") for entry in schema["properties"]["rules"]["items"]["anyOf"]
    ]
    assert set(installed_kinds().rules) <= set(uses)
    assert schema["$defs"]["ServiceSettings"]["properties"]["retention"]["description"].startswith(
        "How long an ended job"
    )


def test_sources_are_known_ahead_of_the_rest_whatever_is_wrong_with_that() -> None:
    kinds = installed_kinds()

    def ahead(text: str) -> dict[str, ConfiguredSource]:
        return sources_of(parse(text, file="FILE", env=ENV), kinds, Path("/nonexistent"))

    assert ahead(HEAD) == loaded(HEAD + "route: {receiver: term}\n").sources
    assert ahead(HEAD + "rules: [{use: nothing-like-it}]\nroute: 7\n").keys() == {"hz"}
    second = HEAD.replace("}}\n", "}, other: {kind: dlc, region: 5}}\n", 1)
    assert ahead(HEAD + "store: {url: a, url: b}\n") == ahead(second) == ahead("sources: 3\n") == {}


def test_left_out_parts_have_their_defaults() -> None:
    config = load_file(ROOT / "examples/minimal.yaml", env={}, kinds=installed_kinds())
    assert config.route.receiver == "terminal"
    assert config.store.url == "sqlite:///dlc-watcher.db"
    assert (config.service.http.host, config.service.http.port) == ("127.0.0.1", 9464)
    assert config.service.shutdown_grace == timedelta(seconds=8)
    assert {rule.name for rule in config.rules} == set(installed_kinds().rules) - {"hang-suspected"}


def test_the_wishes_of_jobs_are_heeded_as_configured_and_by_default_their_owner_alone() -> None:
    head = HEAD + "route: {receiver: term}\n"
    assert loaded(head).book.wishes == {"owner"}
    assert loaded(head + "service: {job_wishes: [mute, notify]}\n").book.wishes == {"mute", "notify"}
    assert loaded(head + "service: {job_wishes: []}\n").book.wishes == frozenset()
    with pytest.raises(ConfigurationError, match=r"service\.job_wishes"):
        loaded(head + "service: {job_wishes: [silence]}\n")


def test_an_empty_list_of_rules_means_none() -> None:
    assert loaded(HEAD + "route: {receiver: term}\nrules: []\n").rules == ()


def test_included_rules_stand_where_they_are_included() -> None:
    text = "route: {receiver: term}\nrules: [{name: mine, on: job.failed}, {include: default}]\n"
    names = [rule.name for rule in loaded(HEAD + text).rules]
    assert names[:2] == ["mine", "job-failed"]


def test_a_fault_in_a_packaged_rule_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "house.yaml").write_text("rules:\n  - use: job-faild\n")
    with pytest.raises(ConfigurationError) as refused:
        loaded(
            HEAD + "route: {receiver: term}\nrules: [{include: house}]", rule_files={"house": tmp_path / "house.yaml"}
        )
    assert str(refused.value).startswith('rule file house (house.yaml):2:10: rules.0.use: unknown rule "job-faild"')


def test_children_inherit_what_they_leave_out() -> None:
    root = loaded(
        HEAD
        + """
route:
  receiver: term
  group_by: [kind, tag.team]
  group_wait: 10s
  group_interval: 5m
  repeat_interval: 4h
  urgent: critical
  routes:
    - match: {severity: [warning, "crit*"]}
      group_wait: 1m
      group_interval: 0s
      urgent: []
      routes: [{match: {source: hz}, receiver: file, group_by: []}]
rules: []
"""
    ).route
    child, grandchild = root.routes[0], root.routes[0].routes[0]
    assert (child.receiver, child.group_by, child.group_wait) == ("term", ("kind", "tag.team"), timedelta(minutes=1))
    assert (grandchild.receiver, grandchild.group_by, grandchild.group_wait) == ("file", (), timedelta(minutes=1))
    assert (root.urgent, root.group_interval, root.repeat_interval) == (("critical",), 5 * MINUTE, 240 * MINUTE)
    assert (grandchild.urgent, grandchild.group_interval, grandchild.repeat_interval) == ((), 0 * MINUTE, 240 * MINUTE)
    assert grandchild.path == "route.routes[0].routes[0]"


def test_a_receiver_that_no_route_leads_to_is_a_warning_at_its_place() -> None:
    (warning,) = loaded(HEAD + "route: {receiver: term}").warnings
    assert str(warning) == "FILE:2:32: receivers.file: no route leads to this receiver, and none falls back on it"


def test_a_route_that_hides_the_ones_after_it_is_a_warning() -> None:
    text = "route: {receiver: term, routes: [{receiver: file}, {match: {name: x}}]}"
    (warning,) = loaded(HEAD + text).warnings
    assert "never asked" in warning.message
    assert warning.path == "route.routes.0"


def test_variables_are_put_in_and_never_read_as_yaml() -> None:
    text = HEAD.replace("cn-hangzhou", "cn-hangzhou, workspaces: ['${ODD}', '$${ODD}', a$$b, $5]")
    config = loaded(text + "route: {receiver: term}\nservice: {http: {port: '${PORT}'}}")
    assert config.sources["hz"].settings.workspaces == ("a: [b", "${ODD}", "a$b", "$5")
    assert config.service.http.port == 8080


def test_a_variable_left_open_is_named_at_its_offset() -> None:
    result = substitute("ab${X", {})
    assert (result.text, result.faults[0][0]) == ("ab", 2)


def test_a_broken_plug_in_stops_only_a_configuration_that_uses_it() -> None:
    class Broken(dict):
        def __contains__(self, name: object) -> bool:
            return name == "broken" or super().__contains__(name)

        def __missing__(self, name: str) -> object:
            raise PluginFault("it does not import", group="dlc_watcher.rules", name=name, distribution="x 1")

    rules = Broken(installed_kinds().rules)
    assert len(loaded(HEAD + "route: {receiver: term}\nrules: [{use: job-failed}]", rules=rules).rules) == 1
    with pytest.raises(ConfigurationError, match=r"FILE:4:15: rules\.0\.use: it does not import"):
        loaded(HEAD + "route: {receiver: term}\nrules: [{use: broken}]", rules=rules)


def test_a_rule_that_cannot_be_made_is_refused_at_its_place() -> None:
    class Moody(installed_kinds().rules["job-failed"]):  # type: ignore[misc]
        def __init__(self, options: object) -> None:
            raise RuntimeError("not today")

    with pytest.raises(ConfigurationError, match=r"FILE:4:9: rules\.0.*: .*RuntimeError: not today"):
        loaded(HEAD + "route: {receiver: term}\nrules: [{use: moody}]", rules={"moody": Moody})


def test_neither_the_repr_of_a_configuration_nor_the_shown_store_has_a_password() -> None:
    text = """
sources: {hz: {kind: dlc, region: r, credentials: {kind: access_key, key_id: k, secret: canary-secret}}}
receivers: {team: {slack: {token: xoxb-canary, to: "#x"}}}
store: {url: "postgresql://dlc:canary-pass@db/dlc"}
"""
    config = loaded(text)
    assert "canary" not in repr(config)
    assert config.store.shown == "postgresql://dlc:***@db/dlc"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("False", False), ("yes", "yes"), ("on", "on"),
        ("12", 12), ("-7", -7), ("007", 7), ("0x1F", 31), ("0o17", 15), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0),
        ("-.inf", float("-inf")), ("1_000", "1_000"), ("2020-01-01", "2020-01-01"), ("1:30", "1:30"), ("9" * 400, float("inf")),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


def test_keys_and_values_know_their_places() -> None:
    text = 'a: {b: "x",\n    c: [1, two]}\nempty:\nword: &w plain\nagain: *w\nblock: |\n  one\n  two\nfold: >\n  aaa\n  bbb\n'
    document = parse(text, file="f", env={})
    assert document.position(("a", "c", 1)) == (2, 12)
    assert document.key_position(("a", "c")) == (2, 5)
    assert document.position(("empty",)) == (3, 1)
    assert document.position(("again",)) == document.position(("word",)) == (4, 7)
    assert document.position(("a", "nowhere", "at", "all")) == document.position(("a",))
    assert document.inside(("a", "b"), 1, 1) == (1, 9)
    assert document.inside(("block",), 2, 3) == (8, 5)
    assert document.inside(("fold",), 1, 6) == (11, 4)
    with pytest.raises(KeyError):
        document.value(("nowhere",))


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (ROOT / "examples/minimal.yaml").read_bytes().replace(b"\n", b"\r\n"))
    assert load_file(path, env={}, kinds=installed_kinds()).sources.keys() == {"hangzhou"}


def test_no_sentence_fails_for_want_of_context_and_none_is_jargon() -> None:
    for error_type in [*SENTENCES, "something_new_from_pydantic_core"]:
        for value in (None, True, 5, "x", [], {}):
            assert sentence(error_type, {}, value)
            assert "Input should" not in sentence(error_type, {}, value)


def test_a_rule_of_its_own_may_count() -> None:
    text = """\
route: {receiver: term}
rules:
  - {name: many, on: [pod.evicted, job.failed], count: 12, within: 2m, per: quota}
"""
    (many,) = loaded(HEAD + text).rules
    kinds = frozenset({"pod.evicted", "job.failed"})
    assert many.threshold == Tally(kinds, 12, timedelta(minutes=2), ("quota",))
    assert (many.kinds, many.looks_back) == (kinds, timedelta(minutes=24))
    jsonschema.validate(parse(HEAD + text, file="FILE", env=None).data, json_schema(installed_kinds()))


def test_a_rule_of_its_own_may_wait_for_a_state_and_carry_labels_that_routes_choose_by() -> None:
    text = """\
route: {receiver: term, routes: [{match: {team: "vis*"}, receiver: file, group_by: [team]}]}
rules:
  - {name: waits, on: job.status_changed, to: [Queuing, Bidding], for: 40m, once_per: tag.sweep, labels: {team: vision},
     when: job.gpus > 8, summary: "{{ job.status }} for {{ phase_age }}"}
  - {name: back, on: job.status_changed, from: running, to: pending, when: event.old_status == "Running"}
"""
    config = loaded(HEAD + text)
    waits, back = config.rules
    assert waits.labels == (("team", "vision"),)
    assert waits.rule.passage == Passage(goals=("Queuing", "Bidding"), dwell=timedelta(minutes=40))
    assert waits.rule.once_per == ("tag.sweep",)
    assert waits.kinds == {"job.status_changed", "job.appeared", "job.resumed", "job.reappeared"}
    assert back.rule.passage == Passage(("running",), ("pending",))
    assert back.kinds == {"job.status_changed"}
    jsonschema.validate(parse(HEAD + text, file="FILE", env=None).data, json_schema(installed_kinds()))


def test_inhibitions_are_the_built_in_ones_unless_a_list_says_otherwise() -> None:
    assert loaded(HEAD + "route: {receiver: term}").book.inhibits == DEFAULTS
    assert loaded(HEAD + "route: {receiver: term}\ninhibit: []").book.inhibits == ()
    *built_in, own = loaded(
        HEAD
        + """
route: {receiver: term}
inhibit:
  - include: default
  - {source: {kind: job.vanished}, target: {kind: {not: "job.*"}}, equal: [source, job], for: 2h, until: job.reappeared}
"""
    ).book.inhibits
    assert tuple(built_in) == DEFAULTS
    assert (own.name, own.equal, own.lasts, own.until) == (
        "inhibit[1]",
        ("source", "job"),
        120 * MINUTE,
        frozenset({"job.reappeared"}),
    )
    assert (str(own.source), str(own.target)) == ('kind is "job.vanished"', 'kind is not "job.*"')


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("[{source: {kind: job.faild}, target: {kind: pod.evicted}}]", 'unknown kind "job.faild"'),
        ("[{source: {kind: job.failed}, target: {knd: pod.evicted}}]", 'unknown label "knd"'),
        ("[{source: {kind: job.failed}, target: {kind: pod.*}, equal: jb}]", 'unknown label "jb"'),
        ("[{source: {kind: job.failed}, target: {kind: pod.*}, until: [x]}]", 'unknown event kind "x"'),
        ("[{source: {kind: job.failed}}]", "name a source and a target"),
        ("[{include: default, for: 1h}]", "include stands alone"),
        ("[{source: {kind: job.failed}, target: {kind: pod.*}, for: 8d}]", "7"),
        ("[x]", "expects"),
    ],
)
def test_an_inhibition_that_could_never_be_meant_is_refused(written: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loaded(HEAD + f"route: {{receiver: term}}\ninhibit: {written}")
    assert complaint in str(refused.value)
