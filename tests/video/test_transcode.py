"""Whole files, judged by ffprobe: every stream, timestamp, tag and turn of the input is in the
output.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="needs the extra [video]")
import av

from undim.enhancer import Enhancer
from undim.errors import InputError, OutputError
from undim.video.encoders import Encoding
from undim.video.stills import before_after
from undim.video.transcode import Report, enhance_video

pytestmark = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")),
    reason="needs ffmpeg and ffprobe to make and judge clips",
)

SUBTITLES = "1\n00:00:00,200 --> 00:00:00,900\nHallo\n\n2\n00:00:01,000 --> 00:00:01,700\nWelt\n"
CHAPTERS = (
    ";FFMETADATA1\ntitle=Night\nartist=Someone\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two\n"
)

H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def picture(size: str = "128x72", rate: int = 25, seconds: float = 1) -> list[str]:
    """A moving test picture, darkened."""
    darken = "format=gbrp,colorlevels=romax=0.4:gomax=0.4:bomax=0.4"
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds},{darken}"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny files of all the kinds that go wrong elsewhere."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "subtitles.srt").write_text(SUBTITLES)
    (folder / "chapters.txt").write_text(CHAPTERS)
    two = folder / "two-languages.mp4"
    sound = [*("-f", "lavfi", "-i", "sine=440:d=2"), *("-f", "lavfi", "-i", "sine=880:d=2")]
    ffmpeg(*picture(seconds=2), *sound, *("-map", "0", "-map", "1", "-map", "2", *H264, "-c:a", "aac"),
           *("-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra", "-metadata", "title=Zwei Sprachen"),
           *("-disposition:a:0", "0", "-disposition:a:1", "default"), two)  # fmt: skip
    extras = [
        "-i",
        folder / "subtitles.srt",
        "-i",
        folder / "chapters.txt",
        "-map",
        "0",
        "-map",
        "1",
    ]
    extras += [
        "-map_metadata",
        "2",
        "-map_chapters",
        "2",
        "-c",
        "copy",
        "-metadata:s:s:0",
        "language=deu",
    ]
    ffmpeg("-i", two, *extras, "-c:s", "srt", "-attach", folder / "chapters.txt",
           "-metadata:s:t", "mimetype=text/plain", folder / "subtitles.mkv")  # fmt: skip
    ffmpeg("-i", two, *extras, "-c:s", "mov_text", folder / "subtitles.mp4")
    ffmpeg(*picture(rate=30, seconds=2), "-vf", "select='not(mod(n,3))+gt(mod(n,7),4)'", "-fps_mode", "vfr",
           *H264, "-video_track_timescale", "90000", folder / "variable-rate.mp4")  # fmt: skip
    ffmpeg(
        "-i", two, "-map", "0", "-c", "copy", "-metadata:s:v:0", "rotate=90", folder / "rotated.mp4"
    )
    ffmpeg(*picture(), *("-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params", "log-level=error"),
           *("-tag:v", "hvc1", "-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc"),
           folder / "ten-bit.mp4")  # fmt: skip
    ffmpeg(
        *picture(),
        "-vf",
        "scale=127:71,setsar=1",
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libvpx-vp9",
        "-deadline",
        "realtime",
        folder / "odd.webm",
    )
    ffmpeg(*picture(), "-frames:v", "1", *H264, folder / "one-frame.mp4")
    ffmpeg(
        *picture(),
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-aspect",
        "4:3",
        "-pix_fmt",
        "yuvj420p",
        folder / "silent-full-range.mp4",
    )
    ffmpeg(
        *picture(),
        "-f",
        "lavfi",
        "-i",
        "sine=440:d=1",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "aac",
        folder / "broadcast.ts",
    )
    ffmpeg(
        *("-f", "lavfi", "-i", "color=red:s=32x32:d=1:r=1", "-frames:v", "1"), folder / "cover.png"
    )
    ffmpeg("-i", two, "-i", folder / "cover.png", "-map", "0", "-map", "1", "-c", "copy",
           "-disposition:v:1", "attached_pic", folder / "cover.mp4")  # fmt: skip
    ffmpeg("-i", two, "-c", "copy", "-timecode", "01:00:00:00", folder / "timecode.mov")
    return folder


CLIPS = [
    *(
        "two-languages.mp4",
        "subtitles.mkv",
        "subtitles.mp4",
        "variable-rate.mp4",
        "rotated.mp4",
        "ten-bit.mp4",
    ),
    *(
        "odd.webm",
        "one-frame.mp4",
        "silent-full-range.mp4",
        "broadcast.ts",
        "cover.mp4",
        "timecode.mov",
    ),
]


@pytest.fixture(scope="module")
def enhancer() -> Enhancer:
    return Enhancer()


def probe(path: Path) -> dict[str, Any]:
    command = [
        "ffprobe",
        "-v",
        "error",
        "-show_streams",
        "-show_format",
        "-show_chapters",
        "-of",
        "json",
        path,
    ]
    report: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, check=True).stdout
    )
    return report


def frame_times(path: Path) -> list[str]:
    command = [
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "frame=pts_time",
        "-of",
        "json",
    ]
    frames = json.loads(subprocess.run([*command, path], capture_output=True, check=True).stdout)[
        "frames"
    ]
    return [frame["pts_time"] for frame in frames]


def packets(path: Path, index: int) -> list[tuple[float | None, bytes]]:
    with av.open(path) as container:
        read = container.demux(container.streams[index])
        return [
            (None if p.pts is None else float(p.pts * p.time_base), bytes(p))
            for p in read
            if p.size
        ]


def convert(source: Path, target: Path, enhancer: Enhancer, **options: Any) -> Report:
    fast = Encoding(preset=None if target.suffix == ".webm" else "ultrafast")
    return enhance_video(source, target, enhancer=enhancer, **{"encoding": fast, **options})


SAME = [
    *(
        "codec_type",
        "codec_name",
        "width",
        "height",
        "pix_fmt",
        "sample_aspect_ratio",
        "color_range",
        "color_space",
    ),
    *("color_transfer", "color_primaries", "codec_tag_string", "start_time", "side_data_list"),
    *("disposition", "channels", "sample_rate"),
]


def check_equal(source: Path, target: Path) -> None:
    before, after = probe(source), probe(target)
    assert len(before["streams"]) == len(after["streams"])
    for old, new in zip(before["streams"], after["streams"], strict=True):
        assert {key: new.get(key) for key in SAME} == {key: old.get(key) for key in SAME}
        for key, value in old.get("tags", {}).items():
            if key.lower() not in ("encoder", "duration"):
                assert new["tags"][key] == value
        if old["index"] > 0:
            assert packets(source, old["index"]) == packets(target, new["index"])
    assert frame_times(source) == frame_times(target)
    assert before["chapters"] == after["chapters"]
    assert float(after["format"]["duration"]) == pytest.approx(
        float(before["format"]["duration"]), abs=0.03
    )
    tags = {
        key: value
        for key, value in before["format"].get("tags", {}).items()
        if key.lower() != "encoder"
    }
    assert tags.items() <= after["format"].get("tags", {}).items()


@pytest.mark.parametrize("name", CLIPS)
def test_everything_but_the_brightness_is_as_it_was(
    clips: Path, tmp_path: Path, enhancer: Enhancer, name: str
) -> None:
    report = convert(clips / name, tmp_path / name, enhancer)
    assert report.frames == len(frame_times(clips / name))
    assert not report.damage
    assert not report.notes
    check_equal(clips / name, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "name", ["night-1080p-h264.mp4", "dusk-1080p-hevc.mp4", "bright-indoor.mp4"]
)
def test_real_clips_keep_everything(
    shared: Path, tmp_path: Path, enhancer: Enhancer, name: str
) -> None:
    short = tmp_path / f"short-{name}"
    ffmpeg("-i", shared / "data/video" / name, "-map", "0", "-c", "copy", "-t", "0.4", short)
    convert(short, tmp_path / name, enhancer)
    before, after = probe(short), probe(tmp_path / name)
    for key in (
        "width",
        "height",
        "color_range",
        "color_space",
        "color_transfer",
        "color_primaries",
    ):
        assert after["streams"][0].get(key) == before["streams"][0].get(key)
    assert after["streams"][0]["pix_fmt"] == before["streams"][0]["pix_fmt"]
    assert frame_times(tmp_path / name) == frame_times(short)
    for stream in before["streams"][1:]:
        assert packets(tmp_path / name, stream["index"]) == packets(short, stream["index"])


def pixels(path: Path) -> list[np.ndarray]:
    """All frames as 16-bit planes of their own format, by ffmpeg."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        path,
        "-map",
        "0:v:0",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "yuv444p16le",
        "-",
    ]
    video = probe(path)["streams"][0]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return list(np.frombuffer(raw, "<u2").reshape(-1, 3, video["height"], video["width"]))


