"""Running the command line: in this process for speed, or as a program of its own where signals and imports matter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from watcher.cli.app import run_app
from watcher.ports.store import Store
from watcher.store import open_store

PROGRAM = [sys.executable, "-c", "from watcher.cli import main; main()"]
HOSTILE = "evil\x1b[31m\nsecond line [bold]markup[/bold] \x9b2J \u202egnp.exe \x07"
DRIVES_A_TERMINAL = frozenset("\x1b\x9b\x07\u202e\r")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


Cli = Callable[..., Ended]


def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*args: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["dlc-watcher", *map(str, args)])
        capsys.readouterr()
        code = 0
        try:
            run_app()
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1 if exc.code else 0
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return run


def stored(folder: Path, fill: Callable[[Store], Awaitable[None]]) -> Path:
    """A database that was filled so."""
    file = folder / "watcher.db"

    async def opened() -> None:
        store = open_store(f"sqlite:///{file}")
        await store.open()
        try:
            await fill(store)
        finally:
            await store.aclose()

    anyio.run(opened)
    return file


def environment(**more: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ALIBABA_CLOUD_", "DLC_WATCHER_"))
    }
    root = str(Path(__file__).resolve().parents[2])
    return {**kept, "PYTHONPATH": root, "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true", **more}


def program(*args: object, cwd: Path, timeout: float = 60, **env: str) -> Ended:
    done = subprocess.run(
        [*PROGRAM, *map(str, args)],
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


CONFIGURATION = """\
sources:
  hz:
    kind: dlc
    region: cn-hangzhou
    endpoint: "{url}"
    workspaces: ["268"]
    credentials: {{kind: access_key, key_id: {key_id}, secret: "{secret}"}}
    poll_every: 100ms
    discover_every: 100ms
    budget: {{requests_per_second: 50}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
receivers:
  terminal: {{console: {{}}}}
route: {{receiver: terminal}}
service: {{http: {{port: 0}}, log: {{format: json}}}}
"""
