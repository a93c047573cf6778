"""Where a frame was taken from: the first of the contract's sources that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from live_splat.camera import Matrix
from live_splat.contract import FrameMeta, SceneSettings
from live_splat.kinematics import camera_to_world
from live_splat.refusal import RefusalError

from .joints import JointHistory, JointReading, JointsAtShutter, joints_from_samples

ZEROS = (0.0,) * 6


@dataclass(frozen=True)
class Placement:
    """A frame's pose, and what it was made from so that it can be made again."""

    source: str
    """camera_to_world, samples, meta, pending, interpolated, latest or default"""
    camera_to_world: Matrix
    """[4,4] OpenGL axes, metres."""
    angles: tuple[float, ...] | None
    """[6] rad at the shutter; None when the pose was given."""
    speed_deg_s: float | None
    """Fastest arm joint at the shutter; None when unknown."""
    joints_age_s: float | None
    """From the shutter to the nearest joint reading used, ≥ 0; None when there was none."""


def place_frame(
    meta: FrameMeta,
    history: JointHistory,
    settings: SceneSettings,
    *,
    patient: bool,
    latest_age_s: float | None,
) -> Placement:
    """Place a frame.

    ``pending`` means that the joint reading after the shutter is still awaited: the pose given with it is
    the one to use if it does not come (call again with ``patient=False``). ``latest_age_s``: how old the
    newest reading is now, for frames that do not say when they were taken. Raises RefusalError
    ``bad_request`` when readings are sent without the shutter time they belong to.
    """
    if meta.camera_to_world is not None:
        given = np.asarray(meta.camera_to_world, dtype=np.float64).reshape(4, 4)
        return Placement("camera_to_world", given, None, None, None)
    source, joints = _find_joints(meta, history, settings, patient=patient, latest_age_s=latest_age_s)
    pose = pose_from_joints(joints.angles, settings)
    return Placement(source, pose, joints.angles, joints.speed_deg_s, joints.age_s)


def pose_from_joints(angles: Sequence[float], settings: SceneSettings) -> Matrix:
    """[4,4] camera-to-world, OpenGL axes, of the camera on an arm with these joints, [6] rad."""
    return camera_to_world(angles, settings.joint_zero_offsets_rad, settings.camera_mount)


def joints_again(
    samples: Sequence[JointReading], captured_at_s: float, settings: SceneSettings
) -> JointsAtShutter | None:
    """Joints of a frame that brought its readings along, by the clock offset in force; None when none is
    near."""
    return joints_from_samples(samples, captured_at_s + settings.clock_offset_s)


def samples_of(meta: FrameMeta) -> tuple[JointReading, ...]:
    """The readings a frame brought along, in the form they are kept in."""
    return tuple(JointReading(time_s, tuple(angles)) for time_s, angles in meta.joint_samples or ())


def _find_joints(
    meta: FrameMeta,
    history: JointHistory,
    settings: SceneSettings,
    *,
    patient: bool,
    latest_age_s: float | None,
) -> tuple[str, JointsAtShutter]:
    from_meta = _joints_in_meta(meta, settings)
    if from_meta is not None:
        return from_meta
    latest = history.latest()
    if latest is None:
        return "default", JointsAtShutter(ZEROS, None, None)
    if meta.captured_at is None:
        return "latest", JointsAtShutter(latest.angles, None, latest_age_s)
    shutter_s = meta.captured_at + settings.clock_offset_s
    fallback = JointsAtShutter(latest.angles, None, abs(shutter_s - latest.time_s))
    at_shutter = history.at(shutter_s)
    if at_shutter == "awaited":
        return ("pending" if patient else "latest"), fallback
    return ("latest", fallback) if at_shutter is None else ("interpolated", at_shutter)


def _joints_in_meta(meta: FrameMeta, settings: SceneSettings) -> tuple[str, JointsAtShutter] | None:
    samples = samples_of(meta)
    if samples:
        if meta.captured_at is None:
            raise RefusalError(
                "bad_request", "meta.joint_samples needs meta.captured_at: the shutter time they lie around"
            )
        joints = joints_from_samples(samples, meta.captured_at + settings.clock_offset_s)
        if joints is not None:
            return "samples", joints
    if meta.joint_angles is None:
        return None
    return "meta", JointsAtShutter(tuple(meta.joint_angles), None, 0.0)
