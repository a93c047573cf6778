"""Joint angles from your own loop to splatctl: three lines, marked 1 to 3. Works without LeRobot.

Needs this folder installed (``pip install .``) or ``sender.py`` copied beside it, and ``splatctl relay http`` running.
"""

import math
import sys
import time

from lerobot_robot_splat_so101 import JointSender  # 1


def read_my_arm() -> list[float]:
    """Six angles in rad: shoulder_pan, shoulder_lift, elbow_flex, wrist_flex, wrist_roll, gripper. Put yours here."""
    return [0.3 * math.sin(time.time()), 0.0, 0.0, 0.0, 0.0, 0.0]


sender = JointSender(*sys.argv[1:2])  # 2: http://127.0.0.1:7861 unless told otherwise
try:
    while True:
        sender.send(read_my_arm())  # 3: returns at once, never raises
        time.sleep(1 / 30)
except KeyboardInterrupt:
    sender.close()
