"""A session that writes chunks, as the scene does, for tests of the chunk store. Run as a program it writes
chunks until it is killed: ``python chunk_capture.py DATA_DIR PREFIX R2_FACTS``."""

from __future__ import annotations

import json
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from r2_server import R2, until

from live_splat.bucket.trouble import UploadPace
from live_splat.storage import ChunkStore

PACE = UploadPace(first_wait_s=0.02, longest_wait_s=0.1, longest_user_wait_s=0.1, status_every_s=0.05)
"""As in use, only faster."""

FAULTS = [
    {"kind": "refuse"},
    {"kind": "reset", "side": "request", "atByte": 100},
    {"kind": "reset", "side": "response", "atByte": 0},
    {"kind": "corrupt", "side": "request", "atByte": 20},
    {"kind": "duplicate"},
    {"kind": "slow", "side": "request", "bytesPerS": 40_000},
    {"kind": "answer", "status": 503, "retryAfterS": 0},
    {"kind": "answer", "status": 429},
    {"kind": "answer", "status": 500, "body": "<html>oops</html>"},
]


def ply_of(index: int, salt: str = "") -> bytes:
    return random.Random(f"{index}{salt}").randbytes(2000)  # noqa: S311


class Capture:
    """A session that writes chunks, as the scene does."""

    def __init__(
        self,
        data_dir: Path,
        r2: R2 | None,
        *,
        scene: str = "main",
        session_id: str | None = None,
        pace: UploadPace = PACE,
        commit: Callable[[], None] | None = None,
        **settings: Any,
    ) -> None:
        self.warnings: list[str] = []
        self.told: list[str] = []
        self.scene = scene
        self.id = session_id or uuid.uuid4().hex
        bucket = None if r2 is None else r2.settings(**settings)
        self.store = ChunkStore(
            data_dir,
            bucket,
            warn=self._warn,
            unwarn=self.warnings.remove,
            changed=lambda: None,
            pace=pace,
            commit=commit,
        )
        self.chunks = self.store.chunks_on_disk(scene, self.id, [])

    def _warn(self, message: str) -> None:
        self.told.append(message)
        self.warnings.append(message)

    def write(self, first: int, last: int, salt: str = "") -> None:
        for index in range(first, last + 1):
            chunk = self.store.write_chunk(
                scene=self.scene,
                session_id=self.id,
                index=index,
                first_frame=index,
                last_frame=index,
                gaussian_count=index,
                ply=ply_of(index, salt),
            )
            self.chunks.append(chunk)
            self.tell("training")

    def tell(self, state: str) -> None:
        status = {
            "session_id": self.id,
            "updated_at": time.time(),
            "state": state,
            "frame_count": len(self.chunks),
            "gaussian_count": len(self.chunks),
            "complete": state == "complete",
            "chunks": list(self.chunks),
        }
        self.store.write_status(self.scene, self.id, status)

    def uploaded(self) -> int:
        return self.store.uploaded(self.id)

    def until_uploaded(self, count: int) -> None:
        until(lambda: self.uploaded() == count, f"{count} chunks; trouble: {self.store.trouble}")

    def keys(self) -> dict[str, str]:
        return {chunk["key"]: chunk["sha256"] for chunk in self.chunks}


Start = Callable[..., Capture]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Capture] = []

    def begin(r2: R2 | None, data_dir: Path = tmp_path / "data", **more: Any) -> Capture:
        started.append(Capture(data_dir, r2, **more))
        return started[-1]

    yield begin
    for capture in started:
        capture.store.close(0.0)


def chunk_sums(r2: R2) -> dict[str, str]:
    return {key: value for key, value in r2.sums().items() if key.endswith(".ply")}


if __name__ == "__main__":
    data_dir, prefix, facts = sys.argv[1:]
    victim = Capture(Path(data_dir), R2(json.loads(facts), prefix), session_id="victim")
    for number in range(len(victim.chunks) + 1, 1000):
        victim.write(number, number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
