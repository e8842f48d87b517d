"""Commands about the configuration: is it good, which rules are there, what may stand in it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_configuration, print_json
from watcher.errors import ConfigurationError


def check(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Check the configuration. Every mistake comes as file:line:column with what is allowed; exit code 2."""
    from watcher.core.codec import plain

    try:
        loaded = load_configuration(config)
    except ConfigurationError as exc:
        if not json:
            raise
        print_json({"ok": False, "problems": [plain(problem) for problem in exc.problems]})
        raise typer.Exit(2) from None
    if json:
        print_json(
            {
                "ok": True,
                "warnings": [plain(warning) for warning in loaded.warnings],
                "sources": sorted(loaded.sources),
                "receivers": sorted(loaded.receivers),
                "rules": [rule.name for rule in loaded.rules],
            }
        )
        return
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(
        f"{config}: good. {_count(loaded.sources, 'source')}, {_count(loaded.receivers, 'receiver')}, "
        f"{_count(loaded.rules, 'rule')}."
    )


def _count(things: object, word: str) -> str:
    number = len(things)  # type: ignore[arg-type]  # any sized collection
    return f"{number} {word}{'' if number == 1 else 's'}"


def rules(
    name: Annotated[str | None, typer.Argument(help="Show this rule's whole documentation.", metavar="RULE")] = None,
    json: JsonOption = False,
) -> None:
    """The rules that are installed, and what each is for."""
    import inspect

    from watcher.cli.terminal import print_table
    from watcher.core.events import kind_of
    from watcher.plugins import discover

    kinds = discover().rules
    wanted = sorted(kinds) if name is None else [name]
    if name is not None and name not in kinds:
        raise typer.BadParameter(f"there is no rule {name!r}; there are: {', '.join(sorted(kinds))}", param_hint="RULE")
    found: list[dict[str, Any]] = [
        {
            "name": one,
            "on": sorted(kind_of(event_type) for event_type in kinds[one].on),
            "severity": kinds[one].severity.value,
            "options": {
                option: {"default": field.get_default(call_default_factory=True), "doc": field.description or ""}
                for option, field in kinds[one].Options.model_fields.items()
            },
            "doc": inspect.getdoc(kinds[one]) or "",
        }
        for one in wanted
    ]
    if json:
        print_json(found)
    elif name is not None:
        typer.echo(f"{name}\n\n{found[0]['doc']}")
    else:
        print_table(
            ("RULE", "SEVERITY", "ON", "WHAT FOR"),
            (
                (rule["name"], rule["severity"], ", ".join(rule["on"]), rule["doc"].split("\n\n")[0].replace("\n", " "))
                for rule in found
            ),
            empty="No rules are installed.",
        )


def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from watcher.config import json_schema
    from watcher.plugins import discover

    print_json(json_schema(discover()))
