"""What of a session goes out into the bucket's folder: its chunks, and the status.json that names them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import Any

from live_splat.http.events import EventHub
from live_splat.splat.formats import encode
from live_splat.splat.gaussians import Gaussians
from live_splat.storage import ChunkStore

from .background import Background

logger = logging.getLogger("live_splat")

Chunk = dict[str, Any]
"""In the contract's form."""


class Outlet:
    """Writes one session's chunks and status. Thread-safe."""

    def __init__(
        self,
        store: ChunkStore,
        *,
        scene: str,
        session_id: str,
        has_bucket: bool,
        status: Callable[[], dict[str, Any]],
        background: Background,
        events: EventHub,
    ) -> None:
        """``status``: what status.json says. Without a bucket the local folder stands for it."""
        self._store = store
        self._scene = scene
        self._session_id = session_id
        self._has_bucket = has_bucket
        self._status = status
        self._background = background
        self._events = events
        self._statuses = Lock()
        self._due = Lock()
        """Held while a status is due that nobody has begun to write."""

    @property
    def trouble(self) -> str | None:
        """What keeps chunks from the bucket now; None when nothing does."""
        return self._store.trouble

    def shown(self, chunks: list[Chunk]) -> list[Chunk]:
        """The chunks as those who read the bucket see them."""
        return self._store.shown(self._session_id, chunks)

    def uploaded(self, chunks: list[Chunk]) -> int:
        """How many of them are in the bucket."""
        written = len(chunks)
        return min(written, self._store.uploaded(self._session_id)) if self._has_bucket else written

    def write_chunk(self, index: int, first_frame: int, last_frame: int, scene: Gaussians) -> Chunk:
        """Keep the scene as the next chunk. Raises RefusalError ``storage_full``."""
        chunk = self._store.write_chunk(
            scene=self._scene,
            session_id=self._session_id,
            index=index,
            first_frame=first_frame,
            last_frame=last_frame,
            gaussian_count=scene.count,
            ply=encode(scene, "ply"),
        )
        logger.info(
            "chunk %s: frames %s–%s, %s Gaussians, %s",
            *(chunk[key] for key in ("index", "first_frame", "last_frame", "gaussian_count", "key")),
        )
        return chunk

    def status_changed(self) -> None:
        """Something in the status changed: write it soon, many changes at once."""
        if self._due.acquire(blocking=False):
            self._background.do("status.json was not written", self._write_due)
        self._events.status_changed()

    def write_status(self) -> None:
        """Write status.json now."""
        # Taken and handed over in one go, or an older one could follow a newer.
        with self._statuses:
            self._store.write_status(self._scene, self._session_id, self._status())

    def _write_due(self) -> None:
        self._due.release()
        self.write_status()
