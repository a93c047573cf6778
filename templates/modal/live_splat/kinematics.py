"""Kinematics of the SO-101: joint angles → where the gripper is and its camera looks from.

Joint constants: TheRobotStudio/SO-ARM100, Simulation/SO101/so101_new_calib.urdf, commit fda892cb,
Apache-2.0; literals stand as in that file (π with six digits), so that poses agree with tools that read it.
LeRobot uses this model for the SO-100 too. Zero is the middle of each joint's range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from .camera import OPENGL_TO_OPENCV, Matrix


class MountLike(Protocol):
    """Where a camera sits on ``gripper_link``, OpenCV optical axes (contract: ``camera_mount``)."""

    @property
    def translation_m(self) -> Sequence[float]:
        """[3] m."""

    @property
    def rotation_wxyz(self) -> Sequence[float]:
        """[4] w, x, y, z; of any length but zero."""


def gripper_pose(angles: Sequence[float], offsets: Sequence[float] = (0.0,) * 5) -> Matrix:
    """[4,4] ``base_link`` → ``gripper_link``, metres.

    ``angles``: ≥ 5 rad in motor order (the sixth, the jaw, moves nothing here); ``offsets``: [5] rad added to
    them, so that a true angle is reading + offset.
    """
    pose = np.eye(4)
    for step, angle, offset in zip(_STEPS, angles, offsets, strict=False):
        pose = pose @ step @ _turn_about_z(angle + offset)
    return pose


def camera_to_world(angles: Sequence[float], offsets: Sequence[float], mount: MountLike) -> Matrix:
    """[4,4] camera → world, world = ``base_link``, metres, OpenGL camera axes; angles in rad.

    FK(``gripper_link``) · mount · diag(1, −1, −1, 1): the mount has OpenCV axes.
    """
    mounted = rigid(quaternion_to_rotation(mount.rotation_wxyz), mount.translation_m)
    return gripper_pose(angles, offsets) @ mounted @ OPENGL_TO_OPENCV


def rigid(rotation: Matrix, translation: Sequence[float]) -> Matrix:
    """[4,4] transform of a [3,3] rotation and a [3] translation."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = translation
    return pose


def quaternion_to_rotation(wxyz: Sequence[float]) -> Matrix:
    """[3,3] rotation of a quaternion w, x, y, z of any length but zero."""
    length = math.sqrt(sum(value * value for value in wxyz))
    w, x, y, z = (value / length for value in wxyz)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _roll_pitch_yaw(roll: float, pitch: float, yaw: float) -> Matrix:
    """[3,3] URDF's Rz(yaw) · Ry(pitch) · Rx(roll), rad."""
    sr, sp, sy = math.sin(roll), math.sin(pitch), math.sin(yaw)
    cr, cp, cy = math.cos(roll), math.cos(pitch), math.cos(yaw)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def _turn_about_z(angle: float) -> Matrix:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


_STEPS = tuple(
    rigid(_roll_pitch_yaw(*roll_pitch_yaw), translation)
    for translation, roll_pitch_yaw in (
        ((0.0388353, -8.97657e-9, 0.0624), (3.14159, 4.18253e-17, -3.14159)),  # shoulder_pan
        ((-0.0303992, -0.0182778, -0.0542), (-1.5708, -1.5708, 0.0)),  # shoulder_lift
        ((-0.11257, -0.028, 1.73763e-16), (-3.63608e-16, 8.74301e-16, 1.5708)),  # elbow_flex
        ((-0.1349, 0.0052, 3.62355e-17), (4.02456e-15, 8.67362e-16, -1.5708)),  # wrist_flex
        ((5.55112e-17, -0.0611, 0.0181), (1.5708, 0.0486795, 3.14159)),  # wrist_roll
    )
)
"""[4,4] each: from a link to where the next joint turns about its own z axis."""
