"""Kernels forked by code/tools/warm.py: what they share with their source, and what they do not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import ROOT
from jupyter_client.manager import KernelManager, start_new_kernel

import warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forked on Linux alone")


def said(client: Any, code: str) -> str:
    outputs: list[str] = []
    client.execute_interactive(
        code, output_hook=lambda message: outputs.append(message["content"].get("text", ""))
    )
    return "".join(outputs).strip()


def test_a_forked_kernel_is_a_kernel_with_large_libraries(tmp_path: Path) -> None:
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        assert said(client, "import os; print(os.getppid())") == str(warm.forge().pid)
        assert said(client, "print(os.getcwd())") == str(tmp_path)
        assert said(client, "import sys; print('torch' in sys.modules)") == "True"
        assert said(client, "print('descent' in sys.modules)") == "False"
        assert str(ROOT / "code" / "tools") not in said(client, "print(sys.path)")
        assert said(client, "import subprocess; print(subprocess.call(['false']))") == "1"
        pid = int(said(client, "print(os.getpid())"))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert not psutil.pid_exists(pid)


def test_another_path_of_modules_takes_a_fresh_kernel() -> None:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={"PYTHONPATH": "elsewhere"})
    try:
        assert not isinstance(manager.provisioner.process, warm.Forked)
    finally:
        manager.shutdown_kernel(now=True)
