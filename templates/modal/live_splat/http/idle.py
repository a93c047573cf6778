"""Ends sessions that nobody feeds any more: a GPU costs money by the second, forgotten or not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from live_splat.refusal import RefusalError

if TYPE_CHECKING:
    from live_splat.scene import Scene, Scenes

logger = logging.getLogger("live_splat")

MOST_BETWEEN_LOOKS_S = 15.0

STREAMS_END_S = 300.0
"""Where nothing goes on, streams of events end after so long: to Modal an open one is a request under way,
for which it keeps the container."""


class IdleWatch:
    """Finishes each session in state ``training`` that got no work for ``idle_stop_s``, and ends streams of
    events where nothing goes on in any scene.

    Frames and settings are work; joints are while the trainer learns, not once it rests. Who only looks
    (status, events, downloads) does none. That lets the session end, and with it training; whether the
    container goes too is for Modal to say, which keeps it as long as requests come: a page that was left
    open and polls keeps it, one that listens to events does not.
    """

    def __init__(
        self, scenes: Scenes, idle_stop_s: float, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._scenes = scenes
        self._idle_stop_s = idle_stop_s
        self._now = now
        self._steps: dict[str, int] = {}
        """Each scene's step at the last look."""
        self._streams_ended_s = now()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="idle-watch", daemon=True)

    def start(self) -> None:
        """Begin to look, on a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()

    def look(self) -> None:
        """Finish what is idle now. Must not be called twice at once."""
        at_rest = [self._look_at(scene) for scene in self._scenes.opened()]
        now_s = self._now()
        if all(at_rest) and now_s - self._streams_ended_s >= STREAMS_END_S:
            self._streams_ended_s = now_s
            for scene in self._scenes.opened():
                scene.events.end_streams()

    def _look_at(self, scene: Scene) -> bool:
        """Finish it if it is idle. Returns whether nothing goes on in it, and has not for a while."""
        try:
            status = scene.status()
            is_learning = self._steps.get(scene.name) != status["step"]
            self._steps[scene.name] = status["step"]
            newest_s = max(scene.last_work_s, scene.last_joints_s)
            idle_s = self._now() - (newest_s if is_learning else scene.last_work_s)
            if status["state"] in ("idle", "complete", "failed"):
                return self._now() - newest_s >= STREAMS_END_S
            if idle_s >= self._idle_stop_s and status["state"] == "training":
                scene.warn(idle_message(self._idle_stop_s))
                scene.stop(None, 0.0)
        except RefusalError as refusal:
            # Between two sessions, or shutting down: nothing of it is idle.
            logger.debug("scene %s was not looked at: %s", scene.name, refusal.message)
        except Exception:
            logger.exception("scene %s could not be ended for being idle; it is tried again", scene.name)
        return False

    def _run(self) -> None:
        while not self._ended.wait(min(MOST_BETWEEN_LOOKS_S, self._idle_stop_s / 4)):
            self.look()


def idle_message(idle_stop_s: float) -> str:
    """What the status says of a session that was ended so."""
    minutes = idle_stop_s / 60
    how_long = f"{minutes:.3g} min" if minutes >= 1 else f"{idle_stop_s:.3g} s"
    return (
        f"no frame came for {how_long}, nor anything else to learn from: the session was finished and saved. "
        "Reset to begin another; SPLAT_IDLE_STOP_S sets the time, 0 = never"
    )
