"""Gives frames their place: from joints, some of them late; and hands those that are placed to the
trainer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from threading import RLock, Timer
from typing import Any

from live_splat.camera import Camera
from live_splat.checkpoint import SessionFolder
from live_splat.contract import LIMITS, FrameMeta, SceneSettings
from live_splat.refusal import RefusalError
from live_splat.training import Picture, TrainerState, Training, TrainingFrame

from .frames import Frame, FrameTable
from .joint_watch import JointWatch
from .joints import JointHistory, JointReading
from .notices import Notices
from .poses import Placement, joints_again, place_frame, pose_from_joints

POSE_PATIENCE_S = 0.25
"""How long a frame waits for the joint reading after its shutter."""

MAX_AHEAD_S = 86_400.0
"""A sender's clock may be hours off (one that keeps local time); a time further ahead is not in Unix
seconds."""


@dataclass(frozen=True)
class SessionParts:
    """What the parts of one session share."""

    lock: RLock
    """Guards the session's cheap state; nothing slow happens under it."""
    frames: FrameTable
    folder: SessionFolder
    training: Training
    settings: Callable[[], SceneSettings]
    step: Callable[[], int]
    """Trainer's step now."""
    max_pixels: int
    notices: Notices
    frame_changed: Callable[[dict[str, Any]], None]
    """A frame was accepted, refused, or got its pose; in the contract's form."""
    in_background: Callable[[str, Callable[[], None]], None]
    """Do something slow soon; the text says what was not done when that fails."""


@dataclass(frozen=True)
class _Pending:
    """A frame that waits for the reading after its shutter."""

    frame: Frame
    meta: FrameMeta
    picture: Picture
    timer: Timer


