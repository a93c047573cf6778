"""Shows an arm on a Foxglove socket in the way of LeRobot's control loop; prints the port, then runs until killed.

usage: lerobot-display.py PORT (0: any)
"""

import sys
import time

import foxglove
from foxglove.channels import RawImageChannel
from foxglove.messages import RawImage

JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
SCHEMA = {
    "type": "object",
    "title": "lerobot.Scalars",
    "properties": {"scalars": {"type": "array", "items": {"type": "object"}}},
}

server = foxglove.start_server(host="127.0.0.1", port=int(sys.argv[1]))
print(server.port, flush=True)

# LeRobot makes its channels when it has the first values, so a client may be there before them.
time.sleep(0.3)
state = foxglove.Channel("/observation/state", schema=SCHEMA, message_encoding="json")
action = foxglove.Channel("/action/state", schema=SCHEMA, message_encoding="json")
wrist = RawImageChannel(topic="/observation/images/wrist")
picture = RawImage(width=640, height=480, encoding="rgb8", step=1920, data=bytes(640 * 480 * 3))

count = 0
while True:
    count += 1
    now = time.time_ns()
    scalars = [{"label": f"{name}.pos", "value": float(10 * i)} for i, name in enumerate(JOINTS)]
    scalars.append({"label": "count", "value": float(count)})
    wrist.log(picture, log_time=now)
    state.log({"scalars": scalars}, log_time=now)
    action.log({"scalars": [{"label": f"{name}.pos", "value": 99.0} for name in JOINTS]}, log_time=now)
    time.sleep(1 / 60)
