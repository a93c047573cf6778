"""An SO-101 for LeRobot that hands its joint angles to splatctl; the sender alone works without LeRobot."""

from importlib.util import find_spec

from .sender import DEFAULT_URL, JointSender
from .units import MOTORS, joint_radians

__all__ = ["DEFAULT_URL", "MOTORS", "JointSender", "joint_radians"]


def _has_lerobot() -> bool:
    """A folder that happens to be called lerobot passes for a package, and is none."""
    try:
        return find_spec("lerobot.robots") is not None
    except ImportError:
        return False


if _has_lerobot():
    # LeRobot registers a robot as its configuration is imported, and looks for the robot beside it.
    from .config import SplatSO101FollowerConfig
    from .robot import SplatSO101Follower

    __all__ += ["SplatSO101Follower", "SplatSO101FollowerConfig"]
