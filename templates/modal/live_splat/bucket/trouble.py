"""When to try the bucket again, and what the user is told of it: once when trouble begins, until it is
over."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from .errors import BucketError

logger = logging.getLogger("live_splat")


@dataclass(frozen=True)
class UploadPace:
    """How fast the bucket is tried."""

    first_wait_s: float = 0.5
    """Longest first wait after a failure; it doubles with each failure that follows."""
    longest_wait_s: float = 30.0
    longest_user_wait_s: float = 120.0
    """The same where only the user can help: wrong keys, no bucket."""
    status_every_s: float = 1.2
    """Between two writes of one status.json: R2 takes one write a second of a key."""


LONGEST_RETRY_AFTER_S = 300.0
"""A server that asks for more patience than this is asked again all the same."""
TOLD_AFTER = 4
"""A few failures in a row are nothing to tell: the next try mostly works."""
TOLD_TO_USER_AFTER = 2
"""One answer may be garbled on its way, or a new token not be known everywhere yet."""


def wait_after(
    error: Exception, failures: int, pace: UploadPace, chance: Callable[[], float] = random.random
) -> float:
    """How long to wait after the ``failures``-th failure in a row (from 1), s; ``chance`` is uniform in 0…1.

    Exponential back-off with full jitter (Brooker 2015, "Exponential Backoff and Jitter", AWS Architecture
    Blog); ``Retry-After`` is honoured up to five minutes.
    """
    longest_s = pace.longest_user_wait_s if is_for_user(error) else pace.longest_wait_s
    # Far beyond the longest wait; a power without end would be no float any more.
    doublings = min(failures - 1, 30)
    back_off_s = chance() * min(longest_s, pace.first_wait_s * 2.0**doublings)
    retry_after_s = error.retry_after_s if isinstance(error, BucketError) else None
    if retry_after_s is None:
        return back_off_s
    return min(retry_after_s, LONGEST_RETRY_AFTER_S) + chance() * pace.first_wait_s


def is_for_user(error: Exception) -> bool:
    """Whether only the user can mend it."""
    return isinstance(error, BucketError) and error.is_for_user


class BucketTrouble:
    """The bucket's trouble as it stands. Thread-safe."""

    def __init__(
        self, *, warn: Callable[[str], None], unwarn: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        self._warn = warn
        self._unwarn = unwarn
        self._changed = changed
        self._lock = Lock()
        self._failures = 0
        self._current: str | None = None
        self._is_for_user = False

    @property
    def current(self) -> str | None:
        """What is wrong now; None when nothing is."""
        return self._current

    @property
    def needs_user(self) -> bool:
        """Whether waiting will not help."""
        return self._is_for_user

    def failed(self, error: Exception) -> None:
        """A try failed."""
        with self._lock:
            self._failures += 1
            for_user = is_for_user(error)
            # What only the user can mend stays told until something succeeds; other reasons are told once.
            if (self._is_for_user or self._current is not None) and not for_user:
                return
            if self._failures < (TOLD_TO_USER_AFTER if for_user else TOLD_AFTER):
                return
            before, now = self._current, _describe(error)
            self._current, self._is_for_user = now, for_user
        self._tell(before, now)

    def succeeded(self) -> None:
        """A try did what it should."""
        with self._lock:
            self._failures = 0
            before, self._current, self._is_for_user = self._current, None, False
        if before is not None:
            logger.info("the bucket takes what waited")
        self._tell(before, None)

    def _tell(self, before: str | None, now: str | None) -> None:
        if before == now:
            return
        if before is not None:
            self._unwarn(before)
        if now is not None:
            self._warn(now)
        self._changed()


def _describe(error: Exception) -> str:
    hint = error.hint if isinstance(error, BucketError) else None
    told = str(error) if hint is None else f"{error}. {hint}"
    return f"{told.rstrip('.')}. Chunks wait on disk and are tried again."
