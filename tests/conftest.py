"""What every test has: no way out of this machine, and one event loop."""

from __future__ import annotations

import os

# Before anything imports the official credentials library, which reads the environment once.
os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"
for _name in [name for name in os.environ if name.startswith(("ALIBABA_CLOUD_", "DLC_WATCHER_"))]:
    if _name != "ALIBABA_CLOUD_ECS_METADATA_DISABLED":
        del os.environ[_name]

import gc
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# The same examples every time, so that a run tells of the code and not of luck; `make soak` explores with other ones.
settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


# Tests of all kinds take their samples from there; whoever is first must not keep its assertions from being readable.
pytest.register_assert_rewrite("watcher.testing.store_contract")


@pytest.fixture
def anyio_backend() -> str:
    """Production runs on asyncio, so do the tests of the shell."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    """What a benchmark took out of the collector's sight: there Hypothesis looks for who holds its generator of random numbers."""
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A test that sends the log somewhere does so for itself."""
    yield
    structlog.reset_defaults()
