"""Writes the local status.json files: at once what matters, the rest at a bucket's pace. The newest wins."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Timer

from live_splat.disk.frame_files import reason_of
from live_splat.refusal import RefusalError

from .folder import Status, write_status

TROUBLE = "status.json was not written"


class StatusFiles:
    """The status of every session in the folder. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        written: Callable[[str, Status], None],
        *,
        warn: Callable[[str], None],
        unwarn: Callable[[str], None],
        every_s: float,
    ) -> None:
        """``written``: called with session key and status after each write, in order."""
        self._folder = folder
        self._notify = written
        self._warn = warn
        self._unwarn = unwarn
        self._every_s = every_s
        self._lock = Lock()
        # One writer at a time; whoever only hands a status over waits for `_lock` alone.
        self._writing = Lock()
        self._pending: dict[str, Status] = {}
        """Session key → status to write, the longest waiting first."""
        self._last: dict[str, tuple[float, object]] = {}
        """Session key → when it was written last (monotonic), and what mattered in it."""
        self._timer: Timer | None = None
        self._is_closed = False
        self._trouble: str | None = None

    def write(self, session_key: str, status: Status) -> None:
        """Write it now when it names other chunks or another state, or the last is old enough; otherwise
        soon."""
        with self._lock:
            if self._is_closed:
                return
            self._pending[session_key] = status
            at_s, matter = self._last.get(session_key, (0.0, None))
            wait_s = 0.0 if matter != _matter(status) else at_s + self._every_s - time.monotonic()
            if wait_s > 0:
                self._write_in(wait_s)
                return
        self.flush()

    def flush(self) -> bool:
        """Write what waits. Returns whether that succeeded; a failure is warned of and tried again."""
        with self._writing:
            error = self._write_pending()
        self._tell(None if error is None else f"{TROUBLE}: {reason_of(error)}; the next try follows")
        return error is None

    def close(self) -> None:
        """Write what waits, then nothing more."""
        with self._lock:
            self._is_closed = True
            if self._timer is not None:
                self._timer.cancel()
        self.flush()

    def _write_pending(self) -> Exception | None:
        with self._lock:
            statuses, self._pending = self._pending, {}
            self._timer = None
        for key, status in statuses.items():
            error = self._write_one(key, status)
            if error is not None:
                with self._lock:
                    # A newer one may have come since.
                    self._pending = {**statuses, **self._pending}
                    if not self._is_closed:
                        self._write_in(self._every_s)
                return error
        return None

    def _write_one(self, key: str, status: Status) -> Exception | None:
        try:
            write_status(self._folder, key, status)
        except (OSError, RefusalError) as error:
            return error
        with self._lock:
            self._last[key] = (time.monotonic(), _matter(status))
        self._notify(key, status)
        return None

    def _write_in(self, wait_s: float) -> None:
        """With the lock held."""
        if self._timer is None:
            self._timer = Timer(wait_s, self.flush)
            self._timer.daemon = True
            self._timer.start()

    def _tell(self, trouble: str | None) -> None:
        with self._lock:
            before, self._trouble = self._trouble, trouble
        if before == trouble:
            return
        if before is not None:
            self._unwarn(before)
        if trouble is not None:
            self._warn(trouble)


def _matter(status: Status) -> object:
    """What others rely on as soon as they are told of it."""
    names = [chunk["name"] for chunk in status["chunks"]]
    return names, status.get("state"), bool(status.get("complete"))
