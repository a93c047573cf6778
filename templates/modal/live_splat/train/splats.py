"""The Gaussians in training: five groups of parameters, each with Adam's two moments, on one device."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live_splat.rasterize import Shapes
from live_splat.splat.gaussians import Gaussians

GROUPS = ("means", "log_scales", "quats", "opacities", "sh")
BETA1 = 0.9
BETA2 = 0.999
EPSILON = 1e-15


class Splats:
    """N Gaussians; shapes as in ``Gaussians``. Moments are kept here and not in an optimiser of torch,
    because the set grows, shrinks and is saved with them."""

    def __init__(self, sh_degree: int, device: torch.device) -> None:
        self.device = device
        widths = {
            "means": (3,),
            "log_scales": (3,),
            "quats": (4,),
            "opacities": (),
            "sh": ((sh_degree + 1) ** 2, 3),
        }
        self.values = {name: torch.zeros(0, *width, device=device) for name, width in widths.items()}
        self.moments1 = {name: value.clone() for name, value in self.values.items()}
        self.moments2 = {name: value.clone() for name, value in self.values.items()}

    @property
    def count(self) -> int:
        return len(self.values["means"])

    @property
    def opacities(self) -> Tensor:
        """[N] 0…1."""
        return torch.sigmoid(self.values["opacities"])

    def append(self, values: Mapping[str, Tensor]) -> None:
        """Add Gaussians that Adam knows nothing of. Where memory runs out, all stays as it was."""
        added = {name: values[name].to(self.device) for name in GROUPS}
        nothing = {name: torch.zeros_like(added[name]) for name in GROUPS}
        pairs = ((self.values, added), (self.moments1, nothing), (self.moments2, nothing))
        self.values, self.moments1, self.moments2 = (
            {name: torch.cat([old[name], new[name]]) for name in GROUPS} for old, new in pairs
        )

    def replace(self, rows: Tensor, values: Mapping[str, Tensor]) -> None:
        """Put Gaussians that Adam knows nothing of in the place of others."""
        for name in GROUPS:
            self.values[name][rows] = values[name].to(self.device)
        self.forget(rows)

    def forget(self, rows: Tensor) -> None:
        """Zero Adam's moments."""
        for name in GROUPS:
            self.moments1[name][rows] = 0
            self.moments2[name][rows] = 0

    def keep(self, rows: Tensor) -> None:
        """Drop all but these. Where memory runs out, all stays as it was."""
        sets = (self.values, self.moments1, self.moments2)
        kept = [{name: arrays[name][rows] for name in GROUPS} for arrays in sets]
        self.values, self.moments1, self.moments2 = kept

    def set_degree(self, sh_degree: int) -> None:
        """More or fewer spherical harmonics; new ones are 0. Where memory runs out, all stays as it was."""
        wanted = (sh_degree + 1) ** 2
        sets = (self.values, self.moments1, self.moments2)
        if wanted == self.values["sh"].shape[1]:
            return
        for arrays, sh in zip(sets, [_of_width(arrays["sh"], wanted) for arrays in sets], strict=True):
            arrays["sh"] = sh

    def leaves(self) -> dict[str, Tensor]:
        """The values, for one step of autograd."""
        return {name: value.detach().requires_grad_() for name, value in self.values.items()}

    @torch.no_grad()
    def adam(
        self, gradients: Mapping[str, Tensor | None], rates: Mapping[str, float | Tensor], step: int
    ) -> None:
        """One step (≥ 1) of Adam (Kingma & Ba 2015). A gradient that is not finite is none."""
        correction1, correction2 = 1 - BETA1**step, 1 - BETA2**step
        for name in GROUPS:
            gradient = gradients[name]
            if gradient is None:
                continue
            gradient = torch.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)
            first = self.moments1[name].mul_(BETA1).add_(gradient, alpha=1 - BETA1)
            second = self.moments2[name].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            change = first / second.div(correction2).sqrt_().add_(EPSILON)
            self.values[name].sub_(change.mul_(rates[name]).div_(correction1))

    def to_gaussians(self) -> Gaussians:
        """A copy."""
        return Gaussians(**{name: _numpy(self.values[name]) for name in GROUPS})

    def save(self) -> dict[str, NDArray[np.float32]]:
        """A copy of everything, for ``load``."""
        sets = (("", self.values), ("_moment1", self.moments1), ("_moment2", self.moments2))
        return {name + suffix: _numpy(arrays[name]) for suffix, arrays in sets for name in GROUPS}

    def load(
        self, arrays: Mapping[str, NDArray[np.float32]], sh_degree: int, most: int | None = None
    ) -> None:
        """Become what ``save`` saved, with this degree; of more than ``most``, only the most opaque. Raises
        ValueError where an array is missing or of the wrong shape."""
        missing = [name for name in self.save() if name not in arrays]
        if missing:
            raise ValueError(f"the saved state lacks {', '.join(missing)}")
        count = len(arrays["means"])
        loaded = [{name: arrays[name + suffix] for name in GROUPS} for suffix in ("", "_moment1", "_moment2")]
        for arrays_of_set in loaded:
            for name in GROUPS:
                width = self.values[name].shape[1:]
                shape = arrays_of_set[name].shape
                if shape[0] != count or (shape[1:] != width if name != "sh" else shape[2:] != width[1:]):
                    raise ValueError(f"the saved {name} are of shape {shape}, for {count} Gaussians")
        rows = slice(None) if most is None or count <= most else _most_opaque(arrays["opacities"], most)
        self.values, self.moments1, self.moments2 = (
            {
                name: torch.tensor(given[name][rows], dtype=torch.float32, device=self.device)
                for name in GROUPS
            }
            for given in loaded
        )
        self.set_degree(sh_degree)


def shapes_of(values: Mapping[str, Tensor]) -> Shapes:
    """The values as rendering takes them."""
    return Shapes(
        means=values["means"],
        quats=values["quats"],
        scales=torch.exp(values["log_scales"]),
        opacities=torch.sigmoid(values["opacities"]),
    )


def _of_width(sh: Tensor, wanted: int) -> Tensor:
    """[N,wanted,3]"""
    if wanted <= sh.shape[1]:
        return sh[:, :wanted].clone()
    return torch.cat([sh, sh.new_zeros(len(sh), wanted - sh.shape[1], 3)], 1)


def _most_opaque(opacities: NDArray[np.float32], most: int) -> NDArray[np.int64]:
    """[most] rows, in order."""
    worth = np.nan_to_num(opacities, nan=-np.inf)
    return np.sort(np.argsort(-worth, kind="stable")[:most])


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().numpy()
    return np.array(array, dtype=np.float32, order="C")
