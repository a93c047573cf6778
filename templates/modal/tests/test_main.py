"""The whole backend as a process, with a scripted trainer: how it begins, what it says, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from live_splat.__main__ import EXIT_NOT_CONFIGURED, EXIT_USAGE, main

SCRIPT = Path(__file__).parent / "serve_scripted.py"


@contextmanager
def backend(folder: Path, *flags: str, env: Mapping[str, str] = {}) -> Iterator[tuple[str, subprocess.Popen]]:
    """Gives its URL, read from the line that says it listens, and the process."""
    args = [sys.executable, str(SCRIPT), "--port", "0", "--data", str(folder / "data"), *flags]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SPLAT_", "R2_"))}
    process = subprocess.Popen(args, stderr=subprocess.PIPE, text=True, env={**clean, **env})
    try:
        lines = iter(process.stderr.readline, "")
        line = next((line for line in lines if line.startswith("listening on ")), "")
        assert line, "it ended before it listened"
        yield line.split()[2], process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_well_also_under_a_reader_of_events(
    tmp_path: Path, number: int
) -> None:
    port_file = tmp_path / "port"
    with backend(tmp_path, "--port-file", str(port_file)) as (url, process):
        assert url == f"http://127.0.0.1:{int(port_file.read_text())}"
        session = httpx.get(f"{url}/status").json()["session_id"]
        with httpx.stream("GET", f"{url}/events") as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: status"
            process.send_signal(number)
            for _ in lines:
                pass
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
    with backend(tmp_path) as (url, _):
        assert httpx.get(f"{url}/status").json()["session_id"] == session


def test_beyond_loopback_it_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPLAT_API_TOKEN", raising=False)
    assert main(["--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path)]) == EXIT_NOT_CONFIGURED
    assert list(tmp_path.iterdir()) == []
    env = {"SPLAT_API_TOKEN": "open-sesame"}
    with backend(tmp_path, "--host", "0.0.0.0", env=env) as (url, _):
        assert httpx.get(f"{url}/status").status_code == 401
        answer = httpx.get(f"{url}/status", headers={"authorization": "Bearer open-sesame"})
        assert answer.status_code == 200


def test_a_setting_that_cannot_be_one_ends_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SPLAT_SCENES", "No Such Name")
    assert main(["--port", "0"]) == EXIT_NOT_CONFIGURED
    assert "SPLAT_SCENES" in caplog.text


def test_a_port_that_is_taken_ends_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with backend(tmp_path) as (url, _):
        port = url.rsplit(":", 1)[1]
        assert main(["--port", port, "--data", str(tmp_path / "other")]) == EXIT_USAGE
    assert f"cannot listen on 127.0.0.1:{port}" in caplog.text
