"""What is refused, and in which words: one file for each defect in tests/config/bad."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import jsonschema
import pytest

from tests.shell.installed import ROOT, installed_kinds
from watcher.config.document import MAX_BYTES, parse
from watcher.config.loading import load, load_file
from watcher.config.schema import json_schema
from watcher.errors import ConfigurationError, Problem

BAD: Final = ROOT / "tests" / "config" / "bad"
GOOD_HEAD: Final = "sources: {hz: {kind: dlc, region: cn-hangzhou}}\nreceivers: {term: {console: {}}}\n"
ENV: Final = {"SLACK_TOKEN": "xoxb-hunter2hunter2"}

SEEN_BY_THE_SCHEMA: Final = frozenset(
    [
        "unknown_key",
        "receiver_language_or_zone_unknown",
        "unknown_top_level_key",
        "unknown_key_in_credentials",
        "wrong_type",
        "number_where_text_is_due",
        "list_where_mapping_is_due",
        "unknown_rule",
        "unknown_rule_option",
        "bad_duration",
        "duration_without_unit",
        "unknown_receiver_kind",
        "two_kinds_in_a_receiver",
        "no_kind_in_a_receiver",
        "unknown_source_kind",
        "source_without_kind",
        "unknown_event_kind",
        "deadline_is_no_event_to_listen_to",
        "rule_of_no_sort",
        "declared_rule_without_on",
        "rule_file_unknown",
        "bad_severity",
        "unknown_state",
        "label_test_unknown",
        "label_test_empty",
        "label_test_wrong_type",
        "count_of_one",
        "bad_name",
        "nothing_to_watch",
        "missing_sections",
        "rules_with_nothing_behind",
        "many_at_once",
    ]
)
"""The defects that need no look at other places, files or the environment."""


def problems_of(text: str, **given: object) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as refused:
        load(text, file="FILE", env=ENV, kinds=installed_kinds(), base_dir=given.get("base_dir", Path("/nonexistent")))
    return refused.value.problems


@pytest.mark.parametrize("file", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_defect_is_refused_at_its_place_in_plain_words(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    (tmp_path / "empty-secret").write_text("\n")
    expected = re.findall(r"^# expect: (.*)$", text, re.MULTILINE)
    assert expected, "a bad file says in its first lines what is expected"

    told = [str(problem).removeprefix("FILE:").lstrip() for problem in problems_of(text, base_dir=tmp_path)]

    assert len(told) == len(expected), told
    for line, start in zip(told, expected, strict=True):
        assert re.sub(r"^(\d+:\d+): ", r"\1 ", line).startswith(start)
        assert not re.search(r"pydantic|https?://|hunter2|ruamel|Value error|\bdict\b|\btuple\b|\bstr\b", line)


@pytest.mark.parametrize("name", sorted(SEEN_BY_THE_SCHEMA))
def test_the_json_schema_refuses_what_a_schema_can_refuse(name: str) -> None:
    document = parse((BAD / f"{name}.yaml").read_text(encoding="utf-8"), file=name, env=None)
    assert not jsonschema.Draft202012Validator(json_schema(installed_kinds())).is_valid(document.data)


def test_an_empty_text_is_refused() -> None:
    assert "empty" in str(problems_of("")[0])


def test_a_file_of_two_mebibytes_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"# " + b"x" * (2 * MAX_BYTES))
    with pytest.raises(ConfigurationError, match="larger than 1024 KiB"):
        load_file(path, env={}, kinds=installed_kinds())


def test_a_text_larger_than_a_file_may_be_is_refused() -> None:
    assert "larger than" in str(problems_of("# " + "ü" * (MAX_BYTES // 2 + 1))[0])


def test_a_file_that_is_not_utf_8_is_refused_at_the_first_bad_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin1.yaml"
    path.write_bytes("a: ok\nüb".encode() + "er: ß\n".encode("latin-1"))
    with pytest.raises(ConfigurationError) as refused:
        load_file(path, env={}, kinds=installed_kinds())
    (problem,) = refused.value.problems
    assert (problem.line, problem.column) == (2, 7)
    assert "0xdf" in problem.message


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.yaml: the configuration cannot be read: No such file"):
        load_file(tmp_path / "gone.yaml", env={}, kinds=installed_kinds())


def test_a_control_character_is_refused_at_its_place() -> None:
    (problem,) = problems_of("a: 1\nb: \x00x\n")
    assert (problem.line, problem.column) == (2, 4)


def test_a_few_lines_of_aliases_do_not_become_millions_of_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "aliases make more than 50000 values" in str(problems_of("\n".join(lines))[0])


def test_aliases_do_not_nest_without_end() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2000)]
    assert "50 levels" in str(problems_of("\n".join(lines))[0])


def test_brackets_do_not_nest_without_end() -> None:
    assert "50 levels deep" in str(problems_of("[" * 100_000)[0])


@pytest.mark.parametrize(
    "text",
    [
        'store: {url: "${SLACK_TOKEN}"}',
        "service: {log: {level: '${SLACK_TOKEN}'}}",
        "rules: [{use: '${SLACK_TOKEN}'}]",
        "rules: [{name: x, on: job.failed, when: 'job.name == ${SLACK_TOKEN}'}]",
        "rules: [{name: x, on: job.failed, summary: '{{ ${SLACK_TOKEN} }}'}]",
        "route: {receiver: '${SLACK_TOKEN}'}",
        "receivers: {a: {slack: {token: [xoxb-hunter2hunter2], to: x}}}",
        "receivers: {a: {webhook: {url: 'ftp://xoxb-hunter2hunter2'}}}",
        "receivers: {a: {webhook: {url: 'https://a.example/', secret: xoxb-hunter2hunter2}}}",
        "receivers: {a: {email: {host: h, from: a@b.example, to: c@d.example, password: xoxb-hunter2hunter2}}}",
        "receivers: {a: {apprise: {url: 'xoxb-hunter2hunter2://x'}}}",
        "receivers: {a: {slack: *xoxb-hunter2hunter2}}",
        "receivers: {a: {slack: {token: !xoxb-hunter2hunter2 x}}}",
        "receivers: {a: {slack: {token: @xoxb-hunter2hunter2}}}",
    ],
)
def test_no_refusal_repeats_a_secret(text: str) -> None:
    head = "sources: {hz: {kind: dlc, region: cn-hangzhou}}\n"
    if not text.startswith("receivers"):
        head = GOOD_HEAD
    assert "hunter2" not in "\n".join(map(str, problems_of(head + text)))


def test_a_wrong_secret_is_refused_at_its_place_though_it_is_not_repeated() -> None:
    (problem,) = problems_of("sources: {hz: {kind: dlc, region: x-y}}\nreceivers: {a: {webhook: {url: 'ftp://x'}}}\n")[
        -1:
    ]
    assert problem.line == 2
    assert problem.path.startswith("receivers.a.webhook")
