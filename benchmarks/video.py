"""What video costs and how it looks: flicker, noise, colour, time per frame and video, memory over a
long one.

    python benchmarks/video.py flicker --data ../shared/data/video
    python benchmarks/video.py noise   --data ../shared/data/video
    python benchmarks/video.py colour  --data ../shared/data/video
    python benchmarks/video.py speed   --data ../shared/data/video
    python benchmarks/video.py curve
    python benchmarks/video.py encoder --data ../shared/data/video
    python benchmarks/video.py soak    --gigabytes 2

Speeds are ratios of two things done in turn, in processor time too, since other work on the machine
disturbs the clock. The dark clip with known truth is `bright-indoor.mp4`, darkened in linear light
to a twelfth of its exposure, with shot noise of 2000 electrons full scale and 2.5 electrons of read
noise, 8 bit, H.264 at crf 10.
"""

from __future__ import annotations

import argparse
import importlib
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from undim.enhancer import Denoise, Enhancer
from undim.evaluation.clips import flicker
from undim.measure.metrics import psnr
from undim.pixels.curve import apply_curves
from undim.pixels.jobs import Curve, Levels, Yuv
from undim.video import FrameEnhancer
from undim.video.encoders import Encoding
from undim.video.frames import Brightener, eight_bits, planes_of, rgb16
from undim.video.source import Source
from undim.video.transcode import enhance_video

EXPOSURE, ELECTRONS, READ = 1 / 12, 2000.0, 2.5


def frames_of(path: Path, count: int, start: float = 0.0) -> Iterator[av.VideoFrame]:
    frames = (item for item in Source(path, start=start) if isinstance(item, av.VideoFrame))
    return (frame for frame, _ in zip(frames, range(count), strict=False))


