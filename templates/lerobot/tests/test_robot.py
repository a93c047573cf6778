"""The robot in LeRobot: the real one on six simulated servos where it is installed, a stand-in where it is not."""

import importlib
import json
import math
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from lerobot.robots import RobotConfig

import lerobot_robot_splat_so101 as package
from conftest import LEROBOT
from lerobot_robot_splat_so101 import MOTORS, SplatSO101Follower, SplatSO101FollowerConfig
from relay_double import RelayDouble, until

RANGES = ((748, 3410), (837, 3341), (793, 2995), (910, 3277), (0, 4095), (1500, 3000))
STEPS = (1500, 2600, 2900, 1000, 3100, 1800)
EXPECTED_RAD = [
    *((raw - (low + high) / 2) * 2 * math.pi / 4095 for raw, (low, high) in zip(STEPS, RANGES, strict=True)),
]
EXPECTED_RAD[5] = -0.174533 + (1800 - 1500) / 1500 * 1.919863

needs_lerobot = pytest.mark.skipif(LEROBOT is None, reason="LeRobot is not installed; see CONTRIBUTING.md")
needs_stand_in = pytest.mark.skipif(LEROBOT is not None, reason="shown on the stand-in only")


class PlainServos:
    """Servos of the stand-in: an object in the place of a port."""

    def __init__(self):
        self.read_at, self._steps = [], [0] * 6
        self.path = self

    def move_to(self, steps):
        self._steps = list(steps)

    def positions(self):
        self.read_at.append(time.time())
        return self._steps

    def close(self):
        pass


@pytest.fixture
def servos():
    if LEROBOT is None:
        double = PlainServos()
    else:
        from feetech_double import FeetechDouble

        double = FeetechDouble(RANGES)
    double.move_to(STEPS)
    yield double
    double.close()


@pytest.fixture
def relay(monkeypatch):
    monkeypatch.delenv("SPLAT_API_TOKEN", raising=False)
    double = RelayDouble()
    yield double
    double.close()


@pytest.fixture
def connect(servos, tmp_path):
    """Connects a robot to the servos, with a calibration as its file and the servos have it."""
    robots = []
    stored = {
        motor: {"id": i, "drive_mode": 0, "homing_offset": 0, "range_min": low, "range_max": high}
        for i, (motor, (low, high)) in enumerate(zip(MOTORS, RANGES, strict=True), start=1)
    }
    (tmp_path / "arm.json").write_text(json.dumps(stored))

    def connect_robot(url, **settings):
        config = SplatSO101FollowerConfig(port=servos.path, id="arm", calibration_dir=tmp_path, url=url, **settings)
        robot = SplatSO101Follower(config)
        if LEROBOT is not None:
            # LeRobot gives up after some 50 ms, which a busy machine may need to get to the simulated servos.
            line = robot.bus.port_handler
            line.setPacketTimeout = lambda _: line.setPacketTimeoutMillis(5000)
        robot.connect(calibrate=False)
        robots.append(robot)
        return robot

    yield connect_robot
    for robot in robots:
        if robot.is_connected:
            robot.disconnect()


class SlowCamera:
    is_connected = True

    def read_latest(self, *_, **__):
        time.sleep(1)
        return "a picture"

    async_read = read_latest

    def disconnect(self):
        pass


def test_lerobot_knows_it_by_name():
    assert RobotConfig.get_choice_class("splat_so101_follower") is SplatSO101FollowerConfig


def test_stays_the_same_robot_for_calibration_files_and_data_sets():
    base = SplatSO101Follower.__mro__[1]
    assert SplatSO101Follower.name == base.name
    assert "name" not in vars(SplatSO101Follower)
    assert SplatSO101Follower.name in ("so_follower", "so101_follower")


@pytest.mark.parametrize("use_degrees", [True, False])
def test_pushes_radians_whatever_units_lerobot_is_set_to(connect, relay, use_degrees):
    robot = connect(relay.url, use_degrees=use_degrees)
    observation = robot.get_observation()
    until(lambda: len(relay.taken) == 1)
    assert relay.taken[0]["joint_angles"] == pytest.approx(EXPECTED_RAD, abs=1e-9)
    assert list(observation) == [f"{motor}.pos" for motor in MOTORS]
    shown = math.degrees(EXPECTED_RAD[0]) if use_degrees else (1500 - 2079) / 1331 * 100
    assert observation["shoulder_pan.pos"] == pytest.approx(shown)


