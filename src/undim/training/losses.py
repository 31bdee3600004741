"""Losses that need no bright reference, each one formula.

Three sources define them differently: the paper (Guo et al., CVPR 2020, sec. 3.3), the code its
authors released, and the Keras example.  Each form has a name of its own, `<loss>_paper`,
`<loss>_released`, `<loss>_keras`; a
recipe chooses.  Tensors are (B, 3, H, W) images in [0, 1] called `low` and `enhanced`, and (B, C,
H, W) curve maps in [-1, 1] called `curve_maps`; every function returns the mean over the batch as a
scalar without unit. Where two sources agree, the form stands under the older name alone (released).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad


def _regions(image: Tensor, size: int) -> Tensor:
    """Mean intensity of size x size regions side by side; borders that fill none are left out."""
    return avg_pool2d(image.mean(dim=1, keepdim=True), size)


def spatial_consistency_paper(low: Tensor, enhanced: Tensor) -> Tensor:
    """L = 1/K sum_i sum_{j in 4 neighbours} (|Y_i - Y_j| - |I_i - I_j|)^2, 4 x 4 regions (eq. 4).

    Y, I: region means of enhanced and low.  Pairs across the border do not exist, so equal
    brightening is free.
    """
    y, i = _regions(enhanced, 4), _regions(low, 4)
    total = torch.zeros((), device=low.device)
    for dim in (2, 3):
        change = (y.diff(dim=dim).abs() - i.diff(dim=dim).abs()).square().sum()
        total = total + 2 * change  # each pair counts from both of its ends
    return total / y.numel()


def spatial_consistency_released(low: Tensor, enhanced: Tensor) -> Tensor:
    """L = 1/K sum_i sum_{j in 4 neighbours} ((Y_i - Y_j) - (I_i - I_j))^2, zeros beyond the border.

    Deviates from the paper in two ways: differences are signed, and the pooled maps are padded with
    zeros, so that a uniform brightening is punished at the border.
    """
    change = pad(_regions(enhanced, 4) - _regions(low, 4), (1, 1, 1, 1))
    centre = change[:, :, 1:-1, 1:-1]
    neighbours = (
        change[:, :, 1:-1, :-2],
        change[:, :, 1:-1, 2:],
        change[:, :, :-2, 1:-1],
        change[:, :, 2:, 1:-1],
    )
    return torch.stack([(centre - n).square() for n in neighbours]).sum(dim=0).mean()


def spatial_consistency_keras(low: Tensor, enhanced: Tensor) -> Tensor:
    """L = 1/K sum_i (4 d_i^2 + (d_i - d_left)^2 + (d_i - d_right)^2) / 3 with d = Y - I.

    Beyond the border there are zeros.

    What the Keras example computes: its 3 x 3 kernels are laid out in the wrong axis order and
    become 1 x 3 kernels with three outputs.  Vertical neighbours are never compared, and plain
    brightness change is punished.
    """
    d = pad(_regions(enhanced, 4) - _regions(low, 4), (1, 1))
    centre, left, right = d[..., 1:-1], d[..., :-2], d[..., 2:]
    return (4 * centre.square() + (centre - left).square() + (centre - right).square()).mean() / 3


def exposure_paper(enhanced: Tensor, *, target: float = 0.6, patch: int = 16) -> Tensor:
    """L = 1/M sum_k |Y_k - E| over patch x patch regions of mean intensity Y_k (eq. 5)."""
    return (_regions(enhanced, patch) - target).abs().mean()


def exposure_released(enhanced: Tensor, *, target: float = 0.6, patch: int = 16) -> Tensor:
    """L = 1/M sum_k (Y_k - E)^2: squared where the paper has the absolute value.

    The Keras example agrees.
    """
    return (_regions(enhanced, patch) - target).square().mean()


def color_constancy_paper(enhanced: Tensor) -> Tensor:
    """L = sum_{(p,q) in {RG, RB, GB}} (J_p - J_q)^2 with the channel means J (eq. 6).

    It is smooth on grey images.
    """
    red, green, blue = enhanced.mean(dim=(2, 3)).unbind(dim=1)
    return ((red - green).square() + (red - blue).square() + (green - blue).square()).mean()


def color_constancy_released(enhanced: Tensor) -> Tensor:
    """L = sqrt(sum_{(p,q)} (J_p - J_q)^4).  The Keras example agrees.

    Deviates from the paper by the root of fourth powers, whose gradient on an exactly grey image is
    0/0 = NaN.
    """
    red, green, blue = enhanced.mean(dim=(2, 3)).unbind(dim=1)
    fourth = (red - green) ** 4 + (red - blue) ** 4 + (green - blue) ** 4
    return fourth.sqrt().mean()


def _squared_steps(maps: Tensor) -> tuple[Tensor, Tensor]:
    return maps.diff(dim=2).square().sum(), maps.diff(dim=3).square().sum()


def illumination_smoothness_paper(curve_maps: Tensor) -> Tensor:
    """L = 1/N sum_n sum_{c in RGB} mean (|dA/dx| + |dA/dy|)^2, N maps a channel (eq. 7).

    Forward differences, taken where both exist; a map that all steps share counts as N = 1.
    """
    dy = curve_maps.diff(dim=2)[:, :, :, :-1].abs()
    dx = curve_maps.diff(dim=3)[:, :, :-1, :].abs()
    steps = max(curve_maps.shape[1] // 3, 1)
    return (dx + dy).square().mean(dim=(0, 2, 3)).sum() / steps


def illumination_smoothness_released(curve_maps: Tensor) -> Tensor:
    """L = 2/B (sum dA_y^2 / ((H - 1) W) + sum dA_x^2 / (H (W - 1))).

    Deviates from the paper: squares are summed over all maps but divided by one map's pixels, then
    doubled.
    """
    batch, _, height, width = curve_maps.shape
    vertical, horizontal = _squared_steps(curve_maps)
    return 2 * (vertical / ((height - 1) * width) + horizontal / (height * (width - 1))) / batch


def illumination_smoothness_keras(curve_maps: Tensor) -> Tensor:
    """L = 2/B (sum dA_y^2 / ((W - 1) C) + sum dA_x^2 / (W (C - 1))) with C maps.

    The released formula with its axes (for channels first) read on channels-last arrays, so that it
    divides by width and map count instead of height and width: about 11 times heavier at 256 x 256
    with 24 maps.
    """
    batch, maps, _, width = curve_maps.shape
    vertical, horizontal = _squared_steps(curve_maps)
    return 2 * (vertical / ((width - 1) * maps) + horizontal / (width * (maps - 1))) / batch


def ssim(low: Tensor, enhanced: Tensor) -> Tensor:
    """L = 1 - SSIM(low, enhanced), Wang et al. 2004.

    11 x 11 Gaussian, sigma 1.5, K1 = 0.01, K2 = 0.03, no padding.

    Measured against the dark input: it rewards leaving the picture as it is.
    """
    radius = torch.arange(11, dtype=low.dtype, device=low.device) - 5
    line = torch.softmax(-radius.square() / (2 * 1.5**2), dim=0)
    channels = low.shape[1]
    row = line.view(1, 1, 1, 11).expand(channels, 1, 1, 11)

    def blur(x: Tensor) -> Tensor:
        return conv2d(conv2d(x, row, groups=channels), row.transpose(2, 3), groups=channels)

    mean_x, mean_y = blur(low), blur(enhanced)
    product = mean_x * mean_y
    squares = mean_x.square() + mean_y.square()
    covariance = blur(low * enhanced) - product
    variances = blur(low.square() + enhanced.square()) - squares
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * product + c1) / (squares + c1)) * ((2 * covariance + c2) / (variances + c2))
    return 1 - similarity.mean()


def total_variation(enhanced: Tensor) -> Tensor:
    """L = 1/B sum (|dY/dy| + |dY/dx|) over pixels and channels: it grows with the picture.

    TensorFlow's documentation also sums it over the batch: its weight w is the weight w B here.
    """
    return (enhanced.diff(dim=2).abs().sum() + enhanced.diff(dim=3).abs().sum()) / enhanced.shape[0]


LOSSES: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (
        spatial_consistency_paper,
        spatial_consistency_released,
        spatial_consistency_keras,
        exposure_paper,
        exposure_released,
        color_constancy_paper,
        color_constancy_released,
        illumination_smoothness_paper,
        illumination_smoothness_released,
        illumination_smoothness_keras,
        ssim,
        total_variation,
    )
}


def loss_terms(
    losses: Mapping[str, Mapping[str, float]], tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Weighted terms by name: `weight * loss(...)` of the tensors that each formula names.

    losses: name -> {"weight": w, further arguments of the formula}; tensors: "low", "enhanced",
        "curve_maps" ...
    """
    terms = {}
    for name, options in losses.items():
        function = LOSSES[name]
        inputs = {k: tensors[k] for k in inspect.signature(function).parameters if k in tensors}
        arguments = {k: v for k, v in options.items() if k != "weight"}
        terms[name] = options["weight"] * function(**inputs, **arguments)
    return terms