@pytest.mark.parametrize(
    ("name", "crf"),
    [
        ("two-languages.mp4", 5.0),
        ("ten-bit.mp4", 5.0),
        ("silent-full-range.mp4", 5.0),
        ("odd.webm", 5.0),
    ],
)
def test_colours_survive_the_way_to_rgb_and_back(
    clips: Path, tmp_path: Path, enhancer: Enhancer, name: str, crf: float
) -> None:
    """Strength 0 leaves only matrix, range, chroma and the encoder: a wrong matrix or range costs
    20 dB.
    """
    convert(clips / name, tmp_path / name, enhancer, strength=0, encoding=Encoding(crf=crf))
    for before, after in zip(pixels(clips / name), pixels(tmp_path / name), strict=True):
        assert (before[0].astype(float) - after[0]).std() < 65535 * 0.008
        assert np.abs(before.mean(axis=(1, 2)) - after.mean(axis=(1, 2))).max() < 65535 * 0.004


def test_ten_bits_are_ten_bits(clips: Path, tmp_path: Path, enhancer: Enhancer) -> None:
    convert(clips / "ten-bit.mp4", tmp_path / "ten.mp4", enhancer)
    levels = np.unique(pixels(tmp_path / "ten.mp4")[0][0])
    assert len(levels) > 256


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9", "prores", "ffv1"])
def test_other_codecs(clips: Path, tmp_path: Path, enhancer: Enhancer, codec: str) -> None:
    target = tmp_path / "new.mkv"
    report = convert(
        clips / "ten-bit.mp4", target, enhancer, encoding=Encoding(codec=codec), end=0.2
    )
    video = probe(target)["streams"][0]
    assert video["codec_name"] == codec
    assert report.frames == 5
    deep = codec != "vp9"  # libvpx is built for 8 bits here
    assert ("10" in video["pix_fmt"]) == deep
    assert bool(report.notes) == (video["pix_fmt"] != "yuv420p10le")


