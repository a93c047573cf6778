"""The line that uploads stand in: a few are worked on, some wait, and beyond that there is a clear no."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from live_splat.refusal import RefusalError

Result = TypeVar("Result")


class IngestLine:
    """Runs jobs in threads within its limits, first come first served. Used on the event loop alone."""

    def __init__(self, *, running: int = 2, waiting: int = 64, held_bytes: int = 512 * 1024 * 1024) -> None:
        """``held_bytes``: what uploads may take in memory together, from their first byte to their answer."""
        self._limiter = CapacityLimiter(running)
        self._places = running + waiting
        self._in_line = 0
        self._room = held_bytes

    @contextmanager
    def entered(self) -> Iterator[Callable[[int], None]]:
        """To be held from before the body is read; gives what counts its bytes. Both raise ``busy``."""
        self._check()
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if size > self._room:
                raise _busy()
            self._room -= size
            held += size

        try:
            yield hold
        finally:
            self._room += held

    async def run(self, job: Callable[[], Result]) -> Result:
        """Waits for a place, then for the job. Raises ``busy`` at once when too many are waiting."""
        self._check()
        # Not asked of the limiter: a job joins its queue a turn of the event loop later, and others slip in.
        self._in_line += 1
        try:
            return await run_sync(job, limiter=self._limiter)
        finally:
            self._in_line -= 1

    def _check(self) -> None:
        if self._in_line >= self._places:
            raise _busy()


def _busy() -> RefusalError:
    return RefusalError(
        "busy",
        "more frames are waiting to be decoded than this machine can take",
        hint="Send this frame again after the time in Retry-After.",
        retry_after_s=1,
    )
