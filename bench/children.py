"""Processes that end with the one that started them, however that one ends: `preexec_fn=ENDS_WITH_PARENT`.

Linux only; elsewhere it is None, and only what reads its standard input to its end (`bench.server`, `bench.postgres`) ends, too.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_STARTER: Final = os.getpid()
_PATIENCE_S: Final = 30
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """In the child, before it becomes another program. The signal comes when the thread ends that started it: use the main one."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != _STARTER:  # it ended meanwhile
        os._exit(1)


ENDS_WITH_PARENT: Final[Callable[[], None] | None] = None if _LIBC is None else _end_with_parent


def dismiss(process: subprocess.Popen[str]) -> None:
    """End a child that reads its standard input to its end; by force, if it does not go."""
    if process.stdin and not process.stdin.closed:
        process.stdin.close()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
