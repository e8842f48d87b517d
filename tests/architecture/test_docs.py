"""Docs cannot drift: the README's tables, configuration and commands are those of the code.

With UPDATE_DOCS=1 the generated parts are written instead of compared.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell.installed import installed_kinds
from watcher.cli.app import app
from watcher.config.loading import load
from watcher.core.duration import spell_duration
from watcher.core.events import EVENT_TYPES, kind_of
from watcher.core.matching import LABELS
from watcher.core.view_names import ATTEMPT_NAMES, HISTORY_NAMES, JOB_NAMES, OTHER_NAMES
from watcher.service.telemetry import Metrics
from watcher.settings import ReceiverSettings, Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
REFERENCE = ROOT / "docs" / "reference.md"
WRITE = os.environ.get("UPDATE_DOCS") == "1"


def section(file: Path, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", file.read_text(), re.DOTALL)
    assert found, f"{file.name} has no section {name}"
    return found[1]


def settle(file: Path, name: str, wanted: str) -> None:
    if WRITE:
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = file.read_text().partition(start)
        file.write_text(f"{before}{start}{wanted}\n{end}{rest.partition(end)[2]}")
    assert section(file, name) == wanted


def first_sentence(doc: str | None) -> str:
    return " ".join((doc or "").split("\n\n")[0].split())


def default_of(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return spell_duration(value).replace(" ", "") if hasattr(value, "total_seconds") else str(value)


def test_the_rules_table_is_made_from_the_installed_rules() -> None:
    rows = ["| rule | severity | what for | options |", "|---|---|---|---|"]
    rules = installed_kinds().rules
    for name in sorted(rules):
        rule = rules[name]
        options = ", ".join(
            f"`{option}` ({default_of(field.get_default(call_default_factory=True))})"
            for option, field in rule.Options.model_fields.items()
        )
        rows.append(f"| `{name}` | {rule.severity} | {first_sentence(inspect.getdoc(rule))} | {options} |")
    settle(README, "rules", "\n".join(rows))


def test_the_table_of_notifiers_is_made_from_what_they_declare() -> None:
    columns = {
        "what you get": "shows",
        "threads": "threads",
        "updated in place": "updates",
        "receipt": "receipt",
        "buttons": "buttons",
        "told of ends": "ends",
        "told twice after a crash?": "repeats",
    }
    rows = [f"| receiver | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    notifiers = installed_kinds().notifiers
    for name in sorted(notifiers):
        told = (getattr(notifiers[name].capabilities, column) for column in columns.values())
        rows.append(f"| `{name}` | {' | '.join(told)} |")
    settle(README, "notifiers", "\n".join(rows))


def test_the_readme_s_configuration_loads_as_it_stands(tmp_path: Path) -> None:
    text = section(README, "configuration").removeprefix("```yaml\n").removesuffix("```")
    for name in ("slack", "smtp"):
        (tmp_path / name).write_text("secret")
    loaded = load(
        text.replace("/run/secrets", str(tmp_path)),
        file="README.md",
        env={},
        kinds=installed_kinds(),
        base_dir=tmp_path,
    )
    assert sorted(loaded.receivers) == ["oncall", "team"]
    assert [rule.name for rule in loaded.rules] == ["job-failed", "stuck-pending", "prod-evictions"]
    assert not loaded.warnings


def commands() -> dict[str, str]:
    """Every command as it is typed -> what it does."""
    found = {}
    for prefix, group in (("", app), *((f"{one.name} ", one.typer_instance) for one in app.registered_groups)):
        for command in group.registered_commands:  # type: ignore[union-attr]
            assert command.callback is not None
            name = command.name or command.callback.__name__.replace("_", "-")
            found[f"{prefix}{name}"] = first_sentence(command.callback.__doc__)
    return found


def test_commands_that_the_readme_names_exist() -> None:
    named = set(re.findall(r"dlc-watcher (?!is\b)([a-z-]+)", README.read_text()))
    assert named - {name.split()[0] for name in commands()} - {"run-lock"} == set()


def test_the_reference_lists_every_command() -> None:
    rows = ["| command | what it does |", "|---|---|"]
    rows += [f"| `{name}` | {text} |" for name, text in commands().items()]
    settle(REFERENCE, "commands", "\n".join(rows))


def test_the_reference_lists_every_event_kind() -> None:
    rows = ["| kind | what happened | members |", "|---|---|---|"]
    common = {"id", "when", "cause", "job", "kind"}
    for event_type in EVENT_TYPES:
        members = ", ".join(f"`{name}`" for name in event_type.__dataclass_fields__ if name not in common)
        rows.append(f"| `{kind_of(event_type)}` | {first_sentence(event_type.__doc__)} | {members} |")
    settle(REFERENCE, "events", "\n".join(rows))


def test_the_reference_lists_every_label() -> None:
    rows = ["| label | what it holds |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in LABELS.items())]
    settle(REFERENCE, "labels", "\n".join(rows))


def test_the_reference_lists_every_name_of_conditions_and_summaries() -> None:
    named = [*JOB_NAMES.items(), *ATTEMPT_NAMES.items(), *HISTORY_NAMES.items()]
    found = [(name, entry.shape, entry.about) for name, entry in named]
    found += [(name, shape, about) for name, (shape, about) in OTHER_NAMES.items()]
    rows = ["| name | shape | what it holds |", "|---|---|---|"]
    rows += [f"| `{name}` | {shape} | {about} |" for name, shape, about in found]
    settle(REFERENCE, "names", "\n".join(rows))


def test_the_reference_lists_every_metric() -> None:
    rows = ["| metric | kind | what it tells |", "|---|---|---|"]
    for family in sorted(Metrics().registry.collect(), key=lambda family: family.name):
        suffix = "_total" if family.type == "counter" else ""
        rows.append(f"| `{family.name}{suffix}` | {family.type} | {family.documentation} |")
    settle(REFERENCE, "metrics", "\n".join(rows))


def settings_rows(schema: dict[str, object], prefix: str = "", seen: tuple[str, ...] = ()) -> list[str]:
    """One row for each documented setting of a JSON Schema, depth first."""
    rows = []
    definitions = schema.get("$defs", {})

    def walk(node: dict[str, object], path: str, seen: tuple[str, ...]) -> None:
        if "$ref" in node:
            name = str(node["$ref"]).rsplit("/", 1)[-1]
            if name in seen:
                return
            walk(definitions[name], path, (*seen, name))  # type: ignore[index]
        for key, child in dict(node.get("properties", {})).items():  # type: ignore[call-overload]
            where = f"{path}.{key}" if path else key
            text = str(child.get("description", "")) or (
                f"A file that holds `{key.removesuffix('_file')}`." if key.endswith("_file") else ""
            )
            if text:
                rows.append(f"| `{where}` | {' '.join(text.split())} |")
            walk(child, where, seen)

    walk(schema, prefix, seen)
    return rows


def undocumented(model: type[Settings]) -> list[str]:
    """Settings without a word; a group is documented by its members, a `_file` by what it holds."""
    return [
        name
        for name, field in model.model_fields.items()
        if not field.description
        and not name.endswith("_file")
        and not (isinstance(field.annotation, type) and issubclass(field.annotation, Settings))
    ]


@pytest.mark.parametrize("kind", ["dlc"])
def test_the_reference_lists_every_setting_of_a_source(kind: str) -> None:
    model = installed_kinds().sources[kind].Settings
    rows = ["| setting | meaning |", "|---|---|", *settings_rows(model.model_json_schema())]
    assert undocumented(model) == []
    settle(REFERENCE, f"source-{kind}", "\n".join(rows))


def test_the_reference_lists_every_setting_of_all_receivers() -> None:
    rows = ["| setting | meaning |", "|---|---|", *settings_rows(ReceiverSettings.model_json_schema())]
    assert undocumented(ReceiverSettings) == []
    settle(REFERENCE, "receiver", "\n".join(rows))


@pytest.mark.parametrize("kind", ["slack", "email", "webhook", "alertmanager", "exec", "apprise"])
def test_the_reference_lists_every_setting_of_a_notifier(kind: str) -> None:
    model = installed_kinds().notifiers[kind].Settings
    rows = ["| setting | meaning |", "|---|---|", *settings_rows(model.model_json_schema())]
    assert undocumented(model) == []
    settle(REFERENCE, f"notifier-{kind}", "\n".join(rows))


def test_help_of_every_command_works_and_ends_with_0() -> None:
    for name in sorted(commands()):
        done = subprocess.run(
            [sys.executable, "-m", "watcher", *name.split(), "--help"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert (done.returncode, "Usage:" in done.stdout) == (0, True), (name, done.stderr)


def test_no_index_address_and_no_machine_path_stands_in_the_lock_files() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert re.search(r"https?://|--index|--find-links|file:", text) is None, lock.name


def test_the_schema_is_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "watcher", "schema"], capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(done.stdout)["$schema"].startswith("https://json-schema.org/draft/2020-12")
