"""The trainer: frames in, Gaussians out, one optimisation step at a time. Knows nothing of HTTP, files or
threads; whoever owns it calls ``step`` in a loop and may call anything else between two steps.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .camera import Camera
from .rasterize import Rasterizer, Rendered, rasterizer_for, view_of
from .splat.gaussians import Gaussians
from .train.exposure import Exposures
from .train.loss import image_loss, mean_squared_error, psnr_of
from .train.memory import FEWEST_GAUSSIANS, Room, free_bytes, is_out_of_memory
from .train.schedule import (
    CPU_RECIPE,
    CUDA_RECIPE,
    HALF_STEPS,
    Finishing,
    Moment,
    Rates,
    Recipe,
    next_frame,
    rates_at,
    sh_degree_at,
)
from .train.seed import depth_features
from .train.seeder import Seeder
from .train.splats import Splats, shapes_of
from .train.strategy import add_noise, dead, grow, mend, relocate, step_generator, thin_out
from .train.targets import SceneMask
from .train.training_frames import FrameState, TrainingFrames
from .train.uploads import Uploads
from .training import PictureArchive, TrainerState, TrainingFrame, TrainingSettings

log = logging.getLogger("live_splat")


@dataclass(frozen=True)
class StepReport:
    """What one step did."""

    index: int
    first: bool
    """This was the frame's first step."""