class Placing:
    """The joints and the placed frames of one session. Thread-safe."""

    def __init__(self, parts: SessionParts, *, is_held: bool) -> None:
        """``is_held``: the trainer gets no frame before ``release``."""
        self._parts = parts
        self._joints = JointHistory(LIMITS.joint_history_s)
        self._watch = JointWatch(parts.notices)
        self._pending: dict[int, _Pending] = {}
        self._held: set[int] | None = set() if is_held else None
        """Indices; their pictures are read again when the trainer needs them."""

    def latest_joints(self) -> tuple[JointReading, float] | None:
        """The newest reading and how old it is, seconds; None when there is none."""
        with self._parts.lock:
            latest = self._joints.latest()
            return None if latest is None else (latest, self._watch.age_of(latest))

    def readings(self) -> list[JointReading]:
        """Those of the last 30 s, in time order."""
        with self._parts.lock:
            return self._joints.readings()

    def restore_joints(self, readings: Iterable[JointReading]) -> None:
        """Readings of before a restart."""
        with self._parts.lock:
            for reading in readings:
                self._joints.add(reading)

    def add_joints(self, angles: tuple[float, ...], captured_at_s: float | None) -> None:
        """A joint reading came, [6] rad: frames that waited for it may have their pose now.

        Raises RefusalError ``bad_request`` when it is dated in the future.
        """
        now = time.time()
        if captured_at_s is not None and captured_at_s > now + MAX_AHEAD_S:
            raise RefusalError(
                "bad_request", "captured_at lies in the future", hint="It is in Unix seconds, not ms."
            )
        with self._parts.lock:
            self._joints.add(JointReading(now if captured_at_s is None else captured_at_s, angles))
            self._watch.came()
            waiting = list(self._pending)
        for index in waiting:
            self._resolve(index, patient=True)

    def place(self, meta: FrameMeta, *, patient: bool = True) -> Placement:
        """See ``place_frame``."""
        with self._parts.lock:
            latest = self.latest_joints()
            age_s = None if latest is None else latest[1]
            settings = self._parts.settings()
            return place_frame(meta, self._joints, settings, patient=patient, latest_age_s=age_s)

    def is_slow_enough(self, placement: Placement) -> bool:
        """Whether the shutter caught the arm sharp (``max_joint_speed_deg_s``)."""
        limit = self._parts.settings().max_joint_speed_deg_s
        return limit is None or placement.speed_deg_s is None or placement.speed_deg_s <= limit

    def arrived(self, frame: Frame, meta: FrameMeta, picture: Picture) -> None:
        """A frame has its index and is on disk: to the trainer with it, or let it wait for its pose."""
        with self._parts.lock:
            if frame.placement.source != "pending":
                self._watch.placed(frame.placement)
                self._train(frame, picture)
                return
            timer = Timer(POSE_PATIENCE_S, self._resolve, (frame.index,), {"patient": False})
            timer.daemon = True
            self._pending[frame.index] = _Pending(frame, meta, picture, timer)
            timer.start()
            # It may have come while the frame was written.
            self._resolve(frame.index, patient=True)

    def give_up_waiting(self) -> None:
        """Frames that still wait for a reading make do with what there is."""
        with self._parts.lock:
            waiting = list(self._pending)
        for index in waiting:
            self._resolve(index, patient=False)

    def place_again(self) -> None:
        """The mount, the joint zeros or the clock changed: place the frames posed by joints anew."""
        with self._parts.lock:
            settings = self._parts.settings()
            for frame in self._parts.frames:
                if frame.placement.angles is not None:
                    frame.placement = _placed_again(frame, settings)
                    self._tell_camera(frame)

    def feed(self, frame: Frame) -> None:
        """A frame of before a restart."""
        with self._parts.lock:
            self._train(frame, None)

    def release(self, state: TrainerState | None) -> None:
        """Hand over what was held, oldest first, and the state to go on from; later frames go at once."""
        with self._parts.lock:
            held, self._held = self._held or (), None
            for index in sorted(held):
                frame = self._parts.frames.get(index)
                if frame is not None:
                    self._train(frame, None)
            if state is not None:
                self._parts.training.restore(state)

    def _resolve(self, index: int, *, patient: bool) -> None:
        with self._parts.lock:
            pending = self._pending.get(index)
            if pending is None:
                return
            placement = self.place(pending.meta, patient=patient)
            if placement.source == "pending":
                return
            del self._pending[index]
            pending.timer.cancel()
            frame = pending.frame
            self._watch.placed(placement)
            self._parts.frames.set_pose(frame, placement, self.is_slow_enough(placement))
            self._train(frame, pending.picture)
            record, described = frame.record(), frame.described()
        self._parts.in_background(
            f"the late pose of {json.dumps(frame.frame_id)} was not kept",
            lambda: self._parts.folder.write_frame_record(record),
        )
        self._parts.frame_changed(described)

    def _train(self, frame: Frame, picture: Picture | None) -> None:
        if not (frame.trainable or frame.holdout):
            return
        if self._held is not None:
            self._held.add(frame.index)
            return
        camera = _camera_of(frame)
        if camera is not None:
            self._parts.training.add_frame(TrainingFrame(frame.index, camera, picture, frame.holdout))

    def _tell_camera(self, frame: Frame) -> None:
        """To the trainer, if it has the frame."""
        camera = _camera_of(frame)
        is_there = self._held is None and frame.index not in self._pending
        if camera is not None and is_there and (frame.trainable or frame.holdout):
            self._parts.training.set_camera(frame.index, camera)


def _camera_of(frame: Frame) -> Camera | None:
    return None if frame.intrinsics is None else Camera(frame.intrinsics, frame.placement.camera_to_world)


def _placed_again(frame: Frame, settings: SceneSettings) -> Placement:
    placement = frame.placement
    if placement.source == "samples":
        joints = joints_again(frame.samples, frame.captured_at_s, settings)
        if joints is not None:
            placement = replace(placement, angles=joints.angles, joints_age_s=joints.age_s)
    return replace(placement, camera_to_world=pose_from_joints(placement.angles or (), settings))
