"""What is done where the device's memory runs out, and how much it has room for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

log = logging.getLogger("live_splat")

Answer = TypeVar("Answer")

GAUSSIAN_SHARE = 1 / 2
"""Share of the free memory that Gaussians may take; the rest is for pictures, tiles and other programs."""
COPIES = 7
"""Of a Gaussian's numbers at the worst moment: two moments, gradients, and as much again while the set
changes."""
RENDERED_BYTES = 400
"""What rendering keeps of one for its gradient, where it is seen."""
FEWEST_GAUSSIANS = 1000
"""However little memory there is, so many are tried."""


def free_bytes(device: torch.device) -> int | None:
    """What is free on a GPU; None on a CPU, whose limits nobody knows."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else None


def peak_bytes(sh_degree: int) -> int:
    """Of one Gaussian."""
    return 4 * COPIES * (11 + 3 * (sh_degree + 1) ** 2) + RENDERED_BYTES


def most_gaussians(available_bytes: int, sh_degree: int) -> int:
    """How many there is room for."""
    return max(FEWEST_GAUSSIANS, int(GAUSSIAN_SHARE * available_bytes) // peak_bytes(sh_degree))


def is_out_of_memory(error: Exception) -> bool:
    """torch ≥ 1.13.1 has a class of its own for it, which older ones lack; cuBLAS and cuDNN have their own
    words."""
    text = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in text or "ALLOC_FAILED" in text)


def within_memory(work: Callable[[], Answer], make_room: Callable[[], bool]) -> Answer:
    """Do something that may be done again; where the device has no room for it, make some first. Raises
    MemoryError when nothing is left to be given up."""
    failure: str | None = None
    while True:
        try:
            if failure is not None and not make_room():
                raise MemoryError(f"the scene does not fit into GPU memory: {failure}")
            return work()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            failure = str(error)
        # Out of the handler, or the error would keep all that the work held.
        _give_back()


def or_skip(work: Callable[[], Answer]) -> Answer | None:
    """Do something that training can go on without: None where the device has no room for it, twice."""
    for _ in range(2):
        try:
            return work()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        _give_back()
    log.info("skipped for want of GPU memory")
    return None


class Room:
    """How much the device has room for: by what is free at the start, and by what it ran out of since."""

    def __init__(self, available_bytes: int | None) -> None:
        """None = nobody knows."""
        self._available_bytes = available_bytes
        self._warnings: list[str] = []
        self.most: int | None = None
        """Gaussians that there is room for, once memory ran out."""
        self.is_halved = False
        """Frames are trained at half their size, because memory ran out."""

    def allowed(self, asked: int, sh_degree: int) -> int:
        """Gaussians at most, of so many asked for; fewer are warned of."""
        allowed = asked
        if self._available_bytes is not None:
            allowed = min(asked, most_gaussians(self._available_bytes, sh_degree))
        if allowed < asked:
            need, free = (size >> 20 for size in (asked * peak_bytes(sh_degree), self._available_bytes or 0))
            self.warn(
                f"{asked} Gaussians of SH degree {sh_degree} may need {need} MiB of GPU memory: "
                f"with {free} MiB free there will be at most {allowed}"
            )
        if self.most is not None and self.most < allowed:
            allowed = self.most
            self.warn(f"the GPU ran out of memory: there will be at most {allowed} Gaussians, not {asked}")
        return allowed

    def halve(self) -> None:
        self.is_halved = True
        self.warn("the GPU ran out of memory: frames are trained at half their size from now on")

    def learn(self, most: int | None) -> None:
        """There is room for so many Gaussians; None = nothing is known of that."""
        if most is not None:
            self.most = most if self.most is None else min(most, self.most)

    def warn(self, message: str) -> None:
        self._warnings.append(message)

    def take_warnings(self) -> list[str]:
        """What the user should know since the last call."""
        warnings, self._warnings = self._warnings, []
        return warnings


def _give_back() -> None:
    """What torch keeps for its next tensors goes back to the device."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
