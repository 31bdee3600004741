"""What a training run works with: processes, a device, bfloat16 where there is any, memory."""

from __future__ import annotations

import ctypes
import importlib
import os
import platform

import torch
import torch.distributed as dist
from torch import Tensor

from undim.errors import DeviceError, TrainingError
from undim.training.data.pictures import Batch


class Processes:
    """The processes that train together (one, unless started by torchrun) and this one's device."""

    def __init__(self, device: str) -> None:
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if name not in ("cpu", "cuda"):
            raise DeviceError(f"device {device!r}: expected auto, cpu or cuda")
        if name == "cuda" and not torch.cuda.is_available():
            raise DeviceError(
                "device cuda was asked for, but PyTorch sees no CUDA device; use --device cpu"
            )
        self.device = torch.device(
            f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if name == "cuda" else "cpu"
        )
        self.first = self.rank == 0

    def __enter__(self) -> Processes:
        if self.size > 1:
            # What torch.optim imports at the first step takes the group of that moment as default
            # arguments: imported after it, they keep it and its threads past destroy_process_group,
            # and Python may abort as it ends.
            importlib.import_module("torch._dynamo")
            dist.init_process_group("gloo" if self.device.type == "cpu" else "nccl")
        return self

    def __exit__(self, *_: object) -> None:
        if self.size > 1:
            dist.destroy_process_group()

    def tensor(self, batch: Batch) -> Tensor:
        # NHWC memory seen as NCHW is what torch calls channels-last
        return torch.from_numpy(batch.low).permute(0, 3, 1, 2).to(self.device)

    def average(self, terms: Tensor, pictures: int, gradients: list[Tensor]) -> tuple[Tensor, int]:
        """Mean over all processes' pictures: terms are returned, gradients changed in place."""
        if self.size == 1:
            return terms, pictures
        parts = [
            terms.to(self.device),
            torch.ones(1, device=self.device),
            *(g.flatten() for g in gradients),
        ]
        sums = torch.cat(parts) * pictures
        dist.all_reduce(sums)
        count = len(terms)
        means = sums / sums[count]
        offset = count + 1
        for gradient in gradients:
            gradient.copy_(means[offset : offset + gradient.numel()].view_as(gradient))
            offset += gradient.numel()
        return means[:count].cpu(), int(sums[count])


def check_one_processor(name: str, device: str) -> None:
    """Raise where a recipe for one process on the processor is told otherwise.

    DeviceError or TrainingError.
    """
    if device == "cuda":
        raise DeviceError(f"{name} trains on the processor; leave --device away")
    if (size := int(os.environ.get("WORLD_SIZE", 1))) > 1:
        raise TrainingError(
            f"{name} trains in one process, and WORLD_SIZE is {size}; start it without torchrun"
        )


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory rather than hand it back to the system.

    Each step frees and takes again the same large activations; getting them from the system costs a
    page fault for every 4 KiB, nearly half of the time of a step at batch 16.  Other C libraries
    are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        m_trim_threshold, m_mmap_max = -1, -4  # from malloc.h
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether convolutions run in bfloat16: told, or `auto` where hardware multiplies in it."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
