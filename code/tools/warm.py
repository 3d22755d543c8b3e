"""Kernels for the tests, forked from a process that has already imported the large libraries.

A fresh kernel spends 3 to 7 seconds on importing IPython, Matplotlib, torch and the like before it
runs the first cell that means something, and the tests start one kernel for each notebook. Forked
kernels share those imports and nothing else: no module of this book is among them, and `make book`
runs the same notebooks in fresh kernels, with the same bytes for a result.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

import psutil
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

LARGE = (
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "pandas",
    "requests",
    "scipy.stats",
    "sklearn.datasets",
    "torch",
    "torch._dynamo",
)


class Forked(psutil.Process):  # type: ignore[misc]
    """A process as `LocalProvisioner` wants it, that is, with what Popen has and psutil has not."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        return None if self.is_running() else 0


class Warm(LocalProvisioner):
    """Launches a kernel by asking the process that has imported."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        if kwargs["env"].get("PYTHONPATH") != os.environ.get("PYTHONPATH"):
            return await super().launch_kernel(cmd, **kwargs)  # a fork would not read it
        source = forge()
        assert source.stdin is not None and source.stdout is not None
        wanted = {
            "argv": cmd[cmd.index("-m") + 1 :],
            "cwd": str(kwargs["cwd"]),
            "environ": kwargs["env"] | {"JPY_PARENT_PID": str(source.pid)},
        }
        source.stdin.write(json.dumps(wanted) + "\n")
        source.stdin.flush()
        self.process = Forked(int(source.stdout.readline()))
        self.pid = self.pgid = self.process.pid
        return self.connection_info


@cache
def forge() -> subprocess.Popen[str]:
    """Return the process that kernels are forked from; it ends with this one."""
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    atexit.register(process.__exit__, None, None, None)  # closes what it reads, and waits
    return process


def install() -> None:
    """Have every kernel that this process starts forked. Only Linux forks such libraries safely."""
    if sys.platform == "linux":
        factory = KernelProvisionerFactory.instance()
        factory.provisioners["warm"] = EntryPoint("warm", "warm:Warm", factory.GROUP_NAME)
        factory.default_provisioner_name = "warm"


def become_kernel(argv: list[str], cwd: str, environ: dict[str, str]) -> None:
    """Do in this process what `python -m ipykernel_launcher` would do in a new one."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[:] = argv

    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


def main() -> None:
    # As the kernel would, before Matplotlib is imported.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    for module in LARGE:
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the kernels
    for line in sys.stdin:
        kernel = os.fork()
        if not kernel:
            return become_kernel(**json.loads(line))
        print(kernel, flush=True)


if __name__ == "__main__":
    main()
