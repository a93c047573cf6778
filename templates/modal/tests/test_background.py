from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from live_splat.session.background import Background
from live_splat.session.notices import MAX_LISTED, Notices

HANGS = """
import threading
from live_splat.session.background import Background

background = Background("work", print)
began = threading.Event()
background.do("nothing", lambda: (began.set(), threading.Event().wait()))
began.wait()
background.close(0.1)
"""


def test_work_is_done_in_order_to_the_end_and_none_after() -> None:
    done: list[int] = []
    background = Background("work", lambda *_: None)
    for number in range(100):
        background.do("nothing", lambda number=number: done.append(number))
    background.close()
    background.do("nothing", lambda: done.append(-1))
    background.close()
    assert done == list(range(100))


def test_what_fails_is_told_and_the_next_is_done() -> None:
    told: list[tuple[str, str]] = []
    done: list[int] = []

    def fail() -> None:
        raise RuntimeError("why")

    background = Background("work", lambda what, error: told.append((what, str(error))))
    background.do("this was not done", fail)
    background.do("nothing", lambda: done.append(1))
    background.close()
    assert (told, done) == ([("this was not done", "why")], [1])


def test_work_that_hangs_keeps_no_process_from_ending() -> None:
    backend = Path(__file__).parents[1]
    child = subprocess.run([sys.executable, "-c", HANGS], cwd=backend, timeout=60, check=False)
    assert child.returncode == 0


def test_a_warning_beyond_those_listed_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices(lambda *_: None, lambda: None)
    with caplog.at_level(logging.WARNING, "live_splat"):
        for number in range(MAX_LISTED + 1):
            notices.add(f"trouble {number}")
    assert len(notices.messages()) == MAX_LISTED
    assert f"trouble {MAX_LISTED}" in caplog.text
