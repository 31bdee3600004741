"""Training of DenoiserNet on brightened dark captures of clean photographs, made on the way.

    undim train recipes/undim-denoiser.toml --data ../shared/data

A pair is one curve applied to a noisy capture and to the same capture without noise, quantisation
and JPEG: the net learns to take away what a curve amplifies. Cameras are many, so strength, grain
and colour of the noise are drawn from wide ranges. No dark photograph, and no picture of a
benchmark, is seen. One thread is enough (OMP_NUM_THREADS=1): a second for about 13 steps. An
interrupted run goes on where its checkpoint stands.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from tqdm import tqdm

from undim.errors import TrainingError
from undim.measure.provenance import fingerprint
from undim.pixels.curve import apply_curves
from undim.pixels.filter import BRIGHTNESS, COLOUR, filter_and_apply
from undim.pixels.noise import estimate_noise, matched_eps, noise_added
from undim.training.checkpoints import load_checkpoint, save_checkpoint, save_model
from undim.training.config import RecipeHead, at_least
from undim.training.curve import enhance
from undim.training.data.darkening import Darkening, darken, gaussian_blur
from undim.training.data.pictures import find_pictures, photograph
from undim.training.export import export_onnx, model_metadata
from undim.training.nets.denoiser import DenoiserNet
from undim.training.processes import check_one_processor, keep_freed_memory, use_bfloat16
from undim.training.record import Record

PATCH = 96  # side in pixels
# steps between checkpoints; each chapter's randomness is drawn anew, so that a run can resume there
CHAPTER = 500


@dataclass(frozen=True, kw_only=True)
class DenoiserRecipe(RecipeHead):
    """One run.

    `folders` lie below the data folder; `darkening` holds the ranges of `Darkening` that differ.
    """

    trainer: str = "denoiser"
    folders: tuple[str, ...]
    widths: tuple[int, int, int] = (24, 32, 48)
    patches: int = 100  # of every photograph
    batch: int = 8
    exposure: float = (
        0.4  # standard deviation of log(mean brightness after the curve / that of the photograph)
    )
    # standard deviation of log(the filter's eps / the eps that suits the noise found in a patch)
    doubt: float = 0.4
    ssim: float = 4.0  # weight of 1 - SSIM beside the logarithm of the squared error
    steps: int = 8000
    decay: int = 2500  # last steps, over which the learning rate falls to 0
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    seed: int = 0
    darkening: Darkening = dataclasses.field(default_factory=Darkening)

    def __post_init__(self) -> None:
        at_least(1, patches=self.patches, batch=self.batch, steps=self.steps, decay=self.decay)
        at_least(1, widths=min(self.widths), folders=len(self.folders))
        at_least(
            0, learning_rate=self.learning_rate, weight_decay=self.weight_decay, ssim=self.ssim
        )
        at_least(0, exposure=self.exposure, doubt=self.doubt, seed=self.seed)


def clean_patches(files: Iterable[Path], patches: int, seed: int) -> Tensor:
    """Patches (N, 3, 96, 96) uint8 of photographs.

    Their long side was shrunk to 320 to 1024 px (log-uniform).
    """
    random = np.random.default_rng(seed)
    found = []
    for file in files:
        photo = photograph(file)
        for i in range(patches):
            if i % 10 == 0:
                side = math.exp(
                    random.uniform(math.log(320), math.log(max(320, min(1024, max(photo.size)))))
                )
                scale = max(side / max(photo.size), PATCH / min(photo.size))
                size = round(photo.width * scale), round(photo.height * scale)
                small = np.asarray(photo.resize(size, Image.Resampling.LANCZOS))
            top, left = (int(random.integers(0, side - PATCH + 1)) for side in small.shape[:2])
            found.append(small[top : top + PATCH, left : left + PATCH])
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).contiguous()


def grain(shape: tuple[int, int, int, int], generator: torch.Generator) -> Tensor:
    """Noise of unit variance, (B, 3, H, W): grain, blotches and colour, mixed anew in each picture.

    Fine grain is white noise blurred by up to 1.2 px; some 55 % of the pictures have blotches too,
    blurred by 1 to
    3 px, which demosaicing, shrinking and a camera's own denoiser leave. Part of either is common
    to the channels.
    """
    b, _, h, w = shape

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(b, 1, 1, 1, generator=generator)

    def coloured(share: Tensor) -> Tensor:
        own = torch.randn(b, 3, h, w, generator=generator)
        return (1 - share).sqrt() * own + share.sqrt() * torch.randn(
            b, 1, h, w, generator=generator
        )

    fine = gaussian_blur(coloured(uniform(0, 1)), uniform(0, 1.2).flatten())
    coarse = gaussian_blur(
        coloured(uniform(-0.5, 1).clamp_min(0)), uniform(1, 3).flatten(), radius=8
    )
    share = uniform(-0.4, 0.5).clamp_min(0)
    return (1 - share).sqrt() * fine + share.sqrt() * coarse


def curve_to(image: Tensor, brightness: Tensor, shape: Tensor) -> Tensor:
    """Curve maps (B, 8, 1, 1) that bring images (B, 3, H, W) to a mean brightness (B,).

    By bisection.

    shape (B, 8, 1, 1) is added to the constant curve that does so, before the maps are clipped to
    [-1, 1].
    """
    sparse = image[:, :, ::4, ::4]
    low, high = torch.zeros(len(image)), torch.ones(len(image))
    for _ in range(10):
        middle = (low + high) / 2
        dim = enhance(sparse, middle[:, None, None, None]).flatten(1).mean(1) < brightness
        low, high = torch.where(dim, middle, low), torch.where(dim, high, middle)
    return (low[:, None, None, None] + shape).clamp(-1, 1)


def filtered(dark: Tensor, maps: Tensor, doubt: Tensor) -> Tensor:
    """Dark captures (B, 3, H, W) through the filter that `--denoise auto` sets, then the curve."""
    pictures = []
    for image, curve, factor in zip(
        dark.permute(0, 2, 3, 1).contiguous().numpy(), maps.numpy(), doubt, strict=True
    ):
        sparse = image[::4, ::4]
        added = noise_added(sparse, apply_curves(sparse, curve, threads=1))
        eps = matched_eps(estimate_noise(image)) * added * float(factor) + 1e-9
        smooth = filter_and_apply(
            image, curve, eps=BRIGHTNESS * eps, chroma_eps=COLOUR * eps, threads=1
        )
        pictures.append(torch.from_numpy(smooth))
    return torch.stack(pictures).permute(0, 3, 1, 2)


def draw_pairs(
    patches: Tensor, recipe: DenoiserRecipe, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One batch, brightened, in [0, 1]: what is shown (B, 6, 96, 96) and wanted (B, 3, 96, 96)."""
    b = recipe.batch
    clean = patches[torch.randint(len(patches), (b,), generator=generator)].float() / 255
    turn = int(torch.randint(8, (1,), generator=generator))
    clean = torch.rot90(clean.flip(3) if turn & 4 else clean, turn & 3, (2, 3))
    noise = grain((b, 3, PATCH, PATCH), generator)
    dark, ideal = darken(clean, recipe.darkening, generator, grain=noise)
    off = torch.exp(recipe.exposure * torch.randn(b, generator=generator))
    brightness = (clean.flatten(1).mean(1) * off).clamp_max(0.9)
    bend = (
        0.2
        * torch.rand(b, 1, 1, 1, generator=generator)
        * torch.randn(b, 8, 1, 1, generator=generator)
    )
    maps = curve_to(ideal, brightness, bend)
    doubt = torch.exp(recipe.doubt * torch.randn(b, generator=generator))
    return torch.cat([enhance(dark, maps), filtered(dark, maps, doubt)], 1), enhance(ideal, maps)


