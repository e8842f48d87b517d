"""The command line. `main` is the program; one module for each group of commands.

Exit codes: 0 good, 1 a failure, 2 wrong use or wrong configuration. A user's mistake is a sentence on standard error, never a
trace.
"""

from __future__ import annotations

import gc


def main() -> None:
    """Run `dlc-watcher` with this process's arguments, and exit."""
    gc.disable()  # modules stay: to collect while they are imported finds nothing, and takes a tenth of a start
    try:
        from watcher.cli.app import run_app
    finally:
        gc.enable()
    run_app()
