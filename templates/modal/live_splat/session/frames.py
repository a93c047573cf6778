"""Every frame of a session: what was accepted, in order, and what was refused and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from live_splat.camera import Intrinsics
from live_splat.contract import CameraModel

from .joints import JointReading
from .poses import Placement

MAX_REJECTED_LISTED = 1000
"""Refused frames beyond this many are counted but no longer listed."""


@dataclass
class Frame:
    """A frame that was accepted."""

    frame_id: str
    index: int
    """From 1, in order of acceptance."""
    sha256: str
    """Of the bytes as sent, hex."""
    type: str
    """jpeg or png"""
    captured_at_s: float
    """Shutter, Unix seconds; when it arrived if nobody said."""
    camera: CameraModel | None
    """The lens in force when it was accepted; None = assumed."""
    holdout: bool
    samples: tuple[JointReading, ...]
    """Readings sent along, to place it again when the clock offset changes."""
    placement: Placement
    trainable: bool
    """False when the arm was too fast at the shutter: kept, but nothing is learned from it."""
    is_restored: bool = False
    """Accepted by an earlier process: how long it took then is not for this one to say."""
    accepted_at_step: int = 0
    """Trainer's step when it was accepted."""
    stepped: bool = False
    """Whether a step has looked at it."""
    psnr: float | None = None
    """Of its last rendering, dB."""
    intrinsics: Intrinsics | None = None
    """Lens at training size; None until it is decoded (again, after a restart)."""

    @property
    def is_trained(self) -> bool:
        """Whether the trainer learns from it."""
        return self.trainable and not self.holdout

    def described(self) -> dict[str, Any]:
        """In the contract's form (GET /frames)."""
        return {
            "frame_id": self.frame_id,
            "index": self.index,
            "captured_at": self.captured_at_s,
            "pose_source": self.placement.source,
            "joints_age_s": self.placement.joints_age_s,
            "camera_to_world": self.placement.camera_to_world.tolist(),
            "psnr": self.psnr,
            "holdout": self.holdout,
            "accepted": True,
            "reason": None,
        }

    def record(self) -> dict[str, Any]:
        """What a restart has to know of it; ``from_record`` reads it."""
        placement = self.placement
        return {
            "frame_id": self.frame_id,
            "index": self.index,
            "sha256": self.sha256,
            "type": self.type,
            "captured_at": self.captured_at_s,
            "camera": None if self.camera is None else self.camera.model_dump(),
            "holdout": self.holdout,
            "trainable": self.trainable,
            "pose_source": placement.source,
            "camera_to_world": placement.camera_to_world.ravel().tolist(),
            "joint_angles": None if placement.angles is None else list(placement.angles),
            "joints_age_s": placement.joints_age_s,
            "joint_samples": [[reading.time_s, list(reading.angles)] for reading in self.samples],
        }


def from_record(record: Mapping[str, Any]) -> Frame:
    """A frame of before a restart. Raises KeyError, TypeError or ValueError for what is not one's record."""
    source, angles, camera = record["pose_source"], record["joint_angles"], record["camera"]
    placement = Placement(
        # Nobody will send the reading it waited for any more; it was stored with the latest of then.
        source="latest" if source == "pending" else source,
        camera_to_world=np.array(record["camera_to_world"], dtype=np.float64).reshape(4, 4),
        angles=None if angles is None else _six(angles),
        speed_deg_s=None,
        joints_age_s=record["joints_age_s"],
    )
    return Frame(
        frame_id=str(record["frame_id"]),
        index=int(record["index"]),
        sha256=str(record["sha256"]),
        type=str(record["type"]),
        captured_at_s=float(record["captured_at"]),
        camera=None if camera is None else CameraModel.model_validate(camera),
        holdout=bool(record["holdout"]),
        samples=tuple(JointReading(float(t), _six(angles)) for t, angles in record["joint_samples"]),
        placement=placement,
        trainable=bool(record["trainable"]),
        is_restored=True,
    )


def _six(angles: list[float]) -> tuple[float, ...]:
    if len(angles) != 6:
        raise ValueError(f"{len(angles)} joint angles instead of six")
    return tuple(float(angle) for angle in angles)


class FrameTable:
    """The frames of one session; the session's lock guards it."""

    def __init__(self, rejected_count: int = 0) -> None:
        self._accepted: dict[int, Frame] = {}
        self._by_id: dict[str, Frame] = {}
        self._rejected: deque[dict[str, Any]] = deque(maxlen=MAX_REJECTED_LISTED)
        self.rejected_count = rejected_count
        self.last_index = 0
        """Index of the newest frame, 0 before the first."""
        self.trainable_count = 0
        """Frames that call for steps: neither held out nor too fast."""

    def __len__(self) -> int:
        return len(self._accepted)

    def __iter__(self) -> Iterator[Frame]:
        """In order of acceptance."""
        return iter(self._accepted.values())

    def get(self, index: int) -> Frame | None:
        return self._accepted.get(index)

    def by_id(self, frame_id: str) -> Frame | None:
        return self._by_id.get(frame_id)

    def first(self) -> Frame | None:
        return next(iter(self), None)

    def add(self, frame: Frame) -> None:
        self._accepted[frame.index] = frame
        self._by_id[frame.frame_id] = frame
        self.last_index = max(self.last_index, frame.index)
        self.trainable_count += frame.is_trained

    def remove(self, frame: Frame) -> None:
        """A frame that turned out unusable after a restart."""
        del self._accepted[frame.index]
        del self._by_id[frame.frame_id]
        self.trainable_count -= frame.is_trained

    def set_pose(self, frame: Frame, placement: Placement, trainable: bool) -> None:
        """Its pose came late, and with it how fast the arm was."""
        before = frame.is_trained
        frame.placement = placement
        frame.trainable = trainable
        self.trainable_count += frame.is_trained - before

    def reject(self, frame_id: str, captured_at_s: float, reason: str) -> dict[str, Any]:
        """List a refused frame; ``reason`` is what the sender was told. Returns it in the contract's form."""
        record = {
            "frame_id": frame_id,
            "index": 0,
            "captured_at": captured_at_s,
            "pose_source": "default",
            "joints_age_s": None,
            "camera_to_world": None,
            "psnr": None,
            "holdout": False,
            "accepted": False,
            "reason": reason,
        }
        self.rejected_count += 1
        self._rejected.append(record)
        return record

    def described(self) -> list[dict[str, Any]]:
        """What GET /frames answers: the accepted in order, then the refused."""
        return [frame.described() for frame in self] + list(self._rejected)