class LiveSplatTrainer:
    """See the top of the file."""

    def __init__(
        self,
        settings: TrainingSettings,
        device: torch.device | str,
        *,
        rasterizer: Rasterizer | None = None,
        recipe: Recipe | None = None,
        now: Callable[[], float] = time.time,
        archive: PictureArchive | None = None,
        room_bytes: int | None = None,
    ) -> None:
        """``now`` gives Unix seconds; ``archive``: where to read pictures that are not held (None: all are);
        ``room_bytes``: memory there is (None: what is free on a GPU)."""
        self.device = torch.device(device)
        self.frames = TrainingFrames(archive)
        self.splats = Splats(settings.sh_degree, self.device)
        self.step_count = 0
        self.is_done = False
        self._recipe = recipe or (CUDA_RECIPE if self.device.type == "cuda" else CPU_RECIPE)
        self._rasterize = rasterizer or rasterizer_for(self.device)
        self._now = now
        self._settings = settings
        self._room = Room(free_bytes(self.device) if room_bytes is None else room_bytes)
        self._is_growing = False
        """Gaussians are being added."""
        self._arriving = 0
        """Gaussians that are being restored."""
        self._cap = self._allowed()
        self._mask = SceneMask(None)
        self._exposures = Exposures()
        self._random = np.random.default_rng(settings.seed)
        self._refined_at = 0
        self._seeder = Seeder(lambda camera: self._render(self.splats.values, camera), self._draw_depths)
        self._finishing: Finishing | None = None
        self._fresh: dict[int, Tensor] = {}
        self._uploads = Uploads(self.device)
        # Ten bits would ruin the loss; nothing here is a convolution but its blur.
        torch.backends.cudnn.allow_tf32 = False

    def close(self) -> None:
        """Nothing may be called after it."""
        self.frames.pictures.close()

    @property
    def is_moving(self) -> bool:
        """Whether a step would be made now."""
        if self.is_done or not self.frames.trained:
            return False
        return self._finishing is not None or self.frames.is_restless

    def add_frame(self, frame: TrainingFrame) -> None:
        self.frames.add(frame)

    def set_camera(self, index: int, camera: Camera) -> None:
        self.frames.set_camera(index, camera)

    def set_mask(self, mask: NDArray[np.bool_] | None) -> None:
        self._mask = SceneMask(mask)
        if self.splats.count == 0:
            # What showed nothing under the old mask may do so now.
            self._discard()

    def set_settings(self, settings: TrainingSettings) -> None:
        """The most opaque stay where the new cap is below the count."""
        self._settings = settings
        self._set_cap(self._allowed())
        self.splats.set_degree(settings.sh_degree)

    def finish(self, *, steps: int, deadline_s: float) -> None:
        """Let rates fall to the end of the budget; whichever of the two comes first ends training."""
        self._finishing = Finishing(self.step_count, self._now(), steps, deadline_s)

    def step(self) -> StepReport | None:
        """One step. None when there is nothing to do now: no frame, all at rest, or finished."""
        finished = 0.0 if self._finishing is None else self._finishing.share(self.step_count, self._now())
        if finished >= 1 or (self._finishing is not None and not self.frames.trained):
            self.is_done = True
        if not self.is_moving:
            return None
        held = self.frames.pictures.ready(self.step_count)
        if not held:
            # No picture can be read any more.
            return self.step()
        steps = [state.steps for state in held]
        state = held[next_frame(steps, self._finishing is None, self._random)]
        self._is_growing = True
        # Before the step and not after it: where there is no room for more, the step was not made.
        if finished < self._recipe.settle_at:
            self._refine()
        self._seed(state)
        self._is_growing = False
        if self.splats.count == 0:
            # Every frame is transparent: there is nothing to finish.
            self.is_done = self._finishing is not None
            return None
        self._optimise(state, self._rates(finished))
        self.step_count += 1
        self.frames.stepped(state)
        return StepReport(state.index, first=state.steps == 1)

    @torch.no_grad()
    def score(self, state: FrameState) -> dict[int, float]:
        """Compare a frame with its render, without training on it. PSNR (dB) as from ``take_fresh_psnr``;
        nothing of a frame whose picture cannot be read any more."""
        whole = self.frames.pictures.target_of(state)
        if whole is None:
            return {}
        target = self._mask.over(whole)
        background = self._uploads.background(self._settings.background, None)
        render = self._render(self.splats.values, target.camera).on(background)
        mask = self._uploads.mask(target.mask)
        self._fresh[state.index] = mean_squared_error(render, target.on(background), mask)
        return self.take_fresh_psnr()

    def take_fresh_psnr(self) -> dict[int, float]:
        """PSNR (dB) at full size of frames compared since the last call. Until then they may stay on the
        device: reading one waits for it."""
        fresh = {index: psnr_of(float(mse)) for index, mse in self._fresh.items()}
        self._fresh.clear()
        for index, psnr in fresh.items():
            state = self.frames.get(index)
            if state is not None:
                state.psnr = psnr
        return fresh

    def gaussians(self) -> Gaussians:
        """A copy."""
        return self.splats.to_gaussians()

    def checkpoint(self) -> TrainerState:
        """A copy of all that decides how training goes on, but for the settings and the frames themselves."""
        self.take_fresh_psnr()
        finishing = self._finishing
        random = self._random.bit_generator.state
        scalars: dict[str, Any] = {
            "refined_at": self._refined_at,
            "guessed_depth": self._seeder.guessed_depth,
            # 128 bits each: more than every reader of JSON can keep as a number.
            "random": {**random, "state": {name: str(value) for name, value in random["state"].items()}},
            "finishing": None if finishing is None else finishing.progress(self.step_count, self._now()),
            "done": self.is_done,
            "most_gaussians": self._room.most,
            "halved": self._room.is_halved,
        }
        arrays = {**self.splats.save(), **self.frames.save(), **self._exposures.save()}
        return TrainerState(self.step_count, arrays, scalars)

    def restore(self, state: TrainerState) -> None:
        """Go on from a state of this or another trainer. Frames that it names and that are here go on where
        they stood; those it does not name are new. Above the cap, restored Gaussians stay."""
        scalars = state.scalars
        self._arriving = len(state.arrays.get("means", ()))
        self._room.learn(scalars.get("most_gaussians"))
        self._cap = self._allowed()
        if scalars.get("halved") and not self._room.is_halved and self.frames.shrink():
            self._room.halve()
        self.splats.load(state.arrays, self._settings.sh_degree, self._room.most)
        self.step_count = state.step
        self._refined_at = int(scalars["refined_at"])
        self._seeder.guessed_depth = scalars.get("guessed_depth")
        random = scalars["random"]
        words = {name: int(value) for name, value in random["state"].items()}
        self._random.bit_generator.state = {**random, "state": words}
        progress = scalars["finishing"]
        self._finishing = None if progress is None else Finishing.again(progress, state.step, self._now())
        self.is_done = bool(scalars["done"])
        self._exposures.restore(state.arrays)
        self.frames.restore(state.arrays)
        if not mend(self.splats, self._generator()):
            self._discard()
        self._arriving = 0

    def take_warnings(self) -> list[str]:
        """What the user should know since the last call."""
        return self._room.take_warnings()

    def is_device_lost(self) -> bool:
        """After an error: whether the device does nothing more for this process, whatever is asked of it."""
        if self.device.type != "cuda":
            return False
        try:
            torch.zeros(1, device=self.device).add_(1).item()
        except RuntimeError as error:
            return not is_out_of_memory(error)
        return False

    def make_room(self) -> bool:
        """After the device ran out of memory: add no more Gaussians if that is what it had no room for; else
        train at half size, once; else do with half as many. False when there is nothing left to give up."""
        count = max(self.splats.count, self._arriving)
        most = max(FEWEST_GAUSSIANS, min(self._cap, count) // 2)
        if self._is_growing and FEWEST_GAUSSIANS <= count < self._cap:
            most = count
        elif not self._room.is_halved and self._arriving == 0 and self.frames.shrink():
            self._room.halve()
            return True
        elif most >= min(self._cap, count):
            return False
        self._room.learn(most)
        self._set_cap(self._allowed())
        return True

    def _allowed(self) -> int:
        return self._room.allowed(self._settings.max_gaussians, self._settings.sh_degree)

    def _set_cap(self, cap: int) -> None:
        self._cap = cap
        thin_out(self.splats, cap)

    def _rates(self, finished: float) -> Rates:
        before = 0 if self._finishing is None else self._finishing.from_step
        moment = Moment(self.step_count, finished, before, self.frames.extent.size)
        return rates_at(self._recipe, moment)

    def _optimise(self, state: FrameState, rates: Rates) -> None:
        """Render, compare, update."""
        picture = state.half or self.frames.pictures.target_of(state)
        if picture is None:
            raise LookupError(f"frame {state.index} is trained on without a picture")
        target = self._mask.over(picture)
        background = self._uploads.background(self._settings.background, self._random)
        mask, wanted = self._uploads.mask(target.mask), target.on(background)
        leaves = self.splats.leaves()
        render = self._render(leaves, target.camera).on(background)
        if state.half is None:
            self._fresh[state.index] = mean_squared_error(render, wanted, mask)
        # While its first steps last, what a frame differs in is what the Gaussians do not show yet.
        exposed = self._settings.exposure and state.steps >= HALF_STEPS
        exposure: Tensor | None = None
        if exposed:
            exposure = torch.from_numpy(np.stack(self._exposures.of(state.index))).float().to(self.device)
            exposure.requires_grad_()
            render = render * exposure[0] + exposure[1]
        shapes = shapes_of(leaves)
        regular = shapes.opacities.mean() + shapes.scales.mean()
        (image_loss(render, wanted, mask) + self._recipe.regularisation * regular).backward()
        if exposure is not None and exposure.grad is not None:
            self._exposures.learn(state.index, exposure.grad.double().flatten().cpu().numpy())
        sh_rates = torch.full((self.splats.values["sh"].shape[1], 1), rates.sh_rest, device=self.device)
        sh_rates[0] = rates.groups["sh"]
        gradients = {name: leaf.grad for name, leaf in leaves.items()}
        self.splats.adam(gradients, {**rates.groups, "sh": sh_rates}, self.step_count + 1)
        add_noise(self.splats, rates.noise, self._generator())

    def _render(self, values: dict[str, Tensor], camera: Camera) -> Rendered:
        """The scene on black, in the degree that the step has reached."""
        degree = min(self._settings.sh_degree, sh_degree_at(self._recipe, self.step_count))
        return self._rasterize(shapes_of(values), values["sh"], view_of(camera, self.device), degree)

    def _draw_depths(self, camera: Camera) -> Rendered:
        view, values = view_of(camera, self.device), self.splats.values
        return self._rasterize(shapes_of(values), depth_features(values["means"], view), view, None)

    def _seed(self, state: FrameState) -> None:
        """Place Gaussians for a frame that has none of its own yet, before its first step: by then the scene
        shows what of it is known. While there are none at all, any frame that shows something will do."""
        if self._seeder.is_misplaced(self.frames.extent):
            self._discard()
        for frame in [state] if self.splats.count > 0 else [state, *self.frames.trained]:
            picture = None if frame.seeded else frame.half or self.frames.pictures.target_of(frame)
            if picture is None:
                continue
            target, extent = self._mask.over(picture), self.frames.extent
            cap, bounds = self._cap, self._settings.bounds
            self._seeder.seed(self.splats, target, extent, cap=cap, bounds=bounds, random=self._random)
            # Not before: where memory ran out, it gets its own at the next try.
            frame.seeded = True
            if self.splats.count > 0:
                return

    def _discard(self) -> None:
        """Forget the Gaussians; all frames bring new ones."""
        self.splats = Splats(self._settings.sh_degree, self.device)
        for state in self.frames.trained:
            state.seeded = False

    def _refine(self) -> None:
        if self.step_count - self._refined_at < self._recipe.refine_every:
            return
        self._refined_at = self.step_count
        generator = self._generator(salt=1)
        rows = dead(self.splats).nonzero()[:, 0]
        if len(rows) > 0:
            relocate(self.splats, rows, generator)
        count = min(self._cap, int(self.splats.count * self._recipe.growth))
        if count > self.splats.count:
            grow(self.splats, count, generator)

    def _generator(self, salt: int = 0) -> torch.Generator:
        return step_generator(self._settings.seed, self.step_count, salt, self.device)