def test_stamps_the_joints_not_the_cameras(connect, relay, servos):
    robot = connect(relay.url)
    robot.cameras["wrist"] = SlowCamera()
    observation = robot.get_observation()
    assert observation["wrist"] == "a picture"
    until(lambda: len(relay.taken) == 1)
    assert abs(relay.taken[0]["captured_at"] - servos.read_at[-1]) < 0.5


def test_the_loop_goes_on_when_splatctl_is_not_there(connect, relay):
    relay.close()
    robot = connect(relay.url)
    took = []
    for _ in range(50):
        before = time.perf_counter()
        robot.get_observation()
        took.append(time.perf_counter() - before)
    assert statistics.median(took) < 0.05
    robot.disconnect()


def test_what_goes_wrong_in_sending_never_reaches_the_loop(connect, relay, monkeypatch, caplog):
    robot = connect(relay.url)

    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(robot._sender, "send", broken)
    expected = [f"{motor}.pos" for motor in MOTORS]
    for _ in range(3):
        assert list(robot.get_observation()) == expected
    assert len([record for record in caplog.records if "splatctl" in record.message]) == 1


def test_connects_again_after_it_was_let_go(connect, relay):
    robot = connect(relay.url)
    robot.get_observation()
    until(lambda: len(relay.taken) == 1)
    robot.disconnect()
    robot.connect(calibrate=False)
    robot.get_observation()
    until(lambda: len(relay.taken) == 2)


def test_an_address_that_cannot_be_used_is_refused_before_the_arm_is_touched(connect):
    with pytest.raises(ValueError, match="no address"):
        connect("7861")


@needs_stand_in
def test_older_lerobots_have_the_class_under_another_name(monkeypatch):
    import lerobot.robots.so101_follower  # noqa: F401

    import lerobot_robot_splat_so101.config as config
    import lerobot_robot_splat_so101.robot as robot

    with monkeypatch.context() as older:
        older.setitem(sys.modules, "lerobot.robots.so_follower", None)
        importlib.reload(config)
        assert importlib.reload(robot).SplatSO101Follower.name == "so101_follower"
    for module in (config, robot, package):
        importlib.reload(module)


@needs_lerobot
def test_lerobot_sets_the_arm_up_as_its_own(connect, relay, servos):
    robot = connect(relay.url)
    torque, operating_mode, proportional = 40, 33, 21
    memories = servos.registers.values()
    assert all(memory[torque] == 1 for memory in memories)
    assert all(memory[operating_mode] == 0 and memory[proportional] == 16 for memory in memories)
    robot.send_action({f"{motor}.pos": 0.0 for motor in MOTORS[:5]})
    goal_position = slice(42, 44)
    until(lambda: int.from_bytes(servos.registers[1][goal_position], "little") == (748 + 3410) // 2)


@needs_lerobot
def test_lerobot_makes_it_from_the_command_line_s_words(servos, tmp_path):
    import draccus
    from lerobot.robots import make_robot_from_config

    @dataclass
    class Command:
        robot: RobotConfig

    settings = {"type": "splat_so101_follower", "port": servos.path, "calibration_dir": tmp_path}
    settings["url"] = "http://127.0.0.1:1"
    words = [f"--robot.{name}={value}" for name, value in settings.items()]
    robot = make_robot_from_config(draccus.parse(Command, args=words).robot)
    assert type(robot) is SplatSO101Follower
    assert robot.config.url == "http://127.0.0.1:1"


@needs_lerobot
def test_lerobot_finds_the_installed_package_by_itself():
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        name = distribution("lerobot_robot_splat_so101").metadata["Name"]
    except PackageNotFoundError:
        pytest.skip("this package itself is not installed here")
    assert name == "lerobot_robot_splat_so101"
    program = "\n".join(
        [
            "import lerobot.utils.import_utils as u",
            "getattr(u, 'register_third_party_plugins', getattr(u, 'register_third_party_devices', None))()",
            "from lerobot.robots import RobotConfig",
            "assert 'splat_so101_follower' in RobotConfig.get_known_choices()",
        ]
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
