"""Finding plug-ins, loading them late, and refusing broken ones in words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import Distribution, EntryPoint, EntryPoints
from pathlib import Path

import pytest

from tests.shell.installed import declared_entry_points, installed_kinds
from watcher.kinds import PluginFault
from watcher.plugins import discover

GOOD_RULE = """
from watcher.api import JobFailed, NoOptions, Notify, Severity
class Shout:
    name, on, severity, Options = "shout", (JobFailed,), Severity.INFO, NoOptions
    def __init__(self, options): pass
    def consider(self, event, context): yield Notify(headline="!")
"""


class _Package(Distribution):
    """An installed distribution as importlib.metadata shows it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: 1.0\n" if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


def _entry(group: str, name: str, value: str, package: str = "stranger") -> EntryPoint:
    entry = EntryPoint(name, value, f"dlc_watcher.{group}")
    vars(entry)["dist"] = _Package(package)
    return entry


def _found(*entries: EntryPoint) -> Callable[[], EntryPoints]:
    return lambda: EntryPoints(entries)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Puts a module of the given text on the path and returns its name, which no other test has."""
    monkeypatch.syspath_prepend(tmp_path)
    name = "stranger_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)

    def make(text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return make


def test_every_built_in_entry_loads() -> None:
    kinds = installed_kinds()
    for mapping in (kinds.sources, kinds.notifiers, kinds.rules, kinds.rule_files):
        assert mapping
        assert all(mapping[name] is mapping[name] for name in mapping)
    assert kinds.rule_files["default"].read_text(encoding="utf-8").strip()


def test_looking_for_plug_ins_imports_none_of_them() -> None:
    code = (
        "import sys; from tests.shell.installed import installed_kinds; kinds = installed_kinds();"
        "assert 'slack' in kinds.notifiers; kinds.notifiers['console'];"
        "print([m for m in ('slack_sdk', 'aiosmtplib', 'apprise', 'rules') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"


def test_a_strangers_rule_is_found_like_ours(module: Callable[[str], str]) -> None:
    kinds = discover(_found(_entry("rules", "shout", f"{module(GOOD_RULE)}:Shout")))
    assert kinds.rules["shout"].name == "shout"
    assert "shout" in repr(kinds.rules)


def test_one_that_does_not_import_is_a_fault_only_when_it_is_looked_up(module: Callable[[str], str]) -> None:
    kinds = discover(_found(_entry("rules", "shout", f"{module('import nowhere_to_be_found')}:Shout")))
    assert list(kinds.rules) == ["shout"]
    assert len(kinds.rules) == 1
    with pytest.raises(PluginFault, match=r'"shout" of stranger 1\.0 cannot be used: .*No module named') as fault:
        kinds.rules["shout"]
    assert (fault.value.group, fault.value.name, fault.value.distribution) == (
        "dlc_watcher.rules",
        "shout",
        "stranger 1.0",
    )


def test_two_that_share_a_name_are_a_fault_that_names_both() -> None:
    kinds = discover(_found(_entry("rules", "shout", "a:A", "first"), _entry("rules", "shout", "b:B", "second")))
    with pytest.raises(PluginFault, match=r"first 1\.0 and second 1\.0 all bring something of this name"):
        kinds.rules["shout"]


def test_a_distribution_seen_twice_on_the_path_is_one(module: Callable[[str], str]) -> None:
    value = f"{module(GOOD_RULE)}:Shout"
    kinds = discover(_found(_entry("rules", "shout", value), _entry("rules", "shout", value)))
    assert kinds.rules["shout"].name == "shout"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('Shout.name = "other"', r"Shout\.name must be the name of the entry point \(shout\)"),
        ("del Shout.consider", r"Shout\.consider must be a method; it is missing"),
        ("Shout.on = ['job.failed']", r"Shout\.on must be a tuple of event types"),
        ("Shout.severity = 'info'", r"Shout\.severity must be a Severity"),
        ("Shout.Options = dict", r"Shout\.Options must be a subclass of RuleOptions"),
        ("Shout = 5", "is not a class"),
    ],
)
def test_one_that_lacks_a_member_is_refused_with_words(change: str, words: str, module: Callable[[str], str]) -> None:
    kinds = discover(_found(_entry("rules", "shout", f"{module(GOOD_RULE + change)}:Shout")))
    with pytest.raises(PluginFault, match=words):
        kinds.rules["shout"]


@pytest.mark.parametrize("group", ["sources", "notifiers"])
def test_a_source_or_notifier_without_settings_is_refused(group: str) -> None:
    kinds = discover(_found(_entry(group, "dict", "builtins:dict")))
    with pytest.raises(PluginFault, match="must be"):
        getattr(kinds, group)["dict"]


@pytest.mark.parametrize(
    ("value", "words"), [("rules:gone.yaml", "no file gone.yaml"), ("nowhere_at_all:x.yaml", "import")]
)
def test_a_rule_file_that_is_not_there_is_refused(value: str, words: str) -> None:
    with pytest.raises(PluginFault, match=words):
        discover(_found(_entry("rule_files", "house", value))).rule_files["house"]


def test_a_name_that_nobody_brings_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        discover(declared_entry_points).rules["nothing"]
