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


@dataclass(frozen=True)
class Alertmanager:
    """A running one."""

    url: str
    amtool: str

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


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(f"{url}/-/ready", trust_env=False).is_success
    return False


@contextlib.contextmanager
def alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Run one whose only receiver is a webhook that nobody listens at: what it holds is asked through amtool."""
    program = _program("ALERTMANAGER", "prometheus-alertmanager", "alertmanager")
    amtool = _program("AMTOOL", "amtool")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        latest = time.monotonic() + STARTS_WITHIN_S
        while not _ready(url):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < latest, (folder / "log").read_text()
            time.sleep(0.05)
        yield Alertmanager(url, amtool)
    finally:
        process.kill()
        process.wait()
