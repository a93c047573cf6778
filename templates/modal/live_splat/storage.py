"""Numbered chunks of each scene and the status.json beside them: in the folder that is laid out as the
bucket, and from there in the bucket, where there is one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

from .bucket.client import Bucket
from .bucket.folder import (
    DEFAULT_PREFIX,
    Chunk,
    Status,
    chunk_name,
    read_sessions,
    read_status,
    session_key_of,
)
from .bucket.queue import BucketQueue
from .bucket.status_files import StatusFiles
from .bucket.trouble import UploadPace
from .disk.durable import make_folder, write_durably
from .settings import BucketSettings

CLOSE_GRACE_S = 5.0
"""What is under way may take this long at the end."""
SLICE_BYTES = 1 << 20


class ChunkStore:
    """All scenes' chunks. Thread-safe; ``close`` ends its threads."""

    def __init__(
        self,
        data_dir: Path,
        bucket: BucketSettings | None,
        *,
        warn: Callable[[str], None],
        unwarn: Callable[[str], None],
        changed: Callable[[], None],
        commit: Callable[[], None] | None = None,
        pace: UploadPace | None = None,
    ) -> None:
        """Go on with what ``data_dir`` holds.

        ``warn`` tells a trouble, ``unwarn`` with the same text that it is over, ``changed`` that what
        ``uploaded``, ``shown`` or ``trouble`` say is another; they are called from threads of this object.
        ``commit`` as in ``SessionFolder``: chunks wait for it before they leave. Raises AddressError for a
        bucket that cannot be one.
        """
        pace = pace or UploadPace()
        self._folder = data_dir / "bucket"
        self._prefix = DEFAULT_PREFIX if bucket is None else bucket.prefix
        sessions = read_sessions(self._folder, self._prefix)
        self._lock = Lock()
        self._key_of = {status["session_id"]: key for key, status in sessions.items()}
        self._written = {key: len(status["chunks"]) for key, status in sessions.items()}
        """Session key → chunks on disk."""
        self._queue: BucketQueue | None = None
        if bucket is not None:
            self._queue = BucketQueue(
                Bucket(bucket),
                self._folder,
                sessions,
                data_dir / "state" / "uploads.json",
                warn=warn,
                unwarn=unwarn,
                changed=changed,
                commit=commit,
                pace=pace,
            )
        self._statuses = StatusFiles(
            self._folder, self._publish, warn=warn, unwarn=unwarn, every_s=pace.status_every_s
        )

    @property
    def trouble(self) -> str | None:
        """What keeps chunks from the bucket now; None when nothing does."""
        return None if self._queue is None else self._queue.trouble.current

    def write_chunk(
        self,
        *,
        scene: str,
        session_id: str,
        index: int,
        first_frame: int,
        last_frame: int,
        gaussian_count: int,
        ply: bytes,
    ) -> Chunk:
        """Keep the scene as it stands as chunk ``index`` (1, 2, 3 …); it goes to the bucket once a status
        names it.

        Returns the contract's chunk. One that a status named before may be in the bucket, where it never
        changes: that one is returned, and nothing written. Raises RefusalError ``storage_full``.
        """
        session_key = session_key_of(self._prefix, scene, session_id)
        name = chunk_name(index)
        for named in self._named(session_key):
            if named["name"] == name:
                return named
        make_folder(self._folder / session_key)
        data = memoryview(ply)
        pieces = (data[at : at + SLICE_BYTES] for at in range(0, len(data), SLICE_BYTES))
        size = write_durably(self._folder / session_key / name, pieces)
        with self._lock:
            self._key_of[session_id] = session_key
            self._written[session_key] = max(self._written.get(session_key, 0), index)
        return {
            "name": name,
            "index": index,
            "first_frame": first_frame,
            "last_frame": last_frame,
            "gaussian_count": gaussian_count,
            "bytes": size,
            "sha256": hashlib.sha256(ply).hexdigest(),
            "key": f"{session_key}/{name}",
            "url": None,
            "created_at": time.time(),
        }

    def chunks_on_disk(self, scene: str, session_id: str, saved: Sequence[Chunk]) -> list[Chunk]:
        """Chunks of a session after a restart: those it saved, and those that were named after it saved last.
        A chunk that was named may be in the bucket already: it must not be written again with other
        content."""
        named = self._named(session_key_of(self._prefix, scene, session_id))
        return list(named if len(named) > len(saved) else saved)

    def write_status(self, scene: str, session_id: str, status: Status) -> None:
        """Follow a session's status (contract: "Objects in the bucket"): on disk at once when it names other
        chunks or another state, otherwise soon; then, behind its chunks, in the bucket. The newest wins. A
        full disk is told as a warning, and tried again."""
        with self._lock:
            key = self._key_of[session_id] = session_key_of(self._prefix, scene, session_id)
        self._statuses.write(key, status)

    def shown(self, session_id: str, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Chunks as those who read the bucket see them: with their address once they are there."""
        if self._queue is None:
            return list(chunks)
        there = self._queue.uploaded(self._key(session_id))
        return [self._queue.shown(chunk) if chunk["name"] in there else chunk for chunk in chunks]

    def uploaded(self, session_id: str) -> int:
        """How many of a session's chunks are in the bucket; without one the folder stands for it."""
        key = self._key(session_id)
        if self._queue is not None:
            return len(self._queue.uploaded(key))
        with self._lock:
            return self._written.get(key, 0)

    def flush(self, deadline_s: float) -> bool:
        """Try now what waits, for so many seconds at most. Returns whether nothing waits any more."""
        end_s = time.monotonic() + deadline_s
        is_written = self._statuses.flush()
        if self._queue is None:
            return is_written
        return self._queue.flush(max(0.0, end_s - time.monotonic())) and is_written

    def close(self, deadline_s: float = CLOSE_GRACE_S) -> None:
        """End: what waits is tried once more, for so many seconds at most; the rest follows at the next
        start."""
        end_s = time.monotonic() + deadline_s
        self._statuses.close()
        if self._queue is not None:
            self._queue.close(max(0.0, end_s - time.monotonic()))

    def _publish(self, session_key: str, status: Status) -> None:
        if self._queue is not None:
            self._queue.publish(session_key, status)

    def _named(self, session_key: str) -> list[Chunk]:
        status = read_status(self._folder, session_key)
        return [] if status is None else status["chunks"]

    def _key(self, session_id: str) -> str:
        with self._lock:
            return self._key_of.get(session_id, session_id)
