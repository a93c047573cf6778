"""What a trainer said, for tests that wait for something of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from live_splat.training import TrainingEvent

PATIENCE_S = 60


class Events:
    """Keeps what it is told; a test waits for what it wants to see."""

    def __init__(self) -> None:
        self.all: list[TrainingEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: TrainingEvent) -> None:
        with self._changed:
            self.all.append(event)
            self._changed.notify_all()

    def until(self, seen: Callable[[list[TrainingEvent]], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: seen(self.all), PATIENCE_S), self.all[-5:]

    def of(self, kind: type) -> list:
        return [event for event in self.all if isinstance(event, kind)]
