"""A DLC API server over scripted jobs: for the demo, for tests, for trying out rules. See `scenario` for how jobs are written.

scenario = bundled("demo")
simulator = Simulator(scenario, clock=SpeedUp(300))
async with SimulatorServer(simulator) as server:
    ...   # ask server.url with DEMO_KEY
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watcher.simulator.app import DEMO_KEY, Asked, Simulator
    from watcher.simulator.behaviour import Behaviour
    from watcher.simulator.clocks import SpeedUp
    from watcher.simulator.faults import Fault, FaultKind
    from watcher.simulator.reading import bundled, bundled_names, load_scenario
    from watcher.simulator.scenario import Scenario, ScriptedJob, Step
    from watcher.simulator.server import SimulatorServer
    from watcher.simulator.static import StaticApp
    from watcher.simulator.transitions import Transition, truth

__all__ = [
    "DEMO_KEY",
    "Asked",
    "Behaviour",
    "Fault",
    "FaultKind",
    "Scenario",
    "ScriptedJob",
    "Simulator",
    "SimulatorServer",
    "SpeedUp",
    "StaticApp",
    "Step",
    "Transition",
    "bundled",
    "bundled_names",
    "load_scenario",
    "truth",
]

_HOMES = {
    "DEMO_KEY": "app",
    "Asked": "app",
    "Behaviour": "behaviour",
    "Fault": "faults",
    "FaultKind": "faults",
    "Scenario": "scenario",
    "ScriptedJob": "scenario",
    "Simulator": "app",
    "SimulatorServer": "server",
    "SpeedUp": "clocks",
    "StaticApp": "static",
    "Step": "scenario",
    "Transition": "transitions",
    "bundled": "reading",
    "bundled_names": "reading",
    "load_scenario": "reading",
    "truth": "transitions",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the command line must start fast, and most commands need no server."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
