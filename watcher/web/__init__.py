"""What the running service shows over HTTP: health, readiness, metrics."""

from watcher.web.app import Probe, make_app
from watcher.web.server import serve

__all__ = ["Probe", "make_app", "serve"]
