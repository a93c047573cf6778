"""A backend process that is killed at any moment: nothing that it accepted is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from rig import picture, until

SERVER = Path(__file__).with_name("serve_scripted.py")
BOUNDARY = "frame-boundary"


class Served:
    """A backend in a process of its own."""

    def __init__(self, folder: Path) -> None:
        port_file = folder / "port"
        port_file.unlink(missing_ok=True)
        settings = {name: value for name, value in os.environ.items() if not name.startswith("SPLAT_")}
        self.process = subprocess.Popen(
            [sys.executable, SERVER, "--port", "0", "--port-file", port_file, "--data", folder / "data"],
            env=settings,
            stderr=(folder / "log").open("ab"),
        )
        until(lambda: port_file.exists() and port_file.read_text().endswith("\n"))
        self.port = int(port_file.read_text())

    def get(self, path: str) -> Any:
        return self._ask("GET", path)

    def send(self, method: str, path: str, value: object) -> Any:
        return self._ask(method, path, json.dumps(value).encode(), "application/json")

    def upload(self, data: bytes, frame_id: str) -> Any:
        meta = json.dumps({"frame_id": frame_id, "joint_angles": [0.1] * 6}).encode()
        head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="meta"\r\n\r\n'.encode()
        file = f'\r\n--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'
        body = b"".join([head, meta, file.encode(), data, f"\r\n--{BOUNDARY}--\r\n".encode()])
        return self._ask("POST", "/upload-frame", body, f"multipart/form-data; boundary={BOUNDARY}")

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str | None = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {} if kind is None else {"content-type": kind})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            return json.loads(text)
        finally:
            connection.close()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    backend = Served(folder)
    try:
        yield backend
    finally:
        if backend.process.poll() is None:
            backend.kill()


def uploading(backend: Served, first: int, accepted: dict[str, int]) -> list[threading.Thread]:
    """Threads that send frames until nobody answers; ``accepted`` gets what was answered."""

    def send(seed: int) -> None:
        while True:
            try:
                answer = backend.upload(picture(seed), f"f{seed}")
            except (OSError, HTTPException, json.JSONDecodeError):
                return
            accepted[answer["frame_id"]] = seed
            seed += 3

    threads = [threading.Thread(target=send, args=(first + lane,)) for lane in range(3)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize("after_s", [0.15, 0.4])
def test_nothing_that_was_accepted_is_lost_by_a_kill(tmp_path: Path, after_s: float) -> None:
    accepted: dict[str, int] = {}
    sessions, boots, versions = set(), [], []
    for round_number in range(3):
        with served(tmp_path) as backend:
            status = backend.get("/status")
            sessions.add(status["session_id"])
            boots.append(status["boot_id"])
            versions.append(status["version"])
            assert status["durable_through"] >= len(accepted)
            if round_number == 0:
                backend.send("PUT", "/scene", {"max_gaussians": 777, "chunk_every": 2})
            known = {frame["frame_id"] for frame in backend.get("/frames")["frames"]}
            assert known >= accepted.keys()
            for frame_id, seed in accepted.items():
                assert backend.upload(picture(seed), frame_id)["duplicate"] is True
            threads = uploading(backend, 1000 * round_number, accepted)
            # Some are accepted, others under way.
            time.sleep(after_s)
            until(lambda have=3 * (round_number + 1): len(accepted) >= have)
            versions.append(backend.get("/status")["version"])
            backend.kill()
            for thread in threads:
                thread.join()
    with served(tmp_path) as backend:
        frames = backend.get("/frames")["frames"]
        assert {frame["frame_id"] for frame in frames} >= accepted.keys()
        assert [frame["index"] for frame in frames] == list(range(1, len(frames) + 1))
        status = backend.get("/status")
        assert sessions == {status["session_id"]}
        assert len({*boots, status["boot_id"]}) == 4
        assert versions == sorted(versions)
        assert status["version"] >= versions[-1]
        assert (status["state"], status["warnings"]) == (
            "training",
            ["no camera given: 60° of horizontal view assumed (PUT /scene sets it)"]
            * bool(status["warnings"]),
        )
        assert backend.get("/scene")["max_gaussians"] == 777
        stopped = backend.send("POST", "/stop-training", {"finish_seconds": 0.2})
        assert stopped["complete"] is True
        assert [chunk["index"] for chunk in stopped["chunks"]] == list(range(1, len(stopped["chunks"]) + 1))
        assert stopped["chunks"][-1]["last_frame"] == len(frames)
        for chunk in stopped["chunks"]:
            assert (tmp_path / "data" / "bucket" / chunk["key"]).stat().st_size == chunk["bytes"]


def test_a_kill_while_finishing_is_finished_by_the_next(tmp_path: Path) -> None:
    with served(tmp_path) as backend:
        for seed in range(3):
            backend.upload(picture(seed), f"f{seed}")
        until(lambda: backend.get("/status")["gaussian_count"] > 0)
        stopping = threading.Thread(target=_ignore, args=(backend,))
        stopping.start()
        # Told to the world, so known to a restart.
        told = tmp_path / "data" / "bucket" / "scenes" / "main" / "status.json"
        until(lambda: told.exists() and json.loads(told.read_text())["state"] == "finishing")
        backend.kill()
        stopping.join()
    with served(tmp_path) as backend:
        until(lambda: backend.get("/status")["state"] == "complete")
        status = backend.get("/status")
        assert (status["progress"], status["frame_count"]) == (1, 3)
        assert status["chunks"][-1]["last_frame"] == 3
        backend.kill()
    with served(tmp_path) as backend:
        again = backend.get("/status")
        assert (again["state"], again["chunks"]) == ("complete", status["chunks"])


def _ignore(backend: Served) -> None:
    try:
        backend.send("POST", "/stop-training", {"finish_seconds": 3600})
    except (OSError, HTTPException):
        # Its process was killed while it waited.
        return


def test_a_polite_end_saves_how_far_training_came(tmp_path: Path) -> None:
    with served(tmp_path) as backend:
        backend.upload(picture(1), "a")
        until(lambda: backend.get("/status")["gaussian_count"] > 0)
        before = backend.get("/status")
        backend.process.send_signal(signal.SIGTERM)
        assert backend.process.wait(timeout=60) == 0
    with served(tmp_path) as backend:
        after = backend.get("/status")
        assert after["step"] >= before["step"] > 0
        assert after["gaussian_count"] == before["gaussian_count"]
        assert after["version"] > before["version"]
