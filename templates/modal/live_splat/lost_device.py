"""What is to be done when the GPU answers this process no more.

After some errors (an illegal access, a fault of the hardware) CUDA refuses everything else that a process
asks of it: no reset of a scene helps, only another process does.
"""

from __future__ import annotations

from collections.abc import Callable

from .training import Failed, PictureArchive, StartTraining, Training, TrainingEvent, TrainingSettings


def telling(start: StartTraining, on_lost: Callable[[], None]) -> StartTraining:
    """Like ``start``; calls ``on_lost``, on the trainer's thread, once a scene has heard that its device is
    lost."""

    def start_telling(
        settings: TrainingSettings,
        on_event: Callable[[TrainingEvent], None],
        archive: PictureArchive | None = None,
        /,
    ) -> Training:
        def tell(event: TrainingEvent) -> None:
            on_event(event)
            if isinstance(event, Failed) and event.is_device_lost:
                on_lost()

        return start(settings, tell, archive)

    return start_telling
