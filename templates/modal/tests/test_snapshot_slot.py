"""Versions of the newest snapshot, and how latencies and warnings are counted."""

from __future__ import annotations

import time

from scripted_training import made_up

from live_splat.session.latency import LatencyWindow
from live_splat.session.notices import MAX_LISTED, Notices
from live_splat.session.snapshot_slot import RESERVE, SnapshotSlot


def test_versions_go_on_above_what_was_ever_given_out() -> None:
    slot = SnapshotSlot("s", 3000)
    assert (slot.version, slot.ceiling) == (3000, 3000 + RESERVE)
    assert slot.put(made_up(1, 0)) is False
    assert slot.version == 3001


def test_the_ceiling_rises_long_before_it_is_reached() -> None:
    slot = SnapshotSlot("s", 0)
    rose = [slot.version for _ in range(3 * RESERVE) if slot.put(made_up(1, 0))]
    assert rose == [500, 1500, 2500]
    assert slot.ceiling - slot.version > RESERVE / 2 - 1


def test_asking_for_more_than_there_are_gives_all() -> None:
    slot = SnapshotSlot("s", 0)
    slot.put(made_up(3, 0))
    all_of_it, more = slot.splat("ply", None), slot.splat("ply", 10)
    assert all_of_it is not None
    assert more is not None
    assert (all_of_it.count, more.count) == (3, 3)
    assert all_of_it.encode() == more.encode()
    assert all_of_it.etag == '"s-1-ply-all"'


def test_percentiles_are_of_the_newest_values() -> None:
    window = LatencyWindow()
    for ms in (-5, 10, 20, 30):
        window.add(ms)
    assert window.percentiles() == {"p50": 10, "p95": 30}
    for _ in range(200):
        window.add(7.4)
    assert window.percentiles() == {"p50": 7, "p95": 7}
    window.add_since(time.time() - 3600)
    assert window.percentiles()["p95"] == 7


def test_a_warning_is_told_once_and_can_come_again_when_it_was_over() -> None:
    told: list[str] = []
    changes: list[int] = []
    notices = Notices(lambda _, data: told.append(data["message"]), lambda: changes.append(1))
    for _ in range(3):
        notices.add("a")
    notices.add("b")
    notices.remove("a")
    notices.remove("never told")
    notices.add("a")
    assert notices.messages() == ["b", "a"]
    assert told == ["a", "b", "a"]
    assert len(changes) == 4
    for i in range(2 * MAX_LISTED):
        notices.add(str(i))
    assert len(notices.messages()) == MAX_LISTED
