"""The example of a plug-in, installed as a stranger's: into an environment of its own, found, used, tested and taken out again."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watcher.testing.servers import serve

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples" / "ntfy-plugin"

CONFIGURATION = """\
sources: {{hz: {{kind: dlc, region: cn-hangzhou}}}}
receivers: {{phones: {{ntfy: {{topic: dlc, server: "{url}", token_file: token}}}}}}
rules: [{{use: priority-raised, with: {{by: 2}}}}]
"""


class Environment:
    """A virtual environment that sees what is installed here, and in which more can be installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=True)
        self.python = folder / "venv" / "bin" / "python"
        here = sysconfig.get_paths()["purelib"]
        there = next((folder / "venv" / "lib").glob("python*/site-packages"))
        (there / "beside.pth").write_text(f"import site; site.addsitedir({here!r})\n")

    def run(self, *args: object) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
        return subprocess.run(
            [str(self.python), *map(str, args)],
            cwd=self.folder,
            env={**kept, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def dlc_watcher(self, *args: object) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "watcher", *args)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("plugin"))
    done = made.run("-m", "pip", "install", "--no-deps", "--no-build-isolation", PLUGIN)
    assert done.returncode == 0, done.stderr
    return made


async def test_it_is_found_checked_and_its_receiver_reached(installed: Environment) -> None:
    got: list[dict[str, str]] = []

    async def take(request: Request) -> Response:
        got.append({"authorization": request.headers["authorization"], **await request.json()})
        return JSONResponse({"id": "abc123"})

    async with serve(Starlette(routes=[Route("/", take, methods=["POST"])])) as server:
        (installed.folder / "dlc-watcher.yaml").write_text(CONFIGURATION.format(url=server.url))
        (installed.folder / "token").write_text("tk_canary\n")
        checked = await anyio.to_thread.run_sync(installed.dlc_watcher, "check")
        assert (checked.returncode, checked.stderr) == (0, "")
        tried = await anyio.to_thread.run_sync(installed.dlc_watcher, "send-test", "phones")
    assert tried.returncode == 0, tried.stderr
    assert "phones: accepted (reference abc123, place dlc)" in tried.stdout
    (one,) = got
    assert (one["authorization"], one["topic"]) == ("Bearer tk_canary", "dlc")
    assert one["title"].startswith("dlc-watcher test")
    assert "tk_canary" not in tried.stdout + tried.stderr


def test_its_settings_are_checked_as_the_built_in_ones_are(installed: Environment) -> None:
    wrong = installed.folder / "wrong.yaml"
    wrong.write_text(CONFIGURATION.format(url="ftp://x").replace("topic: dlc", "topci: dlc").replace("by: 2", "by: 0"))
    (installed.folder / "token").write_text("tk_canary\n")
    told = installed.dlc_watcher("check", "-c", wrong)
    assert told.returncode == 2
    assert 'unknown key "topci"; did you mean "topic"?' in told.stderr
    assert "rules.0.with.by: must be at least 1" in told.stderr


def test_the_schema_and_the_list_of_rules_know_it(installed: Environment) -> None:
    assert "priority-raised" in installed.dlc_watcher("rules").stdout
    assert '"ntfy"' in installed.dlc_watcher("schema").stdout


def test_it_keeps_the_contract_of_notifiers_and_its_rule_keeps_its_cases(installed: Environment) -> None:
    contract = installed.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", PLUGIN / "tests"
    )
    assert contract.returncode == 0, contract.stdout
    assert " passed" in contract.stdout
    cases = installed.dlc_watcher("rules", "test", PLUGIN / "tests" / "priority-raised.yaml")
    assert cases.returncode == 0, cases.stdout + cases.stderr


def test_it_knows_nothing_of_the_engine_but_its_public_face() -> None:
    imported = {
        line.split()[1]
        for file in (PLUGIN / "dlc_watcher_ntfy").glob("*.py")
        for line in file.read_text().splitlines()
        if line.startswith(("import watcher", "from watcher"))
    }
    assert imported == {"watcher"}, "from watcher import api"
    assert sys.version_info >= (3, 11)


def test_once_it_is_taken_out_the_configuration_says_what_is_missing(installed: Environment) -> None:
    """The last one, as the environment is shared."""
    (installed.folder / "token").write_text("tk_canary\n")
    (installed.folder / "after.yaml").write_text(CONFIGURATION.format(url="http://127.0.0.1:9"))
    assert installed.dlc_watcher("check", "-c", "after.yaml").returncode == 0
    gone = installed.run("-m", "pip", "uninstall", "-y", "dlc-watcher-ntfy")
    assert gone.returncode == 0, gone.stderr
    refused = installed.dlc_watcher("check", "-c", "after.yaml")
    assert refused.returncode == 2
    told = refused.stderr.splitlines()
    assert told[0].startswith('after.yaml:2:22: receivers.phones.ntfy: unknown kind of receiver "ntfy"; allowed are: ')
    assert told[1].startswith('after.yaml:3:15: rules.0.use: unknown rule "priority-raised"; allowed are: ')
