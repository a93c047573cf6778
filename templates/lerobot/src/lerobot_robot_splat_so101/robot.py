"""LeRobot's own SO-101 follower, which also hands what it read to splatctl."""

import logging
from typing import Any

from .config import SplatSO101FollowerConfig
from .sender import JointSender, now_s
from .units import joint_radians

try:  # LeRobot 0.4.3 and newer: one class for the SO-100 and the SO-101.
    from lerobot.robots.so_follower import SOFollower as Follower
except ImportError:
    from lerobot.robots.so101_follower import SO101Follower as Follower

logger = logging.getLogger(__name__)


class SplatSO101Follower(Follower):
    """An SO-101 (SO-100) that does all that LeRobot's does, the same way, and copies each reading to a sender.

    ``name`` stays LeRobot's: calibration files are found where they were, and data sets say the same robot.
    """

    config_class = SplatSO101FollowerConfig

    def __init__(self, config: SplatSO101FollowerConfig) -> None:
        super().__init__(config)
        self._sender = JointSender(config.url)
        self._read_at_s: float | None = None
        self._said_why = False
        self._stamp_reads()

    def get_observation(self) -> dict[str, Any]:
        """LeRobot's observation, unchanged; its six joints are on their way to splatctl when it returns."""
        self._read_at_s = None
        observation = super().get_observation()
        self._hand_over(observation)
        return observation

    def disconnect(self) -> None:
        """Let go of the arm as LeRobot does, then stop sending."""
        try:
            super().disconnect()
        finally:
            self._sender.close()

    def _stamp_reads(self) -> None:
        """Note when positions are read.

        An observation goes on to the cameras after the joints, so its end is too late a moment, by however long they
        take. The bus's own read is wrapped instead: nothing about it changes, and the middle of its two or so
        milliseconds is when the positions were true.
        """
        read = self.bus.sync_read

        def stamped(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            before_s = now_s()
            values = read(*args, **kwargs)
            self._read_at_s = (before_s + now_s()) / 2
            return values

        self.bus.sync_read = stamped

    def _hand_over(self, observation: dict[str, Any]) -> None:
        """Give the sender a copy. Whatever goes wrong here is no business of the loop that drives the arm."""
        try:
            angles = joint_radians(observation, use_degrees=self.config.use_degrees, calibration=self.bus.calibration)
            self._sender.send(angles, self._read_at_s)
        except Exception:
            if not self._said_why:
                logger.exception("joint angles do not reach splatctl; LeRobot goes on without")
            self._said_why = True
