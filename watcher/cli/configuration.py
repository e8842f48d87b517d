"""Commands about the configuration: is it good, which rules are there, what may stand in it."""

from __future__ import annotations

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


def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from watcher.config.schema import json_schema
    from watcher.plugins import discover

    print_json(json_schema(discover()))
