"""Dark captures made from clean photographs in linear light, as a camera would make them.

A photograph y is taken back to scene light, exposed again with less of it, disturbed by noise, and
developed by the same tone curve:

    L = srgb^-1(S_p^-1(y)),   s = 2^-stops · w · L + o,   s' = s + blur(n) · sqrt(g s + r²),
    dark = jpeg(round_8bit(S_p(srgb(s'))))

with S_p(v) = v^p / (v^p + (1 - v)^p), a camera's contrast curve with a closed inverse, and w the
gains of a wrong white balance. All ranges are physical: shot noise g = 1 / full-well electrons at
the ISO in use, read noise r as a fraction of clipping; both fall when a picture is shrunk. Nothing
in here was fitted to a data set.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from undim.errors import ConfigError
from undim.training.config import at_least, share


@dataclass(frozen=True)
class Darkening:
    """Ranges that one capture is drawn from; pairs are uniform, or log-uniform where said.

    Attributes:
        stops: how much less light than the photograph had, in exposure values.
        contrast: exponent p of the camera's tone curve; 1 is plain sRGB.
        cast: standard deviation of the log2 gain of each channel; all are then divided by green's.
        flare: largest black-level error, either sign, as a fraction of clipping times the
            exposure's gain.
        shot: variance of shot noise per unit of signal (log-uniform).
        read: ratio of the read noise's standard deviation to sqrt(shot) (log-uniform).
        blur: standard deviation, in pixels, of the filter that correlates the noise.
        jpeg: share of captures that are stored as JPEG.
        quality: of those JPEG files.
        subsampled: share of those JPEG files whose chroma is stored at half the size (4:2:0).
    """

    stops: tuple[float, float] = (2.0, 5.0)
    contrast: tuple[float, float] = (1.0, 1.5)
    cast: float = 0.1
    flare: float = 0.003
    shot: tuple[float, float] = (1e-5, 1e-3)
    read: tuple[float, float] = (0.02, 0.1)
    blur: tuple[float, float] = (0.0, 1.0)
    jpeg: float = 0.5
    quality: tuple[int, int] = (75, 98)
    subsampled: float = 0.0

    def __post_init__(self) -> None:
        # the reciprocal or the logarithm is taken of the first three
        least = {
            "contrast": 1e-9,
            "shot": 1e-12,
            "read": 1e-12,
            "stops": -32,
            "blur": 0,
            "quality": 1,
        }
        for key, lowest in least.items():
            low, high = getattr(self, key)
            highest = 100 if key == "quality" else 32
            if not lowest <= low <= high <= highest:
                expected = f"two values from {lowest:g} to {highest}, the smaller first"
                raise ConfigError(f"darkening.{key} = {[low, high]}: expected {expected}")
        at_least(0, **{"darkening.cast": self.cast, "darkening.flare": self.flare})
        share(**{"darkening.jpeg": self.jpeg, "darkening.subsampled": self.subsampled})


def srgb_to_linear(v: Tensor) -> Tensor:
    """The inverse sRGB transfer function, [0, 1] -> [0, 1] (IEC 61966-2-1)."""
    return torch.where(v <= 0.04045, v / 12.92, ((v.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: Tensor) -> Tensor:
    """The sRGB transfer function, [0, 1] -> [0, 1] (IEC 61966-2-1)."""
    return torch.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    )


def tone_curve(v: Tensor, p: Tensor) -> Tensor:
    """S_p(v) = v^p / (v^p + (1 - v)^p) on [0, 1].

    p > 1 adds contrast, and S_{1/p} is the inverse of S_p.
    """
    v = v.clamp(0, 1)
    low, high = v**p, (1 - v) ** p
    return low / (low + high)


def gaussian_blur(x: Tensor, sigma: Tensor, radius: int = 3) -> Tensor:
    """Blur (B, C, H, W) with one Gaussian per image, sigma (B,) in px.

    White noise keeps its variance.
    """
    t = torch.arange(-radius, radius + 1, dtype=x.dtype)
    k = torch.exp(-0.5 * (t / sigma.clamp_min(0.05)[:, None]) ** 2)
    k = k / k.square().sum(1, keepdim=True).sqrt()
    b, c, h, w = x.shape
    k = k.repeat_interleave(c, 0)[:, None]
    flat = F.pad(x.reshape(1, b * c, h, w), (radius,) * 4, mode="reflect")
    flat = F.conv2d(F.conv2d(flat, k[..., None], groups=b * c), k[:, :, None], groups=b * c)
    return flat.reshape(b, c, h, w)


def jpeg_round_trip(image: Tensor, quality: int, *, subsampled: bool = False) -> Tensor:
    """Store one (3, H, W) picture in [0, 1] as JPEG, chroma 4:4:4 or 4:2:0, and read it back."""
    array = (image.permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", quality=quality, subsampling=2 if subsampled else 0)
    return torch.from_numpy(np.asarray(Image.open(file)).astype(np.float32) / 255).permute(2, 0, 1)


def lamp_light(clean: Tensor, share: float, largest: float, generator: torch.Generator) -> Tensor:
    """Light sources for lone pixels: (B, 3, H, W) in linear light, 0 where there is no lamp.

    A `share` of the pictures gets lamps on up to `largest` of its pixels, more often few than many.
    A lamp is 1.2 to
    256 times as bright as white, so that it is white in the photograph and often still white in the
    dark capture: without lamps a bright pixel would always mean that nothing is dark.
    """
    b, _, h, w = clean.shape
    lit = (torch.rand(b, 1, 1, 1, generator=generator) < share) * torch.rand(
        b, 1, 1, 1, generator=generator
    ) ** 2
    here = torch.rand(b, 1, h, w, generator=generator) < largest * lit
    colour = 0.6 + 0.4 * torch.rand(b, 3, h, w, generator=generator)
    return here * colour * torch.exp2(1 + 7 * torch.rand(b, 1, h, w, generator=generator))


def darken(
    clean: Tensor,
    ranges: Darkening,
    generator: torch.Generator,
    *,
    noise: float = 1.0,
    lamps: Tensor | None = None,
    grain: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw one dark capture of every photograph.

    Args:
        clean: photographs (B, 3, H, W) in [0, 1], sRGB.
        ranges: what the captures are drawn from.
        generator: the source of all randomness.
        noise: factor on the noise's standard deviation: 1 for full size, 1 / n for a thumbnail n
            times smaller.
        lamps: light above clipping, in linear light, that the photographs could not record
            (`lamp_light`).
        grain: noise of unit variance, of the photographs' shape, in place of white noise that is
            blurred.

    Returns: The noisy 8-bit capture and the same capture without noise, quantisation and JPEG, both
        (B, 3, H, W) in [0, 1].
    """
    b = clean.shape[0]

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(b, 1, 1, 1, generator=generator)

    p = uniform(*ranges.contrast)
    gain = 2 ** -uniform(*ranges.stops)
    cast = 2 ** (ranges.cast * torch.randn(b, 3, 1, 1, generator=generator))
    cast = cast / cast[:, 1:2]
    shot = torch.exp(uniform(float(np.log(ranges.shot[0])), float(np.log(ranges.shot[1]))))
    read = shot.sqrt() * torch.exp(
        uniform(float(np.log(ranges.read[0])), float(np.log(ranges.read[1])))
    )
    offset = gain * uniform(-ranges.flare, ranges.flare)

    light = srgb_to_linear(tone_curve(clean, 1 / p))
    if lamps is not None:
        light = torch.maximum(light, lamps)
    signal = gain * cast * light + offset
    if grain is None:
        white = torch.randn(clean.shape, generator=generator)
        grain = gaussian_blur(white, uniform(*ranges.blur).flatten())
    disturbed = signal + noise * grain * (shot * signal.clamp_min(0) + read.square()).sqrt()

    ideal = tone_curve(linear_to_srgb(signal.clamp(0, 1)), p)
    dark = tone_curve(linear_to_srgb(disturbed.clamp(0, 1)), p)
    dark = (dark * 255).round() / 255
    stored = torch.rand(b, generator=generator) < ranges.jpeg
    quality = torch.randint(ranges.quality[0], ranges.quality[1] + 1, (b,), generator=generator)
    halved = (
        torch.rand(b, generator=generator) < ranges.subsampled
        if ranges.subsampled
        else torch.zeros(b)
    )
    for i in torch.nonzero(stored).flatten().tolist():
        dark[i] = jpeg_round_trip(dark[i], int(quality[i]), subsampled=bool(halved[i]))
    return dark, ideal
