"""Scenes as a process starts and ends: unfinished ones go on unasked, a dead bucket takes no time."""

from __future__ import annotations

from pathlib import Path

import pytest
from rig import opened, picture, until

from live_splat.contract import FrameMeta
from live_splat.storage import CLOSE_GRACE_S, ChunkStore

NAMES = ("main", "done", "finishing", "untouched")


def test_what_was_left_unfinished_goes_on_without_being_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path, scenes=NAMES) as rig:
        for name in ("done", "finishing"):
            rig.scenes.get(name).upload(picture(1), FrameMeta())
        rig.scenes.get("done").stop(0.0, 18.0)
        rig.training.paused = True
        assert rig.scenes.get("finishing").stop(0.0, 0.0)["complete"] is False
    with opened(tmp_path, scenes=NAMES) as rig:
        rig.scenes.open_unfinished()
        until(lambda: [scene.name for scene in rig.scenes.opened()] == ["main", "finishing"])
        until(lambda: rig.scenes.get("finishing").status()["state"] == "complete")
        assert [scene.name for scene in rig.scenes.opened()] == ["main", "finishing"]


def test_one_that_cannot_be_opened_keeps_no_other_from_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("main", "left", "right")
    with opened(tmp_path, scenes=names) as rig:
        for name in ("left", "right"):
            rig.scenes.get(name).upload(picture(1), FrameMeta())
    (tmp_path / "state" / "left" / "session.json.part").mkdir()
    with opened(tmp_path, scenes=names) as rig:
        rig.scenes.open_unfinished()
        until(lambda: [scene.name for scene in rig.scenes.opened()] == ["main", "right"])
        assert "scene left was not opened again" in caplog.text


@pytest.mark.parametrize("trouble", [None, "the bucket does not answer"])
def test_a_bucket_in_trouble_gets_no_more_than_its_grace_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str | None
) -> None:
    given: list[float] = []
    close = ChunkStore.close

    def closing(store: ChunkStore, deadline_s: float) -> None:
        given.append(deadline_s)
        close(store, 0.0)

    monkeypatch.setattr(ChunkStore, "close", closing)
    monkeypatch.setattr(ChunkStore, "trouble", trouble)
    with opened(tmp_path) as rig:
        rig.scenes.close(600.0)
    assert (given[0] <= CLOSE_GRACE_S) == (trouble is not None)
