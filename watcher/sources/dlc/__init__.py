"""Alibaba Cloud PAI-DLC (product `pai-dlc`, API version 2020-12-03) as a source of jobs."""

from __future__ import annotations

from watcher.sources.dlc.settings import DlcSettings
from watcher.sources.dlc.source import DlcSource

__all__ = ["DlcSettings", "DlcSource"]