def test_odd_sizes_stay_odd_where_the_encoder_wants_even_ones(
    clips: Path, tmp_path: Path, enhancer: Enhancer
) -> None:
    report = convert(
        clips / "odd.webm", tmp_path / "odd.mp4", enhancer, encoding=Encoding(codec="h264")
    )
    video = probe(tmp_path / "odd.mp4")["streams"][0]
    assert (video["width"], video["height"], video["pix_fmt"]) == (127, 71, "yuv444p")
    assert any("yuv444p" in note for note in report.notes)


def test_a_part_is_moved_to_the_beginning(clips: Path, tmp_path: Path, enhancer: Enhancer) -> None:
    source, target = clips / "subtitles.mkv", tmp_path / "part.mkv"
    report = convert(source, target, enhancer, start=0.5, end=1.5)
    wanted = [float(t) - 0.5 for t in frame_times(source) if 0.5 <= float(t) < 1.5]
    assert [float(t) for t in frame_times(target)] == pytest.approx(wanted, abs=0.001)
    assert report.frames == len(wanted) == 25
    for index in (1, 2):
        old = [
            (t - 0.5, data)
            for t, data in packets(source, index)
            if t is not None and 0.5 <= t < 1.5
        ]
        new = packets(target, index)
        assert [data for _, data in new] == [data for _, data in old]
        assert [t for t, _ in new] == pytest.approx([t for t, _ in old], abs=0.0011)
    assert [chapter["start_time"] for chapter in probe(target)["chapters"]][1] == "0.500000"


