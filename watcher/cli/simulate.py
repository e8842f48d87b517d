"""`simulate`: the DLC API on this machine, over scripted jobs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from watcher.simulator import Behaviour, Scenario


_IDLE: Final = {
    True: (
        ("scenario", "speed", "requests_per_second", "switch", "secret_rate"),
        "does nothing with --static, whose server answers anything at once",
    ),
    False: (("pods",), "does nothing without --static, which makes the jobs that have them"),
}
"""With --static, and without it: which options would do nothing, and why."""


def simulate(
    context: typer.Context,
    scenario: Annotated[
        str, typer.Option("--scenario", "-s", help="A bundled scenario, or a YAML file.", metavar="NAME|FILE")
    ] = "demo",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 picks a free one.")] = 8765,
    speed: Annotated[float, typer.Option("--speed", min=0.001, help="How many times as fast as real time.")] = 60.0,
    requests_per_second: Annotated[
        float | None,
        typer.Option("--requests-per-second", min=0.01, help="Throttle beyond this rate; no limit unless given."),
    ] = None,
    static: Annotated[
        int | None,
        typer.Option("--static", min=1, help="Instead: so many running jobs that never change, served fast."),
    ] = None,
    pods: Annotated[int, typer.Option("--pods", min=1, help="Pods of each job with --static.")] = 2,
    switch: Annotated[
        list[str] | None,
        typer.Option(
            "--switch",
            metavar="NAME=VALUE",
            help="Answer an open question about DLC otherwise, for example list_items=thin; repeatable. --list tells them.",
        ),
    ] = None,
    secret_rate: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--secret-rate", metavar="LOW HIGH", help="Throttle beyond a rate between these that is not told."
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the bundled scenarios and exit.")] = False,
) -> None:
    """Serve the DLC API on 127.0.0.1 with scripted jobs: GetJob, ListJobs, events, logs, signatures, throttling, faults.

    The key is simulatorkeyid / simulatorkeysecret, or that of the environment (ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET). Faults are
    armed with POST /_simulator/faults; what truly happened stands under /_simulator/truth.
    """
    import anyio

    from watcher.simulator import (
        DEMO_KEY,
        Behaviour,
        Simulator,
        SimulatorServer,
        SpeedUp,
        StaticApp,
        bundled,
        bundled_names,
    )
    from watcher.sources.dlc.acs3 import AccessKey

    if show:
        for name in bundled_names():
            typer.echo(f"{name:20} {' '.join(bundled(name).description.split())}")
        typer.echo("Switches (--switch NAME=VALUE):")
        for name, field in Behaviour.model_fields.items():
            typer.echo(f"{name}={str(field.default).lower():20} {' '.join((field.description or '').split())}")
        return
    _refuse_what_would_do_nothing(context, static=static is not None)
    if secret_rate is not None and (requests_per_second is not None or not 0 < secret_rate[0] <= secret_rate[1]):
        raise typer.BadParameter(
            "give two numbers above 0, the lower one first, and no --requests-per-second", param_hint="--secret-rate"
        )
    key_id, secret = os.environ.get("ALIBABA_CLOUD_ACCESS_KEY_ID"), os.environ.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET")
    token = os.environ.get("ALIBABA_CLOUD_SECURITY_TOKEN")
    key = AccessKey(key_id, secret, token) if key_id and secret else DEMO_KEY
    if static is not None:
        app: Simulator | StaticApp = StaticApp(static, pods=pods)
        what = f"{static} running jobs that never change"
    else:
        story = find_scenario(scenario)
        app = Simulator(
            story,
            clock=SpeedUp(speed),
            keys=(key,),
            behaviour=behaviour_of(switch or []),
            requests_per_second=secret_rate or requests_per_second,
        )
        what = f"scenario {scenario!r}, {len(story.jobs)} jobs, at {speed:g} times real speed; key id {key.key_id}"

    async def serve() -> None:
        async with SimulatorServer(app, port) as server:
            typer.echo(f"DLC simulator on {server.url}: {what}. Ctrl-C ends it.")
            await _signalled()

    anyio.run(serve)


def _refuse_what_would_do_nothing(context: typer.Context, *, static: bool) -> None:
    names, why = _IDLE[static]
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(why, param_hint=f"--{name.replace('_', '-')}")


def behaviour_of(switches: list[str]) -> Behaviour:
    """The switches as they were typed, for example `list_items=thin`."""
    from pydantic import ValidationError

    from watcher.simulator import Behaviour

    typed = dict(text.partition("=")[::2] for text in switches)
    said = {name: int(value) if value.isdecimal() else value for name, value in typed.items()}
    try:
        return Behaviour.model_validate(said)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise typer.BadParameter(f"{name}: {first['msg']}", param_hint="--switch") from None


async def _signalled() -> None:
    import signal

    import anyio

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            return


def find_scenario(name: str) -> Scenario:
    """A scenario by its bundled name, or from a file.

    Raises:
        ConfigurationError: the file cannot be read, or something in it is wrong.
    """
    from watcher.simulator import bundled, bundled_names, load_scenario

    if name in bundled_names():
        return bundled(name)
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"} and not path.exists():
        raise typer.BadParameter(
            f"there is no scenario {name!r}; bundled are: {', '.join(bundled_names())}; or name a YAML file",
            param_hint="--scenario",
        )
    return load_scenario(path)
