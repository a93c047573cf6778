"""How the set of Gaussians changes while it is trained: "3D Gaussian Splatting as Markov Chain Monte Carlo"
(Kheradmand et al. 2024). Dead Gaussians move onto live ones, the set grows to its cap, and noise keeps
transparent ones exploring. Nothing is ever reset, so a live preview never flashes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .rotations import rotation_matrices
from .splats import GROUPS, Splats

DEAD_OPACITY = 0.005
"""A Gaussian this transparent is dead."""
MAX_COPIES = 51
"""Copies of one Gaussian in one relocation are counted up to here (the paper's own bound)."""
DISPLACED_SHARE = 0.01
"""At the cap, a new frame may displace this share of the Gaussians."""
LARGEST = {"means": 1e12, "log_scales": 25.0, "quats": 1e12, "opacities": math.inf, "sh": 1e6}
"""Beyond these, squares and exponentials that a step takes overflow; no scene comes near them."""


def step_generator(seed: int, step: int, salt: int, device: torch.device) -> torch.Generator:
    """Random numbers of a step: from the seed and the step alone, so that a checkpoint need not hold a state
    that no other device could read."""
    words = np.random.SeedSequence([seed & 0xFFFFFFFF, step, salt]).generate_state(2)
    generator = torch.Generator(device)
    generator.manual_seed(int(words[0]) << 20 | int(words[1]) >> 12)
    return generator


def split_opacity(opacity: Tensor, copies: Tensor) -> tuple[Tensor, Tensor]:
    """Equation 9: when Gaussians of ``opacity`` [M] become ``copies`` [M] each, at the same place: the
    opacity of each copy and the factor on its scale that leave the render as it was."""
    opacity = opacity.double()
    each = 1 - (1 - opacity) ** (1 / copies.double())
    powers = each[:, None] ** torch.arange(1, MAX_COPIES + 1, device=opacity.device)
    denominator = (_coefficients().to(opacity.device)[copies] * powers).sum(1)
    scale = (opacity / denominator).clamp_min(1e-6)
    return each.clamp(DEAD_OPACITY, 1 - 1e-6).float(), scale.float()


@lru_cache(maxsize=1)
def _coefficients() -> Tensor:
    """[MAX_COPIES+1, MAX_COPIES] of the powers of the opacity in equation 9's double sum Σᵢ Σₖ C(i−1,k) (−1)ᵏ
    oᵏ⁺¹/√(k+1); over i the binomials sum up to C(n,k+1)."""
    table = torch.zeros(MAX_COPIES + 1, MAX_COPIES, dtype=torch.float64)
    for n in range(1, MAX_COPIES + 1):
        for k in range(n):
            table[n, k] = math.comb(n, k + 1) * (-1) ** k / math.sqrt(k + 1)
    return table


def dead(splats: Splats) -> Tensor:
    """[N] True = helps no more: transparent, or with a number that is not finite."""
    return ~(_finite(splats.values) & (splats.opacities > DEAD_OPACITY))


def _finite(arrays: dict[str, Tensor]) -> Tensor:
    """[N]"""
    finite = [torch.isfinite(_rows(arrays[name])).all(1) for name in GROUPS]
    return torch.stack(finite).all(0)


def _rows(values: Tensor) -> Tensor:
    """[N,width] of a group."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


@torch.no_grad()
def relocate(splats: Splats, rows: Tensor, generator: torch.Generator) -> bool:
    """Make each Gaussian of ``rows`` [M] a copy of a live one. False when there is none to copy."""
    sources = _draw(splats, len(rows), generator, excluded=rows)
    if sources is None:
        return False
    splats.replace(rows, _copies(splats, sources))
    # As in the paper: what Adam knew of the sources is of another opacity and scale.
    splats.forget(sources)
    return True


@torch.no_grad()
def grow(splats: Splats, count: int, generator: torch.Generator) -> None:
    """Add copies of live Gaussians until there are ``count``."""
    sources = _draw(splats, count - splats.count, generator)
    if sources is not None:
        splats.append(_copies(splats, sources))


def _draw(
    splats: Splats, count: int, generator: torch.Generator, excluded: Tensor | None = None
) -> Tensor | None:
    """[count] live Gaussians, in proportion to opacity; None when none lives."""
    chance = torch.where(dead(splats), torch.zeros((), device=splats.device), splats.opacities).double()
    if excluded is not None:
        chance[excluded] = 0
    cumulative = chance.cumsum(0)
    if splats.count == 0 or not bool(cumulative[-1] > 0):
        return None
    drawn = torch.rand(count, generator=generator, device=splats.device, dtype=torch.float64)
    return torch.searchsorted(cumulative, drawn * cumulative[-1], right=True).clamp_max(splats.count - 1)


def _copies(splats: Splats, sources: Tensor) -> dict[str, Tensor]:
    """Share opacity and scale of each source out among itself and its copies; the copies are given."""
    times = torch.bincount(sources, minlength=splats.count) + 1
    split = (times > 1).nonzero()[:, 0]
    opacity, scale = split_opacity(splats.opacities[split], times[split].clamp_max(MAX_COPIES))
    splats.values["opacities"][split] = torch.logit(opacity)
    splats.values["log_scales"][split] += torch.log(scale)[:, None]
    return {name: value[sources] for name, value in splats.values.items()}


def least_useful(splats: Splats, wanted: int) -> Tensor:
    """[wanted] Gaussians that are missed least: not finite ones first, then by opacity."""
    worth = torch.where(dead(splats), torch.full((), -1.0, device=splats.device), splats.opacities)
    return torch.topk(worth, min(wanted, splats.count), largest=False).indices


@torch.no_grad()
def place(splats: Splats, new: Mapping[str, Tensor], cap: int) -> None:
    """Add new Gaussians, as far as the cap goes. At the cap, they may displace a few of those that are missed
    least."""
    wanted, free = len(new["means"]), max(0, cap - splats.count)
    displaced = min(wanted - free, int(DISPLACED_SHARE * cap)) if splats.count <= cap else 0
    if displaced > 0:
        rows = least_useful(splats, displaced)
        displaced = len(rows)
        splats.replace(rows, {name: value[:displaced] for name, value in new.items()})
    start = max(0, displaced)
    splats.append({name: value[start : start + free] for name, value in new.items()})


@torch.no_grad()
def thin_out(splats: Splats, count: int) -> None:
    """Drop those that are missed least, down to ``count``."""
    if splats.count <= count:
        return
    kept = torch.ones(splats.count, dtype=torch.bool, device=splats.device)
    kept[least_useful(splats, splats.count - count)] = False
    splats.keep(kept)


@torch.no_grad()
def mend(splats: Splats, generator: torch.Generator) -> bool:
    """Make Gaussians that came from elsewhere fit to be trained: those with a number that is not finite, or
    beyond use, become copies of others; moments that no step of Adam could have left are forgotten. False
    when none is fit."""
    sound = _finite(splats.moments1) & _finite(splats.moments2)
    usable = _finite(splats.values)
    for name in GROUPS:
        value = _rows(splats.values[name])
        # However small, a Gaussian does no harm.
        size = value if name == "log_scales" else value.abs()
        usable &= (size <= LARGEST[name]).all(1)
        sound &= (_rows(splats.moments2[name]) >= 0).all(1)
    splats.forget((~sound).nonzero()[:, 0])
    broken = (~usable).nonzero()[:, 0]
    return splats.count > 0 and (len(broken) == 0 or relocate(splats, broken, generator))


@torch.no_grad()
def add_noise(splats: Splats, strength: float, generator: torch.Generator) -> None:
    """The paper's noise: Σ · ξ, scaled by how transparent each Gaussian is."""
    values = splats.values
    shares = strength * torch.sigmoid(-100 * (splats.opacities - DEAD_OPACITY))
    normal = torch.randn(splats.count, 3, generator=generator, device=splats.device)
    # Σ ξ = (R S)(R S)ᵀ ξ.
    axes = rotation_matrices(values["quats"]) * torch.exp(values["log_scales"])[:, None, :]
    along = (axes * normal[:, :, None]).sum(1)
    moved = (axes * along[:, None, :]).sum(2)
    values["means"].add_(torch.nan_to_num(shares[:, None] * moved))