def coarse_ssim(x: Tensor, y: Tensor) -> Tensor:
    """Mean SSIM (Wang et al. 2004) in every fourth square window of 8 x 8.

    A fifth of the cost of the Gaussian's.
    """

    def mean(z: Tensor) -> Tensor:
        return avg_pool2d(z, 8, 4)

    mean_x, mean_y = mean(x), mean(y)
    product, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    covariance, variances = mean(x * y) - product, mean(x.square() + y.square()) - squares
    c1, c2 = 0.01**2, 0.03**2
    return (
        ((2 * product + c1) / (squares + c1)) * ((2 * covariance + c2) / (variances + c2))
    ).mean()


def train_denoiser(
    recipe: DenoiserRecipe, patches: Tensor, run: Path, sources: Mapping[str, object] | None = None
) -> nn.Module:
    """Minimise the mean over pictures of log(MSE + 1e-5), the PSNR, plus the weighted 1 - SSIM.

    The run folder gets the log, one epoch of which is a chapter of 500 steps, and the checkpoints;
    `sources` is for its environment.json, and the `data_fingerprint` in it for the checkpoint. A
    run that was interrupted before its learning rate fell may be resumed with other steps or decay.
    """
    keep_freed_memory()
    torch.manual_seed(recipe.seed)
    net = DenoiserNet(recipe.widths)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    checkpoint, begin, pictures = (
        run / "checkpoint.safetensors",
        0,
        str((sources or {}).get("data_fingerprint")),
    )
    if checkpoint.exists():
        state = load_checkpoint(checkpoint, net, optimizer)
        begin = int(state["step"])
        if state["recipe"] != course(recipe, begin):
            raise TrainingError(f"{checkpoint} was made by another recipe; choose another -o")
        if state.get("fingerprint") != pictures:
            raise TrainingError(f"{checkpoint} was made with other pictures; choose another -o")
    bfloat16 = use_bfloat16("auto", torch.device("cpu"))
    generator = torch.Generator()
    total, begun = torch.zeros(2), time.monotonic()
    steps = tqdm(
        range(begin, recipe.steps), initial=begin, total=recipe.steps, unit="step", disable=None
    )
    with Record(
        run, recipe, ["log_error", "ssim"], sources or {}, begin=math.ceil(begin / CHAPTER)
    ) as record:
        for step in steps:
            if step % CHAPTER == 0:
                generator.manual_seed(1_000_003 * recipe.seed + step)
            both, wanted = draw_pairs(patches, recipe, generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                cleaned = net(both.contiguous(memory_format=torch.channels_last))
            cleaned = cleaned.float().contiguous()
            error = (cleaned - wanted).square().flatten(1).mean(1)
            terms = torch.stack(
                [torch.log(error + 1e-5).mean(), recipe.ssim * (1 - coarse_ssim(cleaned, wanted))]
            )
            optimizer.param_groups[0]["lr"] = recipe.learning_rate * rate(step, recipe)
            optimizer.zero_grad()
            torch.autograd.backward(terms.sum())
            norm = nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            if not (terms.isfinite().all() and norm.isfinite()):
                raise TrainingError(
                    f"loss or gradient is not finite at step {step}; "
                    f"lower learning_rate = {recipe.learning_rate}"
                )
            optimizer.step()
            total += terms.detach()
            if (step + 1) % CHAPTER == 0 or step + 1 == recipe.steps:
                state = {
                    "step": str(step + 1),
                    "recipe": course(recipe, step + 1),
                    "fingerprint": pictures,
                }
                save_checkpoint(checkpoint, net, optimizer, state)
                taken = step % CHAPTER + 1
                record.write(
                    math.ceil((step + 1) / CHAPTER),
                    "train",
                    total / taken,
                    time.monotonic() - begun,
                )
                total, begun = torch.zeros(2), time.monotonic()
    return net.eval()


def rate(step: int, recipe: DenoiserRecipe) -> float:
    """The learning rate, as a share of its peak: 300 steps up, a plateau, straight down to 0."""
    return min((step + 1) / 300, 1.0, (recipe.steps - step) / recipe.decay)


def course(recipe: DenoiserRecipe, step: int) -> str:
    """What a checkpoint depends on: the recipe, on its length only once the learning rate fell."""
    return repr(
        recipe
        if step > recipe.steps - recipe.decay
        else dataclasses.replace(recipe, steps=1, decay=1)
    )


def train(
    recipe: DenoiserRecipe,
    data: str | Path,
    run: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
) -> Path:
    """Train on the photographs in the recipe's folders below `data`.

    The run folder is that of `loop.train`.

    Returns the path of the trained net's ONNX file.
    """
    run = Path(run)
    check_one_processor(recipe.name, device)
    if not resume and run.exists() and any(run.iterdir()):
        raise TrainingError(f"{run} is not empty; resume it with --resume or choose another -o")
    files = [file for folder in recipe.folders for file in find_pictures(data, folder)]
    sources = {"device": "cpu", "data_fingerprint": fingerprint(files), "pictures": len(files)}
    net = train_denoiser(recipe, clean_patches(files, recipe.patches, recipe.seed), run, sources)
    metadata = model_metadata(
        recipe, net, model="DenoiserNet", widths=" ".join(map(str, recipe.widths))
    )
    save_model(net, run / "model.safetensors", metadata)
    export_onnx(net, run / "model.onnx", metadata, planes=6, output="cleaned", multiple=8)
    return run / "model.onnx"
