"""A real Alertmanager with its amtool, found where it is installed (Debian: prometheus-alertmanager), on a free port."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

STARTS_WITHIN_S = 20


def _program(variable: str, *names: str) -> str:
    """The program that the environment names, or one on the PATH. Skips the test when there is none."""
    found = os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(
            f"{names[0]} is not installed (Debian: apt install prometheus-alertmanager), nor named by {variable}"
        )
    return found


@dataclass
class Alertmanager:
    """A running one, whose only receiver is nobody: what it holds is asked through amtool."""

    program: str
    amtool: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def alerts(self, *more: str) -> list[dict[str, Any]]:
        """What amtool says is firing."""
        done = subprocess.run(
            [self.amtool, "alert", "query", "--output=json", f"--alertmanager.url={self.url}", *more],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        return json.loads(done.stdout)

    def start(self) -> None:
        """Run it, and wait until it is ready."""
        config, log = self.folder / "alertmanager.yml", self.folder / "log"
        config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        command = [
            self.program,
            f"--config.file={config}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        latest = time.monotonic() + STARTS_WITHIN_S
        while not _ready(self.url):
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < latest, log.read_text()
            time.sleep(0.05)

    def end(self) -> None:
        """Kill it; it keeps alerts in memory only."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """End it and run it anew, with nothing but its files."""
        self.end()
        self.start()


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(f"{url}/-/ready", trust_env=False).is_success
    return False


@contextlib.contextmanager
def alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Run one until the block ends."""
    program = _program("ALERTMANAGER", "prometheus-alertmanager", "alertmanager")
    amtool = _program("AMTOOL", "amtool")
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    real = Alertmanager(program, amtool, folder, port)
    try:
        real.start()
        yield real
    finally:
        real.end()
