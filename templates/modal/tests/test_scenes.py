"""Several scenes in one backend: each has its own everything, and none waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rig import Rig, opened, picture, until
from scripted_training import ENGINE, ScriptedTrainer

from live_splat.contract import FrameMeta, ScenePatch
from live_splat.refusal import RefusalError
from live_splat.scene import Scenes
from live_splat.settings import Settings
from live_splat.training import Training, TrainingEvent, TrainingSettings

NAMES = ("main", "left-arm", "right-arm")
WAIT_S = 30


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with opened(tmp_path, scenes=NAMES) as backend:
        yield backend


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(RefusalError) as refusal:
        call()
    return refusal.value.code


@pytest.mark.parametrize("name", ["Main", "a_b", "", "../x", "x" * 33, "main\n"])
def test_refuses_what_cannot_be_a_name(rig: Rig, name: str) -> None:
    assert refused(lambda: rig.scenes.get(name)) == "bad_request"


def test_holds_the_scenes_of_its_settings_and_no_other(rig: Rig) -> None:
    assert rig.scenes.get(None) is rig.scenes.get("main")
    assert refused(lambda: rig.scenes.get("else")) == "not_found"
    assert [scene.name for scene in rig.scenes.opened()] == ["main"]
    rig.scenes.get("right-arm")
    assert [scene.name for scene in rig.scenes.opened()] == ["main", "right-arm"]


def test_leaves_the_embedded_backends_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "state" / "main").mkdir(parents=True)
    with pytest.raises(RefusalError, match="belongs to the embedded backend"), opened(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_each_has_its_own_everything(rig: Rig, tmp_path: Path) -> None:
    main, left = rig.scenes.get("main"), rig.scenes.get("left-arm")
    main.upload(picture(1), FrameMeta(frame_id="a"))
    assert left.status()["frame_count"] == 0
    assert left.session_id != main.session_id
    assert left.identity()["boot_id"] == main.identity()["boot_id"] == rig.scenes.boot_id
    left.upload(picture(2), FrameMeta(frame_id="a"))
    main.reset()
    assert left.status()["frame_count"] == 1
    left.stop(0.0, 10.0)
    chunk = left.status()["chunks"][0]
    assert chunk["key"].startswith("scenes/left-arm/")
    assert (tmp_path / "bucket" / chunk["key"]).exists()
    assert main.upload(picture(2), FrameMeta())["frame_count"] == 1


def test_one_that_is_being_opened_holds_up_no_other(tmp_path: Path) -> None:
    may_open, opening = threading.Event(), threading.Event()
    trainer = ScriptedTrainer()
    threads: list[threading.Thread] = []

    def start(
        settings: TrainingSettings, on_event: Callable[[TrainingEvent], None], *archive: object
    ) -> Training:
        if threading.current_thread() in threads:
            opening.set()
            may_open.wait(WAIT_S)
        return trainer.start(settings, on_event)

    scenes = Scenes(Settings(data_dir=tmp_path, scenes=NAMES), start, ENGINE)
    found: list[object] = []
    threads += [threading.Thread(target=lambda: found.append(scenes.get("left-arm"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert opening.wait(WAIT_S)
    assert scenes.get("main").status()["state"] == "idle"
    assert [scene.name for scene in scenes.opened()] == ["main"]
    may_open.set()
    for thread in threads:
        thread.join(WAIT_S)
    # Asked for twice at once, opened once.
    assert found[0] is found[1]
    assert len(trainer.started) == 2
    scenes.close()


def test_a_trainer_that_does_not_start_is_tried_again(tmp_path: Path) -> None:
    trainer = ScriptedTrainer()
    calls: list[int] = []

    def start(
        settings: TrainingSettings, on_event: Callable[[TrainingEvent], None], *archive: object
    ) -> Training:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no GPU yet")
        return trainer.start(settings, on_event)

    scenes = Scenes(Settings(data_dir=tmp_path), start, ENGINE)
    with pytest.raises(RuntimeError, match="no GPU yet"):
        scenes.get(None)
    assert scenes.opened() == []
    assert scenes.get(None).status()["state"] == "idle"
    scenes.close()


def test_one_that_finds_no_room_leaves_no_trainer_behind(tmp_path: Path) -> None:
    trainer = ScriptedTrainer()

    def start(
        settings: TrainingSettings, on_event: Callable[[TrainingEvent], None], *archive: object
    ) -> Training:
        if not trainer.started:
            (tmp_path / "state" / "main" / "session.json.part").symlink_to("/dev/full")
        return trainer.start(settings, on_event)

    scenes = Scenes(Settings(data_dir=tmp_path), start, ENGINE)
    assert refused(lambda: scenes.get(None)) == "storage_full"
    assert [training.is_closed for training in trainer.started] == [True]
    assert scenes.get(None).status()["state"] == "idle"
    scenes.close()


def test_a_data_folder_has_one_backend(tmp_path: Path, rig: Rig) -> None:
    with pytest.raises(RefusalError, match="in use by another backend"):
        Rig(tmp_path)
    rig.scenes.close()
    with opened(tmp_path):
        pass


def test_all_are_saved_at_the_end(tmp_path: Path) -> None:
    with opened(tmp_path, scenes=NAMES) as rig:
        ids = {}
        for name in NAMES:
            rig.scenes.get(name).upload(picture(1), FrameMeta())
            ids[name] = rig.scenes.get(name).session_id
    with opened(tmp_path, scenes=NAMES) as rig:
        for name in NAMES:
            scene = rig.scenes.get(name)
            assert (scene.session_id, scene.status()["frame_count"]) == (ids[name], 1)


def test_trouble_with_the_bucket_is_told_in_every_scene(rig: Rig) -> None:
    rig.scenes.get("left-arm")
    rig.scenes._warn("the bucket refuses writes")
    until(lambda: "the bucket refuses writes" in rig.scenes.get("main").status()["warnings"])
    assert "the bucket refuses writes" in rig.scenes.get("left-arm").status()["warnings"]
    # In one that is opened later too.
    assert rig.scenes.get("right-arm").status()["warnings"] == ["the bucket refuses writes"]
    rig.scenes._unwarn("the bucket refuses writes")
    assert all(scene.status()["warnings"] == [] for scene in rig.scenes.opened())


def test_everything_at_once_ends_in_order(rig: Rig) -> None:
    """Calls of every kind from many threads: refusals at most, no deadlock, and the books are right after."""
    scene = rig.scene
    failed: list[BaseException] = []
    stop = threading.Event()

    def keep(call: Callable[[int], object]) -> threading.Thread:
        def run() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    call(number)
                except RefusalError:
                    # Stopped, or between two sessions.
                    stop.wait(0.001)
                except BaseException as error:
                    failed.append(error)
                    return

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def upload(number: int) -> None:
        scene.upload(picture(number), FrameMeta(frame_id=f"f{number}", captured_at=time.time()))

    def patch(number: int) -> None:
        offsets = [number / 1000, 0.0, 0.0, 0.0, 0.0]
        scene.patch(ScenePatch.model_validate({"joint_zero_offsets_rad": offsets, "chunk_every": 2}))

    threads = [
        *(keep(upload) for _ in range(3)),
        keep(lambda number: scene.update_joints([0.1] * 6, time.time())),
        keep(patch),
        keep(lambda _: (scene.status(), scene.frames(), scene.describe())),
        keep(lambda _: scene.splat("ply", 5)),
    ]
    for round_number in range(8):
        stop.wait(0.1)
        if round_number % 2:
            scene.stop(0.05, 0.02)
        scene.reset()
    stop.wait(0.1)
    stop.set()
    for thread in threads:
        thread.join(30.0)
        assert not thread.is_alive()
    assert failed == []
    status = scene.status()
    assert status["last_error"] is None
    assert [frame["index"] for frame in scene.frames()] == list(range(1, status["frame_count"] + 1))
    assert scene.stop(0.05, 20.0)["complete"] is True
