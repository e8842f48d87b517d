"""The commands that run the service, or a part of it."""

from __future__ import annotations

import gc
from types import ModuleType
from typing import Annotated

import typer

from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_configuration, print_json
from watcher.errors import WatcherError


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Watch until told to stop (SIGTERM or Ctrl-C). A restart goes on where it stopped."""
    from watcher.service.settling import short_collections

    with short_collections():
        gc.disable()  # until all is loaded: see `service.settling`
        import anyio

        from watcher.service.outset import setting_out
        from watcher.service.telemetry import set_up_logging

        loaded = load_configuration(config)
        set_up_logging(loaded.service.log.level, loaded.service.log.format)
        _warn(loaded.warnings)

        async def watch() -> None:
            async with setting_out(loaded) as outset:
                rest = await anyio.to_thread.run_sync(_the_rest)
                async with rest.assemble(loaded, outset=outset) as service:
                    await rest.run_until_signalled(service)

        anyio.run(watch)


def _the_rest() -> ModuleType:
    """What the first requests do not wait for: it is imported beside them."""
    from watcher.service import app

    return app


def once(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """One pass: list, look at every job, send what is due, exit. For cron, and to try a configuration.

    Exit code 1 when a source could not be seen or something that was due could not be sent.
    """
    import anyio

    from watcher.service.app import assemble, pass_once
    from watcher.service.outset import setting_out
    from watcher.service.telemetry import set_up_logging

    loaded = load_configuration(config)
    set_up_logging(loaded.service.log.level, loaded.service.log.format)
    _warn(loaded.warnings)

    async def look() -> bool:
        async with setting_out(loaded) as outset, assemble(loaded, outset=outset) as service:
            return await pass_once(service)

    if not anyio.run(look):
        raise typer.Exit(1)


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
    from watcher.ports import Notifier
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
