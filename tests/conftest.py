"""What every test has: no way out of this machine, and one event loop."""

from __future__ import annotations

import os

# Before anything imports the official credentials library, which reads the environment once.
os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"
for _name in [name for name in os.environ if name.startswith(("ALIBABA_CLOUD_", "DLC_WATCHER_"))]:
    if _name != "ALIBABA_CLOUD_ECS_METADATA_DISABLED":
        del os.environ[_name]

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Production runs on asyncio, so do the tests of the shell."""
    return "asyncio"
