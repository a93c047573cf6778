import logging
import math
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lerobot_robot_splat_so101 import sender as sender_module
from lerobot_robot_splat_so101.sender import FineClock, JointSender, now_s
from relay_double import RelayDouble, until

POSE = [0.1, -0.2, 0.3, -0.4, 0.5, 0.6]


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("SPLAT_API_TOKEN", raising=False)


@pytest.fixture
def relays():
    """Opens servers, and closes them with the test."""
    opened = []

    def open_relay(*args, **kwargs):
        opened.append(RelayDouble(*args, **kwargs))
        return opened[-1]

    yield open_relay
    for relay in opened:
        relay.close()


@pytest.fixture
def senders():
    opened = []

    def open_sender(url):
        opened.append(JointSender(url))
        return opened[-1]

    yield open_sender
    for sender in opened:
        sender.close()


def drive(sender, steps=200, hz=500):
    """A control loop; the milliseconds that each call took."""
    took = []
    for i in range(steps):
        before = time.perf_counter()
        sender.send([i / 1000, 0, 0, 0, 0, 0], captured_at=1000.0 + i)
        took.append((time.perf_counter() - before) * 1e3)
        time.sleep(1 / hz)
    return took


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_sends_what_it_is_given_on_one_connection(relays, senders):
    relay = relays()
    sender = senders(relay.url)
    for i in range(5):
        sender.send([i, *POSE[1:]], captured_at=1000.0 + i)
        until(lambda i=i: sender.sent == i + 1)
    assert relay.taken == [
        {"path": "/update-joint-angles", "joint_angles": [i, *POSE[1:]], "captured_at": 1000.0 + i} for i in range(5)
    ]
    assert relay.connections == 1


def test_stamps_a_reading_without_a_time_with_now(relays, senders):
    relay = relays()
    before = time.time()
    senders(relay.url).send(tuple(POSE))
    until(lambda: len(relay.taken) == 1)
    assert before <= relay.taken[0]["captured_at"] <= time.time()


def test_a_path_and_a_token_of_the_environment_go_along(relays, senders, monkeypatch):
    monkeypatch.setenv("SPLAT_API_TOKEN", "not-a-secret")
    relay = relays()
    senders(relay.url + "/behind/").send(POSE)
    until(lambda: len(relay.taken) == 1)
    assert relay.taken[0]["path"] == "/behind/update-joint-angles"
    assert relay.headers[0]["Authorization"] == "Bearer not-a-secret"


