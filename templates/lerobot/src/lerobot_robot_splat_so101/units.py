"""LeRobot's units of an SO-101's joints, to radians.

LeRobot gives degrees (``use_degrees``) or -100 to 100 over each joint's calibrated range, and the gripper as 0 to 100.
The two cannot be told apart by value; here the setting that made them is at hand.
"""

import math
from collections.abc import Mapping
from typing import Protocol

MOTORS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
"""The motors in bus order: the order of ``joint_angles``."""

STEPS_PER_TURN = 4095
"""What LeRobot counts to a turn (the encoder has 4096), so that all roads give the same angles."""

GRIPPER_CLOSED_RAD = -0.174533
GRIPPER_SPAN_RAD = 1.919863


class JointRange(Protocol):
    """A motor's calibrated range in steps, as LeRobot's ``MotorCalibration`` has it."""

    range_min: int
    range_max: int


def joint_radians(
    observation: Mapping[str, float],
    *,
    use_degrees: bool,
    calibration: Mapping[str, JointRange] | None = None,
) -> list[float]:
    """Six angles in radians out of an observation's ``*.pos`` values; everything else in it is passed over.

    ``calibration`` (per motor) is needed for -100 to 100. Raises ``KeyError`` for a joint or range that is not there.
    """
    angles = []
    for motor in MOTORS[:-1]:
        value = float(observation[f"{motor}.pos"])
        if use_degrees:
            angles.append(math.radians(value))
        else:
            joint = (calibration or {})[motor]
            angles.append(value / 100 * (joint.range_max - joint.range_min) * math.pi / STEPS_PER_TURN)
    opened = float(observation["gripper.pos"]) / 100
    return [*angles, GRIPPER_CLOSED_RAD + opened * GRIPPER_SPAN_RAD]
