"""What the backend knows of the trainer: a few calls, an ordered stream of small events, and snapshots.

``training_thread.start_training`` runs the real one in a thread of its own; tests pass a scripted one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .camera import Camera
from .splat.gaussians import Gaussians

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A decoded frame, undistorted, at the size it is trained at."""

    rgb: Bytes
    """[H,W,3] sRGB. Images with alpha come as ``rgba``'s colour, straight."""
    alpha: Bytes | None = None
    """[H,W] 0…255 straight alpha; None = opaque. The trainer composites on its background."""
    mask: NDArray[np.bool_] | None = None
    """[H,W] True = counts; None = all do. (What undistortion left without a source does not count.)"""


@dataclass(frozen=True)
class TrainingFrame:
    """One frame for the trainer."""

    index: int
    """1, 2, 3 … in order of arrival, as in GET /frames."""
    camera: Camera
    picture: Picture | None
    """None = to be read from the archive when it is needed."""
    holdout: bool
    """Never trained on; scored only."""


@dataclass(frozen=True)
class PictureArchive:
    """Whoever keeps the frames where there is more room."""

    read: Callable[[int], Picture | None]
    """A frame's picture, by index; None when it cannot be read any more: then the frame leaves training.
    Called on threads of the trainer's own, several at once."""
    budget_bytes: int
    """Pictures that the trainer holds take at most so much; two that are being read come on top."""


@dataclass(frozen=True)
class TrainingSettings:
    """The part of a scene's settings that the trainer knows (contract: PUT /scene)."""

    max_gaussians: int = 200_000
    sh_degree: int = 3
    background: str = "black"
    """black, white or random"""
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None
    """Least and greatest corner of where first Gaussians may lie, metres; None = anywhere in front of a
    frame."""
    exposure: bool = False
    """Learn each frame's gain and bias."""
    seed: int = 1


@dataclass(frozen=True)
class TrainerState:
    """All that decides how training goes on; frames are named by index, their pictures are not in it."""

    step: int
    arrays: Mapping[str, NDArray[Any]]
    """Named by the trainer; the checkpoint stores them as they are."""
    scalars: Mapping[str, Any] = field(default_factory=dict)
    """JSON values."""


@dataclass(frozen=True)
class Progress:
    """At most 4 a second."""

    step: int
    steps_per_second: float
    gaussian_count: int
    psnr_train: float | None
    """Mean over trained frames of their last PSNR, dB; None before any."""
    psnr_holdout: float | None
    frame_psnr: Mapping[int, float]
    """Of frames whose PSNR is new since the last event, by index, dB."""
    memory_bytes: int
    """GPU memory in use, or this process's on a CPU."""


@dataclass(frozen=True)
class Trained:
    """The first step that looked at these frames has ended (a held-out frame: its first scoring)."""

    indices: tuple[int, ...]


@dataclass(frozen=True)
class Snapshot:
    """The scene as it is now; every 0.5 to 2 s while steps are made."""

    step: int
    gaussians: Gaussians


@dataclass(frozen=True)
class Finished:
    """``finish`` has run to its end; these are the last Gaussians. No Snapshot follows."""

    step: int
    gaussians: Gaussians


@dataclass(frozen=True)
class Warned:
    """What the user should know: training goes on, but not as asked."""

    message: str


@dataclass(frozen=True)
class Failed:
    """Training ended by an error; nothing follows."""

    message: str
    is_device_lost: bool = False
    """The device does nothing more for this process; it may for the next one."""


TrainingEvent = Progress | Trained | Snapshot | Finished | Warned | Failed


class Training(Protocol):
    """Handle on a running trainer. Calls are ordered and return at once but where it says so."""

    def add_frame(self, frame: TrainingFrame) -> None: ...

    def set_camera(self, index: int, camera: Camera) -> None:
        """Replace where a frame was taken from (its pose came late, or was refined)."""

    def set_mask(self, mask: NDArray[np.bool_] | None) -> None:
        """[h,w] True = trained and scored, any size of the camera's aspect; None = everything."""

    def set_settings(self, settings: TrainingSettings) -> None: ...

    def restore(self, state: TrainerState) -> None:
        """Go on from a state that ``checkpoint`` gave, here or in another process; its frames were added
        before."""

    def checkpoint(self) -> TrainerState | None:
        """Waits for all calls made so far. None while there are no Gaussians."""

    def snapshot(self) -> Snapshot | None:
        """Waits for all calls made so far. None while there are no Gaussians."""

    def finish(self, *, steps: int, deadline_s: float) -> None:
        """Optimise on, learning rates falling, for so many steps or until that Unix time; then emit
        Finished."""

    def close(self) -> None:
        """Ends the thread; waits. No event follows."""


class StartTraining(Protocol):
    """How a scene gets a trainer."""

    def __call__(
        self,
        settings: TrainingSettings,
        on_event: Callable[[TrainingEvent], None],
        archive: PictureArchive | None = None,
        /,
    ) -> Training:
        """Events come on the trainer's own thread and must be handled fast. Without ``archive`` every frame
        comes with its picture, and all are held."""


@dataclass(frozen=True)
class Scale:
    """What a device can train in reasonable time; holds for new scenes where nobody says otherwise."""

    max_pixels: int
    """Frames are trained at most this large."""
    max_gaussians: int


SCALE_OF_CPU = Scale(max_pixels=1 << 15, max_gaussians=20_000)
"""Frames of 130 × 231 make about 5 steps a second with 20 000 Gaussians on one core."""
SCALE_OF_GPU = Scale(max_pixels=1 << 20, max_gaussians=200_000)


@dataclass(frozen=True)
class Engine:
    """What trains, as GET /status says."""

    name: str
    """gsplat or torch"""
    device: str
    """Such as "NVIDIA L4" or "cpu"."""
    threads: int

    @property
    def scale(self) -> Scale:
        return SCALE_OF_CPU if self.device == "cpu" else SCALE_OF_GPU
