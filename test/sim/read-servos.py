"""What the vendor's SDK reads from the servos on a port, as JSON. Usage: read-servos.py PORT"""

import json
import sys

from scservo_sdk import GroupSyncRead, PacketHandler, PortHandler

IDS = range(1, 7)
# The SDK gives up after 34 ms, which a busy machine may need to switch from one process to another.
PATIENCE_MS = 5000
SILENCE_MS = 60


def wait_up_to(port, milliseconds):
    port.setPacketTimeout = lambda _: port.setPacketTimeoutMillis(milliseconds)


def sync_read(port, packets, address, length):
    group = GroupSyncRead(port, packets, address, length)
    for servo in IDS:
        group.addParam(servo)
    result = group.txRxPacket()
    return {"result": result, "values": [group.getData(servo, address, length) for servo in IDS]}


def main():
    port = PortHandler(sys.argv[1])
    assert port.openPort() and port.setBaudRate(1_000_000)
    packets = PacketHandler(0)
    wait_up_to(port, PATIENCE_MS)
    found = {
        "pings": [packets.ping(port, servo) for servo in IDS],
        "temperatures": [packets.read1ByteTxRx(port, servo, 63) for servo in IDS],
        "offsets": [packets.read2ByteTxRx(port, servo, 31) for servo in IDS],
        "positions": sync_read(port, packets, 56, 2),
        "limits": sync_read(port, packets, 9, 4),
    }
    wait_up_to(port, SILENCE_MS)
    found["nobody"] = packets.ping(port, 9)
    found["torque"] = packets.write1ByteTxRx(port, 1, 40, 1)
    wait_up_to(port, PATIENCE_MS)
    found["repeated"] = [sync_read(port, packets, 56, 2)["result"] for _ in range(50)]
    port.closePort()
    print(json.dumps(found))


main()
