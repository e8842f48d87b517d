"""All commands in one table, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from watcher.cli import (
    configuration,
    demo,
    digest,
    doctor,
    look,
    owners,
    plan,
    render,
    replay,
    running,
    simulate,
    troubles,
    why,
)
from watcher.cli.deliveries import deliveries
from watcher.cli.receivers import receivers
from watcher.cli.routes import routes
from watcher.cli.rules import rules
from watcher.cli.silence import silence
from watcher.errors import ConfigurationError, WatcherError

app = typer.Typer(
    name="dlc-watcher",
    help="Watches Alibaba Cloud PAI-DLC jobs and tells people what happened to them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_COMMANDS: tuple[tuple[str, tuple[Callable[..., None], ...]], ...] = (
    ("Try it", (demo.demo, simulate.simulate, replay.replay)),
    ("Watch", (running.run, running.once, running.health, troubles.ack)),
    (
        "Configure",
        (configuration.check, configuration.schema, plan.plan, doctor.doctor, render.render, running.send_test),
    ),
    ("Look", (look.jobs, look.events, look.story, why.why, troubles.troubles, owners.owners, digest.digest)),
)
for _panel, _functions in _COMMANDS:
    for _function in _functions:
        app.command(rich_help_panel=_panel)(_function)
app.add_typer(rules, name="rules", rich_help_panel="Configure")
app.add_typer(routes, name="routes", rich_help_panel="Configure")
app.add_typer(deliveries, name="deliveries", rich_help_panel="Look")
app.add_typer(receivers, name="receivers", rich_help_panel="Watch")
app.add_typer(silence, name="silence", rich_help_panel="Watch")


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"dlc-watcher {version_of('dlc-watcher')}")
        raise typer.Exit


def run_app() -> None:
    """Run the command line and exit."""
    try:
        app(prog_name="dlc-watcher")
    except (WatcherError, OSError) as exc:
        sys.exit(_told(exc))
    except ExceptionGroup as group:
        expected, rest = group.split((WatcherError, OSError))
        if rest is not None or expected is None:
            raise
        sys.exit(max(_told(leaf) for leaf in _leaves(expected)))


def _told(exc: BaseException) -> int:
    """Say what was wrong; the exit code for it."""
    if isinstance(exc, ConfigurationError):
        _say(str(exc))
        return 2
    _say(f"dlc-watcher: {exc}")
    return 1


def _leaves(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    found: list[BaseException] = []
    for exc in group.exceptions:
        found += _leaves(exc) if isinstance(exc, BaseExceptionGroup) else [exc]
    return found


def _say(text: str) -> None:
    from watcher.cli.terminal import safe
    from watcher.service.telemetry import redact

    print("\n".join(safe(line) for line in redact(text).split("\n")), file=sys.stderr)  # noqa: T201 - the command line's own voice
