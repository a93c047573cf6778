"""What LeRobot's own bus class makes of the servos on a port, as JSON lines. Usage: read-lerobot.py PORT

Reads the positions once for every line on stdin. Needs lerobot; writes nothing to a servo.
"""

import json
import sys

from lerobot.motors import Motor, MotorNormMode
from lerobot.motors.feetech import FeetechMotorsBus

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
MODES = {"degrees": MotorNormMode.DEGREES, "norm": MotorNormMode.RANGE_M100_100}
# LeRobot gives up after some 50 ms, which a busy machine may need to switch from one process to another.
PATIENCE_MS = 5000


def main():
    motors = {name: Motor(i, "sts3215", MODES["degrees"]) for i, name in enumerate(JOINTS, start=1)}
    motors["gripper"].norm_mode = MotorNormMode.RANGE_0_100
    bus = FeetechMotorsBus(port=sys.argv[1], motors=motors)
    line = bus.port_handler
    line.setPacketTimeout = lambda _: line.setPacketTimeoutMillis(PATIENCE_MS)
    bus.connect()
    bus.calibration = bus.read_calibration()
    ranges = [[joint.range_min, joint.range_max] for joint in bus.calibration.values()]
    print(json.dumps({"ranges": ranges, "is_calibrated": bus.is_calibrated}), flush=True)
    for _ in sys.stdin:
        found = {"raw": list(bus.sync_read("Present_Position", normalize=False).values())}
        for name, mode in MODES.items():
            for joint in JOINTS[:5]:
                motors[joint].norm_mode = mode
            found[name] = list(bus.sync_read("Present_Position").values())
        print(json.dumps(found), flush=True)
    line.closePort()


main()
