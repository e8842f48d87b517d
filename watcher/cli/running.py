"""The commands that run the service, or a part of it."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_configuration, print_json
from watcher.errors import WatcherError

if TYPE_CHECKING:
    from watcher.config.document import Document
    from watcher.config.loading import Loaded
    from watcher.kinds import Kinds
    from watcher.service.app import Service


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Watch until told to stop (SIGTERM or Ctrl-C). A restart goes on where it stopped."""
    from watcher.service.settling import short_collections

    with short_collections():
        gc.disable()  # until all is loaded: see `service.settling`
        import anyio

        async def watch() -> None:
            async with _started(config) as (app, service):
                await app.run_until_signalled(service)

        anyio.run(watch)


def once(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """One pass: list, look at every job, send what is due, exit. For cron, and to try a configuration.

    Exit code 1 when a source could not be seen or something that was due could not be sent.
    """
    import anyio

    async def look() -> bool:
        async with _started(config) as (app, service):
            seen: bool = await app.pass_once(service)
            return seen

    if not anyio.run(look):
        raise typer.Exit(1)


@contextlib.asynccontextmanager
async def _started(config: Path) -> AsyncIterator[tuple[ModuleType, Service]]:
    """The service of a configuration, and the module that runs it. Its sources are asked while the rest is read and checked.

    Raises:
        ConfigurationError: the file cannot be read, or is no YAML.
        ExceptionGroup: of whatever else it is that ends the start or the run.
    """
    import anyio

    from watcher.config.document import parse, read_text
    from watcher.config.sources import sources_of
    from watcher.plugins import discover
    from watcher.service.outset import setting_out
    from watcher.service.telemetry import set_up_logging

    set_up_logging()  # how the configuration wants it is not known yet
    document, kinds = parse(read_text(config), file=str(config), env=os.environ), discover()
    async with setting_out(sources_of(document, kinds, config.parent)) as outset:
        loaded, app = await anyio.to_thread.run_sync(_the_rest, document, kinds, config.parent)
        set_up_logging(loaded.service.log.level, loaded.service.log.format)
        _warn(loaded.warnings)
        async with app.assemble(loaded, outset=outset) as service:
            yield app, service


def _the_rest(document: Document, kinds: Kinds, base_dir: Path) -> tuple[Loaded, ModuleType]:
    """What the first requests do not wait for: it is imported, and checked, beside them."""
    from watcher.config.loading import load_document
    from watcher.service import app

    return load_document(document, kinds=kinds, base_dir=base_dir), app


def _warn(warnings: tuple[object, ...]) -> None:
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)


def send_test(
    receiver: Annotated[str, typer.Argument(help="Name of the receiver in the configuration.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Send one test message to a receiver, past rules, routes and store; show what was sent and what came back, or the fix."""
    import anyio

    from watcher.errors import NotifierError
    from watcher.notifiers.own_words import in_own_words
    from watcher.ports.notifier import Notifier
    from watcher.service.trial import trial_message

    loaded = load_configuration(config)
    if receiver not in loaded.receivers:
        raise typer.BadParameter(
            f"there is no receiver {receiver!r}; there are: {', '.join(loaded.receivers)}", param_hint="RECEIVER"
        )
    kind, settings, common = loaded.receivers[receiver]
    notifier: Notifier = kind(receiver, settings)
    message, faults = in_own_words(trial_message(receiver, common.locale), common.templates)
    for _, fault in faults:
        typer.echo(f"warning: {fault}; the built-in words are sent", err=True)

    wire = notifier.render(message)

    async def send() -> object:
        try:
            with anyio.fail_after(60):
                return await notifier.send(wire, message)
        except TimeoutError:
            raise WatcherError(f"receiver {receiver!r}: no outcome after 60 s") from None
        finally:
            await notifier.aclose()

    try:
        receipt = anyio.run(send)
    except NotifierError as exc:
        raise WatcherError(f"receiver {receiver!r}: {exc}") from None
    from watcher.core.codec import plain

    facts = plain(receipt)
    if json:
        print_json({"receiver": receiver, "sent": dict(wire), "receipt": facts})
        return
    typer.echo(f"{receiver}: sent: {message.title}")
    shown = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
    typer.echo(f"{receiver}: accepted" + (f" ({shown})" if shown else ""))


def health(
    config: ConfigOption = DEFAULT_CONFIG,
    ready: Annotated[
        bool, typer.Option("--ready", help="Ask whether it sees and can tell, not only whether it lives.")
    ] = False,
    url: Annotated[str | None, typer.Option("--url", help="Base address, instead of the configured one.")] = None,
    json: JsonOption = False,
) -> None:
    """Ask the running service how it is; exit code 1 when it is not well. Made for HEALTHCHECK."""
    import httpx2

    if url is None:
        http = load_configuration(config).service.http
        if http.port is None:
            raise WatcherError("the configuration switches health and metrics off (service.http.port is null)")
        host = "127.0.0.1" if http.host in {"0.0.0.0", "::"} else http.host  # noqa: S104 - compared, not bound
        url = f"http://{f'[{host}]' if ':' in host else host}:{http.port}"
    try:
        answer = httpx2.get(url.rstrip("/") + ("/readyz" if ready else "/healthz"), timeout=5, trust_env=False)
        facts = answer.json()
    except (httpx2.HTTPError, ValueError) as exc:
        raise WatcherError(f"no answer from {url}: {exc}") from None
    if json:
        print_json(facts)
    else:
        typer.echo("well" if answer.is_success else f"not well: {facts}")
    if not answer.is_success:
        raise typer.Exit(1)
