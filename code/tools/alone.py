"""Run a command alone: a second one that is started this way in the same folder waits its turn.

    python3 code/tools/alone.py make something

The standard library is enough for it, because it also guards the making of .venv. The lock is the
system's and ends with the process, however that ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, which has no make either
    fcntl = None  # type: ignore[assignment]

LOCK = Path(__file__).resolve().parents[2] / "_build" / ".lock"
HELD = "DESCENT_LOCK_HELD"


@contextmanager
def alone() -> Iterator[None]:
    """Hold the folder's lock; where another process has it, say so and wait.

    What a holder starts does not wait for it.
    """
    if os.environ.get(HELD) == str(LOCK):
        yield
        return
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Waiting for the other build in this folder.", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
        os.environ[HELD] = str(LOCK)
        try:
            yield
        finally:
            del os.environ[HELD]


if __name__ == "__main__":
    try:
        with alone():
            sys.exit(subprocess.run(sys.argv[1:]).returncode)
    except KeyboardInterrupt:
        sys.exit(130)
