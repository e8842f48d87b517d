"""The configuration: YAML text in, everything the program is built from out, or every problem with file, line and column.

`load` and `load_file` are the way in; `json_schema` describes for editors what they take.
"""

from __future__ import annotations

from watcher.config.ends import ConfiguredReceiver, ConfiguredSource
from watcher.config.loading import Loaded, load, load_file
from watcher.config.model import HttpSettings, LogSettings, ServiceSettings, StoreSettings
from watcher.config.schema import json_schema

__all__ = [
    "ConfiguredReceiver",
    "ConfiguredSource",
    "HttpSettings",
    "Loaded",
    "LogSettings",
    "ServiceSettings",
    "StoreSettings",
    "json_schema",
    "load",
    "load_file",
]