def darken(bright: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A dark frame without and with noise, uint8, from a bright one, through linear light."""
    u = bright / 255.0
    linear = np.where(u <= 0.04045, u / 12.92, ((u + 0.055) / 1.055) ** 2.4)
    electrons = linear * EXPOSURE * ELECTRONS
    grain = rng.normal(size=electrons.shape) * np.sqrt(electrons + READ**2)

    def encode(signal: np.ndarray) -> np.ndarray:
        x = np.clip(signal / ELECTRONS, 0, 1)
        return np.rint(
            255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
        ).astype(np.uint8)

    return encode(electrons), encode(electrons + grain)


def write_dark(source: Path, target: Path, count: int, start: float = 0.0) -> Path:
    rng = np.random.default_rng(0)
    noisy = (darken(eight_bits(rgb16(frame)), rng)[1] for frame in frames_of(source, count, start))
    return write(target, (av.VideoFrame.from_ndarray(frame, "rgb24") for frame in noisy), crf=10)


def write_small(source: Path, target: Path) -> Path:
    """The same video in 640 x 360."""
    frames = frames_of(source, 10**9)
    return write(
        target,
        (frame.reformat(640, 360, "yuv420p", interpolation="AREA") for frame in frames),
        crf=16,
    )


def write(target: Path, frames: Iterator[av.VideoFrame], crf: int) -> Path:
    with av.open(target, "w") as container:
        stream = container.add_stream(
            "libx264", rate=30, options={"crf": str(crf), "preset": "veryfast"}
        )
        for frame in frames:
            if not stream.codec_context.is_open:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            frame.pict_type = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target


def brightness(path: Path) -> np.ndarray:
    return np.array([rgb16(frame).mean() / 257 for frame in frames_of(path, 10**9)])


def measure_flicker(data: Path, model: str) -> None:
    """Of the files that are written, read again: what a viewer gets."""
    enhancer = Enhancer(model)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        clips = {
            "indoor, darkened, 0 to 5 s": write_dark(
                data / "bright-indoor.mp4", work / "a.mp4", 150
            ),
            "indoor, darkened, 10 to 15 s": write_dark(
                data / "bright-indoor.mp4", work / "b.mp4", 150, 10.0
            ),
            "night-1080p-h264": data / "night-1080p-h264.mp4",
            "dusk-1080p-hevc": data / "dusk-1080p-hevc.mp4",
        }
        print(
            f"{'flicker in levels (percent)':<32}{'input':>18}{'frame by frame':>18}{'smoothed':>18}"
        )
        for name, clip in clips.items():
            means = [brightness(clip)]
            for smooth in (False, True):
                encoding = Encoding(codec="h264", crf=14, preset="veryfast")
                out = work / f"{clip.stem}-{smooth}.mp4"
                enhance_video(
                    clip, out, enhancer=enhancer, smooth=smooth, denoise="off", encoding=encoding
                )
                means.append(brightness(out))
            cells = [f"{flicker(m):.4f} ({flicker(100 * np.log(m)):.3f})" for m in means]
            print(f"{name:<32}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def in_yuv(rgb: np.ndarray, index: int = 0) -> av.VideoFrame:
    """RGB (H, W, 3) uint8 as a frame of 8 bits, 4:2:0, the `index`th of thirty a second."""
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
        format="yuv420p", interpolation="AREA"
    )
    frame.pts, frame.time_base = index, Fraction(1, 30)
    return frame


def measure_noise(data: Path, model: str) -> None:
    """PSNR per frame of the brightened noisy clip against the brightened clean one, same maps, and
    to the truth.
    """
    enhancer, rng = Enhancer(model), np.random.default_rng(0)
    bright = [eight_bits(rgb16(frame)) for frame in frames_of(data / "bright-indoor.mp4", 40, 10.0)]
    pairs = [darken(frame, rng) for frame in bright]
    rows: dict[str, list[tuple[float, float]]] = {}

    def stream(dark: list[np.ndarray], denoise: Denoise) -> list[np.ndarray]:
        brighten = Brightener(FrameEnhancer(enhancer, denoise=denoise))
        frames = [in_yuv(frame, index) for index, frame in enumerate(dark)]
        size = (frames[0].width, frames[0].height)
        return [eight_bits(rgb16(brighten(frame, size=size, format="yuv420p"))) for frame in frames]

    noisy, clean = [noisy for _, noisy in pairs], [clean for clean, _ in pairs]
    wanted = stream(clean, "off")
    alone = [enhancer(eight_bits(rgb16(in_yuv(frame))), denoise=0.25) for frame in noisy]
    results = {
        f"video --denoise {denoise}": stream(noisy, denoise)
        for denoise in ("off", "auto", 0.25, 1.0)
    }
    for name, got in {**results, "each frame alone, filter 0.25": alone}.items():
        rows[name] = [
            (psnr(g, w, data_range=255), psnr(g, t, data_range=255))
            for g, w, t in zip(got, wanted, bright, strict=True)
        ]
    print(f"{'PSNR in dB, frames 10 to 39':<34}{'to noise-free':>16}{'to the bright truth':>22}")
    for name, values in rows.items():
        to_clean, to_truth = np.mean(values[10:], axis=0)
        print(f"{name:<34}{to_clean:16.2f}{to_truth:22.2f}")


class OneCurve(FrameEnhancer):
    """The same maps for every frame, and the choice whether planes of YUV are brightened where they
    are.
    """

    def __init__(self, enhancer: Enhancer, maps: np.ndarray, takes_yuv: bool) -> None:
        super().__init__(enhancer, denoise="off")
        self._fixed, self._takes_yuv = maps, takes_yuv

    @property
    def takes_yuv(self) -> bool:
        return self._takes_yuv

    def _maps(self, small: np.ndarray, seconds: float) -> np.ndarray:
        return self._fixed


def measure_colour(data: Path, model: str) -> None:
    """In 4:2:0 of 10 bits, in YUV and by way of RGB, against what was brightened in 4:4:4 before it
    was halved.
    """
    enhancer, rng = Enhancer(model), np.random.default_rng(0)
    matrix = np.array(
        [[0.2126, 0.7152, 0.0722], [-0.114572, -0.385428, 0.5], [0.5, -0.454153, -0.045847]]
    )

    def in_420(rgb: np.ndarray) -> list[np.ndarray]:
        yuv = rgb @ matrix.T * [876, 896, 896] + [64, 512, 512]
        halved = yuv.reshape(rgb.shape[0] // 2, 2, rgb.shape[1] // 2, 2, 3).mean(axis=(1, 3))
        return [yuv[..., 0], halved[..., 1], halved[..., 2]]

    pictures = {}
    for name, start in (("night-1080p-h264", 2.0), ("dusk-1080p-hevc", 1.0)):
        whole = rgb16(next(frames_of(data / f"{name}.mp4", 1, start))) / 65535
        pictures[name] = whole.reshape(540, 2, 960, 2, 3).mean(axis=(1, 3))
    pictures["dusk, a quarter of the light"] = pictures["dusk-1080p-hevc"] / 4
    boxes = pictures["boxes of random dark colours"] = np.zeros((540, 960, 3))
    for top, left, height, width in rng.integers([0, 0, 2, 2], [530, 950, 60, 60], (600, 4)):
        boxes[top : top + height, left : left + width] = 0.5 * rng.random(3)
    print(f"{'PSNR in dB of luma, chroma':<32}{'in YUV':>18}{'by way of RGB':>18}")
    for name, rgb in pictures.items():
        maps = enhancer.curve_maps(rgb.astype(np.float32))
        wanted = in_420(
            apply_curves(rgb.astype(np.float32), maps, iterations=enhancer.info.iterations)
        )
        cells = []
        for takes_yuv in (True, False):
            frame = av.VideoFrame(960, 540, "yuv420p10le")
            for plane, samples in zip(planes_of(frame), in_420(rgb), strict=True):
                plane[...] = np.rint(samples)
            frame.pts, frame.time_base, frame.colorspace, frame.color_range = (
                0,
                Fraction(1, 30),
                1,
                1,
            )
            brighten = Brightener(OneCurve(enhancer, maps, takes_yuv))
            got = planes_of(brighten(frame, size=(960, 540), format="yuv420p10le"))
            squares = [np.mean((g - w) ** 2) for g, w in zip(got, wanted, strict=True)]
            luma, chroma = (
                10 * np.log10(876**2 / square) for square in (squares[0], np.mean(squares[1:]))
            )
            cells.append(f"{luma:.1f}, {chroma:.1f}")
        print(f"{name:<32}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def grainy(frame: av.VideoFrame) -> np.ndarray:
    """The frame in 8 bits with noise of 2 levels, RGB."""
    grain = np.random.default_rng(0).normal(0, 2, (frame.height, frame.width, 3))
    return np.rint(eight_bits(rgb16(frame)) + grain).clip(0, 255).astype(np.uint8)


def in_turn(times: int, *works: Callable[[], object]) -> np.ndarray:
    """Processor time and time on the clock, in seconds, of each work in each round: (times, works,
    2).

    Each round begins one work later than the one before: what comes first, or after what, is worth
    5 percent here.
    """
    spent = np.empty((times, len(works), 2))
    for start, measured in enumerate(spent):
        for index in np.roll(np.arange(len(works)), -start):
            used, begun = time.process_time(), time.perf_counter()
            works[index]()
            measured[index] = time.process_time() - used, time.perf_counter() - begun
    return spent


def measure_speed(data: Path, model: str) -> None:
    """Processor time is that of all threads; on two free cores the clock shows half of it."""
    enhancer, clip = Enhancer(model), data / "night-1080p-h264.mp4"
    frames = [
        grainy(frame) for frame in frames_of(clip, 16)
    ]  # else there would be nothing to average
    for denoise in ("off", "auto", 0.25):
        brightener = Brightener(FrameEnhancer(enhancer, denoise=denoise))
        spent = []
        for index in range(96):
            frame = in_yuv(frames[index % 16], index)
            used, begun = time.process_time(), time.perf_counter()
            brightener(frame, size=(1920, 1080), format="yuv420p")
            spent.append((1e3 * (time.process_time() - used), 1e3 * (time.perf_counter() - begun)))
        (cpu, clock), (least, fastest) = np.percentile(spent, 25, axis=0), np.min(spent, axis=0)
        print(
            f"1080p frame, --denoise {denoise}: processor {cpu:.1f} ms, clock {clock:.1f} ms (lower quartile);"
        )
        print(f"    at least {least:.1f} ms and {fastest:.1f} ms", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for path in (
            clip,
            write_small(clip, Path(folder) / "night-360p.mp4"),
            data / "bright-indoor.mp4",
        ):
            measure_transcode(path, model)


def measure_transcode(clip: Path, model: str) -> None:
    """Ratios to the same transcode in a plain loop, of the first two seconds of 1080p or twelve of
    less.
    """
    enhancer, end = Enhancer(model), 2.0 if Source(clip).video.height >= 1080 else 12.0
    for preset in ("medium", "veryfast"):
        with tempfile.TemporaryDirectory() as folder:
            plain, bright, again, same = (
                Path(folder) / f"{name}.mp4" for name in ("plain", "bright", "again", "same")
            )
            given = {
                "enhancer": enhancer,
                "encoding": Encoding(preset=preset),
                "end": end,
                "overwrite": True,
            }
            convert = partial(enhance_video, clip, bright, **given)
            frames = convert().frames
            works = {
                "the dark clip": partial(transcode, clip, plain, preset, end),
                "the bright clip": partial(transcode, bright, again, preset, end),
                "undim --strength 0": partial(enhance_video, clip, same, strength=0.0, **given),
                "undim": convert,
            }
            spent = in_turn(8, *works.values())
        medians, ratios = (
            np.median(1e3 * spent / frames, axis=0),
            np.median(spent / spent[:, :1], axis=0),
        )
        print(
            f"transcode of {clip.name}, {preset}: processor and clock, ms per frame; ratios to the dark clip;"
        )
        print("    medians of 8 rounds")
        for name, (cpu, clock), (of_cpu, of_clock) in zip(works, medians, ratios, strict=True):
            print(
                f"    {name:<18} {cpu:6.1f} {clock:6.1f} {of_cpu:5.2f} {of_clock:5.2f}", flush=True
            )


def measure_curve() -> None:
    """Eight steps of the curve alone on one core, with each instruction set; in integers on 8 bits
    where it can.
    """
    native = importlib.import_module("undim.pixels._native")
    sets, rng = native.instruction_sets(), np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "8 numbers": (8, 1, 1),
        "8 maps": (8, 36, 64),
        "24 maps": (24, 36, 64),
        **{f"1 map at {count} levels": (1, count, 16, 21) for count in (1, 8, 12, 16)},
    }
    for depth in (8, 10):
        levels, dtype = Levels.of(depth, full=False), np.uint8 if depth == 8 else np.uint16
        planes = [
            rng.integers(0, 2**depth, shape).astype(dtype)
            for shape in ((1080, 1920), (540, 960), (540, 960))
        ]
        dark, bright = (
            Yuv([plane.copy() for plane in planes], levels, (0.2126, 0.0722)) for _ in range(2)
        )
        for name, shape in shapes.items():
            curve = Curve.of(rng.uniform(0, 0.5, shape).astype(np.float32))
            works = [partial(native.brighten_yuv, dark, bright, curve, 1, each) for each in sets]
            spent = 1e3 * np.median(in_turn(50, *works), axis=0)
            cells = [f"{each} {cpu:.2f} ms" for each, (cpu, _) in zip(sets, spent, strict=True)]
            print(f"1080p, {depth} bits, {name}: {', '.join(cells)}", flush=True)


def measure_encoder(data: Path, model: str) -> None:
    """What brightness itself costs the encoder: frames in memory, before and after, nothing but
    encoded.
    """
    brighten = Brightener(FrameEnhancer(Enhancer(model)))
    size, clip = (1920, 1080), data / "night-1080p-h264.mp4"
    dark = list(frames_of(clip, 48))
    bright = [brighten(frame, size=size, format="yuv420p") for frame in frames_of(clip, 48)]
    for preset in ("medium", "veryfast"):
        works = partial(encode, dark, preset), partial(encode, bright, preset)
        before, after = in_turn(4, *works)[..., 0].min(axis=0)
        more = encode(bright, preset) / encode(dark, preset)
        print(
            f"encoder alone, {preset}: {1e3 * before / 48:.1f} ms of processor time per dark frame,",
            flush=True,
        )
        print(
            f"    {1e3 * after / 48:.1f} per bright one: {after / before:.2f} times; {more:.2f} times the bytes"
        )


def encode(frames: list[av.VideoFrame], preset: str) -> int:
    """The size of the frames in bytes, encoded as undim does by default."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as writer:
        stream = writer.add_stream("libx264", rate=30, options={"preset": preset, "crf": "20"})
        stream.width, stream.height, stream.thread_type = frames[0].width, frames[0].height, "AUTO"
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.pict_type = index, Fraction(1, 30), 0
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    return file.tell()


def transcode(source: Path, target: Path, preset: str, end: float) -> None:
    """The same decoder, encoder and settings, and nothing between; up to `end` seconds."""
    with av.open(source) as reader, av.open(target, "w") as writer:
        video = reader.streams.video[0]
        video.thread_type = "AUTO"
        stream = writer.add_stream(
            "libx264", rate=video.average_rate, options={"preset": preset, "crf": "20"}
        )
        stream.width, stream.height, stream.thread_type = video.width, video.height, "AUTO"
        for frame in reader.decode(video):
            if frame.time >= end:
                break
            frame.pict_type = 0
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))


