"""When a folder's content is safe: at once where a sync makes it so, otherwise (a Modal Volume) once a commit
that began after it was written has ended. The commits are made here, in a thread of their own, soon after
something new."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from threading import Condition, Thread

from live_splat.refusal import RefusalError

from .durable import NO_ROOM
from .frame_files import reason_of

logger = logging.getLogger("live_splat")

COMMIT_EVERY_S = 5.0
LONGEST_WAIT_S = 30.0
"""Between tries while commits fail."""
SHUTDOWN_COMMIT_S = 25.0
"""Modal gives a container 30 s to end."""


class Committer:
    """Knows which frames are safe. Thread-safe; ``close`` ends its thread."""

    def __init__(
        self,
        commit: Callable[[], None] | None,
        *,
        warn: Callable[[str], None],
        unwarn: Callable[[str], None] | None = None,
        every_s: float = COMMIT_EVERY_S,
    ) -> None:
        """``commit`` raises OSError ENOSPC or EDQUOT when there is no room; any other exception is tried
        again too."""
        self._commit = commit
        self._warn = warn
        self._unwarn = unwarn
        self._every_s = every_s
        self._changed = Condition()
        self._newest = 0
        self._writing: set[int] = set()
        """Frames not whole yet: their bytes, or the pose that they wait for."""
        self._unsafe: set[int] = set()
        """Frames that a crash may lose: being written, or in no finished commit."""
        self._session = 0
        """Rises when all is forgotten: a commit under way then says nothing about what came after."""
        self._is_dirty = False
        self._is_asked = False
        self._is_closing = False
        self._due_s = 0.0
        self._begun = self._ended = 0
        """How many commits."""
        self._failures = 0
        self._trouble: str | None = None
        self._is_full = False
        self._thread: Thread | None = None

    @property
    def durable_through(self) -> int:
        """Newest index up to which every frame is safe; 0 = none."""
        with self._changed:
            return min(self._newest, min(self._unsafe, default=self._newest + 1) - 1)

    def found(self, indices: Iterable[int]) -> None:
        """Frames that lay in the folder at the start. Nothing says that they were committed."""
        with self._changed:
            indices = list(indices)
            self._newest = max([self._newest, *indices])
            if self._commit is not None:
                self._unsafe.update(indices)
        if indices:
            self.touched()

    def begin(self, index: int) -> None:
        """A frame is about to be written. Raises RefusalError ``storage_full`` while commits find no room."""
        with self._changed:
            if self._is_full:
                raise RefusalError(
                    "storage_full",
                    "the backend's volume is full",
                    hint="Make room on it; nothing of this request was kept.",
                    retry_after_s=10,
                )
            self._writing.add(index)
            self._unsafe.add(index)

    def written(self, index: int) -> None:
        """It is on this machine's disk, with all that belongs to it."""
        with self._changed:
            self._newest = max(self._newest, index)
            self._writing.discard(index)
            if self._commit is None:
                self._unsafe.discard(index)
        self.touched()

    def dropped(self, index: int) -> None:
        """It could not be written."""
        with self._changed:
            self._writing.discard(index)
            self._unsafe.discard(index)

    def forget(self) -> None:
        """The session is gone, its frames with it."""
        with self._changed:
            self._session += 1
            self._newest = 0
            self._writing.clear()
            self._unsafe.clear()
            # What is still wrong is told to whoever listens now.
            self._trouble = None
        self.touched()

    def touched(self) -> None:
        """Something is new on disk: commit it soon."""
        if self._commit is None:
            return
        with self._changed:
            self._is_dirty = True
            if self._thread is None and not self._is_closing:
                self._thread = Thread(target=self._run, name="commits", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def commit_now(self, timeout_s: float = SHUTDOWN_COMMIT_S) -> bool:
        """Commit what is on disk now; waits at most so long. Returns whether all of it is safe; when it is
        not, that is told."""
        if self._commit is None:
            return True
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                return not self._is_dirty
            # One under way may have begun too early to hold what is there now.
            wanted = self._begun + 1
            self._is_asked = True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._ended >= wanted, timeout_s):
                self._tell("the volume takes long to commit; what is new is not safe yet")
                return False
            return self._failures == 0

    def close(self, timeout_s: float = SHUTDOWN_COMMIT_S) -> None:
        """Commit what is new, then end."""
        with self._changed:
            is_dirty = self._is_dirty or self._begun > self._ended
        if is_dirty:
            self.commit_now(timeout_s)
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            # One that hangs ends with the process.
            thread.join(1.0)

    def _run(self) -> None:
        while self._wait_until_due():
            with self._changed:
                held = self._unsafe - self._writing
                session = self._session
                self._begun += 1
                self._is_dirty = self._is_asked = False
                self._due_s = time.monotonic() + self._every_s
            error = self._try()
            with self._changed:
                self._ended += 1
                if error is None:
                    self._failures = 0
                    if session == self._session:
                        self._unsafe -= held
                else:
                    self._failures += 1
                    self._is_dirty = True
                    wait_s = min(LONGEST_WAIT_S, self._every_s * 2 ** (self._failures - 1))
                    self._due_s = time.monotonic() + wait_s
                self._is_full = isinstance(error, OSError) and error.errno in NO_ROOM
                self._tell(None if error is None else _failure(error))
                self._changed.notify_all()

    def _wait_until_due(self) -> bool:
        """False when it is time to end."""
        with self._changed:
            while not self._is_closing:
                wait_s = self._due_s - time.monotonic()
                if self._is_asked or (self._is_dirty and wait_s <= 0):
                    return True
                self._changed.wait(wait_s if self._is_dirty else None)
            return False

    def _try(self) -> Exception | None:
        try:
            if self._commit is not None:
                self._commit()
        # Whatever it is, the thread must live on to try again.
        except Exception as error:
            return error
        return None

    def _tell(self, trouble: str | None) -> None:
        """With the lock held, so that of a trouble and its end the end is told last."""
        if trouble == self._trouble:
            return
        if self._trouble is not None and self._unwarn is not None:
            self._unwarn(self._trouble)
        self._trouble = trouble
        if trouble is not None:
            self._warn(trouble)


def _failure(error: Exception) -> str:
    what = f"{type(error).__name__}: {reason_of(error)}"
    return f"the volume was not committed ({what}); what is new is not safe yet, the next try follows"
