"""A stand-in for gsplat, which needs CUDA."""

from __future__ import annotations

import types

import torch

from live_splat.camera import Intrinsics
from live_splat.rasterize import Shapes, View
from live_splat.train.raster_cpu import rasterize_cpu


def fake_gsplat(calls: list[dict]) -> types.ModuleType:
    """gsplat 1.5.3's ``rasterization`` as far as we call it: its shapes are checked as it checks them."""

    def rasterization(
        means, quats, scales, opacities, colors, viewmats, Ks, width, height,  # noqa: N803
        near_plane=0.01, far_plane=1e10, radius_clip=0.0, eps2d=0.3, sh_degree=None, packed=True,
        tile_size=16, backgrounds=None, render_mode="RGB", sparse_grad=False, absgrad=False,
        rasterize_mode="classic",
    ):  # fmt: skip
        count = len(means)
        assert means.shape == (count, 3)
        assert quats.shape == (count, 4)
        assert scales.shape == (count, 3)
        assert opacities.shape == (count,)
        assert viewmats.shape == (1, 4, 4)
        assert Ks.shape == (1, 3, 3)
        assert viewmats.dtype == Ks.dtype == means.dtype == torch.float32
        if sh_degree is None:
            assert colors.shape[0] == count
            assert colors.dim() == 2
        else:
            assert colors.shape[0] == count
            assert colors.shape[2] == 3
            assert (sh_degree + 1) ** 2 <= colors.shape[1]
        assert (render_mode, rasterize_mode, backgrounds) == ("RGB", "classic", None)
        assert (near_plane, eps2d, sparse_grad, absgrad) == (0.01, 0.3, False, False)
        k = Ks[0]
        lens = Intrinsics(width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]))
        rendered = rasterize_cpu(
            Shapes(means, quats, scales, opacities), colors, View(viewmats[0], lens), sh_degree
        )
        calls.append({"packed": packed, "sh_degree": sh_degree})
        return rendered.image[None], rendered.alpha[None, :, :, None], {"radii": None}

    module = types.ModuleType("gsplat")
    module.rasterization = rasterization
    return module
