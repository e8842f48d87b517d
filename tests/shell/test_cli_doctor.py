"""`doctor` and `plan`, and the made-up time in which the pacing is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import mean

import anyio
import pytest

from bench.detection import EAGER, measure
from watcher.cli.doctor import installation
from watcher.simulator import Behaviour, Simulator, SimulatorServer, bundled

pytestmark = pytest.mark.anyio


async def program(*words: str) -> tuple[int, str, str]:
    ended = await anyio.run_process([sys.executable, "-m", "watcher", *words], check=False, stderr=subprocess.PIPE)
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


def configuration(folder: Path, url: str, secret: str = "simulatorkeysecret") -> str:
    file = folder / "doctor.yaml"
    file.write_text(f"""
sources:
  here:
    kind: dlc
    region: cn-hangzhou
    endpoint: "{url}"
    workspaces: ["268"]
    budget: {{requests_per_second: 50}}
    credentials: {{kind: access_key, key_id: simulatorkeyid, secret: {secret}}}
receivers: {{team: {{console: {{}}}}}}
route: {{receiver: team}}
""")
    return str(file)


async def test_the_doctor_asks_what_lists_can_do(tmp_path: Path) -> None:
    simulator = Simulator(bundled("demo"), behaviour=Behaviour(time_range_field_refused=True, list_items="full"))
    async with SimulatorServer(simulator) as server:
        code, out, err = await program("doctor", "-c", configuration(tmp_path, server.url), "--json")
    assert code == 0, err
    told = json.loads(out)["sources"]["here"]
    assert told["abilities"]["finish_window"] == "ignored"
    assert simulator.counts["ListJobs"] <= 5
    assert not simulator.counts["GetJob"]


async def test_the_doctor_names_a_source_that_refuses_and_ends_with_one(tmp_path: Path) -> None:
    async with SimulatorServer(Simulator(bundled("demo"))) as server:
        code, out, _ = await program("doctor", "-c", configuration(tmp_path, server.url, "canary-secret"))
    assert code == 1
    assert "source here:" in out
    assert "canary-secret" not in out


def test_the_installation_is_as_it_was_installed() -> None:
    told = installation()
    assert told["problems"] == []
    assert told["sqlite"].count(".") == 2


async def test_the_plan_tells_delays_and_their_price() -> None:
    code, out, err = await program("plan", "--jobs", "10000", "--rps", "10", "--within", "5s", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["dlc_watcher"]["ends"]["mean_s"] < 2
    assert told["plain_getjob"]["ends"]["mean_s"] == 500
    assert told["rps_within"]["ends"] < 10 < told["rps_within"]["status"]
    code, out, _ = await program("plan", "--jobs", "10000", "--rps", "10")
    assert (code, "For stale_after (600 s) it takes" in out) == (0, True)
    code, _, err = await program("plan", "--jobs", "10", "--rps", "10", "--within", "soon")
    assert (code, "--within" in err) == (2, True)


def test_in_made_up_time_ends_are_seen_within_seconds_and_plain_getjob_takes_half_a_round() -> None:
    ours, plain = (measure(600, 6, policy, 1, wish=EAGER) for policy in ("ours", "plain"))
    assert len(ours.delays["terminal"]) == len(plain.delays["terminal"]) > 5
    assert mean(ours.delays["terminal"]) < 4
    assert mean(plain.delays["terminal"]) > 30
    assert ours.joint < plain.joint
    assert ours.oldest < 600
