"""Six servos behind a pseudo terminal, enough of them for LeRobot to connect to, set up and read. POSIX only."""

import os
import pty
import select
import threading
import time
import tty

READ, WRITE, SYNC_READ, SYNC_WRITE = 0x02, 0x03, 0x82, 0x83
FIRMWARE, MODEL, ID = 0, 3, 5
MIN_POSITION, MAX_POSITION, PRESENT_POSITION = 9, 11, 56
STS3215 = 777


def checksum(packet: bytes) -> int:
    return ~sum(packet) & 0xFF


class FeetechDouble:
    """``path`` is the port; what is written is in ``registers``, when positions were asked for in ``read_at``."""

    def __init__(self, ranges):
        self.registers = {motor: bytearray(256) for motor in range(1, 7)}
        for (motor, memory), (low, high) in zip(self.registers.items(), ranges, strict=True):
            memory[FIRMWARE : FIRMWARE + 2] = bytes([3, 10])
            memory[ID] = motor
            self._put(motor, MODEL, STS3215)
            self._put(motor, MIN_POSITION, low)
            self._put(motor, MAX_POSITION, high)
        self.read_at = []
        self._ours, self._theirs = pty.openpty()
        for end in (self._ours, self._theirs):
            tty.setraw(end)
        self.path = os.ttyname(self._theirs)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def move_to(self, steps):
        for motor, position in enumerate(steps, start=1):
            self._put(motor, PRESENT_POSITION, position)

    def close(self):
        self._ended = True
        self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    def _put(self, motor, address, value):
        self.registers[motor][address : address + 2] = value.to_bytes(2, "little")

    def _run(self):
        heard = b""
        while not self._ended:
            if not select.select([self._ours], [], [], 0.05)[0]:
                continue
            heard += os.read(self._ours, 4096)
            while len(heard) >= 4 and len(heard) >= heard[3] + 4:
                packet, heard = heard[: heard[3] + 4], heard[heard[3] + 4 :]
                assert packet[:2] == b"\xff\xff" and checksum(packet[2:-1]) == packet[-1]
                reply = self._answer(packet[2], packet[4], packet[5:-1])
                if reply:
                    os.write(self._ours, reply)

    def _answer(self, motor, instruction, parameters):
        if instruction == SYNC_READ:
            address, length, *motors = parameters
            if address == PRESENT_POSITION:
                self.read_at.append(time.time())
            return b"".join(self._status(m, self.registers[m][address : address + length]) for m in motors)
        if instruction == SYNC_WRITE:
            address, length = parameters[:2]
            for at in range(2, len(parameters), length + 1):
                data = parameters[at + 1 : at + 1 + length]
                self.registers[parameters[at]][address : address + length] = data
            return b""
        if motor not in self.registers:
            return b""
        if instruction == READ:
            address, length = parameters
            return self._status(motor, self.registers[motor][address : address + length])
        if instruction == WRITE:
            address, *data = parameters
            self.registers[motor][address : address + len(data)] = bytes(data)
        return self._status(motor)

    @staticmethod
    def _status(motor, data=b""):
        packet = bytes([motor, len(data) + 2, 0, *data])
        return b"\xff\xff" + packet + bytes([checksum(packet)])
