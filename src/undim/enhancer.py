"""The one inference path: whatever undim enhances, measures or serves, photograph or video, goes
through `Enhancer`.

    image -> [denoise] -> thumbnail -> network -> curve maps -> the curve at full resolution ->
    [learned denoiser]

Curve maps are smooth, so they are estimated on a thumbnail (area average, long side `maps`) and
applied to every pixel of the image; `maps="full"` estimates at the image's own size instead, tile
by tile with the nets of Zero-DCE, which see no further than 7 px, and at once with others. Maps of
other nets may have levels of brightness and any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

import numpy as np
import PIL.Image

from undim import images
from undim.errors import InputError, OutputError
from undim.model.denoiser import LearnedDenoiser
from undim.model.pretrained import DEFAULT, model_path
from undim.model.runtime import CurveEstimator
from undim.model.tiles import Tile, tiles
from undim.pixels.boxes import thumbnail
from undim.pixels.curve import apply_curves
from undim.pixels.filter import BRIGHTNESS, COLOUR, filter_and_apply
from undim.pixels.noise import estimate_noise, matched_eps, noise_added
from undim.pixels.samples import Float32, Image, check_image, to_unit

# How far around a pixel a net sees: seven 3 x 3 convolutions, 7 px. Other nets may look at the
# whole picture.
REACH = {"DCENet": 7, "DCENetPP": 7}
WHOLE_EPS = 4e-4  # of the filter for `denoise=1`: that of the null model
QUANTISATION = (
    1 / 12 / 255**2
)  # the variance that rounding to 8 bits adds: a smaller eps filters nothing that shows

Denoise = float | Literal["auto", "off", "learned"]
Picture = TypeVar("Picture", bytes, Image, PIL.Image.Image)


class Enhancer:
    """A model ready to brighten pictures. Keep one for many pictures; threads may share it.

    model    a name from `undim.model.pretrained.MODELS` or the path of an undim .onnx file
    device   "auto", "cpu" or "cuda"; the attribute `device` says which one is used
    maps     long side in pixels of the thumbnail on which the curve maps are estimated, or "full";
             default: the size the model was made for
    threads  default: the cores this process may use
    """

    def __init__(
        self,
        model: str | Path = DEFAULT,
        *,
        device: str = "auto",
        maps: int | Literal["full"] | None = None,
        threads: int | None = None,
    ) -> None:
        if maps is not None and maps != "full" and maps < 1:
            raise InputError(
                f"got maps={maps}, expected a long side of at least 1 pixel, or 'full'"
            )
        self._estimator = CurveEstimator(model, device=device, threads=threads)
        self.info = self._estimator.info
        self.device = self._estimator.device
        self.maps = self.info.maps_size if maps is None else maps
        self.threads = threads

    @overload
    def __call__(
        self,
        image: str | Path,
        *,
        strength: float = ...,
        denoise: Denoise = ...,
        output: str | Path | None = ...,
    ) -> Path: ...
    @overload
    def __call__(
        self, image: Picture, *, strength: float = ..., denoise: Denoise = ...
    ) -> Picture: ...

    def __call__(
        self,
        image: Any,
        *,
        strength: float = 1.0,
        denoise: Denoise = "auto",
        output: str | Path | None = None,
    ) -> Any:
        """The enhanced picture, of the type that came in.

        image     an array (H, W, 3), RGB, uint8, uint16 or float32 in [0, 1]; a PIL image; the
                  bytes of a picture file; or its path, and then the result is the path of a new
                  file
        strength  0 gives back the input bit for bit, 1 what the model says, up to 1.5
        denoise   how much noise is filtered away before the curve amplifies it: "off", "auto" or 0
                  to 1; or "learned": "auto", and then a network at full size, which takes seconds
                  at 12 megapixels
        output    for a path: the new file; default: `night.undim.jpg` beside `night.jpg`. An
                  earlier result of that name is replaced, the input itself never
        """
        if not isinstance(image, np.ndarray | PIL.Image.Image | bytes | str | Path):
            raise InputError(
                f"got {type(image).__name__}, expected an array, a PIL image, bytes or a path"
            )
        if output is not None and not isinstance(image, str | Path):
            raise InputError(
                f"got output={output!r} with {type(image).__name__}, expected it with a path only"
            )
        if isinstance(image, np.ndarray):
            return self._enhance(image, strength, denoise)
        if isinstance(image, PIL.Image.Image):
            picture = images.from_pil(image)
            return images.to_pil(
                picture.with_pixels(self._enhance(picture.pixels, strength, denoise)), image
            )
        picture = images.decode(image)
        picture = picture.with_pixels(self._enhance(picture.pixels, strength, denoise))
        if isinstance(image, bytes):
            return images.encode(picture)
        source = Path(image)
        target = Path(output) if output else images.output_beside(source)
        if target.exists() and target.samefile(source):
            raise OutputError(f"got {target} as output, which is the input; choose another name")
        format = images.format_named(target.suffix) if output else None
        return images.write_atomically(target, images.encode(picture, format), overwrite=True)

    def curve_maps(self, image: Image) -> Float32:
        """The curve maps in [-1, 1] that the model estimates for an image, at strength 1.

        (C, h, w), or (1, Z, h, w) at Z levels of brightness, as `undim.apply_curves` takes them.
        """
        check_image(image)
        if self.maps != "full":
            return self._estimator(thumbnail(image, self.maps, threads=self.threads))
        if not self._in_tiles:
            return self._estimator(to_unit(image))
        whole = np.empty((0, *image.shape[:2]), np.float32)
        for tile, maps in self._estimates(image):
            if not len(whole):
                whole = np.empty((len(maps), *image.shape[:2]), np.float32)
            whole[:, *tile.core] = maps[:, *tile.inner]
        return whole

    @property
    def long_side(self) -> int:
        """Of the thumbnail, in pixels; with `maps="full"` of the one that sets the filter."""
        return self.info.maps_size if self.maps == "full" else self.maps

    @cached_property
    def _denoiser(self) -> LearnedDenoiser:
        return LearnedDenoiser(device=self.device, threads=self.threads)

    def apply(self, image: Image, curve_maps: Float32, strength: float, eps: float) -> Image:
        """Apply a curve to the image, after the filter of brightness and colour differences.

        eps   between that of brightness, half of it, and that of colour, twice it; 0 leaves the
              filter out
        """
        n, threads = self.info.iterations, self.threads
        if eps > 0:
            return filter_and_apply(
                image,
                curve_maps,
                iterations=n,
                strength=strength,
                eps=BRIGHTNESS * eps,
                chroma_eps=COLOUR * eps,
                threads=threads,
            )
        return apply_curves(image, curve_maps, iterations=n, strength=strength, threads=threads)

    def _filter_eps(self, image: Image, denoise: Denoise, added: float) -> float:
        """The guided filter's eps, between those of brightness and colour; 0 for none.

        "auto", and "learned" before its network, take the eps that suits the noise found in the
        image, times the share of it that the curve adds where it lifts: what is hardly lifted is
        hardly filtered.
        """
        if denoise in ("auto", "learned"):
            eps = matched_eps(estimate_noise(image)) * added
        else:
            eps = 0.0 if denoise == "off" else WHOLE_EPS * float(denoise)
        return eps if eps > QUANTISATION else 0.0

    @property
    def _in_tiles(self) -> bool:
        return self.maps == "full" and self.info.net in REACH

    def _estimates(self, image: Image) -> Iterator[tuple[Tile, Float32]]:
        """The tiles of an image, each with the curve maps of what is around it."""
        for tile in tiles(*image.shape[:2], halo=REACH[self.info.net]):
            yield tile, self._estimator(to_unit(image[tile.around]))

    def _enhance(self, image: Image, strength: float, denoise: Denoise) -> Image:
        check_image(image)
        number = isinstance(denoise, int | float | np.number) and 0 <= denoise <= 1
        if not (number or denoise in ("auto", "off", "learned")):
            raise InputError(
                f"got denoise={denoise!r}, "
                "expected 'auto', 'off', 'learned' or a number from 0 to 1"
            )
        if strength == 0:
            return image.copy()
        small = thumbnail(image, self.long_side, threads=self.threads)
        curve_maps = self._estimator(small)
        added = 0.0
        if denoise in ("auto", "learned"):
            n = self.info.iterations
            bright = apply_curves(small, curve_maps, iterations=n, strength=strength, threads=1)
            added = noise_added(small, bright)
        eps = self._filter_eps(image, denoise, added)
        if self._in_tiles:
            brighten = partial(self._apply_in_tiles, image, strength)
        else:
            if self.maps == "full":
                curve_maps = self.curve_maps(image)
            brighten = partial(self.apply, image, curve_maps, strength)
        if denoise == "learned":
            return self._denoiser(brighten(0.0), brighten(eps), added)
        return brighten(eps)

    def _apply_in_tiles(self, image: Image, strength: float, eps: float) -> Image:
        """Tile by tile, so that memory does not grow with maps of the image's own size."""
        bright = np.empty_like(image)
        for tile, maps in self._estimates(image):
            applied = self.apply(image[tile.around], maps, strength, eps)
            bright[tile.core] = applied[tile.inner]
        return bright


@overload
def enhance(
    image: str | Path,
    *,
    model: str | Path = ...,
    strength: float = ...,
    denoise: Denoise = ...,
    output: str | Path | None = ...,
) -> Path: ...
@overload
def enhance(
    image: Picture, *, model: str | Path = ..., strength: float = ..., denoise: Denoise = ...
) -> Picture: ...


def enhance(
    image: Any,
    *,
    model: str | Path = DEFAULT,
    strength: float = 1.0,
    denoise: Denoise = "auto",
    output: str | Path | None = None,
) -> Any:
    """Enhance one picture; the model stays loaded for the next. The arguments are those of
    `Enhancer`.
    """
    path = model_path(model).resolve()
    return _enhancer(path, path.stat().st_mtime_ns)(
        image, strength=strength, denoise=denoise, output=output
    )


@lru_cache(maxsize=4)
def _enhancer(model: Path, written: int) -> Enhancer:
    """An enhancer for a model's file as it was written at that time: a net trained anew is another
    one.
    """
    return Enhancer(model)
