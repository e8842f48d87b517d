"""The benchmark: what one GetJob poll costs, beside the official SDK and a plain script. `python -m bench --help`."""

from __future__ import annotations

import os

# Before anything imports the official SDK, which reads the environment: no metadata address, no proxy between us and loopback.
os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"
for _name in ("http_proxy", "https_proxy", "all_proxy", "DEBUG"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.upper(), None)
