"""A process whose GPU is lost saves and ends, so that another can go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from live_splat.__main__ import EXIT_DEVICE_LOST

SCRIPT = Path(__file__).parent / "lose_device.py"


def started(kind: str, folder: Path, *flags: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SPLAT_", "R2_"))}
    args = [sys.executable, str(SCRIPT), kind, str(folder), *flags]
    pipe = subprocess.PIPE
    return subprocess.Popen(args, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=clean)


def test_a_server_saves_and_ends_with_a_code_of_its_own(tmp_path: Path) -> None:
    sessions = []
    for _ in range(2):
        with started("serve", tmp_path, "--port", "0") as process:
            line = next(line for line in process.stderr if line.startswith("listening on "))
            sessions.append(httpx.get(f"{line.split()[2]}/status").json()["session_id"])
            _, said = process.communicate("lose it\n", timeout=60)
        assert process.returncode == EXIT_DEVICE_LOST
        assert "training failed: CUDA error" in said
        assert "saving ..." in said
        assert "Traceback" not in said
    assert sessions[0] == sessions[1]


def test_a_container_saves_and_ends_as_if_it_had_crashed(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed here")
    sessions = []
    for _ in range(2):
        with started("container", tmp_path) as process:
            lines = iter(process.stdout.readline, "")
            sessions.append(next(line for line in lines if line != "committed\n"))
            said, _ = process.communicate("lose it\n", timeout=60)
        assert process.returncode == 1
        assert "committed" in said
    assert sessions[0] == sessions[1]
