"""Curve maps that do not flicker: estimated now and then, smoothed over time, set anew at a cut.

A network that sees one frame at a time gives each its own brightness, and the video pumps. Here
the maps follow

    maps(t) = maps(t - dt) + k (estimate - maps(t - dt)),    k = 1 - exp(-dt / SETTLE)

at constant cost, with dt from the timestamps, so that a variable frame rate changes nothing. The
curve would also amplify the small exposure steps of the video itself; so the maps are trimmed by a
few percent to keep the mean brightness of the result steady, while it may drift with the scene, and
by no more than the curve adds to it: a video that is left alone keeps its own brightness.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from undim.pixels.boxes import thumbnail as shrink
from undim.pixels.curve import apply_curves
from undim.pixels.samples import Float32

SETTLE = 0.5  # seconds in which the maps cover 63 % of the way to a new estimate
HOLD = 2.0  # seconds in which the brightness that is held covers 63 % of the way to a new one
INTERVAL = (
    0.2  # seconds between estimates; a cut is looked for on every frame and estimated at once
)
# distance from the brightness that is held, of full scale, at which the maps are trimmed no further
NEAR = 1e-5
# largest relative correction of the mean brightness: hides exposure steps, not changes of the scene
TRIM = 0.08
SHARE = 0.2  # largest relative change of the maps for it
SMALL = (
    32  # long side in pixels on which two frames are compared and the mean brightness is predicted
)
# structural difference, 0 for equal frames and 1 for unrelated ones, from which it is a cut
CUT = 0.5
JUMP = math.log(1.5)  # change of the mean brightness within one frame: a light was switched


class SteadyMaps:
    """The curve maps of one frame after another: `maps = steady(thumbnail, seconds)`.

    estimate    gives the maps of a thumbnail, (C, h, w) or (1, Z, h, w); where they do not vary,
                one place or level may stand for all: shapes may change within a video
    iterations  of the curve; `Enhancer.info.iterations`
    strength    at which the maps will be applied
    """

    def __init__(
        self, estimate: Callable[[Float32], Float32], *, iterations: int, strength: float = 1.0
    ) -> None:
        self._estimate = estimate
        self._iterations = iterations
        self._strength = strength
        self._scene: Float32 | None = None
        self._estimated = self._shown = 0.0

    def __call__(self, thumbnail: Float32, seconds: float) -> Float32:
        """The maps for the frame that is shown at `seconds`; its thumbnail is float32 (h, w, 3) in
        [0, 1].
        """
        small = shrink(thumbnail, SMALL)
        scene = small.mean(axis=2)
        cut = self._scene is None or is_cut(self._scene, scene)
        self._scene = scene
        if cut or seconds - self._estimated >= INTERVAL:
            self._target = self._estimate(thumbnail)
            self._estimated = seconds
        if cut:
            self._maps, self._level, self._shown = self._target, math.nan, seconds
        passed = max(0.0, seconds - self._shown)
        self._shown = seconds
        self._maps = self._maps + np.float32(1 - math.exp(-passed / SETTLE)) * (
            self._target - self._maps
        )
        return self._hold(small, 1 - math.exp(-passed / HOLD))

    def _hold(self, small: Float32, k: float) -> Float32:
        """Trim the maps so that the brightness they give follows its own running mean (the secant
        method).

        What brightens gets stronger by the share s while what darkens gets weaker, or the other way
        round: maps + s |maps|, since scaling both would move the brightness little where they are
        in balance.
        """
        bright = self._brightness(small, self._maps)
        if math.isnan(self._level):
            self._level = bright
        self._level += k * (bright - self._level)
        most = min(TRIM * bright, abs(bright - float(small.mean())))
        self._level = min(max(self._level, bright - most), bright + most)
        # Maps that are clipped at 1 answer to a lower s and not to a higher: it takes a few steps,
        # on the side needed.
        share, trial = 0.0, math.copysign(0.01, self._level - bright)
        for _ in range(4):
            if abs(self._level - bright) < NEAR:
                break
            brighter = self._brightness(small, self._trimmed(trial))
            slope = (brighter - bright) / (trial - share) if trial != share else 0.0
            if slope < 1e-3:  # there is nothing that could be trimmed
                break
            share, bright = trial, brighter
            trial = min(max(trial + (self._level - bright) / slope, -SHARE), SHARE)
        held: Float32 = np.clip(self._trimmed(share), -1, 1)
        return held

    def _trimmed(self, share: float) -> Float32:
        return (self._maps + share * np.abs(self._maps)).astype(np.float32)

    def _brightness(self, small: Float32, maps: Float32) -> float:
        curved = apply_curves(
            small,
            np.clip(maps, -1, 1),
            iterations=self._iterations,
            strength=self._strength,
            threads=1,
        )
        return float(curved.mean())


def is_cut(before: Float32, after: Float32) -> bool:
    """Whether two neighbouring frames, as small grey pictures (h, w) in [0, 1], show different
    scenes.

        difference = mean((x' - y')^2) / (var x + var y + noise),    x' = x - mean x

    is 1 - correlation for frames of equal contrast. It sees neither an exposure step nor sensor
    noise; a switched light is seen by the jump of the mean.
    """
    if before.shape != after.shape:
        return True
    floor = 4 / 255
    jump = abs(math.log((after.mean() + floor) / (before.mean() + floor)))
    x, y = before - before.mean(), after - after.mean()
    difference = ((x - y) ** 2).mean() / (x.var() + y.var() + (1 / 255) ** 2)
    return bool(jump > JUMP or difference > CUT)
