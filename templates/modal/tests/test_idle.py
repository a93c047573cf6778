"""Sessions that nobody feeds end; those that are fed, or only watched, do as before."""

from __future__ import annotations

import time

import httpx
import pytest
from served import served
from stub_scene import StubScenes

from live_splat.api import build_api
from live_splat.http.idle import STREAMS_END_S, IdleWatch
from live_splat.settings import Settings


def watch_at(scenes: StubScenes, now_s: float, idle_stop_s: float = 60.0) -> IdleWatch:
    return IdleWatch(scenes, idle_stop_s, now=lambda: now_s)


def test_an_idle_session_is_finished_with_a_word_on_how_to_go_on() -> None:
    scenes = StubScenes()
    scenes.main.last_work_s = scenes.main.last_joints_s = 100.0
    watch_at(scenes, 159.0).look()
    assert scenes.main.stops == []
    watch = watch_at(scenes, 160.0)
    watch.look()
    watch.look()
    assert scenes.main.stops == [(None, 0.0)]
    (warning,) = scenes.main.warnings
    assert "for 1 min" in warning
    assert "Reset to begin another" in warning
    assert "SPLAT_IDLE_STOP_S" in warning


@pytest.mark.parametrize("state", ["idle", "finishing", "complete", "failed"])
def test_only_a_session_that_trains_is(state: str) -> None:
    scenes = StubScenes()
    scenes.main.last_work_s = scenes.main.last_joints_s = 0.0
    scenes.main.state = state
    watch_at(scenes, 1e6).look()
    assert (scenes.main.stops, scenes.main.warnings) == ([], [])


def test_one_scene_that_fails_to_stop_keeps_no_other_running(caplog: pytest.LogCaptureFixture) -> None:
    scenes = StubScenes("main", "left")
    left = scenes.get("left")
    for scene in (scenes.main, left):
        scene.last_work_s = scene.last_joints_s = 0.0
    scenes.main.status = dict
    watch_at(scenes, 1e6).look()
    assert left.stops == [(None, 0.0)]
    assert "main" in caplog.text


def test_joints_alone_keep_a_session_only_while_it_learns() -> None:
    scenes = StubScenes()
    main = scenes.main
    main.last_work_s = 0.0
    clock = [0.0]
    watch = IdleWatch(scenes, 60.0, now=lambda: clock[0])
    for clock[0] in (0.0, 50.0, 100.0):
        main.step += 1
        main.last_joints_s = clock[0]
        watch.look()
        assert main.stops == []
    clock[0] = main.last_joints_s = 110.0
    watch.look()
    assert main.stops == [(None, 0.0)]


def test_streams_end_where_nothing_goes_on_and_now_and_then_again() -> None:
    scenes = StubScenes("main", "left")
    left = scenes.get("left")
    ended: list[str] = []
    for scene in (scenes.main, left):
        scene.last_work_s = scene.last_joints_s = 0.0
        scene.state = "complete"
        scene.events.end_streams = lambda name=scene.name: ended.append(name)  # type: ignore[method-assign]
    clock = [0.0]
    watch = IdleWatch(scenes, 60.0, now=lambda: clock[0])
    left.state = "finishing"
    for clock[0] in (0.0, STREAMS_END_S, 2 * STREAMS_END_S):
        watch.look()
        assert ended == []
    left.state = "complete"
    watch.look()
    assert ended == ["main", "left"]
    for clock[0] in (2.5 * STREAMS_END_S, 3 * STREAMS_END_S):
        watch.look()
    assert ended == ["main", "left"] * 2
    left.last_joints_s = clock[0] = 4 * STREAMS_END_S
    watch.look()
    assert ended == ["main", "left"] * 2


def test_the_api_watches_and_asking_for_the_status_keeps_nothing_running() -> None:
    scenes = StubScenes()
    settings = Settings(is_loopback=True, idle_stop_s=0.4)
    deadline_s = time.monotonic() + 30
    with served(build_api(scenes, settings)) as url:
        while not scenes.main.stops and time.monotonic() < deadline_s:
            assert httpx.get(f"{url}/status").status_code == 200
    assert scenes.main.stops == [(None, 0.0)]
