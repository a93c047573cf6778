"""Rates over time, which frame is next, and how much of the finishing phase is over.

Live training has no known end, so nothing falls until ``finish`` sets one; then everything hangs on how much
of the finishing phase has passed, and on how many steps were made before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Recipe:
    """The numbers that decide how training goes; one set for every scene."""

    means_rate: float
    """Adam's rates at the start; the means' is in units of the scene's size."""
    scales_rate: float
    quats_rate: float
    opacities_rate: float
    color_rate: float
    color_rest_rate: float
    noise: float
    """MCMC noise in units of the means' rate."""
    regularisation: float
    """λ of the mean opacity and of the mean scale."""
    sh_every: int
    """Steps between two degrees of spherical harmonics."""
    growth: float
    """The set grows by this factor at each relocation."""
    means_fall: float = 0.01
    """What the rates fall to by the end of the finishing phase, as a share of the start."""
    others_fall: float = 0.2
    fall_from: float = 0.6
    """Share of all steps, those before the finishing phase included, with full rates."""
    refine_every: int = 100
    """Steps between relocations."""
    settle_at: float = 0.8
    """Share of the finishing phase after which the set stays as it is."""


CPU_RECIPE = Recipe(
    means_rate=2e-4,
    scales_rate=0.01,
    quats_rate=3e-3,
    opacities_rate=0.05,
    color_rate=0.01,
    color_rest_rate=5e-4,
    noise=2e4,
    regularisation=0.005,
    sh_every=250,
    growth=1.08,
)
"""The embedded backend's: the published numbers scaled for the few thousand steps that a CPU makes."""

CUDA_RECIPE = Recipe(
    means_rate=1.6e-4,
    scales_rate=5e-3,
    quats_rate=1e-3,
    opacities_rate=0.05,
    color_rate=2.5e-3,
    color_rest_rate=1.25e-4,
    noise=1e5,
    regularisation=0.01,
    sh_every=1000,
    growth=1.05,
)
"""The published ones (Kerbl et al. 2023, Kheradmand et al. 2024, gsplat's defaults): a GPU makes a capture's
steps by the ten thousand. Only the noise is a fifth of theirs: their rate falls exponentially to a hundredth
over the run, by which it is 0.2 of its start in the mean; a live one does not fall."""

HALF_STEPS = 6
"""A frame's first steps are made at half size: a quarter of the work while the large shapes form."""
REST_AFTER_STEPS = 300
"""A frame that has had this many steps has little left to give: live training rests until something
arrives."""
NEWEST_SHARE = 0.2
"""Share of live steps that go to the newest frame (on-the-fly-nvs, ARTDECO)."""


@dataclass(frozen=True)
class Finishing:
    """When a finishing phase began and when it ends: in steps, and in Unix seconds."""

    from_step: int
    from_s: float
    steps: int
    """From ``from_step`` on."""
    deadline_s: float

    def share(self, step: int, now_s: float) -> float:
        """0…1 of it that is over, by whichever of the two limits is nearer."""
        by_step = 1.0 if step - self.from_step >= self.steps else (step - self.from_step) / self.steps
        if now_s >= self.deadline_s:
            return 1.0
        return max(by_step, (now_s - self.from_s) / (self.deadline_s - self.from_s))

    def progress(self, step: int, now_s: float) -> dict[str, float]:
        """As it stands, free of the clock: time spent stopped does not count. For ``again``."""
        return {
            "steps_made": step - self.from_step,
            "steps": self.steps,
            "elapsed_s": now_s - self.from_s,
            "duration_s": self.deadline_s - self.from_s,
        }

    @classmethod
    def again(cls, progress: dict[str, float], step: int, now_s: float) -> Finishing:
        """Go on with what was left."""
        from_s = now_s - progress["elapsed_s"]
        from_step = step - int(progress["steps_made"])
        return cls(from_step, from_s, int(progress["steps"]), from_s + progress["duration_s"])


@dataclass(frozen=True)
class Moment:
    """What a step's rates depend on."""

    step: int
    """Steps made before this one."""
    finished: float
    """0…1 of the finishing phase; 0 while live."""
    before: int
    """Steps made before the finishing phase."""
    size: float
    """Of the scene, metres."""


@dataclass(frozen=True)
class Rates:
    """Of one step."""

    groups: dict[str, float]
    """Adam's, by group of parameters; "sh" is that of the first coefficient."""
    sh_rest: float
    noise: float


def rates_at(recipe: Recipe, moment: Moment) -> Rates:
    """The rates of a step."""
    fallen = _fallen(recipe, moment)
    means = recipe.means_rate * moment.size * recipe.means_fall**fallen
    fall = recipe.others_fall**fallen
    groups = {
        "means": means,
        "log_scales": recipe.scales_rate * fall,
        "quats": recipe.quats_rate * fall,
        "opacities": recipe.opacities_rate * fall,
        "sh": recipe.color_rate * fall,
    }
    return Rates(groups, recipe.color_rest_rate * fall, recipe.noise * means)


def _fallen(recipe: Recipe, moment: Moment) -> float:
    """0…1 of the way that rates fall."""
    if moment.finished <= 0:
        return 0.0
    # As many steps as the phase will have if it goes on as it did.
    planned = (moment.step - moment.before) / moment.finished
    full = recipe.fall_from
    if planned > 0:
        full = (recipe.fall_from * (moment.before + planned) - moment.before) / planned
    start = max(0.0, full)
    return max(0.0, (moment.finished - start) / (1 - start))


def sh_degree_at(recipe: Recipe, step: int) -> int:
    """Degree after so many steps: colour that depends on the view comes in bit by bit."""
    return math.floor(step / recipe.sh_every)


def next_frame(steps: Sequence[int], is_live: bool, random: np.random.Generator) -> int:
    """Position, in order of arrival, of the next frame to train on; ``steps`` (not empty) = how often each
    was. While live, now and then the newest; otherwise the less trained of two drawn at random."""
    if is_live and random.random() < NEWEST_SHARE:
        return len(steps) - 1
    a, b = (int(random.integers(len(steps))) for _ in range(2))
    return b if steps[b] < steps[a] else a
