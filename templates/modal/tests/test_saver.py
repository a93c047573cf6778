"""What a session keeps on disk while it trains: checkpoints now and then, told when they fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rig import until

from live_splat.checkpoint import SessionFolder
from live_splat.refusal import RefusalError
from live_splat.session.joints import JointReading
from live_splat.session.notices import Notices
from live_splat.session.saver import Saver
from live_splat.training import TrainerState


class Trainer:
    """One of which only the step changes."""

    def __init__(self) -> None:
        self.step = 0
        self.asked = 0
        self.error: Exception | None = None

    def checkpoint(self) -> TrainerState | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        arrays = {"means": np.ones((300, 3), np.float32)}
        return None if self.step == 0 else TrainerState(self.step, arrays)


class Saving:
    """A saver into a real folder, and what it told."""

    def __init__(self, path: Path) -> None:
        self.trainer = Trainer()
        self.told: list[str] = []
        self.notices = Notices(lambda _, data: self.told.append(data["message"]), lambda: None)
        self.path = path
        self.folder = SessionFolder(path, warn=self.notices.add)
        self.saver = Saver(
            self.folder,
            self.trainer,  # type: ignore[arg-type]
            record=lambda: {"session_id": "s"},
            joints=lambda: [JointReading(1.0, (0.5,) * 6)],
            step=lambda: self.trainer.step,
            notices=self.notices,
            every_s=0.01,
        )

    def names(self) -> list[str]:
        return sorted(path.name for path in (self.path / "checkpoints").iterdir())


@pytest.fixture
def saving(tmp_path: Path) -> Iterator[Saving]:
    made = Saving(tmp_path / "main")
    yield made
    made.saver.close()
    made.folder.close()


def test_writes_none_without_gaussians_and_none_twice(saving: Saving) -> None:
    saving.saver.checkpoint()
    assert saving.names() == []
    saving.trainer.step = 1
    saving.saver.checkpoint()
    saving.saver.checkpoint()
    assert len(saving.names()) == 1
    saving.trainer.step = 2
    saving.saver.checkpoint()
    assert len(saving.names()) == 2
    newest = saving.folder.read_checkpoint()
    assert newest is not None
    assert (newest.state.step, newest.session, newest.joints) == (2, {"session_id": "s"}, [[1.0, [0.5] * 6]])


def test_takes_one_now_and_then_while_steps_are_made(saving: Saving) -> None:
    saving.saver.start()
    for step in (1, 2, 3):
        saving.trainer.step = step

        def is_saved(step: int = step) -> bool:
            newest = saving.folder.read_checkpoint()
            return newest is not None and newest.state.step == step

        until(is_saved)
    asked = saving.trainer.asked
    # Nothing was learned since: nobody is asked.
    threading.Event().wait(0.1)
    assert saving.trainer.asked == asked


def test_a_full_disk_is_told_and_tried_again(saving: Saving) -> None:
    saving.trainer.step = 1
    saving.saver.checkpoint()
    kept = saving.names()
    number = int(kept[0].split("-")[1].split(".")[0]) + 1
    (saving.path / "checkpoints" / f"checkpoint-{number:06d}.bin.part").symlink_to("/dev/full")
    saving.trainer.step = 2
    with pytest.raises(RefusalError) as refused:
        saving.saver.checkpoint()
    assert refused.value.code == "storage_full"
    assert [text for text in saving.notices.messages() if text.startswith("no checkpoint was written")]
    assert "training goes on, the next try follows" in saving.notices.messages()[0]
    assert [name for name in saving.names() if not name.endswith(".part")] == kept
    saving.saver.start()
    until(lambda: saving.notices.messages() == [])
    assert len(saving.told) == 1
    newest = saving.folder.read_checkpoint()
    assert newest is not None
    assert newest.state.step == 2


def test_a_trainer_that_raises_is_told_once_and_asked_again(saving: Saving) -> None:
    saving.trainer.step = 1
    saving.trainer.error = RuntimeError("CUDA error")
    saving.saver.start()
    until(lambda: saving.trainer.asked >= 3)
    assert len(saving.told) == 1
    assert "CUDA error" in saving.told[0]
    saving.trainer.error = None
    until(lambda: len(saving.names()) == 1)
    until(lambda: saving.notices.messages() == [])


def test_writes_nothing_more_once_closed(saving: Saving) -> None:
    saving.trainer.step = 1
    saving.saver.close()
    saving.saver.checkpoint()
    saving.saver.save_record()
    assert saving.names() == []
    assert not (saving.path / "session.json").exists()
