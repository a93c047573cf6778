"""Keeps what a session has learned on disk: its record at once when it must be, a checkpoint every few
seconds."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any

from live_splat.checkpoint import SessionFolder
from live_splat.refusal import RefusalError
from live_splat.training import TrainerState, Training

from .joints import JointReading
from .notices import Notices

logger = logging.getLogger("live_splat")

CHECKPOINT_EVERY_S = 10.0
"""A crash costs about this much training at most."""

DISK_SHARE = 0.05
"""Writing takes at most this share of the time, however slow the disk."""


class Saver:
    """Saves one session, one write of each kind at a time. Thread-safe."""

    def __init__(
        self,
        folder: SessionFolder,
        training: Training,
        *,
        record: Callable[[], dict[str, Any]],
        joints: Callable[[], list[JointReading]],
        step: Callable[[], int],
        notices: Notices,
        every_s: float = CHECKPOINT_EVERY_S,
    ) -> None:
        """``record``: the session as it is now; ``step``: the trainer's."""
        self._folder = folder
        self._training = training
        self._record = record
        self._joints = joints
        self._step = step
        self._notices = notices
        self._every_s = every_s
        self._records = Lock()
        self._checkpoints = Lock()
        self._closing = Event()
        self._thread: Thread | None = None
        self._saved = ""
        """What the newest checkpoint holds, to write none twice."""
        self._took_s = 0.0
        self._trouble: str | None = None

    def start(self) -> None:
        """Take a checkpoint now and then whenever steps were made, until ``close``."""
        self._thread = Thread(target=self._keep_saving, name="splat-saver", daemon=True)
        self._thread.start()

    def save_record(self) -> None:
        """Write the session's record; nothing after ``close``. Raises RefusalError ``storage_full``."""
        with self._records:
            if not self._closing.is_set():
                self._folder.write_session(self._record())

    def checkpoint(self) -> None:
        """Write a checkpoint of the trainer as it is when its turn comes.

        Nothing while there are no Gaussians, when nothing has changed since the last, or after ``close``.
        Raises RefusalError ``storage_full``, and what the trainer raises, having said so.
        """
        with self._checkpoints:
            if self._closing.is_set():
                return
            try:
                self._write_checkpoint()
            except Exception as error:
                what = "no checkpoint was written"
                self._now_in_trouble(f"{what}: {error}; training goes on, the next try follows")
                raise

    def close(self, timeout_s: float | None = None) -> None:
        """Write nothing more; waits for what is being written, at most so long."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        for lock in (self._records, self._checkpoints):
            if lock.acquire(timeout=-1 if timeout_s is None else timeout_s):
                lock.release()

    def _keep_saving(self) -> None:
        saved_step = -1
        while not self._closing.wait(max(self._every_s, self._took_s / DISK_SHARE)):
            step = self._step()
            if step == saved_step:
                continue
            try:
                self.checkpoint()
                saved_step = step
            except (RefusalError, OSError):
                # It was told by then; the next round tries again.
                continue
            except Exception:
                logger.exception("a bug kept a checkpoint from being taken; the next try follows")

    def _write_checkpoint(self) -> None:
        # Taken first: what it says of frames the trainer then holds at least.
        record, joints = self._record(), [[r.time_s, list(r.angles)] for r in self._joints()]
        state = self._training.checkpoint()
        if state is None or _content_of(state) == self._saved:
            return
        start = time.monotonic()
        try:
            self._folder.write_checkpoint(state, record, joints)
        finally:
            self._took_s = time.monotonic() - start
        self._saved = _content_of(state)
        self._now_in_trouble(None)

    def _now_in_trouble(self, message: str | None) -> None:
        if message == self._trouble:
            return
        if self._trouble is not None:
            self._notices.remove(self._trouble)
        if message is not None:
            self._notices.add(message)
        self._trouble = message


def _content_of(state: TrainerState) -> str:
    """Equal for two states of one trainer that hold the same."""
    shapes = {name: list(array.shape) for name, array in state.arrays.items()}
    return json.dumps([state.step, shapes, dict(state.scalars)], sort_keys=True, default=str)
