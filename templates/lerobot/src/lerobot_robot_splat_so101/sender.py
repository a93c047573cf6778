"""Send joint angles to splatctl from a loop that drives an arm, without ever holding the loop up.

The loop leaves its newest reading in a slot and goes on; a thread of its own sends what it finds there. While splatctl
is slow or away, newer readings take the place of older ones: nothing waits, piles up or raises. Standard library only.
"""

import http.client
import json
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:7861"
"""Where splatctl listens on this machine."""

MAX_HZ = 100.0
TIMEOUT_S = 2.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 2.0
CLOSE_S = 0.3
MAX_LOG_LINES = 40
MAX_ANSWER_BYTES = 4096

logger = logging.getLogger(__name__)


class FineClock:
    """Unix seconds, finer than the steps that the wall clock goes in, and never more than a step from what it shows.

    On Windows, Python before 3.13 shows the time in steps of 15.6 ms, in which a hand moves an arm by a degree or more.
    Between them a clock without steps goes on. The wall clock may be set: that is followed at once.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.perf_counter,
        step_s: float = time.get_clock_info("time").resolution,
    ) -> None:
        self._wall, self._steady, self._step_s = wall, steady, step_s
        self._ahead_s = wall() - steady()

    def __call__(self) -> float:
        """Give the time now."""
        wall_s, steady_s = self._wall(), self._steady()
        now = min(max(steady_s + self._ahead_s, wall_s), wall_s + self._step_s)
        self._ahead_s = now - steady_s
        return now


now_s = FineClock()
"""Unix seconds, to stamp readings with."""


class JointSender:
    """A slot for one reading and the thread that empties it. Nothing but the constructor ever raises.

    ``url`` is splatctl's relay or a backend; a path in it comes before ``/update-joint-angles``. A token comes from
    the environment (``SPLAT_API_TOKEN``). Raises ``ValueError`` for an address or a token that cannot be used.
    """

    def __init__(self, url: str = DEFAULT_URL) -> None:
        self.sent = 0
        """Readings that splatctl took."""
        self._link = _Link(url)
        self._slot: deque[tuple[list[float], float]] = deque(maxlen=1)
        self._filled = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._reached: bool | None = None
        self._refused_any = False
        self._log_lines = 0

    def send(self, joint_angles: Sequence[float], captured_at: float | None = None) -> None:
        """Leave six angles (rad, in motor order) and when they were true (Unix seconds; now if not given).

        Takes microseconds. After ``close`` it starts anew.
        """
        try:
            self._slot.append((_six_finite(joint_angles), now_s() if captured_at is None else captured_at))
            if self._thread is None or not self._thread.is_alive():
                self._start()
            self._filled.set()
        except Exception as error:
            if not self._refused_any:
                self._say(logging.WARNING, "a reading is not sent: %s", error)
            self._refused_any = True

    def close(self) -> None:
        """Stop sending, within a fraction of a second; a request that hangs is left to end by itself."""
        self._stop.set()
        self._filled.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        self._thread = None
        self._slot.clear()

    def _start(self) -> None:
        # Link and events are the thread's own: one that hung through a close must not meddle with the next.
        self._link, self._stop, self._filled = self._link.another(), threading.Event(), threading.Event()
        thread = threading.Thread(
            target=self._run, args=(self._link, self._stop, self._filled), name="splat-joints", daemon=True
        )
        thread.start()
        self._thread = thread

    def _run(self, link: "_Link", stop: threading.Event, filled: threading.Event) -> None:
        pause_s = 0.0
        while True:
            filled.wait()
            filled.clear()
            if stop.is_set():
                break
            try:
                angles, captured_at = self._slot.pop()
            except IndexError:
                continue
            trouble = link.post({"joint_angles": angles, "captured_at": captured_at})
            if stop.is_set():
                break
            self._note(trouble)
            # More often than this serves nobody, and would take time from the loop.
            pause_s = 0.0 if trouble is None else min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            stop.wait(pause_s or 1 / MAX_HZ)
        link.hang_up()

    def _note(self, trouble: str | None) -> None:
        """Count, and say it when splatctl can be reached and could not before, or the other way round."""
        if trouble is None:
            self.sent += 1
        if self._reached is (trouble is None):
            return
        self._reached = trouble is None
        if trouble is None:
            self._say(logging.INFO, "joint angles reach splatctl at %s", self._link.address)
        else:
            self._say(
                logging.WARNING,
                "joint angles do not reach splatctl at %s (%s); trying on",
                self._link.address,
                trouble,
            )

    def _say(self, level: int, message: str, *values: object) -> None:
        self._log_lines += 1
        if self._log_lines < MAX_LOG_LINES:
            logger.log(level, message, *values)
        elif self._log_lines == MAX_LOG_LINES:
            logger.log(level, message + " (no more is said of this)", *values)


class _Link:
    """One HTTP connection to splatctl, kept open between readings."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of splatctl: expected one like {DEFAULT_URL}")
        self.address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._url = url
        self._https = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + "/update-joint-angles"
        self._headers = {"Content-Type": "application/json", **_authorization()}
        self._connection: http.client.HTTPConnection | None = None

    def another(self) -> "_Link":
        return _Link(self._url)

    def post(self, update: Mapping[str, object]) -> str | None:
        """Send one update; None when it was taken, else in words what went wrong. Never raises."""
        body = json.dumps(update).encode()
        try:
            if self._connection is None:
                return self._exchange(body)
            try:
                return self._exchange(body)
            except ConnectionError:
                # Kept open since the last reading, and closed meanwhile by the other side.
                self.hang_up()
                return self._exchange(body)
        except Exception as error:
            self.hang_up()
            return f"{type(error).__name__}: {error}"

    def hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, body: bytes) -> str | None:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=TIMEOUT_S)
        self._connection.request("POST", self._path, body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read(MAX_ANSWER_BYTES)
        if not answer.isclosed():
            self.hang_up()
        if 200 <= answer.status < 300:
            return None
        return f"it answers {answer.status} {text[:200].decode(errors='replace')!r}"


def _six_finite(values: Sequence[float]) -> list[float]:
    angles = [float(value) for value in values]
    if len(angles) != 6 or not all(map(math.isfinite, angles)):
        raise ValueError(f"expected six finite angles, got {angles}")
    return angles


def _authorization() -> dict[str, str]:
    token = os.environ.get("SPLAT_API_TOKEN", "").strip()
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()):
        # Said here, where it can be said without the token.
        raise ValueError("SPLAT_API_TOKEN has characters in it that cannot be sent")
    return {"Authorization": f"Bearer {token}"}
