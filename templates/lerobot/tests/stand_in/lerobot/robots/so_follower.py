"""The follower of LeRobot 0.4.3 and newer."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

from .config import RobotConfig

MOTORS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")


@RobotConfig.register_subclass("so101_follower")
@dataclass
class SOFollowerRobotConfig(RobotConfig):
    port: str
    cameras: dict = field(default_factory=dict)
    use_degrees: bool = True


class Bus:
    """``port`` is an object with the servos' positions in steps."""

    def __init__(self, port, use_degrees, calibration):
        self.port, self.use_degrees, self.calibration = port, use_degrees, calibration

    def sync_read(self, data_name, motors=None, *, normalize=True, num_retry=0):
        steps = dict(zip(MOTORS, self.port.positions(), strict=True))
        return {motor: self._value(motor, raw) for motor, raw in steps.items()} if normalize else steps

    def _value(self, motor, raw):
        low, high = self.calibration[motor].range_min, self.calibration[motor].range_max
        part = (min(max(raw, low), high) - low) / (high - low)
        if motor == "gripper":
            return part * 100
        return (raw - (low + high) / 2) * 360 / 4095 if self.use_degrees else part * 200 - 100


class SOFollower:
    config_class = SOFollowerRobotConfig
    name = "so_follower"

    def __init__(self, config):
        self.config, self.cameras, self.is_connected = config, {}, False
        stored = json.loads((config.calibration_dir / f"{config.id}.json").read_text())
        self.calibration = {motor: SimpleNamespace(**values) for motor, values in stored.items()}
        self.bus = Bus(config.port, config.use_degrees, self.calibration)

    def connect(self, calibrate=True):
        self.is_connected = True

    def disconnect(self):
        self.is_connected = False

    def get_observation(self):
        if not self.is_connected:
            raise ConnectionError("not connected")
        observation = {f"{motor}.pos": value for motor, value in self.bus.sync_read("Present_Position").items()}
        for name, camera in self.cameras.items():
            observation[name] = camera.read_latest()
        return observation
