"""How a capture ends: intake closes, the trainer runs to its end, the last chunk is written."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import Event, Thread, Timer

from live_splat.refusal import RefusalError

from .intake import Intake
from .placing import SessionParts

logger = logging.getLogger("live_splat")

FULL_STEPS_PER_FRAME = 100
"""Where time allows, training goes on until each frame has had so many steps on average: more adds little
to see."""

SETTLING_STEPS_PER_FRAME = 30
"""However much was trained while live, rates still have to fall: this many steps a frame are made for
that."""

RETRY_S = 15.0
"""After an ending that failed (the disk was full): nobody may be there to ask for it again."""


@dataclass(frozen=True)
class EndingDeps:
    """What an ending does with the rest of its session."""

    parts: SessionParts
    intake: Intake
    fed: Event
    """Set when frames of before a restart are with the trainer."""
    closing: Event
    """Set when the session ends unfinished."""
    save_record: Callable[[], None]
    checkpoint: Callable[[], None]
    """When it fails the user has been told."""
    commit: Callable[[], object]
    """Make durable what was written, within some seconds; when that fails the user has been told."""
    write_final_chunk: Callable[[], None]
    changed: Callable[[], None]
    """The phase changed; status.json is to say so."""
    trouble: Callable[[str, Exception], None]
    """What failed, and how."""


class Ending:
    """The ending of one session. Thread-safe."""

    def __init__(self, deps: EndingDeps, *, phase: str, finish_s: float) -> None:
        """``phase``: open, stopped (intake has ended, finishing has not) or complete."""
        self._deps = deps
        self.phase = phase
        self.recorded_phase = phase
        """For session.json, which must know of the end before anybody is told of it."""
        self.finish_s = finish_s
        self.is_failed = False
        self._trainer_ended = Event()
        self._is_trainer_asked = False
        self._finishing: Future[None] | None = None
        self._retry: Timer | None = None

    def stop(self, finish_s: float) -> Future[None]:
        """End intake and finish within ``finish_s`` seconds; the result comes when complete, failed or
        closing.

        Calls after the first get the same end; when that failed, the next call tries again, and so does a
        timer.
        """
        with self._deps.parts.lock:
            if self.phase == "complete" or self.is_failed:
                return _nothing()
            if self.phase == "open":
                self.finish_s = finish_s
            self.phase = self.recorded_phase = "stopped"
            if self._finishing is None or (self._finishing.done() and self._finishing.exception()):
                self._finishing = Future()
                work = (self._finishing,)
                Thread(target=self._run, args=work, name="splat-ending", daemon=True).start()
            return self._finishing

    def resume(self, *, is_finishing: bool) -> None:
        """After a restart: finish what was stopped; refuse frames for what is complete.

        ``is_finishing``: the restored trainer is in the midst of it, with a budget of its own.
        """
        self._is_trainer_asked = is_finishing
        if self.phase == "stopped":
            self.stop(self.finish_s)
        if self.phase == "complete":
            self._deps.intake.close(capture_finished)

    def trainer_finished(self) -> None:
        self._trainer_ended.set()

    def trainer_failed(self) -> None:
        self.is_failed = True
        self._trainer_ended.set()

    def close(self, timeout_s: float | None = None) -> None:
        """With ``closing`` set: wait until nothing is being finished any more."""
        self._trainer_ended.set()
        with self._deps.parts.lock:
            finishing, retry = self._finishing, self._retry
        if retry is not None:
            retry.cancel()
        if finishing is not None:
            wait([finishing], timeout_s)

    def _run(self, finishing: Future[None]) -> None:
        try:
            self._finish()
        except Exception as error:
            self._deps.trouble("finishing failed", error)
            finishing.set_exception(error)
            self._try_again_later()
        else:
            finishing.set_result(None)

    def _try_again_later(self) -> None:
        with self._deps.parts.lock:
            if self._deps.closing.is_set():
                return
            self._retry = Timer(RETRY_S, self._try_again)
            self._retry.daemon = True
            self._retry.start()

    def _try_again(self) -> None:
        if not self._deps.closing.is_set():
            self.stop(self.finish_s)

    def _finish(self) -> None:
        deps = self._deps
        # First that a restart knows of it, then that others do.
        try:
            deps.save_record()
        finally:
            # The end was asked for, whether or not there is room to write that down.
            deps.intake.close(capture_finished)
        deps.changed()
        deps.fed.wait()
        try:
            deps.checkpoint()
        except (RefusalError, OSError):
            logger.info("finishing goes on without a checkpoint")
        self._optimise()
        if self.is_failed or deps.closing.is_set():
            return
        deps.write_final_chunk()
        # First what is complete, then that it is.
        deps.checkpoint()
        self.recorded_phase = "complete"
        deps.save_record()
        deps.commit()
        self.phase = "complete"
        deps.changed()

    def _optimise(self) -> None:
        """Let the trainer run to its end, once; without frames to learn from there is nothing to wait for."""
        with self._deps.parts.lock:
            count = self._deps.parts.frames.trainable_count
            if count == 0 or self._deps.closing.is_set():
                return
            if not self._is_trainer_asked:
                missing = FULL_STEPS_PER_FRAME * count - self._deps.parts.step()
                steps = max(missing, SETTLING_STEPS_PER_FRAME * count)
                self._deps.parts.training.finish(steps=steps, deadline_s=time.time() + self.finish_s)
            self._is_trainer_asked = True
        self._trainer_ended.wait()


def capture_finished() -> RefusalError:
    return RefusalError("stopped", "the capture is finished", hint="Reset to begin another.")


def _nothing() -> Future[None]:
    done: Future[None] = Future()
    done.set_result(None)
    return done
