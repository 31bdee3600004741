"""Scene-linear panoramas, and what a camera that stands in them would see: perspective crops.

A panorama (equirectangular, 2:1) holds radiance far beyond what a photograph can: of a crop of it
one knows what the camera clipped and what its shadows held.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undim.errors import DataError
from undim.training.data.radiance import Radiance

HELD_OUT = (
    "aircraft_workshop_01.hdr",
    "anniversary_lounge.hdr",
    "artist_workshop.hdr",
    "autoshop_01.hdr",
    "blaubeuren_night.hdr",
    "cave_wall.hdr",
    "comfy_cafe.hdr",
    "dikhololo_night.hdr",
    "evening_meadow.hdr",
    "fireplace.hdr",
    "hotel_room.exr",
    "kiara_1_dawn.hdr",
    "lythwood_room.hdr",
    "mossy_forest.hdr",
    "noon_grass.hdr",
    "parking_garage.hdr",
    "pillars.hdr",
    "potsdamer_platz.hdr",
    "shanghai_bund.hdr",
    "urban_street_01.hdr",
    "venice_sunset.hdr",
)
# Small copies, with dots at the sun, of places of which two are held out.
LEFT_OUT = (
    "npm_sunset_Venice_piazza.exr",
    "npm_venice_waterfront.exr",
    "npm_workshop_factory_hall.exr",
)


@dataclass(frozen=True)
class Camera:
    """Ranges of a crop's view, each drawn uniformly.

    Attributes:
        width: horizontal angle of view in degrees; a crop of a turned camera has it along its
            height.
        pitch: how far above the horizon the camera looks, in degrees.
        roll: standard deviation of its tilt, in degrees.
        clip: radiance above so many times the crop's 99th percentile is cut off: the sun and lamps
            are 1e5 times the rest, and an average would spread them over their surroundings.
    """

    width: tuple[float, float] = (45.0, 95.0)
    pitch: tuple[float, float] = (-18.0, 22.0)
    roll: float = 4.0
    clip: float = 16.0


def find_panoramas(folder: str | Path, *, held_out: bool = False) -> list[Path]:
    """The panoramas of a folder that training may see, or those that are held out, in order of
    their names.
    """
    files = sorted(p for p in Path(folder).iterdir() if p.suffix in (".hdr", ".exr"))
    if not files:
        raise DataError(f"{folder} holds no panoramas (.hdr, .exr)")
    if held_out:
        return [p for p in files if p.name in HELD_OUT]
    return [p for p in files if p.name not in HELD_OUT + LEFT_OUT]


def view(
    panorama: Radiance, shape: tuple[int, int], angles: Sequence[float], clip: float
) -> Radiance:
    """What a pinhole camera sees: (height, width, 3).

    With the ray of a pixel, r = R_yaw R_pitch R_roll (x, y, 1) for x in [-t, t] and
    t = tan(width / 2), the panorama is looked up at longitude atan2(r_x, r_z) and latitude
    asin(r_y / |r|), bilinearly, at 2 x 2 points a pixel, whose radiance is clipped and averaged.

    Args:
        panorama: (H, W, 3).
        shape: height and width of the view in pixels.
        angles: width, yaw, pitch and roll in degrees.
        clip: in multiples of the 99th percentile of the view's brightest channel.
    """
    height, width = shape[0] * 2, shape[1] * 2
    tangent = math.tan(math.radians(angles[0]) / 2)
    x, y = np.meshgrid(
        ((np.arange(width) + 0.5) / width * 2 - 1) * tangent,
        ((np.arange(height) + 0.5) / height * 2 - 1) * tangent * height / width,
    )
    rays = np.stack([x, y, np.ones_like(x)], -1) @ _rotation(*np.radians(angles[1:])).T
    longitude = np.arctan2(rays[..., 0], rays[..., 2])
    latitude = np.arcsin(rays[..., 1] / np.linalg.norm(rays, axis=-1))
    seen = _look_up(panorama, latitude / math.pi + 0.5, longitude / (2 * math.pi) + 0.5)
    seen = np.minimum(seen, clip * np.quantile(seen.max(-1), 0.99) + 1e-9)
    small: Radiance = seen.reshape(shape[0], 2, shape[1], 2, 3).mean((1, 3)).astype(np.float32)
    return small


def draw_views(
    panorama: Radiance,
    count: int,
    shape: tuple[int, int],
    random: np.random.Generator,
    camera: Camera,
) -> Radiance:
    """Views of a panorama (count, height, width, 3), spread evenly around it; every third by a
    camera turned by 90.
    """
    turn = random.uniform(0, 360)
    views = []
    for i in range(count):
        roll = random.normal(0, camera.roll) + (0, 0, 90)[i % 3]
        angles = (
            random.uniform(*camera.width),
            turn + 360 * (i + random.uniform()) / count,
            random.uniform(*camera.pitch),
            roll,
        )
        views.append(view(panorama, shape, angles, camera.clip))
    return np.stack(views)


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    c, s = np.cos, np.sin
    around_y = np.array([[c(yaw), 0, s(yaw)], [0, 1, 0], [-s(yaw), 0, c(yaw)]])
    around_x = np.array([[1, 0, 0], [0, c(pitch), -s(pitch)], [0, s(pitch), c(pitch)]])
    around_z = np.array([[c(roll), -s(roll), 0], [s(roll), c(roll), 0], [0, 0, 1]])
    product: NDArray[np.float64] = around_y @ around_x @ around_z
    return product


def _look_up(
    panorama: Radiance, down: NDArray[np.float64], across: NDArray[np.float64]
) -> Radiance:
    """Bilinear samples at shares in [0, 1] of the height and of the width, which wraps around."""
    height, width = panorama.shape[:2]
    row = np.clip(down * height - 0.5, 0, height - 1)
    column = across * width - 0.5
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    fy, fx = (row - top)[..., None], (column - left)[..., None]
    bottom, right = np.minimum(top + 1, height - 1), (left + 1) % width
    left = left % width
    upper = panorama[top, left] * (1 - fx) + panorama[top, right] * fx
    lower = panorama[bottom, left] * (1 - fx) + panorama[bottom, right] * fx
    samples: Radiance = upper * (1 - fy) + lower * fy
    return samples
