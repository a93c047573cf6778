"""The follower of LeRobot before 0.4.3: the same under other names."""

from .so_follower import SOFollower, SOFollowerRobotConfig


class SO101FollowerConfig(SOFollowerRobotConfig):
    pass


class SO101Follower(SOFollower):
    name = "so101_follower"