@pytest.mark.parametrize("url", ["", "127.0.0.1:7861", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port"])
def test_an_address_that_cannot_be_used_is_refused_before_anything_moves(url):
    with pytest.raises(ValueError):
        JointSender(url)


def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("SPLAT_API_TOKEN", "abc\ndef")
    with pytest.raises(ValueError) as refusal:
        JointSender()
    assert "abc" not in str(refusal.value)


def test_the_newest_wins_while_the_server_is_slow(relays, senders, monkeypatch):
    monkeypatch.setattr(sender_module, "TIMEOUT_S", 60)
    answer = threading.Event()

    def slowly(handler):
        answer.wait(60)
        RelayDouble.accept(handler)

    relay = relays(behave=slowly)
    sender = senders(relay.url)
    sender.send([0] * 6, captured_at=0.0)
    until(lambda: len(relay.taken) == 1)
    took = drive(sender)
    assert len(relay.taken) == 1
    answer.set()
    until(lambda: len(relay.taken) == 2)
    assert relay.taken[1]["captured_at"] == 1199.0
    assert statistics.median(took) < 1


def garbage(handler):
    handler.wfile.write(b"\x00\xff not a word of HTTP \r\n\r\n" * 100)
    handler.close_connection = True


def endless(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000000")
    handler.end_headers()
    handler.wfile.write(b"x" * 100_000)
    handler.close_connection = True


def hang_up(handler):
    handler.close_connection = True


@pytest.mark.parametrize(
    "behave",
    [
        garbage,
        endless,
        hang_up,
        lambda handler: RelayDouble.accept(handler, 500, b"\xff\xfe"),
        lambda handler: RelayDouble.accept(handler, 401, b'{"error": {"message": "token"}}'),
        lambda handler: RelayDouble.accept(handler, 409),
        lambda handler: RelayDouble.accept(handler, 302),
    ],
    ids=["garbage", "endless", "hangs up", "500", "401", "409", "302"],
)
def test_a_server_that_answers_nonsense_disturbs_nobody(relays, senders, behave, caplog):
    relay = relays(behave=behave)
    took = drive(senders(relay.url))
    until(lambda: len(relay.taken) >= 1)
    assert statistics.median(took) < 1
    assert len(caplog.records) <= 1


def test_a_server_that_is_not_there_disturbs_nobody_and_is_told_of_once(senders, caplog):
    sender = senders(f"http://127.0.0.1:{free_port()}")
    took = drive(sender)
    assert statistics.median(took) < 1
    assert len(sender._slot) <= 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_goes_on_with_the_newest_when_a_server_comes_back(relays, senders, caplog):
    caplog.set_level(logging.INFO)
    first = relays()
    sender = senders(first.url)
    sender.send(POSE)
    until(lambda: sender.sent == 1)
    first.close()
    drive(sender, steps=50)
    until(lambda: len(caplog.records) == 2)
    second = relays(first.port)
    last = 0.0

    def sent_again():
        nonlocal last
        last = time.time()
        sender.send(POSE, captured_at=last)
        return len(second.taken) > 0

    until(sent_again)
    assert last - second.taken[0]["captured_at"] < 5
    until(lambda: len(caplog.records) == 3)
    levels = [logging.INFO, logging.WARNING, logging.INFO]
    assert [record.levelno for record in caplog.records] == levels


def test_a_connection_closed_between_readings_costs_no_reading(relays, senders):
    def once(handler):
        RelayDouble.accept(handler)
        handler.close_connection = True

    relay = relays(behave=once)
    sender = senders(relay.url)
    for i in range(4):
        sender.send(POSE)
        until(lambda i=i: sender.sent == i + 1)
        time.sleep(0.02)
    assert relay.connections == 4


def test_lines_of_log_are_bounded(relays, senders, caplog, monkeypatch):
    monkeypatch.setattr(sender_module, "FIRST_PAUSE_S", 0.0)
    answers = iter([200, 500] * 200)
    relay = relays(behave=lambda handler: RelayDouble.accept(handler, next(answers)))
    caplog.set_level(logging.INFO)
    sender = senders(relay.url)
    monkeypatch.setattr(sender_module, "MAX_HZ", 1000.0)
    while len(relay.taken) < 100:
        sender.send(POSE)
        time.sleep(0.001)
    assert len(caplog.records) == sender_module.MAX_LOG_LINES


@pytest.mark.parametrize("angles", [[], [0] * 5, [0] * 7, [math.nan] * 6, [math.inf] * 6, ["x"] * 6, None, 3])
def test_what_is_no_pose_is_dropped_and_told_of_once(relays, senders, angles, caplog):
    relay = relays()
    sender = senders(relay.url)
    for _ in range(10):
        sender.send(angles)
    sender.send(POSE)
    until(lambda: sender.sent == 1)
    assert len(relay.taken) == 1
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_never_sends_faster_than_it_should(relays, senders):
    relay = relays()
    sender = senders(relay.url)
    started = time.monotonic()
    drive(sender, steps=500, hz=2000)
    assert sender.sent <= (time.monotonic() - started) * sender_module.MAX_HZ + 2


def test_close_is_quick_while_a_request_hangs_and_sending_starts_anew_after_it(relays, senders):
    release = threading.Event()

    def hang(handler):
        if not release.is_set():
            release.wait(10)
            handler.close_connection = True
        else:
            RelayDouble.accept(handler)

    relay = relays(behave=hang)
    sender = senders(relay.url)
    sender.send(POSE)
    until(lambda: len(relay.taken) == 1)
    started = time.monotonic()
    sender.close()
    sender.close()
    assert time.monotonic() - started < sender_module.TIMEOUT_S
    release.set()
    sender.send(POSE, captured_at=7.0)
    until(lambda: sender.sent == 1)
    assert relay.taken[-1]["captured_at"] == 7.0


def test_a_program_ends_though_its_sender_was_never_closed(relays):
    release = threading.Event()
    relay = relays(behave=lambda _: release.wait(300))
    program = "from lerobot_robot_splat_so101.sender import JointSender as S; import sys, time;"
    program += "S(sys.argv[1]).send([0] * 6); time.sleep(0.3)"
    subprocess.run(
        [sys.executable, "-c", program, relay.url],
        check=True,
        timeout=100,
        env={"PYTHONPATH": str(Path(sender_module.__file__).parents[1])},
    )
    release.set()


def test_the_script_for_a_loop_of_ones_own_runs(relays):
    relay = relays()
    folder = Path(__file__).parents[1]
    script = subprocess.Popen(
        [sys.executable, str(folder / "splat_push.py"), relay.url],
        env={"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        until(lambda: len(relay.taken) >= 5, within_s=60)
    finally:
        script.kill()
        script.wait()
    stamps = [update["captured_at"] for update in relay.taken]
    assert stamps == sorted(stamps)


class SteppingMachine:
    """A wall clock that goes in steps, and one that does not."""

    step_s = 0.015625

    def __init__(self):
        self.true_s, self.set_by_s = 1_790_000_000.0, 0.0
        self.clock = FineClock(self.wall, lambda: self.true_s - 1_789_999_000, self.step_s)

    def wall(self):
        shown_s = self.true_s + self.set_by_s
        return shown_s - shown_s % self.step_s

    def off_by(self, after_s):
        self.true_s += after_s
        return self.clock() - self.true_s - self.set_by_s


def test_the_time_is_known_between_the_steps_of_the_wall_clock():
    machine = SteppingMachine()
    machine.off_by(0.006)
    offs = [machine.off_by(0.0031) for _ in range(1000)]
    assert max(map(abs, offs[20:])) < 0.001
    assert max(map(abs, offs)) <= machine.step_s


@pytest.mark.parametrize("set_by_s", [3600.0, -3600.0])
def test_the_time_follows_a_clock_that_is_set(set_by_s):
    machine = SteppingMachine()
    for _ in range(100):
        machine.off_by(0.0031)
    machine.set_by_s = set_by_s
    assert abs(machine.off_by(0.0031)) <= machine.step_s
    offs = [machine.off_by(0.0031) for _ in range(100)]
    assert max(map(abs, offs[50:])) < 0.001


def test_readings_are_stamped_in_unix_seconds():
    before_s = time.time()
    assert before_s - 0.1 < now_s() < time.time() + 0.1
