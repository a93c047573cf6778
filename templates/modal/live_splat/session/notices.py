"""What the user should know about a session, told once wherever they look: log, events, status."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock

logger = logging.getLogger("live_splat")

MAX_LISTED = 50


class Notices:
    """The warnings of one session. Thread-safe; never waits."""

    def __init__(self, publish: Callable[[str, dict], None], status_changed: Callable[[], None]) -> None:
        self._publish = publish
        self._status_changed = status_changed
        self._lock = Lock()
        self._messages: dict[str, None] = {}

    def messages(self) -> list[str]:
        """Those that still hold, oldest first."""
        with self._lock:
            return list(self._messages)

    def add(self, message: str) -> None:
        """Tell one; nothing when it was told before. Where too many hold already the log alone has it."""
        with self._lock:
            if message in self._messages:
                return
            is_listed = len(self._messages) < MAX_LISTED
            if is_listed:
                self._messages[message] = None
        logger.warning(message)
        if not is_listed:
            return
        self._publish("warning", {"message": message})
        self._status_changed()

    def remove(self, message: str) -> None:
        """What was warned of is over."""
        with self._lock:
            if message not in self._messages:
                return
            del self._messages[message]
        self._status_changed()
