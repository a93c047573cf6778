"""The trainer's own thread: owns the loop. Between two steps it answers calls, and tells what happened as
small events."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from .camera import Camera
from .train.memory import is_out_of_memory, within_memory
from .train.training_reporter import Reporter, snapshot_of
from .trainer import LiveSplatTrainer, StepReport
from .training import (
    Engine,
    Failed,
    PictureArchive,
    Snapshot,
    TrainerState,
    Training,
    TrainingEvent,
    TrainingFrame,
    TrainingSettings,
    Warned,
)

log = logging.getLogger("live_splat")

Answer = TypeVar("Answer")

MOST_WAITING = 32
"""Frames wait with their pictures while fewer calls than this do: a GPU takes seconds to start, and these
pictures come on top of the budget. Those of the others are read again."""

SWITCH_S = 0.0005
"""A thread that answers a request gets the interpreter from the trainer after so long, each of the several
times that it needs it; Python's own 5 ms add up to more than the request takes."""


def start_training(
    settings: TrainingSettings,
    on_event: Callable[[TrainingEvent], None],
    archive: PictureArchive | None = None,
    *,
    device: str | None = None,
) -> Training:
    """A running trainer, on the GPU where there is one."""
    return TrainingThread(
        lambda: LiveSplatTrainer(settings, device or _device(), archive=archive),
        on_event,
        reads_pictures=archive is not None,
    )


def engine() -> Engine:
    """What trains here."""
    if _device() == "cuda":
        return Engine("gsplat", torch.cuda.get_device_name(0), _threads())
    return Engine("torch", "cpu", _threads())


def _device() -> str:
    if not torch.cuda.is_available():
        return "cpu"
    if importlib.util.find_spec("gsplat") is None:
        log.warning("there is a GPU, but gsplat is not installed (pip install gsplat): training on the CPU")
        return "cpu"
    return "cuda"


def _threads() -> int:
    """Threads that one operation may take on the CPU: one processor is left to HTTP where there are
    several."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, available - 1)


class TrainingThread:
    """A trainer behind ``Training``. Calls wait in a queue, in order, and are made between two steps."""

    def __init__(
        self,
        create: Callable[[], LiveSplatTrainer],
        on_event: Callable[[TrainingEvent], None],
        *,
        reads_pictures: bool = False,
    ) -> None:
        """``reads_pictures``: the trainer can read those of frames that come without."""
        self._create = create
        self._reads_pictures = reads_pictures
        self._on_event = on_event
        self._calls: queue.SimpleQueue[Callable[[LiveSplatTrainer], object] | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._has_stepped = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="live-splat-trainer", daemon=True)
        self._thread.start()

    def add_frame(self, frame: TrainingFrame) -> None:
        if self._reads_pictures and self._calls.qsize() >= MOST_WAITING:
            frame = replace(frame, picture=None)
        self._tell(lambda trainer: trainer.add_frame(frame))

    def set_camera(self, index: int, camera: Camera) -> None:
        self._tell(lambda trainer: trainer.set_camera(index, camera))

    def set_mask(self, mask: NDArray[np.bool_] | None) -> None:
        self._tell(lambda trainer: trainer.set_mask(mask))

    def set_settings(self, settings: TrainingSettings) -> None:
        self._tell(lambda trainer: trainer.set_settings(settings))

    def restore(self, state: TrainerState) -> None:
        self._tell(lambda trainer: trainer.restore(state))

    def finish(self, *, steps: int, deadline_s: float) -> None:
        self._tell(lambda trainer: trainer.finish(steps=steps, deadline_s=deadline_s))

    def checkpoint(self) -> TrainerState | None:
        return self._ask(lambda trainer: trainer.checkpoint() if trainer.splats.count > 0 else None)

    def snapshot(self) -> Snapshot | None:
        return self._ask(lambda trainer: snapshot_of(trainer) if trainer.splats.count > 0 else None)

    def close(self) -> None:
        self._closing = True
        self._calls.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _tell(self, call: Callable[[LiveSplatTrainer], object]) -> None:
        self._calls.put(call)
        if self._ended.is_set():
            self._forget_calls()

    def _ask(self, ask: Callable[[LiveSplatTrainer], Answer | None]) -> Answer | None:
        """The answer after all calls made so far; None from a trainer that has ended. Raises OSError when
        there is none for now."""
        answers: deque[Answer | None] = deque(maxlen=1)
        failures: deque[Exception] = deque(maxlen=1)
        answered = threading.Event()

        def call(trainer: LiveSplatTrainer) -> None:
            try:
                answers.append(ask(trainer))
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                failures.append(error)
                if trainer.is_device_lost():
                    raise
                # Otherwise training goes on.
            answered.set()

        self._tell(call)
        while not answered.wait(0.1):
            if self._ended.is_set():
                break
        if failures:
            raise OSError(f"the trainer could not answer: {failures[0]}") from failures[0]
        return answers[0] if answers else None

    def _forget_calls(self) -> None:
        """Nobody makes them any more, and they hold pictures."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._calls.get_nowait()

    def _run(self) -> None:
        trainer: LiveSplatTrainer | None = None
        try:
            torch.set_num_threads(_threads())
            sys.setswitchinterval(SWITCH_S)
            trainer = self._create()
            with contextlib.closing(trainer):
                self._loop(trainer, Reporter(trainer, self._emit))
        except Exception as error:
            # Whatever it is, the scene must learn that nothing trains any more.
            log.exception("training failed")
            # Where not even a first step was made, another process would fare no better.
            is_lost = self._has_stepped and trainer is not None and trainer.is_device_lost()
            self._emit(Failed(str(error) or type(error).__name__, is_lost))
        finally:
            self._ended.set()
            self._forget_calls()

    def _emit(self, event: TrainingEvent) -> None:
        if not self._closing:
            self._on_event(event)

    def _loop(self, trainer: LiveSplatTrainer, reporter: Reporter) -> None:
        is_resting = False
        self._warn(trainer)
        while True:
            try:
                # At rest there is nothing to do until somebody calls.
                call = self._calls.get(block=is_resting)
            except queue.Empty:
                pass
            else:
                if call is None:
                    return
                within_memory(partial(call, trainer), trainer.make_room)
                self._warn(trainer)
                is_resting = False
                continue
            report = step_within_memory(trainer)
            self._warn(trainer)
            if report is None:
                is_resting = True
                reporter.rested()
            else:
                self._has_stepped = True
                reporter.stepped(report)

    def _warn(self, trainer: LiveSplatTrainer) -> None:
        for message in trainer.take_warnings():
            self._emit(Warned(message))


def step_within_memory(trainer: LiveSplatTrainer) -> StepReport | None:
    """A step; where the GPU has no room for it, a smaller one."""
    return within_memory(trainer.step, trainer.make_room)