def test_a_truncated_file_gives_what_is_there_and_says_so(
    clips: Path, tmp_path: Path, enhancer: Enhancer
) -> None:
    front = tmp_path / "front.mp4"
    ffmpeg(
        "-i",
        clips / "two-languages.mp4",
        "-map",
        "0",
        "-c",
        "copy",
        "-movflags",
        "faststart",
        front,
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(front.read_bytes()[: front.stat().st_size * 6 // 10])
    report = convert(cut, tmp_path / "out.mp4", enhancer)
    assert 10 < report.frames < 50
    assert any("cut off" in line or "failed" in line for line in report.damage)
    assert frame_times(tmp_path / "out.mp4") == frame_times(front)[: report.frames]


def test_damage_in_the_middle_costs_only_what_is_damaged(
    clips: Path, tmp_path: Path, enhancer: Enhancer
) -> None:
    data = bytearray((clips / "broadcast.ts").read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle : middle + 188 * 8] = bytes(188 * 8)
    (tmp_path / "hurt.ts").write_bytes(data)
    report = convert(tmp_path / "hurt.ts", tmp_path / "out.ts", enhancer)
    assert report.frames > 10
    assert report.damage


def test_what_cannot_be_read_or_written_is_said_before_any_work(
    clips: Path, tmp_path: Path, enhancer: Enhancer
) -> None:
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(InputError, match="cannot be opened"):
        convert(tmp_path / "text.mp4", tmp_path / "out.mp4", enhancer)
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=1", tmp_path / "sound.wav")
    with pytest.raises(InputError, match="no video"):
        convert(tmp_path / "sound.wav", tmp_path / "out.mp4", enhancer)
    one = clips / "one-frame.mp4"
    with pytest.raises(OutputError, match="extension"):
        convert(one, tmp_path / "out.xyz", enhancer)
    with pytest.raises(OutputError, match=r"subtitle.*\.mkv"):
        convert(clips / "subtitles.mkv", tmp_path / "out.mp4", enhancer)
    with pytest.raises(OutputError, match="exists"):
        convert(one, one, enhancer, overwrite=True)
    with pytest.raises(InputError, match="no encoder"):
        convert(one, tmp_path / "out.mp4", enhancer, encoding=Encoding(codec="h265plus"))
    with pytest.raises(OutputError, match="stored"):
        convert(one, tmp_path / "out.webm", enhancer, encoding=Encoding(codec="h264"))
    with pytest.raises(InputError, match="no crf"):
        convert(one, tmp_path / "out.mov", enhancer, encoding=Encoding(codec="prores", crf=20))
    with pytest.raises(InputError, match="start"):
        convert(one, tmp_path / "out.mp4", enhancer, start=2, end=1)
    with pytest.raises(InputError, match="no frame"):
        convert(one, tmp_path / "out.mp4", enhancer, start=10)
    assert {path.name for path in tmp_path.iterdir()} == {"text.mp4", "sound.wav"}


def test_ctrl_c_leaves_a_playable_partial_file(clips: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "long.mp4", tmp_path / "bright.mp4"
    ffmpeg(
        "-stream_loop", "60", "-i", clips / "two-languages.mp4", "-map", "0", "-c", "copy", source
    )
    command = [sys.executable, "-m", "undim", "video", source, target, "--preset", "veryslow"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 50_000 for path in tmp_path.glob(".undim-*")):
        assert time.monotonic() < deadline, "nothing was written"
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    partial = tmp_path / "bright.partial.mp4"
    assert process.returncode == 1
    assert partial.name in errors
    assert {path.name for path in tmp_path.iterdir()} == {"long.mp4", partial.name}
    times = frame_times(partial)
    assert times == frame_times(source)[: len(times)]
    assert len(times) > 5


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="needs /proc to see the memory in use"
)
def test_memory_does_not_grow_with_the_video(tmp_path: Path, enhancer: Enhancer) -> None:
    """A short one; benchmarks/video.py soak does 2 GB."""
    ffmpeg(
        *picture("160x90", seconds=60),
        "-f",
        "lavfi",
        "-i",
        "sine=440:d=60",
        *H264,
        "-c:a",
        "aac",
        tmp_path / "a.mp4",
    )
    resident: list[tuple[int, float]] = []

    def progress(done: int, expected: int | None) -> None:
        assert expected == 1500
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident.append((done, pages * resource.getpagesize() / 1e6))

    report = convert(tmp_path / "a.mp4", tmp_path / "b.mp4", enhancer, progress=progress)
    settled = [megabytes for done, megabytes in resident if done > report.frames / 5]
    assert max(settled) - settled[0] < 20  # of the 130 MB that the frames are in RGB


def test_the_verb_prints_the_path_and_exits_1_on_damage(clips: Path, tmp_path: Path) -> None:
    def undim(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "undim", "video", *map(str, arguments)],
            capture_output=True,
            text=True,
        )

    good = undim(
        clips / "rotated.mp4",
        tmp_path / "a.mp4",
        "--end",
        "0.2",
        "--sample",
        tmp_path / "still.png",
    )
    assert good.returncode == 0
    assert good.stdout.split() == [str(tmp_path / "still.png"), str(tmp_path / "a.mp4")]
    assert undim(clips / "rotated.mp4", tmp_path / "a.mp4").returncode == 1
    assert undim(clips / "rotated.mp4").returncode == 2
    data = (clips / "broadcast.ts").read_bytes()
    middle = len(data) // 2 // 188 * 188
    (tmp_path / "hurt.ts").write_bytes(data[:middle] + bytes(188 * 8) + data[middle + 188 * 8 :])
    bad = undim(tmp_path / "hurt.ts", tmp_path / "b.ts")
    assert bad.returncode == 1
    assert "damaged" in bad.stderr
    assert (tmp_path / "b.ts").exists()


def test_a_still_stands_upright_dark_left_bright_right(clips: Path, enhancer: Enhancer) -> None:
    still = before_after(clips / "rotated.mp4", enhancer=enhancer)
    assert still.shape == (128, 144, 3)
    assert still[:, 72:].mean() > still[:, :72].mean()
    frame = clips / "upright.png"
    ffmpeg(
        "-ss", "1.28", "-i", clips / "rotated.mp4", "-frames:v", "1", frame
    )  # ffmpeg turns it by itself
    from PIL import Image

    expected = np.asarray(Image.open(frame).convert("RGB")).astype(float)
    assert np.abs(still[:, :72] - expected).mean() < 4