def soak(gigabytes: float, model: str) -> None:
    """A long dark video of that much raw picture data through the whole pipeline; the process's
    memory as it goes.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "long.mp4", Path(folder) / "bright.mp4"
        seconds = int(gigabytes * 1e9 / (320 * 180 * 1.5 * 25))
        make = [
            "ffmpeg",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            f"testsrc2=s=320x180:r=25:d={seconds},lutyuv=y=16+(val-16)/4",
            "-f",
            "lavfi",
        ]
        make += [
            "-i",
            f"sine=440:d={seconds}",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-c:a",
            "aac",
            source,
        ]
        subprocess.run(make, check=True)
        page, samples = resource.getpagesize(), []

        def progress(done: int, expected: int | None) -> None:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * page / 1e6
            if not samples or done - samples[-1][0] >= 2500:
                samples.append((done, resident))
                print(f"{done:7d} of {expected} frames: {resident:6.0f} MB", flush=True)

        report = enhance_video(source, target, enhancer=Enhancer(model), progress=progress,
                               encoding=Encoding(preset="ultrafast"))  # fmt: skip
        settled = [megabytes for done, megabytes in samples if done > report.frames / 10]
        print(
            f"{report.frames} frames; memory after the first tenth: {min(settled):.0f} to {max(settled):.0f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", choices=["flicker", "noise", "colour", "speed", "curve", "encoder", "soak"]
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/video"))
    parser.add_argument("--model", default="undim")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    chosen = parser.parse_args()
    if chosen.what == "soak":
        soak(chosen.gigabytes, chosen.model)
    elif chosen.what == "curve":
        measure_curve()
    else:
        work = {
            "flicker": measure_flicker,
            "noise": measure_noise,
            "colour": measure_colour,
            "speed": measure_speed,
            "encoder": measure_encoder,
        }[chosen.what]
        work(chosen.data, chosen.model)


if __name__ == "__main__":
    sys.exit(main())
