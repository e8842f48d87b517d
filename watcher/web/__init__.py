"""What the running service shows over HTTP: health, readiness, metrics, and an API for silences."""

from watcher.web.app import Probe, make_app
from watcher.web.server import serve
from watcher.web.silences import Asked, Silences

__all__ = ["Asked", "Probe", "Silences", "make_app", "serve"]
