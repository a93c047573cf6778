"""What ``--robot.type=splat_so101_follower`` takes: all that LeRobot's own SO-101 takes, and where splatctl is."""

from dataclasses import dataclass

from lerobot.robots.config import RobotConfig

from .sender import DEFAULT_URL

try:  # LeRobot 0.4.3 and newer: one class for the SO-100 and the SO-101.
    from lerobot.robots.so_follower import SOFollowerRobotConfig as FollowerConfig
except ImportError:
    from lerobot.robots.so101_follower import SO101FollowerConfig as FollowerConfig


@RobotConfig.register_subclass("splat_so101_follower")
@dataclass
class SplatSO101FollowerConfig(FollowerConfig):
    """LeRobot's settings of the arm, and the address that its joint angles go to.

    A token, where one is needed, comes from the environment (``SPLAT_API_TOKEN``): LeRobot prints these settings and
    stores them beside what it records.
    """

    url: str = DEFAULT_URL
