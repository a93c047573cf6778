"""When a chunk is due: once frame k·chunk_every has been in a step, and at the end if anything is newer."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from live_splat.splat.gaussians import Gaussians
from live_splat.splat.select import finite_gaussians
from live_splat.training import Snapshot

from .placing import SessionParts

RETRY_S = 10.0
"""After a failed write (a full disk), the next try is not made before this has passed."""

WriteChunk = Callable[[int, int, int, Gaussians], dict[str, Any]]
"""Index, first and last frame, the scene → the chunk in the contract's form. Raises RefusalError
``storage_full``."""


class ChunkSchedule:
    """Writes the chunks of one session when they are due. Thread-safe."""

    def __init__(
        self,
        parts: SessionParts,
        *,
        write: WriteChunk,
        on_chunk: Callable[[dict[str, Any]], None],
        chunks: list[dict[str, Any]],
        last_step: int,
    ) -> None:
        """``chunks``: those of before a restart; ``last_step``: the trainer's step at the newest of them."""
        self._parts = parts
        self._write_chunk = write
        self._on_chunk = on_chunk
        self._chunks = chunks
        self._serial = Lock()
        self._is_under_way = False
        self._not_before = 0.0
        self.last_step = last_step

    def chunks(self) -> list[dict[str, Any]]:
        """Those that were written, in order."""
        with self._parts.lock:
            return list(self._chunks)

    def check(self) -> None:
        """Write what is due, in the background; call whenever steps were made."""
        with self._parts.lock:
            if self._is_under_way or time.monotonic() < self._not_before or self._due_frame() is None:
                return
            self._is_under_way = True
        self._parts.in_background("a chunk was not written", self._write_in_background)

    def write_final(self) -> None:
        """The chunk at the end: written if there are Gaussians and anything is newer than the last."""
        with self._serial:
            self._write_due()
            scene = self._parts.training.snapshot()
            if scene is None:
                return
            newest = self._parts.frames.last_index
            if scene.step > self.last_step or newest > self._last_frame():
                self._write(scene, newest)

    def _write_in_background(self) -> None:
        not_before = time.monotonic() + RETRY_S
        try:
            with self._serial:
                self._write_due()
            not_before = 0.0
        finally:
            with self._parts.lock:
                self._is_under_way, self._not_before = False, not_before

    def _write_due(self) -> None:
        while (due := self._due_frame()) is not None:
            scene = self._parts.training.snapshot()
            if scene is None or not self._write(scene, due):
                return

    def _last_frame(self) -> int:
        """Newest frame that a chunk covers, 0 before the first."""
        return int(self._chunks[-1]["last_frame"]) if self._chunks else 0

    def _due_frame(self) -> int | None:
        """Newest frame of the next chunk if it has been in a step."""
        frames = self._parts.frames
        with self._parts.lock:
            index = self._last_frame() + self._parts.settings().chunk_every
            frame = frames.get(index)
            if frame is None:
                # It may be missing (damaged at a restart): those after it show that its turn has come.
                return index if index < frames.last_index else None
            # What is never trained on counts once any step was made after it came.
            is_in = frame.stepped if frame.is_trained else self._parts.step() > frame.accepted_at_step
            return index if is_in else None

    def _write(self, scene: Snapshot, last_frame: int) -> bool:
        gaussians = finite_gaussians(scene.gaussians)
        if gaussians.count == 0:
            return False
        first_frame = min(self._last_frame() + 1, last_frame)
        chunk = self._write_chunk(len(self._chunks) + 1, first_frame, last_frame, gaussians)
        with self._parts.lock:
            self._chunks.append(chunk)
            self.last_step = scene.step
        self._on_chunk(chunk)
        return True
