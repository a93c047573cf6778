"""Slow work that nobody waits for, one piece after the other; and slow work that is waited for only so
long."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread


@dataclass(frozen=True)
class Deadline:
    """When something must be over, on the monotonic clock; None = whenever it is."""

    at: float | None

    @staticmethod
    def after(seconds: float | None) -> Deadline:
        return Deadline(None if seconds is None else time.monotonic() + seconds)

    def earlier(self, share: float, most_s: float) -> Deadline:
        """One that leaves this share of the time, at most ``most_s``, for what comes after it."""
        left_s = self.left_s()
        return self if self.at is None or left_s is None else Deadline(self.at - min(most_s, share * left_s))

    def left_s(self, keep_s: float = 0.0) -> float | None:
        """Seconds left but for ``keep_s``, ≥ 0; None without end."""
        return None if self.at is None else max(0.0, self.at - keep_s - time.monotonic())


class Background:
    """A thread that does what it is given in order, and keeps no process from ending. Thread-safe."""

    def __init__(self, name: str, trouble: Callable[[str, Exception], None]) -> None:
        """``trouble``: told what was not done, and why."""
        self._trouble = trouble
        self._given: SimpleQueue[tuple[str, Callable[[], None]] | None] = SimpleQueue()
        self._lock = Lock()
        self._is_closed = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, what_failed: str, work: Callable[[], None]) -> None:
        """Do this soon; nothing after ``close``: the session saves what matters itself."""
        with self._lock:
            if not self._is_closed:
                self._given.put((what_failed, work))

    def close(self, timeout_s: float | None = None) -> None:
        """Take nothing more; waits until all is done, at most so long."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._given.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (given := self._given.get()) is not None:
            what_failed, work = given
            try:
                work()
            except Exception as error:
                self._trouble(what_failed, error)


def do_within(timeout_s: float | None, work: Callable[[], None]) -> bool:
    """Do something, but wait for it no longer than this; None = to its end. Returns whether it has ended.

    What it raises within the time is raised here.
    """
    if timeout_s is None:
        work()
        return True
    raised: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = Thread(target=run, name="splat-within", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if raised:
        raise raised[0]
    return not thread.is_alive()
