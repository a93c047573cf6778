"""Live events to any number of readers (GET /events). A slow reader skips; nobody waits for it.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any

from live_splat.refusal import RefusalError

from .answers import to_json

STATUS_EVERY_S = 0.25
"""At most four status events a second."""
HEARTBEAT_S = 15.0
MAX_WAITING = 256
"""Events kept for a reader that lags; the oldest go first."""
LATEST_ONLY = frozenset({"status", "splat"})
"""Of these only the newest matters to somebody who lags."""

_COMMENT = b": still here\n\n"


class EventHub:
    """The event streams of one scene. Every method may be called from any thread and returns at once."""

    def __init__(self, status: Callable[[], dict[str, Any]]) -> None:
        """``status`` is asked, on a thread of its own, when a status event is due and somebody listens."""
        self._status = status
        self._lock = threading.Lock()
        self._readers: set[_Reader] = set()
        self._timer: threading.Timer | None = None
        self._closed = False

    def publish(self, event: str, data: dict[str, Any]) -> None:
        """Hand an event to every reader. ``data`` must not change afterwards."""
        with self._lock:
            readers = tuple(self._readers)
        for reader in readers:
            reader.put(event, data)

    def status_changed(self) -> None:
        """Something in the status changed: tell the readers soon, many changes at once."""
        with self._lock:
            if self._timer is not None or not self._readers or self._closed:
                return
            self._timer = threading.Timer(STATUS_EVERY_S, self._tell_status)
            self._timer.daemon = True
            self._timer.start()

    def subscribe(self) -> AsyncGenerator[bytes, None]:
        """A new reader's stream; it starts with the status as it is now and ends when the hub is closed."""
        return self._stream()

    def end_streams(self) -> None:
        """End every stream after what is waiting in it; whoever still wants to know comes again."""
        with self._lock:
            readers = tuple(self._readers)
        for reader in readers:
            reader.end()

    def close(self) -> None:
        """End every stream after what is waiting in it; new ones end at once."""
        with self._lock:
            self._closed = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self.end_streams()

    def _tell_status(self) -> None:
        with self._lock:
            self._timer = None
        try:
            status = self._status()
        except RefusalError:
            # Between two sessions, or shutting down: the next change tells again.
            return
        self.publish("status", status)

    async def _stream(self) -> AsyncGenerator[bytes, None]:
        reader = _Reader(asyncio.get_running_loop())
        with self._lock:
            if self._closed:
                return
            self._readers.add(reader)
        try:
            # Listening since before the status was taken, so nothing falls in between.
            with contextlib.suppress(RefusalError):
                yield _encode("status", await asyncio.to_thread(self._status))
            while (piece := await reader.next()) is not None:
                yield piece
        finally:
            with self._lock:
                self._readers.discard(reader)


class _Reader:
    """What waits for one reader. Written from any thread, read on the reader's event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_WAITING)
        self._ended = False
        self._news = asyncio.Event()

    def put(self, event: str, data: dict[str, Any]) -> None:
        with self._lock:
            if event in LATEST_ONLY:
                stale = next((waiting for waiting in self._waiting if waiting[0] == event), None)
                if stale is not None:
                    self._waiting.remove(stale)
            self._waiting.append((event, data))
        self._wake()

    def end(self) -> None:
        with self._lock:
            self._ended = True
        self._wake()

    async def next(self) -> bytes | None:
        """The next event, or a comment when it is time to show that the line stands; None at the end."""
        while True:
            self._news.clear()
            with self._lock:
                waiting = self._waiting.popleft() if self._waiting else None
                ended = self._ended
            if waiting is not None:
                return _encode(*waiting)
            if ended:
                return None
            try:
                await asyncio.wait_for(self._news.wait(), HEARTBEAT_S)
            except asyncio.TimeoutError:
                return _COMMENT

    def _wake(self) -> None:
        # A loop that is closed has no reader any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)


def _encode(event: str, data: dict[str, Any]) -> bytes:
    # JSON has no raw line ends, so one data line is always enough.
    return b"event: " + event.encode() + b"\ndata: " + to_json(data) + b"\n\n"
